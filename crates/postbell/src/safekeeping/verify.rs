//! `postbell verify`.

use anyhow::{Context, bail};
use postbell_store::{Verified, verify};
use serde_json::json;

use crate::cli::VerifyArgs;
use crate::config::Config;
use crate::console::{Console, Style};

pub(super) async fn run(
    args: &VerifyArgs,
    config: &Config,
    console: Console,
) -> anyhow::Result<()> {
    let folder = args.folder.as_ref().unwrap_or(&config.server.data_dir);
    let verified = verify(folder)
        .await
        .with_context(|| format!("{} can't be verified", folder.display()))?;
    if args.output.json {
        console.say(document(&verified).to_string());
    } else {
        for fault in &verified.faults {
            console.say(format!("{}: {}", fault.check, fault.what));
        }
    }
    if !verified.faults.is_empty() {
        let count = verified.faults.len();
        bail!("{}: {count} faults", folder.display());
    }
    if !args.output.json {
        console.say(format!(
            "{}: {}; {}",
            folder.display(),
            console.styled(Style::Good, "ok"),
            read(&verified)
        ));
    }
    Ok(())
}

/// What was looked at.
fn read(verified: &Verified) -> String {
    if verified.older {
        return "only the files and the database as such were checked, since its schema is older \
                than this version's: the server brings it up to date when it starts"
            .to_owned();
    }
    let kind = if verified.is_backup {
        "backup"
    } else {
        "store"
    };
    format!(
        "a {kind} with {} deliveries, {} events and {} bodies that are still needed",
        verified.deliveries, verified.events, verified.bodies
    )
}

fn document(verified: &Verified) -> serde_json::Value {
    let faults = verified.faults.iter();
    let faults = faults.map(|fault| json!({"check": fault.check, "what": fault.what}));
    json!({
        "ok": verified.faults.is_empty(),
        "backup": verified.is_backup,
        "olderSchema": verified.older,
        "deliveries": verified.deliveries,
        "events": verified.events,
        "bodies": verified.bodies,
        "faults": faults.collect::<Vec<_>>(),
    })
}
