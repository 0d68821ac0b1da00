//! Mail that came in: what it changes, and how it is found.

use bytes::Bytes;
use postbell_model::inbound::{
    Content, InboundKind, LateReport, MailFact, MatchedBy, ReplyFact, Via,
};
use postbell_model::{
    Address, Audience, BounceClass, BounceType, DeliveryId, DeliveryState, EventKind, Fact,
    InboundId, InboundMail, ReversePath, Timestamp, WorkspaceFact,
};
use postbell_store::{
    InboundFact, InboundFilter, InboundPage, InspectInbound, Logged, NewForward, NewInbound,
    Position, Reception, SentSearch, SqliteInspector, StoreError, Taken, verify,
};

use crate::fixture::{Fixture, NOW, bounced, delayed, delivered, later, set_of};

pub(crate) const BODY: &str = "Subject: Re: x\r\n\r\nthanks\r\n";

/// Mail for an address of ours, at a time.
pub(crate) fn mail(fixture: &Fixture, at: Timestamp) -> InboundMail {
    InboundMail {
        id: InboundId::new(at),
        workspace: Some(fixture.workspace),
        delivery: None,
        kind: InboundKind::Mail,
        at,
        peer: "192.0.2.9".parse().unwrap(),
        mail_from: ReversePath::Mailbox(Address::parse("bob@example.com").unwrap()),
        recipient: Address::parse("support@acme.example").unwrap(),
        from: "bob@example.com".to_owned(),
        subject: "Re: x".to_owned(),
        header_message_id: Some("7@example.com".to_owned()),
        size: BODY.len() as u64,
    }
}

/// One message for one address.
pub(crate) fn reception(mail: InboundMail, facts: Vec<InboundFact>) -> Reception {
    let forward: Option<NewForward> = None;
    Reception {
        mails: vec![NewInbound {
            mail,
            facts,
            forward,
        }],
        body: Bytes::from_static(BODY.as_bytes()),
    }
}

/// What a report says that came after the end.
pub(crate) fn late_bounce(inbound: InboundId) -> Fact {
    let report = LateReport {
        inbound,
        matched_by: MatchedBy::Address,
        recipient: None,
        status: None,
        code: None,
        diagnostic: "the mailbox is gone".to_owned(),
        remote_mta: None,
        reporting_mta: None,
        class: Some(BounceClass::NoSuchUser),
        is_permanent: true,
    };
    Fact::LateBounce {
        class: BounceClass::NoSuchUser,
        bounce_type: BounceType::Permanent,
        report: Box::new(report),
    }
}

pub(crate) fn reply(inbound: InboundId) -> Fact {
    Fact::Reply(Box::new(ReplyFact {
        inbound,
        via: Via::ReplyTo,
        is_from_recipient: true,
        is_forwarded: false,
        also_to: Vec::new(),
        content: content(),
    }))
}

fn content() -> Content {
    Content {
        from: "bob@example.com".to_owned(),
        subject: "Re: x".to_owned(),
        ..Content::default()
    }
}

/// An answer to a delivery.
pub(crate) fn answer(fixture: &Fixture, delivery: DeliveryId, at: Timestamp) -> Reception {
    let mail = InboundMail {
        delivery: Some(delivery),
        kind: InboundKind::Reply,
        ..mail(fixture, at)
    };
    let fact = reply(mail.id);
    reception(mail, vec![InboundFact::Delivery { delivery, fact }])
}

pub(crate) async fn take(fixture: &Fixture, reception: Reception) -> Taken {
    let mut taken = fixture.store.receive(vec![reception]).await;
    taken.pop().unwrap().unwrap()
}

const ONE: Taken = Taken {
    recorded: 1,
    left_out: 0,
};

/// The kinds and numbers of what was told of a delivery.
async fn told(fixture: &Fixture, delivery: DeliveryId) -> Vec<(u32, EventKind)> {
    let page = fixture
        .events_after(fixture.set, Position(0), 1_000)
        .await
        .events;
    let of_it = page
        .into_iter()
        .filter(|event| event.event.delivery == delivery);
    of_it
        .map(|event| (event.event.sequence, event.event.fact.kind()))
        .collect()
}

async fn sound(fixture: &Fixture) {
    let verified = verify(fixture.folder()).await.unwrap();
    assert!(verified.faults.is_empty(), "{verified:?}");
}

async fn claim(fixture: &Fixture, now: Timestamp) -> usize {
    let lane = fixture.lane("example.com");
    fixture.store.claim(&lane, now, 10).await.unwrap().len()
}

