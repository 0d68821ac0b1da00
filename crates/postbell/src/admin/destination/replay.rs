//! `postbell destination replay`: counted first, done with `--yes`.

use anyhow::Context;
use postbell_model::{Destination, DestinationState};
use postbell_notify::{Format, Matching};
use postbell_store::{Replay, ReplayOf};
use serde_json::json;

use super::find;
use crate::admin::desk::Desk;
use crate::cli::DestinationReplay;

pub(super) async fn run(desk: &Desk, args: &DestinationReplay) -> anyhow::Result<()> {
    let directory = desk.directory();
    let destination = find(&directory, &args.which)?;
    let replay = replay(destination, events(desk, args)?)?;
    let (events, mut sentence) = if args.yes {
        let now = desk.clock.now();
        let events = desk.webhooks.replay(destination.id, &replay, now).await?;
        let sentence = format!("{events} events are told to {} again", destination.name);
        (events, sentence)
    } else {
        let events = desk.webhooks.count_replay(destination.id, &replay).await?;
        let sentence = format!(
            "{events} events would be told to {} again; say --yes to do it",
            destination.name
        );
        (events, sentence)
    };
    if destination.state == DestinationState::Disabled {
        sentence.push_str("; it is disabled: they wait until it is active");
    }
    let document = json!({"done": args.yes, "events": events});
    desk.tell(&args.output, &document, &sentence);
    Ok(())
}

fn events(desk: &Desk, args: &DestinationReplay) -> anyhow::Result<ReplayOf> {
    if let Some(id) = &args.event {
        let parsed = id.parse();
        let parsed = parsed.with_context(|| format!("\"{}\" is no event", id.escape_debug()))?;
        return Ok(ReplayOf::Event(parsed));
    }
    let now = desk.clock.now();
    Ok(match args.since {
        Some(since) => ReplayOf::Since {
            since: now.before(since),
            until: args.until.map(|until| now.before(until)),
        },
        None => ReplayOf::Dead,
    })
}

fn replay(destination: &Destination, events: ReplayOf) -> anyhow::Result<Replay> {
    let matching = Matching::parse(&destination.matching_event_types)?;
    let format: Format = destination.format.parse()?;
    Ok(Replay {
        events,
        audience: destination.audience(),
        kinds: matching.kinds().map(<[_]>::to_vec),
        documents: format.most_documents(),
    })
}
