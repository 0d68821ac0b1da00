//! STARTTLS: hosts whose TLS works, is refused, breaks or is tampered with.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use postbell_deliver::TlsPolicy;
use postbell_model::attempt::{PlaintextReason, Verification};
use postbell_model::{Fact, HostTry, Phase};
use postbell_peers::ServerTls;
use postbell_peers::mx::{Action, MxOptions, Script, Stage};

use crate::world::{Setup, World, mail_from};

const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// The certificates were made in the year of the clock, but later in it.
const YEAR: Duration = Duration::from_hours(365 * 24);
const LIMIT: Duration = Duration::from_secs(10);

fn setup(tls: ServerTls) -> Setup {
    Setup {
        mx: MxOptions {
            tls: Some(tls),
            ..MxOptions::default()
        },
        ..Setup::default()
    }
}

async fn world() -> World {
    World::with(setup(ServerTls::development())).await
}

async fn delivered(world: &World, recipient: &str) -> Vec<HostTry> {
    let delivery = world.accept(recipient);
    match world.outcome(delivery).await {
        Fact::Delivery { attempt } => attempt.tries,
        other => panic!("not delivered: {other:?}"),
    }
}

#[tokio::test]
async fn a_host_that_offers_tls_is_secured_and_its_certificate_told() {
    for (tls, recipient, expected) in [
        (
            ServerTls::development(),
            "bob@[127.0.0.1]",
            Verification::Verified,
        ),
        (
            ServerTls::development(),
            "bob@example.com",
            Verification::NameMismatch,
        ),
        (
            ServerTls::self_signed(),
            "bob@[127.0.0.1]",
            Verification::UnknownIssuer,
        ),
    ] {
        let world = World::with(setup(tls)).await;
        world.clock.turn(YEAR);
        let tries = delivered(&world, recipient).await;
        assert_eq!(tries.len(), 1);
        let used = tries[0].tls.clone().unwrap();
        assert_eq!(
            (&*used.version, &*used.policy),
            ("TLSv1.3", "opportunistic")
        );
        assert!(used.cipher.starts_with("TLS_"), "{}", used.cipher);
        assert_eq!(used.verification, expected, "{recipient}");
        assert_eq!(tries[0].plaintext, None);
        let received = world.mx.wait_for_message(LIMIT, |_| true).await.unwrap();
        assert!(received.secured);
        world.end().await;
    }
}

#[tokio::test]
async fn a_secured_connection_carries_many_messages_and_large_ones() {
    let world = world().await;
    let mut body = b"Subject: long\r\n\r\n".to_vec();
    while body.len() < 3 << 20 {
        body.extend_from_slice(b"A line of a long message.\r\n..\r\n");
    }
    let claimed = world.claimed("bob@example.com", mail_from(), body.clone().into());
    let large = world.accept_this(claimed);
    assert!(matches!(world.outcome(large).await, Fact::Delivery { .. }));
    let received = world.mx.wait_for_message(LIMIT, |_| true).await.unwrap();
    assert!(received.body.ends_with(&body[b"Subject: long\r\n".len()..]));
    for _ in 0..3 {
        let tries = delivered(&world, "bob@example.com").await;
        assert!(tries[0].tls.is_some());
    }
    assert_eq!(world.mx.counts().connections, 1);
    world.end().await;
}

#[tokio::test]
async fn starttls_refused_goes_on_in_plaintext_on_the_same_connection() {
    for refusal in ["454 4.7.0 Not now", "500 5.5.1 What?", "554 5.7.0 Not you"] {
        let world = world().await;
        world
            .mx
            .script_always(Script::new().reply(Stage::StartTls, refusal));
        let tries = delivered(&world, "bob@example.com").await;
        assert_eq!(tries.len(), 1);
        assert_eq!(tries[0].tls, None);
        assert_eq!(tries[0].plaintext, Some(PlaintextReason::Refused));
        assert_eq!(world.mx.counts().connections, 1);
        world.end().await;
    }
}

/// Has TLS broken like this: the host gets its mail in plaintext, and is not asked again.
async fn falls_back(stage: Stage, action: Action) {
    let mut setup = setup(ServerTls::development());
    setup.change = |options| {
        options.timeouts.tls = Duration::from_millis(300);
        options.max_messages_per_connection = 1;
    };
    let world = World::with(setup).await;
    world
        .mx
        .script_always(Script::new().then(stage, action.clone()));
    let tries = delivered(&world, "bob@example.com").await;
    let [failed, plain] = &tries[..] else {
        panic!("{action:?}: {tries:?}");
    };
    assert_eq!((failed.phase, failed.from_peer), (Phase::Tls, false));
    assert_eq!(failed.reply.code, 451);
    assert_eq!((&plain.host, plain.ip), (&failed.host, failed.ip));
    assert_eq!(plain.phase, Phase::Message);
    assert_eq!(plain.tls, None);
    assert_eq!(plain.plaintext, Some(PlaintextReason::HandshakeFailed));

    let again = delivered(&world, "bob@example.com").await;
    assert_eq!(again.len(), 1, "it is remembered: {again:?}");
    assert_eq!(again[0].plaintext, Some(PlaintextReason::HandshakeFailed));
    assert_eq!(world.mx.counts().connections, 3);
    world.end().await;
}