async fn delivered_one(fixture: &Fixture) -> DeliveryId {
    let id = fixture.accept(&["bob@example.com"]).await[0];
    claim(fixture, NOW).await;
    fixture.store.settle(vec![delivered(id)]).await[0]
        .as_ref()
        .unwrap();
    id
}

pub(crate) async fn what_came_in_survives_with_what_it_says(fixture: &Fixture) {
    let id = delivered_one(fixture).await;
    let answer = answer(fixture, id, later(9));
    let mail = answer.mails[0].mail.clone();
    let newest = fixture.store.newest();
    assert_eq!(take(fixture, answer).await, ONE);
    assert_eq!(*newest.borrow(), Position(3));
    sound(fixture).await;

    let fixture = fixture.reopened().await;
    let kept = fixture.store.inbound(mail.id).await.unwrap().unwrap();
    assert_eq!(kept.mail, mail);
    let body = fixture.store.body(kept.body.unwrap()).await.unwrap();
    assert_eq!(body, BODY);
    let page = fixture.events_after(fixture.set, Position(2), 10).await;
    let event = &page.events[0].event;
    assert_eq!((event.sequence, event.at), (3, later(9)));
    assert_eq!(event.fact, reply(mail.id));
    let nobody = fixture.store.inbound(InboundId::new(NOW)).await.unwrap();
    assert_eq!(nobody, None);
    sound(&fixture).await;
    fixture.close().await;
}

pub(crate) async fn a_delivery_bounces_once(fixture: &Fixture) {
    let id = delivered_one(fixture).await;
    let mail = mail(fixture, later(9));
    let fact = || InboundFact::Delivery {
        delivery: id,
        fact: late_bounce(mail.id),
    };
    let taken = take(fixture, reception(mail.clone(), vec![fact(), fact()])).await;
    assert_eq!((taken.recorded, taken.left_out), (1, 1));
    let sent = fixture.store.sent(id).await.unwrap().unwrap();
    assert_eq!(sent.state, DeliveryState::Bounced);
    assert_eq!(
        told(fixture, id).await,
        [
            (1, EventKind::Send),
            (2, EventKind::Delivery),
            (3, EventKind::Bounce)
        ]
    );
    sound(fixture).await;
}

pub(crate) async fn what_can_not_be_is_left_out_and_the_rest_stands(fixture: &Fixture) {
    let id = delivered_one(fixture).await;
    let gone = DeliveryId::new(NOW);
    let mail = mail(fixture, later(9));
    let about = |delivery, fact| InboundFact::Delivery { delivery, fact };
    let facts = vec![
        about(gone, reply(mail.id)),
        // What only an attempt or an operator can say is not taken from mail.
        about(id, Fact::Cancelled),
        about(id, delivered(id).fact),
        about(id, reply(mail.id)),
    ];
    let taken = take(fixture, reception(mail, facts)).await;
    assert_eq!((taken.recorded, taken.left_out), (1, 3));
    assert_eq!(told(fixture, id).await.last(), Some(&(3, EventKind::Reply)));
}

pub(crate) async fn what_is_said_of_a_delivery_in_flight_leaves_no_gap(fixture: &Fixture) {
    let id = fixture.accept(&["bob@example.com"]).await[0];
    assert_eq!(claim(fixture, NOW).await, 1);
    assert_eq!(take(fixture, answer(fixture, id, later(1))).await, ONE);
    let again = vec![delayed(id, 1, later(60))];
    fixture.store.settle(again).await[0].as_ref().unwrap();
    assert_eq!(take(fixture, answer(fixture, id, later(2))).await, ONE);
    assert_eq!(claim(fixture, later(60)).await, 1);
    assert_eq!(take(fixture, answer(fixture, id, later(61))).await, ONE);
    assert_eq!(take(fixture, answer(fixture, id, later(62))).await, ONE);
    fixture.store.settle(vec![delivered(id)]).await[0]
        .as_ref()
        .unwrap();
    let kinds: Vec<_> = told(fixture, id).await;
    use EventKind::{Delivery, DeliveryDelay, Reply, Send};
    let expected = [Send, Reply, DeliveryDelay, Reply, Reply, Reply, Delivery];
    assert_eq!(kinds, (1..).zip(expected).collect::<Vec<_>>());
    sound(fixture).await;
}

