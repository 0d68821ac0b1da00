//! Real and malformed messages of other projects' test suites, from the door to two MX hosts, one
//! of which has no 8BITMIME. What is taken arrives as it was; what is not taken was refused by a
//! rule.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use mail_parser::{Message, MessageParser, PartType};
use postbell_peers::client::SmtpClient;
use postbell_peers::mx::{MxServer, Received};
use serde_json::Value;

use crate::world::{LIMIT, OLD, SENDER, World, mail};

#[tokio::test]
async fn every_message_is_refused_by_rule_or_arrives_as_it_was() {
    let files = files();
    if files.is_empty() {
        println!("skipped: the corpora are not there");
        return;
    }
    let world = World::start().await;
    let mut client = world.client().await;
    let mut counts = Counts::default();
    for (number, file) in files.iter().enumerate() {
        let given = with_author(&fs::read(file).unwrap());
        let new = format!("f{number}@new.test");
        let old = format!("f{number}@{OLD}");
        match offer(&mut client, &[&new, &old], &given).await {
            Ok(()) => {
                counts.add("taken");
                let sent = Sent {
                    file,
                    expected: normalised(&given),
                };
                sent.arrives(&world, &new, &mut counts).await;
                sent.arrives_at_old_host(&world, &old, &mut counts).await;
            }
            Err(refusal) => counts.add(&format!("refused: {refusal}")),
        }
    }
    client.quit().await.unwrap();
    println!("{} messages\n{counts}", files.len());
    let taken = counts.0.get("taken").copied().unwrap_or(0);
    assert!(taken * 10 > files.len() * 8, "most are taken");
    world.end().await;
}

/// The first numbers of a refusal are those of a line or of octets.
async fn offer(client: &mut SmtpClient, to: &[&str], given: &[u8]) -> Result<(), String> {
    let body = Bytes::copy_from_slice(given);
    let outcome = client.send(&mail(to, body)).await.unwrap();
    let reply = outcome.deciding().to_string();
    if outcome.is_taken() {
        return Ok(());
    }
    assert!(
        reply.starts_with("550 5.6.0 ") || reply.starts_with("550 5.7.1 "),
        "{reply}"
    );
    Err(reply
        .chars()
        .map(|c| if c.is_ascii_digit() { '#' } else { c })
        .collect())
}

struct Sent<'a> {
    file: &'a Path,
    /// What the door makes of the message.
    expected: Vec<u8>,
}

impl Sent<'_> {
    async fn arrives(&self, world: &World, to: &str, counts: &mut Counts) {
        let received = received(&world.mx, to).await;
        let (_, body) = split(&self.expected);
        if self
            .expected
            .split(|&octet| octet == b'\n')
            .all(|line| line.len() <= 999)
        {
            assert!(received.body.ends_with(body), "{}", self.file.display());
            counts.add("arrived octet for octet");
        } else {
            self.is_same(&received, counts, "lines shortened");
        }
    }

    async fn arrives_at_old_host(&self, world: &World, to: &str, counts: &mut Counts) {
        let told = world.told("hook", to, &["Delivery", "Bounce"]).await;
        if told["eventType"] == "Bounce" {
            let whose = &told["bounce"]["bouncedRecipients"][0];
            let why = whose["diagnosticCode"].as_str().unwrap();
            assert!(why.contains("554 5.6.3 "), "{}: {why}", self.file.display());
            return counts.add(&format!("without 8BITMIME: {why}"));
        }
        let received = received(&world.old_mx, to).await;
        assert!(received.body.is_ascii(), "{}", self.file.display());
        if received.body.ends_with(split(&self.expected).1) {
            return counts.add("without 8BITMIME: arrived octet for octet");
        }
        self.is_same(&received, counts, "without 8BITMIME: encoded");
    }

    /// The decoded parts are what they were.
    fn is_same(&self, received: &Received, counts: &mut Counts, how: &str) {
        let Some(before) = leaves(&self.expected) else {
            return counts.add(&format!("{how}, and too much for the other reader"));
        };
        let same = leaves(&received.body).is_some_and(|after| after == before);
        assert!(same, "{how}: {}", self.file.display());
        counts.add(&format!("{how}, the same when decoded"));
    }
}

