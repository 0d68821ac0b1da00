//! How well mail that came in is understood, measured on other projects' test material.
//!
//! The collection lies beside the repository; its `manifest.jsonl` has a line for each file with
//! what is known of it. Every figure is given for two halves by a hash of the file: rules were
//! written with one half in view, so the other says what they do on mail that nobody has seen.

#![expect(
    clippy::unwrap_used,
    reason = "what can't be measured ends the measurement"
)]

pub(crate) mod automatic;
pub(crate) mod bounces;
pub(crate) mod complaints;
pub(crate) mod hostile;
pub(crate) mod mime;
pub(crate) mod replies;
pub(crate) mod score;

use std::path::{Path, PathBuf};

use postbell_mail::Classifier;
use postbell_mail::inbound::Reader;
use serde_json::Value;

use score::Scores;

/// A file of the collection and what is known of it.
pub(crate) struct Row {
    pub(crate) file: String,
    pub(crate) value: Value,
    pub(crate) raw: Vec<u8>,
}

impl Row {
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.value.get(key).and_then(Value::as_str)
    }

    pub(crate) fn is(&self, kinds: &[&str]) -> bool {
        self.text("kind").is_some_and(|kind| kinds.contains(&kind))
    }

    pub(crate) fn recipients(&self) -> Option<&Vec<Value>> {
        self.value.get("recipients").and_then(Value::as_array)
    }

    /// What a door makes of it: lines end with CRLF.
    pub(crate) fn received(&self) -> Vec<u8> {
        with_crlf(&self.raw)
    }

    /// The half that was looked at, or the other.
    pub(crate) fn half(&self) -> &'static str {
        let digit = self.text("sha1").and_then(|sha1| sha1.chars().last());
        match digit.and_then(|digit| digit.to_digit(16)) {
            Some(digit) if digit % 2 == 0 => "seen",
            _ => "held out",
        }
    }
}

/// The rows of a collection; `None` where it is not there.
pub(crate) fn rows(root: &Path) -> Option<Vec<Row>> {
    let manifest = std::fs::read_to_string(root.join("manifest.jsonl")).ok()?;
    let rows = manifest.lines().map(|line| {
        let value: Value = serde_json::from_str(line).unwrap();
        let file = value["file"].as_str().unwrap().to_owned();
        let raw = std::fs::read(root.join(&file)).unwrap_or_default();
        Row { file, value, raw }
    });
    Some(rows.collect())
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora")
}

/// What holds: the figure and its percent.
const HOLDS: [(&str, f64); 15] = [
    ("bounces: recognised", 99.0),
    ("bounces: recipients", 97.0),
    ("bounces: recipients, Final-Recipient whole", 100.0),
    ("bounces: status code", 99.5),
    ("bounces: action", 99.0),
    ("bounces: hard or soft", 97.0),
    ("bounces: class", 93.0),
    ("complaints: recognised", 98.0),
    ("complaints: type", 98.0),
    ("automatic: recognised", 95.0),
    ("people's mail: as such", 100.0),
    ("people's replies: as such", 100.0),
    ("no bounces: as such", 100.0),
    ("replies: text", 85.0),
    // docs/inbound.md says why the others differ.
    ("mime: same tree and leaves", 96.0),
];

/// The figures that do not hold.
pub(crate) fn broken(scores: &Scores) -> Vec<String> {
    let broken = HOLDS.iter().filter_map(|(figure, least)| {
        let score = scores.of(figure);
        let holds = score.all > 0 && score.percent() >= *least;
        (!holds).then(|| format!("{figure}: {:.2} % is less than {least} %", score.percent()))
    });
    broken.collect()
}

/// All figures.
pub(crate) fn measure(rows: &[Row]) -> Scores {
    let reader = Reader::new(Classifier::standard());
    let mut scores = Scores::default();
    for row in rows {
        bounces::measure(row, &reader, &mut scores);
        complaints::measure(row, &reader, &mut scores);
        automatic::measure(row, &reader, &mut scores);
        replies::measure(row, &mut scores);
        mime::measure(row, &mut scores);
    }
    scores
}

fn with_crlf(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len() + raw.len() / 30);
    let mut last = 0;
    for &octet in raw {
        if last == b'\r' && octet != b'\n' {
            text.push(b'\n');
        }
        if octet == b'\n' && last != b'\r' {
            text.push(b'\r');
        }
        text.push(octet);
        last = octet;
    }
    text
}