#[tokio::test]
async fn a_handshake_that_fails_leads_to_plaintext() {
    falls_back(Stage::Handshake, Action::Drop).await;
    falls_back(Stage::Handshake, Action::Reset).await;
    falls_back(Stage::Handshake, Action::Stall).await;
    let garbage = Bytes::from_static(b"250 what?\r\n\x00\xff");
    falls_back(Stage::Handshake, Action::Garbage(garbage)).await;
}

#[tokio::test]
async fn a_host_that_is_gone_at_starttls_gets_its_mail_in_plaintext() {
    falls_back(Stage::StartTls, Action::Drop).await;
    falls_back(Stage::StartTls, Action::Stall).await;
}

#[tokio::test]
async fn a_host_that_is_gone_after_the_handshake_gets_its_mail_in_plaintext() {
    // With TLS 1.3 a host may refuse the client's part when that believes that all is well.
    let world = world().await;
    let script = Script::new()
        .then(Stage::Ehlo, Action::Pass)
        .then(Stage::Ehlo, Action::Drop);
    world.mx.script_next(script);
    let tries = delivered(&world, "bob@example.com").await;
    assert_eq!((tries.len(), tries[0].phase), (2, Phase::Ehlo));
    assert!(tries[0].tls.is_some());
    assert_eq!(tries[1].plaintext, Some(PlaintextReason::HandshakeFailed));
    world.end().await;
}

#[tokio::test]
async fn broken_tls_is_tried_again_after_a_while() {
    let mut setup = setup(ServerTls::development());
    setup.change = |options| options.keep_alive = Duration::from_millis(10);
    let world = World::with(setup).await;
    world
        .mx
        .script_next(Script::new().then(Stage::Handshake, Action::Drop));
    assert_eq!(delivered(&world, "bob@example.com").await.len(), 2);
    world.clock.turn(Duration::from_secs(3_601));
    let mut tries = delivered(&world, "bob@example.com").await;
    while tries[0].tls.is_none() {
        // The connection in plaintext is still kept for more mail.
        tokio::time::timeout(LIMIT, async {
            while world.mx.counts().open > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        tries = delivered(&world, "bob@example.com").await;
    }
    assert_eq!(tries.len(), 1);
    world.end().await;
}

#[tokio::test]
async fn nothing_injected_behind_the_220_counts() {
    for injected in [
        "220 Go ahead\r\n250-mx\r\n250 SIZE 1",
        "220 Go ahead\r\n250 2.0.0 Taken",
        "220 Go ahead\r\n550 5.1.1 Nobody",
        "220 Go ahead\r\n2",
    ] {
        let world = world().await;
        let second = world.start_mx_at(SECOND).await;
        world.route("example.com", &[Ipv4Addr::LOCALHOST, SECOND]);
        world
            .mx
            .script_always(Script::new().reply(Stage::StartTls, injected));
        let tries = delivered(&world, "bob@example.com").await;
        assert_eq!((tries.len(), tries[0].phase), (2, Phase::Tls));
        assert!(!tries[0].from_peer);
        assert_eq!(
            world.mx.counts().connections,
            1,
            "the connection is dropped"
        );
        assert_eq!(
            (world.mx.counts().messages, second.counts().messages),
            (0, 1)
        );
        world.end().await;
    }
}

#[tokio::test]
async fn a_421_to_starttls_leads_to_the_next_host() {
    let world = world().await;
    world.start_mx_at(SECOND).await;
    world.route("example.com", &[Ipv4Addr::LOCALHOST, SECOND]);
    let goodbye = Action::ReplyAndClose("421 4.3.2 Closing".to_owned());
    world
        .mx
        .script_always(Script::new().then(Stage::StartTls, goodbye));
    let tries = delivered(&world, "bob@example.com").await;
    assert_eq!((tries.len(), tries[0].phase), (2, Phase::Tls));
    assert_eq!((tries[0].reply.code, tries[0].from_peer), (421, true));
    world.end().await;
}

#[tokio::test]
async fn a_secured_host_that_gives_out_is_passed_over() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data] {
        let world = world().await;
        world.start_mx_at(SECOND).await;
        world.route("example.com", &[Ipv4Addr::LOCALHOST, SECOND]);
        world
            .mx
            .script_always(Script::new().then(stage, Action::Drop));
        let tries = delivered(&world, "bob@example.com").await;
        assert_eq!(tries.len(), 2, "{stage:?}");
        assert!(tries[0].tls.is_some());
        assert_eq!(
            (&tries[1].tls, tries[1].plaintext),
            (&None, None),
            "not offered"
        );
        world.end().await;
    }
}

#[tokio::test]
async fn tls_can_be_turned_off() {
    let mut setup = setup(ServerTls::development());
    setup.change = |options| options.tls = TlsPolicy::Off;
    let world = World::with(setup).await;
    let tries = delivered(&world, "bob@example.com").await;
    assert_eq!((&tries[0].tls, tries[0].plaintext), (&None, None));
    world.end().await;
}