async fn received(mx: &MxServer, to: &str) -> std::sync::Arc<Received> {
    let wanted = |received: &Received| received.recipients.iter().any(|r| r == to);
    mx.wait_for_message(LIMIT, wanted).await.unwrap()
}

/// The message with one author, of the workspace's domain, and everything else as it was.
fn with_author(raw: &[u8]) -> Vec<u8> {
    let mut given = format!("From: a@{SENDER}\r\n").into_bytes();
    let (header, body) = split(raw);
    let mut dropped = false;
    for line in header.split_inclusive(|&octet| octet == b'\n') {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line
                .split(|&octet| octet == b':')
                .next()
                .unwrap_or_default();
            let name = name.trim_ascii_end();
            dropped = name.eq_ignore_ascii_case(b"From") || name.eq_ignore_ascii_case(b"Sender");
        }
        if !dropped {
            given.extend_from_slice(line);
        }
    }
    given.extend_from_slice(body);
    // The client would take a last LF for no line end, and add one.
    if given.ends_with(b"\n") && !given.ends_with(b"\r\n") {
        given.insert(given.len() - 1, b'\r');
    }
    given
}

/// Header, and what follows it with the empty line.
fn split(raw: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    for line in raw.split_inclusive(|&octet| octet == b'\n') {
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
        at += line.len();
    }
    raw.split_at(at)
}

/// What the door makes of line ends: a bare LF is one, CRs before a CRLF vanish, others are a space.
fn normalised(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    for line in raw.split_inclusive(|&octet| octet == b'\n') {
        let Some(content) = line.strip_suffix(b"\n") else {
            text.extend(line.iter().map(|&b| if b == b'\r' { b' ' } else { b }));
            break;
        };
        let trailing = content
            .iter()
            .rev()
            .take_while(|&&octet| octet == b'\r')
            .count();
        let kept = &content[..content.len() - trailing];
        text.extend(kept.iter().map(|&b| if b == b'\r' { b' ' } else { b }));
        text.extend_from_slice(b"\r\n");
    }
    if !text.ends_with(b"\r\n") {
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// The parts of a message, decoded by another reader; `None` where it is not up to them.
fn leaves(raw: &[u8]) -> Option<Vec<Vec<u8>>> {
    fn collect(message: &Message<'_>, into: &mut Vec<Vec<u8>>) {
        for part in &message.parts {
            match &part.body {
                PartType::Text(text) | PartType::Html(text) => into.push(text.as_bytes().to_vec()),
                PartType::Binary(octets) | PartType::InlineBinary(octets) => {
                    into.push(octets.to_vec());
                }
                PartType::Message(message) => collect(message, into),
                PartType::Multipart(_) => {}
            }
        }
    }
    // It has assertions of its own that malformed messages break.
    let read = catch_unwind(AssertUnwindSafe(|| {
        let mut leaves = Vec::new();
        collect(&MessageParser::default().parse(raw)?, &mut leaves);
        Some(leaves)
    }));
    read.ok().flatten()
}

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let manifest = fs::read_to_string(root.join("manifest.jsonl")).unwrap_or_default();
    let entries = manifest
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    entries
        .filter(|entry| entry["kind"] == "mime")
        .map(|entry| root.join(entry["file"].as_str().unwrap()))
        .collect()
}

/// What became of how many.
#[derive(Default)]
struct Counts(BTreeMap<String, usize>);

impl Counts {
    fn add(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (what, count) in &self.0 {
            writeln!(f, "{count:6} {what}")?;
        }
        Ok(())
    }
}
