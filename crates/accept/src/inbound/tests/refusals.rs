//! What does not come in, what is put in front of what does, and what is counted.

use postbell_model::{DmarcPolicy, EventKind, InboundKind, Reply, Verdict};
use postbell_store::StoreError;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use super::mailboxes::{failing, received};
use super::world::{World, domain, untokened};
use crate::Obstacle;
use crate::inbound::InboundRefusal;

const LETTER: &str = "From: ann@customer.example\nSubject: hello\n\nHello\n";

#[tokio::test]
async fn what_goes_in_circles_is_refused() {
    let world = World::new();
    let hops = |count: usize| format!("{}{LETTER}", "received: from a by b; date\n".repeat(count));
    let refusal = world
        .refusal(world.arrival(&["info@shop.example"], &hops(5)))
        .await;
    let text = "Routing loop: the message has 5 Received fields already";
    assert_eq!(refusal.reply(), Reply::new(554, 4, 6, text));
    world.receive_one("info@shop.example", &hops(4)).await;
}

#[tokio::test]
async fn a_header_that_is_too_long_is_refused() {
    let world = World::new();
    let long = format!("Subject: {}\n{LETTER}", "x".repeat(256 * 1024));
    let refusal = world
        .refusal(world.arrival(&["info@shop.example"], &long))
        .await;
    let text = "The message can't be read: the header is longer than 262144 octets";
    assert_eq!(refusal.reply(), Reply::new(550, 6, 0, text));
}

#[tokio::test]
async fn a_message_for_nobody_is_refused() {
    let world = World::new();
    let refusal = world.refusal(world.arrival(&[], LETTER)).await;
    assert_eq!(refusal, InboundRefusal::NoRecipients);
}

#[tokio::test]
async fn what_a_domain_rejects_is_refused_where_that_is_enforced() {
    let world = World::new();
    let arrival = |to: &str, verdict| {
        let mut arrival = world.arrival(&[to], LETTER);
        arrival.authentication.dmarc = failing(DmarcPolicy::Reject, 100);
        arrival.authentication.dmarc.verdict = verdict;
        arrival
    };
    let refusal = world
        .refusal(arrival("info@strict.example", Verdict::Fail))
        .await;
    let text = "The DMARC policy of customer.example forbids this message";
    assert_eq!(refusal.reply(), Reply::new(550, 7, 1, text));
    for (to, verdict) in [
        ("info@strict.example", Verdict::TempError),
        ("info@strict.example", Verdict::Pass),
        ("postmaster@strict.example", Verdict::Fail),
        ("info@shop.example", Verdict::Fail),
        ("info@lax.example", Verdict::Fail),
    ] {
        assert!(
            world.gate.receive(arrival(to, verdict)).await.is_ok(),
            "{to}"
        );
    }
}

// RFC 7489 §6.6.1
#[tokio::test]
async fn mail_from_nobody_is_refused_or_suspicious() {
    let world = World::new();
    let arrival = |to: &str| {
        let mut arrival = world.arrival(&[to], "Subject: hello\n\nHello\n");
        arrival.authentication.dmarc.verdict = Verdict::PermError;
        arrival
    };
    let refusal = world.refusal(arrival("info@strict.example")).await;
    let text = "The From field is missing, or nobody can say whom it names";
    assert_eq!(refusal.reply(), Reply::new(550, 7, 1, text));
    assert_eq!(refusal.name(), "no_author");
    for (to, is_suspicious) in [("info@shop.example", true), ("info@lax.example", false)] {
        world.gate.receive(arrival(to)).await.unwrap();
        let reception = world.stored();
        let told = received(&reception.mails[0]).is_suspicious;
        assert_eq!(told, is_suspicious, "{to}");
    }
    let role = world.gate.receive(arrival("postmaster@strict.example"));
    assert!(role.await.is_ok(), "reports must come through");
    // What is wrong with a record is nobody's fault who writes.
    let mut malformed = arrival("info@strict.example");
    malformed.authentication.dmarc.from = Some(domain("customer.example"));
    assert!(world.gate.receive(malformed).await.is_ok());
}

#[tokio::test]
async fn half_of_the_messages_are_refused_where_half_are_to_be() {
    let world = World::new();
    let mut refused = 0;
    for _ in 0..200 {
        let mut arrival = world.arrival(&["info@strict.example"], LETTER);
        arrival.authentication.dmarc = failing(DmarcPolicy::Reject, 50);
        refused += usize::from(world.gate.receive(arrival).await.is_err());
    }
    assert!((50..150).contains(&refused), "{refused}");
}

