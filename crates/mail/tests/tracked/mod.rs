//! Mail with links: our fixtures, and the newsletters of a collection in each of the encodings.

#![expect(clippy::unwrap_used, reason = "what can't be checked ends the check")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use postbell_mail::track::{Place, Tracker};
use serde_json::Value;

pub(crate) const LINK: &str = "https://t.example/c/";
pub(crate) const PIXEL: &str = "https://t.example/o/1?a=b&c=d";
pub(crate) const UNSUBSCRIBE: &str = "https://t.example/u/1?a=b&c=d";

/// Addresses that have what they lead to in them.
pub(crate) struct Reversible;

impl Tracker for Reversible {
    fn link(&self, url: &str, place: Place) -> Option<String> {
        let url = BASE64URL_NOPAD.encode(url.as_bytes());
        Some(format!("{LINK}{}/{url}", place.index))
    }

    fn pixel(&self) -> Option<String> {
        Some(PIXEL.to_owned())
    }

    fn unsubscribe(&self) -> Option<String> {
        Some(UNSUBSCRIBE.to_owned())
    }
}

/// A file of the collection.
pub(crate) struct File {
    pub(crate) name: String,
    /// What Python's parser finds on a page, outside of comments.
    pub(crate) hrefs: Vec<String>,
    /// The messages that it is, or is made into: one for each encoding.
    pub(crate) messages: Vec<(&'static str, Bytes)>,
}

/// The folders `html` and `html-eml` of a collection; `None` where it is not there.
pub(crate) fn files(root: &Path) -> Option<Vec<File>> {
    let manifest = std::fs::read_to_string(root.join("manifest.jsonl")).ok()?;
    let rows = manifest
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_kind = |row: &Value| {
        ["html", "outbound-html"]
            .iter()
            .any(|kind| row["kind"] == *kind)
    };
    let files = rows.filter(of_kind).map(|row| {
        let name = row["file"].as_str().unwrap().to_owned();
        let raw = with_crlf(&std::fs::read(root.join(&name)).unwrap());
        let hrefs = row["hrefs"].as_array().cloned().unwrap_or_default();
        let messages = match row["kind"].as_str() {
            Some("html") => wrapped(&raw),
            _ => vec![("as it is", Bytes::from(raw))],
        };
        File {
            name,
            hrefs: hrefs
                .iter()
                .map(|href| href.as_str().unwrap().to_owned())
                .collect(),
            messages,
        }
    });
    Some(files.collect())
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora")
}

/// A page as a message, in each of the encodings.
pub(crate) fn wrapped(page: &[u8]) -> Vec<(&'static str, Bytes)> {
    let message = |encoding: &str, body: &[u8]| {
        let head = format!(
            "From: a@sender.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"=_b\"\r\n\r\n\
             --=_b\r\nContent-Type: text/plain\r\n\r\nhttps://sender.example/plain\r\n--=_b\r\n\
             Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        );
        Bytes::from([head.as_bytes(), body, b"\r\n--=_b--\r\n"].concat())
    };
    vec![
        ("8bit", message("8bit", page)),
        (
            "quoted-printable",
            message("quoted-printable", &quoted(page)),
        ),
        ("base64", message("base64", &base64(page))),
    ]
}

fn base64(page: &[u8]) -> Vec<u8> {
    let lines: Vec<String> = page.chunks(57).map(|chunk| BASE64.encode(chunk)).collect();
    lines.join("\r\n").into_bytes()
}

/// As mail programs write it: lines of up to 76 octets.
fn quoted(page: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for line in page.split(|octet| *octet == b'\n') {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        let mut out = String::new();
        for (at, octet) in text.iter().enumerate() {
            let is_last = at + 1 == text.len();
            let written = match octet {
                b'\t' | b' ' if !is_last => char::from(*octet).to_string(),
                b'!'..=b'<' | b'>'..=b'~' => char::from(*octet).to_string(),
                _ => format!("={octet:02X}"),
            };
            if out.len() + written.len() > 75 {
                lines.push(format!("{out}="));
                out.clear();
            }
            out.push_str(&written);
        }
        lines.push(out);
    }
    lines.join("\r\n").into_bytes()
}

/// What a door makes of a file: lines end with CRLF.
pub(crate) fn with_crlf(raw: &[u8]) -> Vec<u8> {
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
