//! How well the standard table does on replies of other projects' collections: those of
//! `corpora/smtp/replies.jsonl` beside the repository, where they are there.
//!
//! Prints the figures with every miss, for all and for two halves by a hash of the text. The
//! table was written by somebody who had read both halves, so neither is unseen: that they
//! differ little says only that no phrase was made for a single reply.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::path::{Path, PathBuf};

use postbell_model::reply::Severity;
use postbell_model::{BounceClass, Phase, Reply};
use serde_json::Value;

use super::super::Classifier;

/// What holds: percent of the classes that are right, percent of the firm labels of hard or soft.
const HOLDS: [(&str, u32, u32); 2] = [(SMTP, 95, 98), ("all", 93, 97)];

#[test]
fn corpus_figures() {
    let path = repository("../shared/corpora/smtp/replies.jsonl");
    let Ok(lines) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not there", path.display());
        return;
    };
    let vocabularies = Vocabularies::read();
    let classifier = Classifier::standard();
    let mut figures = BTreeMap::<&str, Figures>::new();
    for line in lines.lines() {
        let row = Row::read(line, &vocabularies);
        if row.accepted.is_empty() {
            continue;
        }
        let class = classifier.classify(row.phase, &row.reply);
        if !row.accepted.contains(&class) {
            let half = row.half;
            println!("{half}: {class} is not {}: {:.200}", row.reason, row.text);
        }
        for key in [row.half, row.kind, "all"] {
            figures.entry(key).or_default().count(&row, class);
        }
        if row.kind == SMTP {
            let key = match row.half {
                A => "replies of half A",
                _ => "replies of half B",
            };
            figures.entry(key).or_default().count(&row, class);
        }
    }
    for (name, figures) in &figures {
        println!("{name:20} {figures}");
    }
    for (name, classes, hardness) in HOLDS {
        let all = figures.get(name).unwrap();
        assert!(all.class.percent() >= classes, "{name}: {all}");
        assert!(all.hardness.percent() >= hardness, "{name}: {all}");
        assert!(all.taken_for_dead * 100 <= all.class.rows, "{name}: {all}");
    }
}

/// A reply as it was heard.
const SMTP: &str = "replies";
/// A report's prose, from which the reply can only be guessed.
const PROSE: &str = "prose";

struct Row {
    text: String,
    reason: String,
    reply: Reply,
    phase: Phase,
    half: &'static str,
    kind: &'static str,
    accepted: Vec<BounceClass>,
    /// The label that says hard or soft, where there is one for certain: a reason that may be
    /// another has none.
    labelled: Option<bool>,
    /// The same, where it means what our classes mean: some call a disabled mailbox soft.
    hard: Option<bool>,
}

impl Row {
    fn read(line: &str, vocabularies: &Vocabularies) -> Self {
        let row: Value = serde_json::from_str(line).unwrap();
        let member = |key: &str| row.get(key).and_then(Value::as_str);
        let text = member("text").unwrap().to_owned();
        let (vocabulary, reason) = (member("vocabulary").unwrap(), member("reason").unwrap());
        let said = member("reply");
        let also = row.get("accept").and_then(Value::as_array);
        let reasons: Vec<_> = also
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .chain([reason])
            .collect();
        let accepted = match member("quality") {
            Some("unscorable") => Vec::new(),
            _ => vocabularies.classes(vocabulary, &reasons),
        };
        let labelled = row.get("hardbounce").and_then(Value::as_bool);
        let reply = match said {
            Some(said) => heard(said),
            None => guessed(&text, member("replycode"), member("status")),
        };
        Self {
            phase: phase(&text),
            half: half(&text),
            kind: if said.is_some() { SMTP } else { PROSE },
            hard: labelled.filter(|hard| {
                let agrees = |class: &BounceClass| is_dead(&reply, *class) == *hard;
                accepted.iter().all(agrees)
            }),
            labelled: labelled.filter(|_| also.is_none()),
            reason: format!("{vocabulary} {reason}"),
            reply,
            text,
            accepted,
        }
    }
}