#[tokio::test]
async fn a_store_that_takes_nothing_is_told_without_its_inside() {
    for (error, code) in [
        (StoreError::Busy, 451),
        (StoreError::Full, 452),
        (StoreError::Stopped("fdatasync: EIO".into()), 451),
        (StoreError::Read("malformed database".into()), 451),
    ] {
        let world = World::new();
        *world.store.failure.lock().unwrap() = Some(error);
        let refusal = world
            .refusal(world.arrival(&[&world.bounce()], LETTER))
            .await;
        let reply = refusal.reply();
        assert_eq!(reply.code, code);
        assert!(reply.text.ends_with("try again later") || reply.text.ends_with("in a minute"));
    }
}

#[test]
fn refusals_are_exact() {
    let reply = InboundRefusal::Closed(Obstacle::DiskLow).reply();
    let text = "There is too little space to store mail; try again later";
    assert_eq!(reply, Reply::new(452, 3, 1, text));
    let reply = InboundRefusal::NoRecipients.reply();
    let text = "There is no recipient; name at least one";
    assert_eq!(reply, Reply::new(554, 5, 1, text));
}

#[tokio::test]
async fn our_own_fields_stand_in_front() {
    let world = World::new();
    let forged = "Authentication-Results: mx.post.example; dmarc=pass\n";
    let foreign = "Authentication-Results: mx.other.example; dmarc=pass\n";
    let message = format!("{forged}{foreign}{LETTER}");
    let mut arrival = world.arrival(&["info@shop.example"], &message);
    arrival.helo = "a (b) <c>\r\nX: y".to_owned();
    let ids = world.gate.receive(arrival).await.unwrap();
    let kept = String::from_utf8(world.stored().body.to_vec()).unwrap();
    let expected = format!(
        "Authentication-Results: mx.post.example;\n\tspf=none;\n\tdkim=none;\n\tdmarc=none;\n\
         \tarc=none smtp.remote-ip=192.0.2.7\n\
         Received: from abcX:y ([192.0.2.7])\n\tby mx.post.example (Postbell) with ESMTPS\n\
         \tid {}\n\tfor <info@shop.example>;\n\tMon, 04 May 2026 12:00:00 +0000\n{foreign}{LETTER}",
        ids[0]
    );
    assert_eq!(kept, expected.replace('\n', "\r\n"));
}

#[tokio::test]
async fn one_recipient_is_not_told_of_another() {
    let world = World::new();
    world
        .gate
        .receive(world.arrival(&["info@shop.example", "b@shop.example"], LETTER))
        .await
        .unwrap();
    let kept = String::from_utf8(world.stored().body.to_vec()).unwrap();
    assert!(!kept.contains("shop.example"), "{kept}");
    // Nothing follows from the results, so nothing is said about them.
    world
        .gate
        .receive(world.arrival(&["info@lax.example"], LETTER))
        .await
        .unwrap();
    let kept = String::from_utf8(world.stored().body.to_vec()).unwrap();
    assert!(
        kept.starts_with("Received: from mail.customer.example"),
        "{kept}"
    );
}

#[tokio::test]
async fn what_comes_in_is_counted() {
    let world = World::new();
    world
        .receive_one(&world.bounce(), &untokened("dsn-failed"))
        .await;
    let unknown = untokened("arf-abuse").replace("4711@", "4712@");
    world.receive_one("fbl@mx.post.example", &unknown).await;
    let _ = world
        .gate
        .resolve(&crate::tests::fakes::address("nobody@mx.post.example"));
    let mut registry = Registry::default();
    world.gate.metrics().register(&mut registry);
    let mut told = String::new();
    text::encode(&mut told, &registry).unwrap();
    for line in [
        format!(
            "postbell_inbound_messages_total{{kind=\"{}\"}} 1",
            InboundKind::Report
        ),
        format!(
            "postbell_inbound_facts_total{{event=\"{}\"}} 1",
            EventKind::Bounce.name()
        ),
        "postbell_inbound_unmatched_total{kind=\"complaint\"} 1".to_owned(),
        "postbell_inbound_unmatched_total{kind=\"report\"} 0".to_owned(),
        "postbell_inbound_refusals_total{reason=\"no_such_address\"} 1".to_owned(),
        "postbell_inbound_size_bytes_count 2".to_owned(),
    ] {
        assert!(told.contains(&line), "{line} is not in\n{told}");
    }
}
