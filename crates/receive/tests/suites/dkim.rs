//! The signed mail of `Mail::DKIM`, of which much is older than the RFCs in force.

use std::fs;

use bytes::Bytes;
use postbell_mail::header::Header;
use postbell_model::authentication::{DkimAlgorithm, Verdict};

use crate::world::{Tally, World, collection, with_crlf};

#[tokio::test]
async fn mail_dkim() {
    let (Some(folder), Some(manifest)) = (collection(""), collection("manifest.jsonl")) else {
        return;
    };
    let world = World::new().await;
    let records = folder.join("auth/dkim-perl/FAKE_DNS.dat");
    for line in fs::read_to_string(records).unwrap().lines() {
        if let Some((name, text)) = line.split_once(char::is_whitespace)
            && !name.starts_with('#')
        {
            world.txt(name, text.trim().trim_matches('"'));
        }
    }
    let mut tally = Tally::of("dkim");
    for line in fs::read_to_string(manifest).unwrap().lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(expected) = case["expected"].as_str() else {
            continue;
        };
        let file = case["file"].as_str().unwrap();
        if case["kind"] != "dkim" || !file.contains("dkim-perl") || !folder.join(file).exists() {
            continue;
        }
        let message = with_crlf(&fs::read(folder.join(file)).unwrap());
        check(&world, &mut tally, file, expected, &message).await;
    }
    tally.end(10);
}

async fn check(world: &World, tally: &mut Tally, file: &str, expected: &str, message: &Bytes) {
    let found = world.verify("", message).await.dkim;
    let verdicts: Vec<_> = found.iter().map(|result| result.verdict).collect();
    let holds = match expected {
        "pass" => verdicts.contains(&Verdict::Pass),
        "fail" => verdicts.contains(&Verdict::Fail),
        // What `Mail::DKIM` does not look at.
        "invalid" => !verdicts
            .iter()
            .any(|verdict| matches!(verdict, Verdict::Pass | Verdict::Fail)),
        other => panic!("{file} expects {other}"),
    };
    let reasons: Vec<_> = found
        .iter()
        .map(|one| format!("{} {:?}", one.verdict, one.reason))
        .collect();
    let told = format!("{reasons:?} instead of {expected}");
    let is_old = |text: &str| String::from_utf8_lossy(message).contains(text);
    let sha1 = found
        .iter()
        .any(|one| one.algorithm == Some(DkimAlgorithm::RsaSha1));
    let header = Header::find(message).unwrap();
    let except = if found.is_empty() && header.fields().any(|one| one.is("DomainKey-Signature")) {
        Some("DomainKeys (RFC 4870) is historic: only DKIM is looked at")
    } else if sha1 {
        Some("RFC 8301 §3.1: a signature with SHA-1 has failed for good")
    } else if is_old("v=0.") || !is_old("v=1") {
        Some("RFC 6376 §3.5: a signature of a draft has another version, or none")
    } else {
        None
    };
    tally.case(file, holds, &told, except);
}
