//! `postbell queue hold` and the like: counted first, done with `--yes`.

use std::io::IsTerminal;

use anyhow::bail;
use postbell_store::{Action, DeliveryFilter, Inspect};
use serde_json::json;

use super::hand::Outcome;
use super::{Window, which};
use crate::cli::{Act, QueueCommand};

pub(super) async fn run(window: &Window<'_>, command: QueueCommand) -> anyhow::Result<()> {
    let (action, verb, act) = match command {
        QueueCommand::Show(_) => return Ok(()),
        QueueCommand::Retry(act) => (Action::Retry, "made due at once", act),
        QueueCommand::Hold(act) => (Action::Hold, "held", act),
        QueueCommand::Release(act) => (Action::Release, "released", act),
        QueueCommand::Cancel(act) => (Action::Cancel, "cancelled", act),
        QueueCommand::Fail { reason, act } => (Action::given_up(&reason), "given up", act),
    };
    let filter = which::deliveries(window, &act.which)?;
    if filter == DeliveryFilter::default() && !act.all {
        bail!("say which deliveries are meant: --domain, --workspace, … or --all; see --help");
    }
    let Some(meant) = action.about(&filter) else {
        bail!("no delivery in that state can be {verb}");
    };
    if !act.yes {
        return count(window, &act, (verb, &meant)).await;
    }
    let watched = !act.output.json && std::io::stderr().is_terminal();
    let progress = |changed: u64| {
        if watched {
            window.console.note(format!("{changed} {verb} so far"));
        }
    };
    let outcome = window.hand().operate(&meant, &action, progress).await?;
    if watched {
        window.console.note("");
    }
    told(window, &act, (verb, &outcome));
    match outcome.broken_off {
        Some(why) => bail!("it was broken off: {why}"),
        None => Ok(()),
    }
}

/// What would be done.
async fn count(
    window: &Window<'_>,
    act: &Act,
    (verb, meant): (&str, &DeliveryFilter),
) -> anyhow::Result<()> {
    let lanes = window.inspector.lanes(meant).await?;
    let count: u64 = lanes.iter().map(|lane| lane.count).sum();
    if act.output.json {
        let document = json!({"done": false, "deliveries": count, "lanes": lanes.len()});
        window.console.say(document.to_string());
    } else {
        window.console.say(format!(
            "{count} deliveries in {} lanes would be {verb}; say --yes to do it",
            lanes.len()
        ));
    }
    Ok(())
}

fn told(window: &Window<'_>, act: &Act, (verb, outcome): (&str, &Outcome)) {
    if act.output.json {
        let document = json!({
            "done": outcome.broken_off.is_none(),
            "deliveries": outcome.changed,
            "leftAlone": outcome.left_alone,
        });
        window.console.say(document.to_string());
        return;
    }
    let left = match outcome.left_alone {
        0 => String::new(),
        left => format!("; {left} were being sent at the moment and were left alone"),
    };
    let changed = outcome.changed;
    window
        .console
        .say(format!("{changed} deliveries were {verb}{left}"));
}