pub(crate) async fn what_was_offered_settles_after_an_answer(fixture: &Fixture) {
    let mut fresh = fixture.store.fresh().unwrap();
    let id = fixture.accept(&["bob@example.com"]).await[0];
    assert_eq!(fresh.recv().await.unwrap().delivery.id, id);
    let (answer, settlement) = (answer(fixture, id, later(1)), vec![bounced(id)]);
    let (taken, settled) = tokio::join!(
        fixture.store.receive(vec![answer]),
        fixture.store.settle(settlement)
    );
    assert_eq!(*taken[0].as_ref().unwrap(), ONE);
    settled[0].as_ref().unwrap();
    assert_eq!(told(fixture, id).await.len(), 3);
    sound(fixture).await;
}

pub(crate) async fn mail_to_a_domain_is_told_to_its_set_and_its_workspace(fixture: &Fixture) {
    let other = set_of(&*fixture.store, fixture.workspace, "other").await;
    let mail = mail(fixture, later(9));
    let received = WorkspaceFact::Received(Box::new(MailFact {
        inbound: mail.id,
        mail_from: "bob@example.com".to_owned(),
        recipient: mail.recipient.clone(),
        tag: None,
        headers: vec![("Subject".to_owned(), "Re: x".to_owned())],
        is_suspicious: false,
        content: content(),
    }));
    let fact = InboundFact::Workspace {
        workspace: fixture.workspace,
        configuration_set: other,
        fact: received.clone(),
    };
    assert_eq!(take(fixture, reception(mail, vec![fact])).await, ONE);
    for (audience, hears) in [
        (Audience::Set(other), true),
        (Audience::Workspace(fixture.workspace), true),
        (Audience::Set(fixture.set), false),
    ] {
        let page = fixture.store.events_after(audience, Position(0), 10).await;
        let events = page.unwrap().events;
        assert_eq!(!events.is_empty(), hears, "{audience:?}");
        for logged in events {
            let Logged::Workspace(logged) = logged else {
                panic!("it is about no delivery");
            };
            assert_eq!(logged.event.configuration_set, Some(other));
            assert_eq!(logged.event.fact, received);
        }
    }
}

pub(crate) async fn a_message_for_two_has_one_body(fixture: &Fixture) {
    let mails = [later(9), later(9)].map(|at| NewInbound {
        mail: mail(fixture, at),
        facts: Vec::new(),
        forward: None,
    });
    let ids: Vec<_> = mails.iter().map(|new| new.mail.id).collect();
    let both = Reception {
        mails: mails.into(),
        body: Bytes::from_static(BODY.as_bytes()),
    };
    assert_eq!(take(fixture, both).await, Taken::default());
    let mut places = Vec::new();
    for id in ids {
        let kept = fixture.store.inbound(id).await.unwrap().unwrap();
        places.push(kept.body.unwrap());
    }
    assert_eq!(places[0], places[1]);
    assert_eq!(fixture.store.body(places[1]).await.unwrap(), BODY);
    sound(fixture).await;
}

/// What the database refuses is what a crash before the commit is to the files.
pub(crate) async fn a_refused_message_fails_alone_and_leaves_nothing(fixture: &Fixture) {
    let id = delivered_one(fixture).await;
    let twice = mail(fixture, later(9));
    let new = |mail| NewInbound {
        mail,
        facts: Vec::new(),
        forward: None,
    };
    let refused = || Reception {
        mails: vec![new(twice.clone()), new(twice.clone())],
        body: Bytes::from_static(b"nobody's"),
    };
    let nobodys = Reception {
        mails: Vec::new(),
        body: Bytes::new(),
    };
    let answers = fixture.store.receive(vec![refused(), nobodys]).await;
    for answer in &answers {
        assert!(matches!(answer, Err(StoreError::Refused(_))), "{answers:?}");
    }
    assert_eq!(fixture.store.inbound(twice.id).await.unwrap(), None);
    sound(fixture).await;
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.bodies(), 0);

    let batch = vec![
        answer(&fixture, id, later(9)),
        refused(),
        answer(&fixture, id, later(10)),
    ];
    let answers = fixture.store.receive(batch).await;
    assert_eq!(*answers[0].as_ref().unwrap(), ONE);
    assert!(matches!(answers[1], Err(StoreError::Refused(_))));
    assert_eq!(*answers[2].as_ref().unwrap(), ONE);
    assert_eq!(told(&fixture, id).await.len(), 4);
    sound(&fixture).await;
    fixture.close().await;
}

