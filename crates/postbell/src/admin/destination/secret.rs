//! Where secrets come from, and `postbell destination rotate-secret`.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, bail};
use postbell_notify::signature;
use serde_json::json;

use super::{find, show};
use crate::admin::desk::Desk;
use crate::cli::{Output, WhichDestination};
use crate::config::format_duration;

// A longer one would be two secrets for good.
const OVERLAP_MAX: Duration = Duration::from_hours(7 * 24);
// What a file with a secret may hold, white space included.
const FILE_MAX: u64 = 4_096;

pub(super) async fn rotate(
    desk: &Desk,
    which: &WhichDestination,
    (file, overlap): (Option<&str>, Duration),
    output: &Output,
) -> anyhow::Result<()> {
    if overlap > OVERLAP_MAX {
        bail!("the overlap is at most {}", format_duration(OVERLAP_MAX));
    }
    let directory = desk.directory();
    let destination = find(&directory, which)?;
    let chosen = chosen(None, file)?;
    let secret = match &chosen {
        Some(secret) => secret.clone(),
        None => signature::new_secret()?,
    };
    let until = desk.clock.now().after(overlap);
    desk.webhooks
        .rotate_secret(destination.id, signature::parse_secret(&secret)?, until)
        .await?;
    let directory = desk.directory();
    let destination = find(&directory, which)?;
    let mut document = show::document(&directory, destination);
    let mut sentence = format!("{} has a new secret", destination.name);
    if !overlap.is_zero() {
        sentence.push_str(&format!("; the old one signs as well until {until}"));
    }
    if chosen.is_none() {
        document["secret"] = json!(secret);
        sentence.push_str(&format!("\nsecret, shown this once: {secret}"));
    }
    desk.tell(output, &document, &sentence);
    Ok(())
}

/// The secret that somebody chose, typed or in a file, without the line's end.
pub(super) fn chosen(typed: Option<&str>, file: Option<&str>) -> anyhow::Result<Option<String>> {
    let Some(file) = file else {
        return Ok(typed.map(ToOwned::to_owned));
    };
    let read = match file {
        "-" => read(std::io::stdin().lock()),
        path => std::fs::File::open(path).and_then(read),
    };
    let text = read.with_context(|| format!("the secret can't be read from {file}"))?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn read(from: impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    from.take(FILE_MAX).read_to_string(&mut text)?;
    Ok(text)
}