fn heard(said: &str) -> Reply {
    let code = said.get(..3).and_then(|code| code.parse().ok()).unwrap();
    Reply::received(code, said.get(4..).unwrap_or(""))
}

fn guessed(text: &str, code: Option<&str>, status: Option<&str>) -> Reply {
    let temporary = status.is_some_and(|status| status.starts_with('4'));
    let by_status = if temporary { 450 } else { 550 };
    let code = code.map_or(by_status, |code| code.parse().unwrap());
    Reply::received(code, &format!("{} {text}", status.unwrap_or_default()))
}

/// The corpus does not say in answer to what; many texts do, and most others are to RCPT.
fn phase(text: &str) -> Phase {
    let told = [
        ("end of DATA", Phase::Message),
        ("after end of data", Phase::Message),
        ("after I sent the message", Phase::Message),
        ("MAIL FROM command", Phase::Mail),
        ("[MAIL_FROM]", Phase::Mail),
        ("after MAIL FROM", Phase::Mail),
        ("after EHLO", Phase::Ehlo),
        ("my name was rejected", Phase::Ehlo),
        ("server refused to talk to me", Phase::Greeting),
    ];
    let found = told.iter().find(|(words, _)| text.contains(words));
    found.map_or(Phase::Rcpt, |(_, phase)| *phase)
}

/// The half that was looked at, and the other.
const A: &str = "half A";
const B: &str = "half B";

/// FNV-1a: the same on every machine and in every version.
fn half(text: &str) -> &'static str {
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, octets: &[u8]) {
            for octet in octets {
                self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x100_0000_01b3);
            }
        }
    }
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    hash.write(text.as_bytes());
    if hash.finish().is_multiple_of(2) {
        A
    } else {
        B
    }
}

/// `fixtures/replies/vocabularies.toml`: what others' reasons are in our classes.
struct Vocabularies(toml::Table);

impl Vocabularies {
    fn read() -> Self {
        let path = repository("fixtures/replies/vocabularies.toml");
        Self(std::fs::read_to_string(path).unwrap().parse().unwrap())
    }

    fn classes(&self, vocabulary: &str, reasons: &[&str]) -> Vec<BounceClass> {
        let vocabulary = self.0.get(vocabulary).unwrap().as_table().unwrap();
        let lists = reasons.iter().filter_map(|reason| vocabulary.get(*reason));
        lists
            .flat_map(|list| list.as_array().unwrap())
            .map(|class| class.as_str().unwrap().parse().unwrap())
            .collect()
    }
}

fn is_dead(reply: &Reply, class: BounceClass) -> bool {
    class.means_dead_address() && reply.severity() == Severity::Permanent
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

#[derive(Default)]
struct Figures {
    class: Score,
    hardness: Score,
    labelled: Score,
    /// Classes that mean a dead address where no accepted class does.
    taken_for_dead: u32,
}

impl Figures {
    fn count(&mut self, row: &Row, class: BounceClass) {
        self.class.count(row.accepted.contains(&class));
        let dead = is_dead(&row.reply, class);
        if let Some(hard) = row.hard {
            self.hardness.count(hard == dead);
        }
        if let Some(hard) = row.labelled {
            self.labelled.count(hard == dead);
        }
        let may_be = row.accepted.iter().any(|class| class.means_dead_address());
        self.taken_for_dead += u32::from(dead && !may_be);
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            class,
            hardness,
            labelled,
            taken_for_dead,
        } = self;
        write!(f, "class {class}, hard or soft {hardness}, ")?;
        write!(f, "as labelled {labelled}, taken for dead {taken_for_dead}")
    }
}

#[derive(Default)]
struct Score {
    hits: u32,
    rows: u32,
}

impl Score {
    fn count(&mut self, hit: bool) {
        self.hits += u32::from(hit);
        self.rows += 1;
    }

    fn percent(&self) -> u32 {
        self.hits * 100 / self.rows.max(1)
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = f64::from(self.hits) * 100.0 / f64::from(self.rows.max(1));
        write!(f, "{} of {} ({percent:.1} %)", self.hits, self.rows)
    }
}
