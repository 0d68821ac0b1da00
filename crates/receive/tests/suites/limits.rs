//! What no record and no message can stretch.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::authentication::Verdict;
use postbell_peers::dns::{Answer, Entry, Records};
use postbell_receive::SenderOptions;

use crate::world::World;

#[tokio::test]
async fn a_message_asks_no_more_than_it_may() {
    let world = World::new().await;
    // Terms with ten hosts each, and a key in each of forty names.
    let hosts = (0..10).map(|n| (n, format!("h{n}.example.com")));
    world.dns.table().set(
        "example.com",
        Entry::new(Answer::Records(Records {
            mx: hosts.collect(),
            txt: vec![format!("v=spf1 {}-all", "mx ".repeat(9))],
            ..Records::default()
        })),
    );
    for n in 0..10 {
        let ip: IpAddr = [198, 51, 100, n].into();
        world
            .dns
            .table()
            .set(&format!("h{n}.example.com"), Entry::addresses([ip]));
    }
    let mut message = String::new();
    for n in 0..40 {
        message += &format!(
            "DKIM-Signature: v=1; a=rsa-sha256; d=d{n}.example; s=s; h=from; bh=AQID; b=AQID\r\n"
        );
    }
    message += "From: a@example.com\r\n\r\nHello\r\n";
    let found = world.verify("a@example.com", &Bytes::from(message)).await;
    assert_eq!(found.spf.verdict, Verdict::Fail);
    assert_eq!(found.dkim.len(), 10);
    assert!(world.dns.table().queries() <= 120);
}

#[tokio::test]
async fn at_the_limit_of_questions_nothing_is_decided() {
    let world = World::with(SenderOptions {
        questions: 2,
        ..SenderOptions::default()
    })
    .await;
    world.txt(
        "example.com",
        "v=spf1 a:a.example a:b.example a:c.example -all",
    );
    let found = world
        .verifier
        .spf([192, 0, 2, 1].into(), "", "a@example.com")
        .await;
    assert_eq!(found.verdict, Verdict::TempError);
}

#[tokio::test]
async fn when_time_is_up_nothing_is_decided() {
    let world = World::with(SenderOptions {
        time_limit: Duration::from_millis(50),
        ..SenderOptions::default()
    })
    .await;
    for name in [
        "example.com",
        "_dmarc.example.com",
        "s._domainkey.example.com",
    ] {
        world.dns.table().set(name, Entry::new(Answer::Silence));
    }
    let message = Bytes::from_static(
        b"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s; h=from; bh=AQID; b=AQID\r\n\
        From: a@example.com\r\n\r\nHello\r\n",
    );
    let found = world.verify("a@example.com", &message).await;
    assert_eq!(found.spf.verdict, Verdict::TempError);
    assert_eq!(found.dkim[0].verdict, Verdict::TempError);
    assert_eq!(found.dkim[0].selector.as_deref(), Some("s"));
    assert_eq!(found.dmarc.verdict, Verdict::TempError);
    assert_eq!(found.arc.verdict, Verdict::None);
}
