//! Records of DMARC, and what follows from them.

use std::fs;

use bytes::Bytes;
use postbell_mail::authentication::dmarc::Record;
use postbell_model::Domain;
use postbell_model::authentication::{Aligned, DmarcPolicy, Verdict};
use postbell_peers::dns::{Answer, Entry};

use crate::world::{Tally, World, collection};

#[test]
fn records() {
    let Some(file) = collection("auth/records.jsonl") else {
        return;
    };
    let mut tally = Tally::of("dmarc");
    for line in fs::read_to_string(file).unwrap().lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        if case["what"] != "dmarc-record" {
            continue;
        }
        let text = case["text"].as_str().unwrap();
        let read = Record::read(text.as_bytes());
        let holds = case["valid"].as_bool() == Some(read.is_ok());
        tally.case(text, holds, &format!("{read:?}"), None);
    }
    tally.end(20);
}

#[tokio::test]
async fn what_passed_has_to_belong_to_from() {
    let world = World::new().await;
    let policy = "v=DMARC1; p=reject; sp=quarantine; pct=50";
    world.txt("_dmarc.example.com", policy);
    world.txt("_dmarc.strict.example", "v=DMARC1; p=none; aspf=s");
    for domain in [
        "example.com",
        "bounces.example.com",
        "example.net",
        "news.strict.example",
    ] {
        world.txt(domain, "v=spf1 ip4:192.0.2.1 -all");
    }
    let check = async |mail_from: &str, from: &str, expected: Verdict| {
        let message = Bytes::from(format!("From: {from}\r\n\r\nHello\r\n"));
        let found = world.verify(mail_from, &message).await.dmarc;
        assert_eq!(found.verdict, expected, "{mail_from} {from}");
        found
    };
    let found = check("a@bounces.example.com", "a@example.com", Verdict::Pass).await;
    let aligned = Domain::parse("bounces.example.com").unwrap();
    assert_eq!(found.aligned, [Aligned::Spf(aligned)]);
    let found = check("a@example.net", "a@news.example.com", Verdict::Fail).await;
    let request = found.request.unwrap();
    assert_eq!(
        (request.policy, request.percent),
        (DmarcPolicy::Quarantine, 50)
    );
    check("a@news.strict.example", "a@strict.example", Verdict::Fail).await;
    check("a@example.net", "a@example.net", Verdict::None).await;
    check(
        "a@example.com",
        "a@example.com, b@example.net",
        Verdict::None,
    )
    .await;
    check(
        "a@example.com",
        "a@example.com, b@strict.example",
        Verdict::Fail,
    )
    .await;
    check("a@example.com", "nobody", Verdict::PermError).await;
    check(
        "a@example.com",
        "a@example.com\r\nFrom: b@example.com",
        Verdict::PermError,
    )
    .await;
}

#[tokio::test]
async fn a_record_that_can_not_be_had_or_read_is_no_policy() {
    let world = World::new().await;
    let failing = Entry::new(Answer::ServerFailure);
    world.dns.table().set("_dmarc.down.example", failing);
    world.txt("_dmarc.broken.example", "v=DMARC1; p=maybe");
    world.dns.table().set(
        "_dmarc.two.example",
        Entry::txt(["v=DMARC1; p=none", "v=DMARC1; p=reject"]),
    );
    world.txt("_dmarc.other.example", "google-site-verification=1");
    for (from, expected) in [
        ("a@down.example", Verdict::TempError),
        ("a@news.down.example", Verdict::TempError),
        ("a@broken.example", Verdict::PermError),
        ("a@two.example", Verdict::PermError),
        ("a@other.example", Verdict::None),
        ("a@[192.0.2.1]", Verdict::None),
    ] {
        let message = Bytes::from(format!("From: {from}\r\n\r\n"));
        let found = world.verify("", &message).await.dmarc;
        assert_eq!(found.verdict, expected, "{from}");
        assert_eq!(found.request, None);
    }
}

#[tokio::test]
async fn a_from_that_is_read_in_several_ways_fails_and_never_passes() {
    let world = World::new().await;
    world.txt("_dmarc.reject.example", "v=DMARC1; p=reject");
    world.txt("good.example", "v=spf1 ip4:192.0.2.1 -all");
    world.txt("_dmarc.good.example", "v=DMARC1; p=reject");
    let reject = Some(DmarcPolicy::Reject);
    for (from, expected, policy) in [
        (
            "a@good.example\r\nFrom: ceo@reject.example",
            Verdict::Fail,
            reject,
        ),
        (
            "ceo@reject.example\r\nfrom: a@good.example",
            Verdict::Fail,
            reject,
        ),
        ("CEO <ceo@reject.example", Verdict::Fail, reject),
        ("CEO <ceo@reject.example> x", Verdict::Fail, reject),
        ("ceo@reject.example;", Verdict::Fail, reject),
        ("g: ceo@reject.example;", Verdict::Fail, reject),
        ("CEO: boss <ceo@reject.example>", Verdict::Fail, reject),
        ("Ch\u{e9}f, Le <ceo@reject.example>", Verdict::Fail, reject),
        (
            "g: a@good.example, ceo@reject.example;",
            Verdict::Fail,
            reject,
        ),
        ("CEO <a@good.example> x", Verdict::PermError, reject),
        ("g: a@nothing.example;", Verdict::PermError, None),
        ("ceo@reject..example", Verdict::PermError, None),
        ("g: a@good.example, ceo@-;", Verdict::PermError, None),
        ("nobody", Verdict::PermError, None),
    ] {
        let message = Bytes::from(format!("From: {from}\r\n\r\nHello\r\n"));
        let found = world.verify("a@good.example", &message).await.dmarc;
        assert_eq!(found.verdict, expected, "{from}");
        let asked = found.request.map(|request| request.policy);
        assert_eq!(asked, policy, "{from}");
        assert_eq!(found.aligned, [], "{from}");
    }
}
