//! Hosts that give out at each phase.

use std::net::Ipv4Addr;

use bytes::Bytes;
use postbell_model::{Fact, Phase};
use postbell_peers::mx::{Action, Script, Stage};

use crate::world::{Setup, World};

const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Has the best host do this at this stage, and gives how the delivery fared: how many hosts
/// were tried, whether it was delivered, and how far the first host came.
async fn fares(stage: Stage, action: Action) -> (usize, bool, Phase) {
    let world = World::with(Setup {
        change: |options| {
            let second = std::time::Duration::from_millis(300);
            options.timeouts.greeting = second;
            options.timeouts.ehlo = second;
            options.timeouts.mail = second;
            options.timeouts.rcpt = second;
            options.timeouts.data = second;
            options.timeouts.dot = second;
        },
        ..Setup::default()
    })
    .await;
    let second = world.start_mx_at(SECOND).await;
    world.route("example.com", &[Ipv4Addr::LOCALHOST, SECOND]);
    world.mx.script_always(Script::new().then(stage, action));
    let delivery = world.accept("bob@example.com");
    let fact = world.outcome(delivery).await;
    let delivered = matches!(fact, Fact::Delivery { .. });
    assert_eq!(second.counts().messages, u64::from(delivered));
    let tries = fact.attempt().unwrap().tries.clone();
    world.end().await;
    (tries.len(), delivered, tries[0].phase)
}

async fn check(action: Action) {
    for (stage, phase) in [
        (Stage::Greeting, Phase::Greeting),
        (Stage::Ehlo, Phase::Ehlo),
        (Stage::Mail, Phase::Mail),
        (Stage::Rcpt, Phase::Rcpt),
        (Stage::Data, Phase::Data),
    ] {
        assert_eq!(
            fares(stage, action.clone()).await,
            (2, true, phase),
            "{stage:?} {action:?}"
        );
    }
    // What the host did with the message can't be known: no other may get it now.
    let fared = fares(Stage::Message, action.clone()).await;
    assert_eq!(fared, (1, false, Phase::Message), "{action:?}");
}

#[tokio::test]
async fn a_connection_that_closes() {
    check(Action::Drop).await;
}

#[tokio::test]
async fn a_connection_that_is_reset() {
    // A reset takes along replies that were on their way: how far it came can't be told.
    for stage in [
        Stage::Greeting,
        Stage::Ehlo,
        Stage::Mail,
        Stage::Rcpt,
        Stage::Data,
    ] {
        let (tries, delivered, _) = fares(stage, Action::Reset).await;
        assert_eq!((tries, delivered), (2, true), "{stage:?}");
    }
    let fared = fares(Stage::Message, Action::Reset).await;
    assert_eq!(fared, (1, false, Phase::Message));
}

#[tokio::test]
async fn a_host_that_falls_silent() {
    check(Action::Stall).await;
}

#[tokio::test]
async fn a_host_that_talks_nonsense() {
    check(Action::Garbage(Bytes::from_static(
        b"\x00\xff\x80 what?\r\n",
    )))
    .await;
}

#[tokio::test]
async fn a_421_at_any_phase_leads_to_the_next_host() {
    let goodbye = || Action::ReplyAndClose("421 4.3.2 Closing".to_owned());
    for (stage, phase) in [
        (Stage::Greeting, Phase::Greeting),
        (Stage::Ehlo, Phase::Ehlo),
        (Stage::Mail, Phase::Mail),
        (Stage::Rcpt, Phase::Rcpt),
        (Stage::Data, Phase::Data),
        (Stage::Message, Phase::Message),
    ] {
        assert_eq!(fares(stage, goodbye()).await, (2, true, phase), "{stage:?}");
    }
}

#[tokio::test]
async fn a_goodbye_without_quit_changes_nothing() {
    let world = World::new().await;
    world
        .mx
        .script_always(Script::new().then(Stage::Quit, Action::Drop));
    let delivery = world.accept("bob@example.com");
    assert!(matches!(
        world.outcome(delivery).await,
        Fact::Delivery { .. }
    ));
    world.end().await;
}
