//! `postbell queue hold` and the like: counted first, done with `--yes`.

use anyhow::{Context, bail};
use postbell_model::Reply;
use postbell_store::{Action, DeliveryFilter, Inspect, Operate, Operated, SqliteStore, Store};
use serde_json::json;
use tokio_util::task::TaskTracker;

use super::{Window, which};
use crate::cli::{Act, QueueCommand};

pub(super) async fn run(window: &Window<'_>, command: QueueCommand) -> anyhow::Result<()> {
    let (action, verb, act) = match command {
        QueueCommand::Show(_) => return Ok(()),
        QueueCommand::Retry(act) => (Action::Retry, "made due at once", act),
        QueueCommand::Hold(act) => (Action::Hold, "held", act),
        QueueCommand::Release(act) => (Action::Release, "released", act),
        QueueCommand::Cancel(act) => (Action::Cancel, "cancelled", act),
        QueueCommand::Fail { reason, act } => {
            // X.3.0 of RFC 3463: nothing that the recipient's side has done.
            (Action::Fail(Reply::new(554, 3, 0, reason)), "given up", act)
        }
    };
    let filter = which::deliveries(window, &act.which)?;
    if filter == DeliveryFilter::default() && !act.all {
        bail!("say which deliveries are meant: --domain, --workspace, … or --all; see --help");
    }
    let Some(meant) = action.about(&filter) else {
        bail!("no delivery in that state can be {verb}");
    };
    if act.yes {
        let done = operate(window, &filter, &action).await?;
        told(window, &act, (verb, done));
        return Ok(());
    }
    count(window, &act, (verb, &meant)).await
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

fn told(window: &Window<'_>, act: &Act, (verb, done): (&str, Operated)) {
    if act.output.json {
        let document =
            json!({"done": true, "deliveries": done.changed, "leftAlone": done.left_alone});
        window.console.say(document.to_string());
        return;
    }
    let left = match done.left_alone {
        0 => String::new(),
        left => format!("; {left} were being sent at the moment and were left alone"),
    };
    window
        .console
        .say(format!("{} deliveries were {verb}{left}", done.changed));
}

/// By this process, which has the store while it works.
async fn operate(
    window: &Window<'_>,
    filter: &DeliveryFilter,
    action: &Action,
) -> anyhow::Result<Operated> {
    let tasks = TaskTracker::new();
    let folder = &window.config.server.data_dir;
    let clock = window.clock.clone();
    let store = SqliteStore::open(folder, window.config.store.clone(), clock, &tasks)
        .await
        .with_context(|| format!("the store in {} can't be used", folder.display()))?;
    let done = store.operate(filter, action, window.now()).await;
    store.close().await;
    tasks.close();
    tasks.wait().await;
    Ok(done?)
}
