//! `postbell backup`.

use anyhow::Context;
use postbell_model::Clock;
use postbell_store::back_up;
use serde_json::json;

use super::{size, tell};
use crate::cli::BackupArgs;
use crate::config::{Config, KeyPlace};
use crate::console::Console;
use crate::lifecycle::SystemClock;

pub(super) async fn run(
    args: &BackupArgs,
    config: &Config,
    console: Console,
) -> anyhow::Result<()> {
    let folder = args.data_dir.as_ref().unwrap_or(&config.server.data_dir);
    let told = |progress| tell(progress, console);
    let manifest = back_up(folder, &args.to, SystemClock::new().now(), &told)
        .await
        .with_context(|| format!("no backup of {} was made", folder.display()))?;
    let (counts, octets) = (manifest.counts, manifest.octets());
    if args.output.json {
        let document = json!({
            "folder": args.to, "takenAt": manifest.taken_at, "octets": octets, "counts": counts,
        });
        console.say(document.to_string());
        return Ok(());
    }
    console.say(format!(
        "{}: {} of {}: {} messages, {} deliveries ({} waiting), {} events",
        args.to.display(),
        size(octets),
        manifest.taken_at,
        counts.messages,
        counts.deliveries,
        counts.waiting,
        counts.events,
    ));
    console.say(format!(
        "Not in it: the configuration, and the secret key{}. Keep a copy of them elsewhere.",
        place_of_key(config)
    ));
    Ok(())
}

/// Where the key is, as far as there is more to say than that there is one.
pub(super) fn place_of_key(config: &Config) -> String {
    match config.secrets.place() {
        Some(KeyPlace::File(path)) => format!(" ({})", path.display()),
        Some(KeyPlace::Variable(name)) => format!(" (the variable {name})"),
        Some(KeyPlace::DataFolder) => " (secret.key in the data folder)".to_owned(),
        None => String::new(),
    }
}
