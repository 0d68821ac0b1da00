//! Mail that goes on: sealed, from an address of ours, and never round and round.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, ensure};
use postbell_peers::answer::{Answering, Original};
use postbell_peers::clock::START;
use postbell_peers::dns::Entry;
use postbell_peers::mx::Received;
use postbell_tests::{LIMIT, World};

use super::{MX_HOST, answer, bring, documents, taking_mail, told_of, written};
use crate::identity::{publish, show};

const STRANGER: &str = "joe@peer.test";

#[tokio::test]
async fn mail_goes_on_sealed_and_its_bounce_comes_back_as_an_event() -> anyhow::Result<()> {
    let mut world = World::set_up(&[]).await?;
    publish(&world, &show(&world).await?);
    let update = ["domain", "update", "sender.test", "--inbound", "on"];
    world.run(&update).await?;
    let route = ["inbound", "route", "set", "sender.test"];
    let on = ["support", "--forward-to", "bob@other.test"];
    world.run(&[&route[..], &on].concat()).await?;
    let off = ["dead", "--no-event", "--forward-to", "bounce@other.test"];
    world.run(&[&route[..], &off].concat()).await?;
    world.start_program().await?;

    let mail = written(STRANGER, "support@sender.test", "Subject: Hi\r\n", "Hi\r\n");
    let id = bring(&world, &mail).await?;
    let received = world.delivered("bob@other.test").await?;
    let text = String::from_utf8(received.body.to_vec())?;
    for field in [
        "ARC-Seal:",
        "ARC-Message-Signature:",
        "ARC-Authentication-Results:",
    ] {
        assert_eq!(
            text.matches(&format!("\r\n{field}")).count() + usize::from(text.starts_with(field)),
            1,
            "{text}"
        );
    }
    assert!(!text.contains("DKIM-Signature"), "{text}");
    assert!(received.from.starts_with("bounce+"), "{}", received.from);
    assert!(
        received.from.ends_with("@bounce.sender.test"),
        "{}",
        received.from
    );
    assert!(
        text.ends_with(&*String::from_utf8_lossy(&mail.body)),
        "{text}"
    );
    told_of(&world, "hook", "Received", &id).await?;
    let told = world.told("Delivery", "bob@other.test").await?.document;
    assert_eq!(told["mail"]["forwardOf"], id.as_str());

    // Its server finds later that there is no such box, and tells the return path.
    let original = Original::read(&received, ("bob@other.test", MX_HOST), 1, START);
    let original = original.context("nobody reports this")?;
    let report = answer(Answering::Report, &original);
    bring(&world, &report).await?;
    let told = world.told("Bounce", "bob@other.test").await?.document;
    assert_eq!(told["bounce"]["late"], true);
    assert_eq!(told["mail"]["forwardOf"], id.as_str());

    let null = written("", "support@sender.test", "Subject: Null\r\n", "Hi\r\n");
    let null = bring(&world, &null).await?;
    told_of(&world, "hook", "Received", &null).await?;
    let from_nobody = |m: &Received| m.from.is_empty() && m.recipients == ["bob@other.test"];
    world.mx.wait_for_message(LIMIT, from_nobody).await?;

    let mail = written(STRANGER, "dead@sender.test", "Subject: Hi\r\n", "Hi\r\n");
    let dead = bring(&world, &mail).await?;
    let told = world.told("Bounce", "bounce@other.test").await?.document;
    assert_eq!(told["mail"]["forwardOf"], dead.as_str());
    let received = documents(&world, "hook", "Received");
    assert_eq!(received.len(), 2, "{received:?}");
    let to_strangers = |m: &Arc<Received>| m.recipients.iter().any(|to| to.ends_with("@peer.test"));
    assert!(!world.mx.messages().iter().any(to_strangers));
    world.finish().await
}