pub(crate) async fn what_is_kept_holds_no_file_of_the_queue(fixture: &Fixture) {
    let id = delivered_one(fixture).await;
    take(fixture, answer(fixture, id, later(9))).await;
    // A full file is followed by another, and goes with what is in it.
    let mut long = fixture.submission(&["a@example.com"], "");
    long.body = "x".repeat(5_000).into();
    let delivery = long.deliveries[0].id;
    fixture.store.accept(vec![long]).await[0].as_ref().unwrap();
    assert_eq!(fixture.bodies(), 2);
    claim(fixture, NOW).await;
    fixture.store.settle(vec![delivered(delivery)]).await[0]
        .as_ref()
        .unwrap();
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.bodies(), 1, "what came in");
    fixture.close().await;
}

pub(crate) async fn deliveries_are_found_by_their_message_id(fixture: &Fixture) {
    let ids = fixture
        .accept(&["bob@example.com", "ann@example.com"])
        .await;
    let search = |recipient: Option<&str>, from, until| SentSearch {
        header_message_id: "<1@example.org>".to_owned(),
        recipient: recipient.map(|to| Address::parse(to).unwrap()),
        from,
        until,
    };
    let day = 86_400;
    for (search, expected) in [
        (search(None, NOW, later(day)), &ids[..]),
        (search(None, NOW, NOW), &ids[..]),
        (search(Some("BOB@example.com"), NOW, later(day)), &ids[..1]),
        (search(Some("eve@example.com"), NOW, later(day)), &[]),
        (search(None, later(1), later(day)), &[]),
        (
            SentSearch {
                header_message_id: "<2@example.org>".to_owned(),
                ..search(None, NOW, later(day))
            },
            &[],
        ),
    ] {
        let found = fixture.store.sent_as(search.clone()).await.unwrap();
        let mut found: Vec<_> = found.into_iter().map(|sent| sent.delivery).collect();
        found.sort();
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(found, expected, "{search:?}");
    }
    let sent = fixture.store.sent(ids[0]).await.unwrap().unwrap();
    assert_eq!(sent.recipient.as_str(), "bob@example.com");
    assert_eq!(sent.message.subject, "Grüße");
    let nobody = fixture.store.sent(DeliveryId::new(NOW)).await.unwrap();
    assert!(nobody.is_none());
}

pub(crate) async fn an_operator_finds_what_came_in(fixture: &Fixture) {
    let id = delivered_one(fixture).await;
    let reply = answer(fixture, id, later(1));
    let plain = mail(fixture, later(2));
    let nobodys = InboundMail {
        workspace: None,
        kind: InboundKind::Complaint,
        ..mail(fixture, later(3))
    };
    let ids = [reply.mails[0].mail.id, plain.id, nobodys.id];
    take(fixture, reply).await;
    take(fixture, reception(plain, Vec::new())).await;
    take(fixture, reception(nobodys, Vec::new())).await;

    let inspector = SqliteInspector::open(fixture.folder()).await.unwrap();
    let found = async |filter: InboundFilter, page: InboundPage| {
        let found = inspector.inbound_page(&filter, page).await.unwrap();
        found
            .into_iter()
            .map(|kept| kept.mail.id)
            .collect::<Vec<_>>()
    };
    let all = InboundPage {
        before: None,
        limit: 10,
    };
    let none = InboundFilter::default;
    assert_eq!(found(none(), all).await, [ids[2], ids[1], ids[0]]);
    let second = InboundPage {
        before: Some(ids[2]),
        limit: 1,
    };
    assert_eq!(found(none(), second).await, [ids[1]]);
    let (workspace, kind) = (Some(fixture.workspace), Some(InboundKind::Mail));
    let (delivery, since) = (Some(id), Some(later(2)));
    let unmatched = true;
    for (filter, expected) in [
        (
            InboundFilter {
                workspace,
                ..none()
            },
            &[ids[1], ids[0]][..],
        ),
        (InboundFilter { kind, ..none() }, &[ids[1]]),
        (InboundFilter { delivery, ..none() }, &[ids[0]]),
        (InboundFilter { since, ..none() }, &[ids[2], ids[1]]),
        (
            InboundFilter {
                unmatched,
                ..none()
            },
            &[ids[2]],
        ),
    ] {
        assert_eq!(found(filter.clone(), all).await, expected, "{filter:?}");
    }
    let kept = inspector.inbound_one(ids[0]).await.unwrap().unwrap();
    let body = postbell_store::Bodies::body(&inspector, kept.body.unwrap()).await;
    assert_eq!(body.unwrap(), BODY);
    inspector.close().await;
}
