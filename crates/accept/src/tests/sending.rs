//! Mail whose sender is paused, or in a sandbox.

use postbell_model::{
    Domain, Fact, MessageId, NewMail, Pause, RejectReason, ReversePath, Sandbox, Sender, Sending,
};
use postbell_store::StoreError;

use super::fakes::{Answer, NOW, OURS, World, address, offer_of};
use crate::{Offer, Refusal};

const ANN: &str = "ann@example.org";
const BOB: &str = "BOB@Example.org";
const EVE: &str = "eve@example.org";
const SIMULATED: &str = "bounce@simulator.mail.example";

fn paused(new_mail: NewMail) -> Sending {
    Sending::Paused(Pause {
        since: NOW,
        reason: Some("too many bounces".to_owned()),
        new_mail,
    })
}

fn sandbox(daily_limit: Option<u32>, new_mail: NewMail) -> Sending {
    Sending::Sandbox(Sandbox {
        since: NOW,
        daily_limit,
        new_mail,
    })
}

fn workspace() -> Sender {
    Sender::Workspace(OURS)
}

fn domain(name: &str) -> Sender {
    Sender::Domain(Domain::parse(name).unwrap())
}

fn to(recipients: &[&str]) -> Offer {
    Offer {
        recipients: recipients.iter().map(|to| address(to).into()).collect(),
        ..offer_of("From: a@example.com\r\n\r\nHello\r\n")
    }
}

/// How each recipient's delivery ends; `None`: it is sent.
async fn ends(world: &World, offer: Offer) -> Vec<Option<RejectReason>> {
    let accepted = world.gate.submit(offer).await.unwrap();
    let stored = world.stored();
    let deliveries = &stored.last().unwrap().deliveries;
    let ids: Vec<_> = deliveries.iter().map(|delivery| delivery.id).collect();
    assert_eq!(
        accepted.deliveries, ids,
        "what is rejected has an id as well"
    );
    let reason = |fact: &Fact| match fact {
        Fact::Reject { reason } => *reason,
        other => panic!("{other:?} ends no delivery here"),
    };
    let ends = deliveries.iter().map(|d| d.ends_with.as_ref().map(reason));
    ends.collect()
}

async fn refused(world: &World, offer: Offer) -> String {
    let refusal = world.gate.submit(offer).await.unwrap_err();
    assert!(world.stored().is_empty());
    refusal.reply().to_string()
}

#[tokio::test]
async fn new_mail_of_a_pause_is_held_refused_or_rejected() {
    let held = World::with_sending([(workspace(), paused(NewMail::Hold))], Some(0));
    assert_eq!(ends(&held, to(&[EVE])).await, [None]);

    let rejecting = World::with_sending([(workspace(), paused(NewMail::Reject))], Some(0));
    let reason = Some(RejectReason::SendingPaused);
    assert_eq!(ends(&rejecting, to(&[ANN, SIMULATED])).await, [reason; 2]);
    let from = ReversePath::Mailbox(address("a@example.com"));
    assert!(rejecting.gate.check_sender(OURS, &from).is_ok());

    let refusing = World::with_sending([(workspace(), paused(NewMail::Refuse))], Some(0));
    let told = refused(&refusing, to(&[ANN])).await;
    assert_eq!(
        told,
        "550 5.7.1 Sending is paused for workspace acme: too many bounces"
    );
    assert!(refusing.gate.check_sender(OURS, &from).is_err());
}

#[tokio::test]
async fn a_pause_of_a_domain_is_of_its_from_field() {
    let paused = [(domain("example.com"), paused(NewMail::Reject))];
    let world = World::with_sending(paused, Some(0));
    let reason = Some(RejectReason::SendingPaused);
    assert_eq!(ends(&world, to(&[EVE])).await, [reason]);
    let other = offer_of("From: a@plain.example\r\n\r\nHello\r\n");
    assert_eq!(ends(&world, other).await, [None]);
}