/// Two of us whose addresses forward to one another.
#[tokio::test]
async fn two_servers_that_forward_to_each_other_stop_with_one_event() -> anyhow::Result<()> {
    let (mut here, mut there) = (World::set_up(&[]).await?, World::set_up(&[]).await?);
    join(&here, "here.test", &there, "there.test").await?;
    join(&there, "there.test", &here, "here.test").await?;
    here.start_program().await?;
    there.start_program().await?;
    let mail = written(STRANGER, "ring@here.test", "Subject: Hi\r\n", "Hi\r\n");
    bring(&here, &mail).await?;

    // here -> there -> here, which has forwarded it before.
    let bounced = here.told("Bounce", "ring@there.test").await?.document;
    let said = bounced["bounce"]["diagnostic"].as_str().unwrap_or_default();
    assert!(said.contains("loop"), "{bounced}");
    assert_eq!(documents(&there, "hook", "Bounce").len(), 0);
    assert_eq!(documents(&here, "hook", "Bounce").len(), 1);
    assert_eq!(documents(&here, "hook", "Received").len(), 2);
    assert_eq!(documents(&there, "hook", "Received").len(), 1);
    for world in [&here, &there] {
        assert_eq!(world.mx.counts().messages, 0, "nobody else hears of it");
    }
    here.finish().await?;
    there.finish().await
}

/// `ring@` of the domain of this one goes on to that of the other one, by its inbound door.
async fn join(world: &World, domain: &str, other: &World, to: &str) -> anyhow::Result<()> {
    let add = [
        "domain",
        "add",
        domain,
        "--workspace",
        "acme",
        "--inbound",
        "on",
    ];
    world.run(&add).await?;
    let forward = format!("ring@{to}");
    let route = [
        "inbound",
        "route",
        "set",
        domain,
        "ring",
        "--forward-to",
        &forward,
    ];
    world.run(&route).await?;
    let relay = format!(
        "\n[[deliver.relay]]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\ndomains = [\"{to}\"]\n",
        other.inbound().port()
    );
    world.dns.table().set(to, Entry::null_mx());
    let path = world.folder().join("postbell.toml");
    fs::write(&path, fs::read_to_string(&path)? + &relay)?;
    Ok(())
}

/// A message that has been everywhere is not taken, and so goes nowhere.
#[tokio::test]
async fn a_message_with_fifty_hops_is_refused() -> anyhow::Result<()> {
    let world = taking_mail(&[]).await?;
    let hop = "Received: from a.test by b.test; Sun, 03 May 2026 12:34:57 +0000\r\n";
    let hops = hop.repeat(50);
    let mail = written(STRANGER, "support@sender.test", &hops, "Hi\r\n");
    let outcome = world.bring(&mail).await?;
    assert!(!outcome.is_taken(), "{}", outcome.deciding());
    let said = outcome.deciding().to_string();
    assert!(said.starts_with("554 5.4.6 "), "{said}");
    let none = world.mx.wait_for_messages(1, LIMIT / 60).await;
    assert!(none.is_err(), "no report to anybody");
    world.finish().await
}

/// A server between us that takes our mark away and sends the message back.
#[tokio::test]
async fn a_loop_without_our_mark_ends_by_its_hops() -> anyhow::Result<()> {
    let mut world = World::set_up(&[]).await?;
    let update = ["domain", "update", "sender.test", "--inbound", "on"];
    world.run(&update).await?;
    let route = ["inbound", "route", "set", "sender.test", "ring"];
    let forward = ["--no-event", "--forward-to", "ring@other.test"];
    world.run(&[&route[..], &forward].concat()).await?;
    world.start_program().await?;
    let mut mail = written(STRANGER, "ring@sender.test", "Subject: Hi\r\n", "Hi\r\n");
    let mut rounds = 0;
    loop {
        let outcome = world.bring(&mail).await?;
        if !outcome.is_taken() {
            let said = outcome.deciding().to_string();
            assert!(said.starts_with("554 5.4.6 "), "{said}");
            break;
        }
        rounds += 1;
        ensure!(rounds <= 50, "it goes round and round");
        world.mx.wait_for_messages(rounds, LIMIT).await?;
        let back = world.mx.messages().pop().context("a message")?;
        let text = String::from_utf8(back.body.to_vec())?;
        let marked = |line: &&str| line.starts_with("Postbell-Forwarded:");
        assert_eq!(text.split("\r\n").filter(marked).count(), 1, "{text}");
        mail.from = back.from.clone();
        mail.body = text.replace("Postbell-Forwarded:", "X-Gone:").into();
    }
    assert_eq!(world.mx.counts().messages, rounds);
    world.finish().await
}
