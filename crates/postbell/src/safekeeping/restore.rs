//! `postbell restore`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use postbell_model::Clock;
use postbell_store::{Action, DeliveryFilter, Operate, restore};
use serde_json::json;

use super::backup::place_of_key;
use super::tell;
use crate::alone::Alone;
use crate::cli::RestoreArgs;
use crate::config::Config;
use crate::console::Console;
use crate::lifecycle::{SystemClock, make_data_folder};

pub(super) async fn run(
    args: &RestoreArgs,
    config: &Config,
    console: Console,
) -> anyhow::Result<()> {
    let folder = args.data_dir.as_ref().unwrap_or(&config.server.data_dir);
    make_data_folder(folder)
        .with_context(|| format!("the data folder {} can't be made", folder.display()))?;
    let told = |progress| tell(progress, console);
    let restored = restore(&args.backup, folder, &told)
        .await
        .with_context(|| format!("nothing was restored to {}", folder.display()))?;
    // Before anything can be served from it.
    let held = match args.held {
        true => Some(hold(&restored.prepared(), config).await?),
        false => None,
    };
    let manifest = restored.finish()?;
    if args.output.json {
        let document = json!({
            "folder": folder, "takenAt": manifest.taken_at, "counts": manifest.counts, "held": held,
        });
        console.say(document.to_string());
        return Ok(());
    }
    console.say(format!(
        "{} is as it was at {}",
        folder.display(),
        manifest.taken_at
    ));
    for line in next_steps(held, manifest.counts.waiting, config) {
        console.say(line);
    }
    Ok(())
}

/// Keeps everything back that waits. How many there were.
async fn hold(folder: &Path, config: &Config) -> anyhow::Result<u64> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = Alone::open(folder, &config.store, &clock).await?;
    let store = store.context("another process has the restored store")?;
    let everything = DeliveryFilter::default();
    let held = store.operate(&everything, &Action::Hold, clock.now()).await;
    store.close().await;
    Ok(held.context("the mail that waits can't be held")?.changed)
}

fn next_steps(held: Option<u64>, waiting: u64, config: &Config) -> Vec<String> {
    let mail = match held {
        Some(held) => format!(
            "{held} deliveries are held. What the first server has sent since the backup, its \
             events say: `postbell queue cancel` that, then `postbell queue release --all --yes`"
        ),
        None => format!(
            "{waiting} deliveries wait and will be sent, also those that the first server has \
             sent since the backup"
        ),
    };
    let key = place_of_key(config);
    vec![
        "Next:".to_owned(),
        format!("  1. put the secret key{key} in its place; without it no domain's keys open"),
        "  2. postbell verify".to_owned(),
        format!("  3. {mail}"),
        "  4. postbell serve. Webhooks hear again what they were told since the backup, with the \
         same ids"
            .to_owned(),
    ]
}