#[tokio::test]
async fn a_sandbox_sends_to_verified_addresses_and_to_the_simulator() {
    let rejecting = [(workspace(), sandbox(None, NewMail::Reject))];
    let world = World::with_sending(rejecting, Some(0));
    let stranger = Some(RejectReason::SandboxRecipient);
    assert_eq!(
        ends(&world, to(&[ANN, EVE, SIMULATED, BOB])).await,
        [None, stranger, None, None]
    );
    // A sandbox can't hold: a verification may never come.
    let holding = [(workspace(), sandbox(None, NewMail::Hold))];
    let world = World::with_sending(holding, Some(0));
    assert_eq!(ends(&world, to(&[EVE])).await, [stranger]);

    let refusing = [(domain("example.com"), sandbox(None, NewMail::Refuse))];
    let world = World::with_sending(refusing, Some(0));
    assert_eq!(
        refused(&world, to(&[ANN, EVE])).await,
        "550 5.7.1 The domain example.com is in a sandbox and eve@example.org is none of its \
         verified addresses; add it with `postbell verified-address add`, or have the sandbox ended"
    );
    assert_eq!(ends(&world, to(&[ANN, SIMULATED])).await, [None, None]);
    let other = offer_of("From: a@plain.example\r\n\r\nHello\r\n");
    assert_eq!(ends(&world, other).await, [None]);
}

#[tokio::test]
async fn beyond_its_limit_a_sandbox_sends_nothing_but_to_the_simulator() {
    let over = Some(RejectReason::SandboxLimit);
    let rejecting = [(workspace(), sandbox(Some(3), NewMail::Reject))];
    let world = World::with_sending(rejecting, Some(2));
    assert_eq!(
        ends(&world, to(&[SIMULATED, ANN, EVE, BOB])).await,
        [None, None, Some(RejectReason::SandboxRecipient), over]
    );
    assert_eq!(ends(&world, to(&[SIMULATED])).await, [None]);

    let refusing = [(workspace(), sandbox(Some(3), NewMail::Refuse))];
    let world = World::with_sending(refusing, Some(2));
    assert_eq!(
        refused(&world, to(&[ANN, BOB])).await,
        "452 4.5.3 The workspace acme is in a sandbox and sends to 3 recipients a day at most; \
         there are new ones at 00:00 UTC"
    );
    assert_eq!(ends(&world, to(&[ANN, SIMULATED])).await, [None, None]);
    let refusal = world.gate.submit(to(&[ANN])).await.unwrap_err();
    assert!(matches!(refusal, Refusal::SandboxLimit(_, 3)));
}

#[tokio::test]
async fn a_sandbox_that_nobody_counts_for_sends_nothing() {
    let limited = [(workspace(), sandbox(Some(3), NewMail::Reject))];
    let world = World::with_sending(limited, None);
    let told = refused(&world, to(&[ANN])).await;
    assert!(told.starts_with("451 4.3.0 "), "{told}");
}

#[tokio::test]
async fn what_is_not_stored_takes_nothing_of_a_sandbox() {
    let limited = [(workspace(), sandbox(Some(3), NewMail::Refuse))];
    let world = World::with_sending(limited, Some(1));
    let earlier = MessageId::new(NOW);
    for answer in [
        Answer::No(StoreError::Busy),
        Answer::None,
        Answer::Known(earlier),
    ] {
        world.answers(answer);
        let known = world.gate.submit(to(&[ANN, BOB])).await;
        assert!(known.is_err() || known.unwrap().message == earlier);
        assert_eq!(world.sent_in_sandbox(), 1);
    }
    world.answers(Answer::Yes);
    assert_eq!(ends(&world, to(&[ANN, BOB])).await, [None, None]);
    assert_eq!(world.sent_in_sandbox(), 3);
}

#[tokio::test]
async fn what_a_sandbox_has_sent_before_is_known_whatever_it_may_send_now() {
    let with_key = |to_whom: &[&str]| Offer {
        recipients: to(to_whom).recipients,
        ..offer_of("X-Postbell-Idempotency-Key: 42\r\nFrom: a@example.com\r\n\r\nHello\r\n")
    };
    let limited = [(workspace(), sandbox(Some(1), NewMail::Refuse))];
    let world = World::with_sending(limited, Some(0));
    let first = world.gate.submit(with_key(&[ANN])).await.unwrap();
    world.knows("c:42", first.message);
    for to_whom in [ANN, EVE] {
        let again = world.gate.submit(with_key(&[to_whom])).await.unwrap();
        assert_eq!((again.message, again.deliveries), (first.message, vec![]));
    }
    assert_eq!((world.sent_in_sandbox(), world.stored().len()), (1, 1));
    let refusal = world.gate.submit(to(&[ANN])).await.unwrap_err();
    assert!(matches!(refusal, Refusal::SandboxLimit(_, 1)));
}
