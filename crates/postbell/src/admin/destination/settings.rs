//! From what was typed to how a destination wants to be called.

use anyhow::Context;
use postbell_model::{Delays, DestinationSettings, DestinationState, Telling};
use postbell_notify::parse_header;

use crate::cli::{DelaysArg, SettingsArgs, StateArg, TellingArg};

/// The settings with what was given changed.
pub(super) fn changed(
    mut settings: DestinationSettings,
    args: &SettingsArgs,
) -> anyhow::Result<DestinationSettings> {
    for text in &args.header {
        match text.strip_prefix('@') {
            Some(file) => {
                let lines = std::fs::read_to_string(file)
                    .with_context(|| format!("the headers can't be read from {file}"))?;
                for line in lines.lines().filter(|line| !line.trim().is_empty()) {
                    set_header(&mut settings, line)?;
                }
            }
            None => set_header(&mut settings, text)?,
        }
    }
    if let Some(most) = args.in_flight {
        settings.in_flight = (most > 0).then_some(most);
    }
    settings.delays = args.delays.map_or(settings.delays, delays);
    settings.auto_replies = args.auto_replies.map_or(settings.auto_replies, telling);
    settings.machines = args.machines.map_or(settings.machines, telling);
    Ok(settings)
}

/// Whether anything was given.
pub(super) fn is_given(args: &SettingsArgs) -> bool {
    !args.header.is_empty()
        || args.in_flight.is_some()
        || args.delays.is_some()
        || args.auto_replies.is_some()
        || args.machines.is_some()
}

/// One of each name; an empty value takes it away.
fn set_header(settings: &mut DestinationSettings, text: &str) -> anyhow::Result<()> {
    let header = parse_header(text)?;
    settings.headers.retain(|other| other.name != header.name);
    if !header.value.expose().is_empty() {
        settings.headers.push(header);
    }
    Ok(())
}

pub(super) const fn state(state: StateArg) -> DestinationState {
    match state {
        StateArg::Active => DestinationState::Active,
        StateArg::Disabled => DestinationState::Disabled,
    }
}

const fn delays(delays: DelaysArg) -> Delays {
    match delays {
        DelaysArg::First => Delays::First,
        DelaysArg::Each => Delays::Each,
    }
}

const fn telling(telling: TellingArg) -> Telling {
    match telling {
        TellingArg::Send => Telling::Send,
        TellingArg::Skip => Telling::Skip,
    }
}
