//! Mail that comes in: our own fixtures, one for each kind, and other projects' test material
//! where it lies beside the repository.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod corpora;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use postbell_mail::Classifier;
use postbell_mail::inbound::{Envelope, Inbound, Mail, Reader, RecipientStatus, reply_text};

/// How often a file is cut, unless `CUTS` says otherwise; with 1000 nothing is left out.
const CUTS: usize = 1;
/// One in so many files is broken, unless nothing is left out.
const SHARE: usize = 5;
/// Longer files are then left out as well.
const SIZE_MAX: usize = 64 * 1024;

#[test]
fn the_collection_is_understood() {
    let root = corpora::root();
    let Some(rows) = corpora::rows(&root) else {
        println!("SKIPPED: {} is not there", root.display());
        return;
    };
    let scores = corpora::measure(&rows);
    println!("{scores}{} misses", scores.misses.len());
    assert_eq!(corpora::broken(&scores), Vec::<String>::new());
}

#[test]
fn nothing_panics_on_broken_files() {
    let root = corpora::root();
    let Some(rows) = corpora::rows(&root) else {
        println!("SKIPPED: {} is not there", root.display());
        return;
    };
    let reader = Reader::new(Classifier::standard());
    let cuts = std::env::var("CUTS").map_or(CUTS, |count| count.parse().unwrap());
    let is_all = cuts >= corpora::hostile::CUTS;
    let some = rows.iter().enumerate().filter(|(index, row)| {
        is_all || (index.is_multiple_of(SHARE) && row.raw.len() <= SIZE_MAX)
    });
    let torment = |(_, row)| corpora::hostile::torment(row, &reader, cuts);
    let count: usize = some.map(torment).sum();
    println!("{count} readings");
}

#[test]
fn each_kind_is_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/inbound");
    let reader = Reader::new(Classifier::standard());
    let mut told = String::new();
    for file in files(&folder) {
        let raw = std::fs::read_to_string(&file)
            .unwrap()
            .replace('\n', "\r\n");
        let mail = Mail::read(raw.as_bytes());
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        tell(
            &mut told,
            &name,
            &reader.read(&mail, Envelope::Noted),
            &mail,
        );
    }
    let expected = std::fs::read_to_string(folder.join("expected.txt")).unwrap_or_default();
    assert!(told == expected, "expected.txt should be:\n{told}");
}

#[test]
fn nothing_panics_on_broken_fixtures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/inbound");
    let reader = Reader::new(Classifier::standard());
    for file in files(&folder) {
        let value = serde_json::json!({});
        let row = corpora::Row {
            file: file.display().to_string(),
            value,
            raw: std::fs::read(&file).unwrap(),
        };
        corpora::hostile::torment(&row, &reader, corpora::hostile::CUTS);
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "eml"));
    files.sort();
    assert!(!files.is_empty());
    files
}

fn tell(out: &mut String, name: &str, inbound: &Inbound, mail: &Mail<'_>) {
    match inbound {
        Inbound::Status(report) => {
            let id = report.returned.message_id.as_deref().unwrap_or("-");
            let delivery = report.returned.delivery.as_deref().unwrap_or("-");
            let mta = report.reporting_mta.as_deref().unwrap_or("-");
            writeln!(
                out,
                "{name}: {:?} from {mta}, about {id} {delivery}",
                report.form
            )
            .unwrap();
            for status in &report.recipients {
                tell_recipient(out, status);
            }
        }
        Inbound::Complaint(complaint) => {
            let recipients = complaint.original_recipients.join(" ");
            let ip = complaint.source_ip.as_deref().unwrap_or("-");
            let id = complaint.returned.message_id.as_deref().unwrap_or("-");
            let kind = complaint.feedback_type.name();
            writeln!(
                out,
                "{name}: complaint {kind}, {recipients} from {ip}, about {id}"
            )
            .unwrap();
        }
        Inbound::Automatic(answer) => {
            let (class, by) = (answer.class.name(), answer.by);
            writeln!(out, "{name}: automatic {class} by {by:?}").unwrap();
        }
        Inbound::Mail => {
            writeln!(out, "{name}: mail").unwrap();
            for line in reply_text(mail).stripped.lines() {
                writeln!(out, "    {line}").unwrap();
            }
        }
    }
}

fn tell_recipient(out: &mut String, status: &RecipientStatus) {
    let address = status.address.as_deref().unwrap_or("-");
    let original = status.original.as_deref().map(|to| format!(" for {to}"));
    let code = status.status.map(|code| code.to_string());
    let reply = status
        .code
        .map_or_else(|| "-".to_owned(), |code| code.to_string());
    let class = status.class.map_or("-", |class| class.name());
    let dead = if status.is_dead() { ", dead" } else { "" };
    writeln!(
        out,
        "    {address}{} {} {} {reply} {class}{dead}",
        original.unwrap_or_default(),
        status.action.name(),
        code.as_deref().unwrap_or("-"),
    )
    .unwrap();
}
