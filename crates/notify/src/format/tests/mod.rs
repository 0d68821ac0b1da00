use std::sync::Arc;
use std::time::Duration;

use postbell_model::attempt::{PlaintextReason, TlsUsed, Verification};
use postbell_model::message::Received;
use postbell_model::{
    Address, Attempt, BounceClass, BounceType, ConfigurationSetId, DeliveryId, DeliveryState,
    Destination, DestinationId, DestinationSettings, DestinationState, DisableReason, Domain,
    DomainSetting, Event, EventId, HostTry, Instructions, Message, MessageId, NewMail, Phase,
    RejectReason, Reply, ReversePath, Secret, SeenRecords, SettingChange, Timestamp,
    WorkspaceEvent, WorkspaceFact, WorkspaceId,
};
use postbell_store::{LoggedWorkspaceEvent, Position};
use serde_json::Value;

use super::*;
use crate::sample::fixture;

// 2026-05-03T12:34:56.123456Z: the moment of the reference's examples.
const ACCEPTED: Timestamp = Timestamp::from_micros(1_777_811_696_123_456);

fn logged(sequence: u32, after: Duration, fact: Fact) -> Logged {
    let [message, delivery, event] = [
        "0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10",
        "0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d11",
        "evt_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d12",
    ];
    Logged::Delivery(LoggedEvent {
        position: Position(7),
        event: Event {
            id: event.parse::<EventId>().unwrap(),
            at: ACCEPTED.after(after),
            delivery: delivery.parse::<DeliveryId>().unwrap(),
            sequence,
            fact,
        },
        recipient: Address::parse("ann@customer.example").unwrap(),
        message: Arc::new(Message {
            id: message.parse::<MessageId>().unwrap(),
            workspace: WorkspaceId(7),
            configuration_set: ConfigurationSetId(3),
            mail_from: ReversePath::Null,
            source: "shop@sender.example".to_owned(),
            subject: "Your \"order\" is on its way — Grüße".to_owned(),
            header_message_id: "<4711@sender.example>".to_owned(),
            accepted_at: ACCEPTED,
            size: 2_345,
            eight_bit: true,
            smtputf8: false,
            received: Received {
                helo: "app.sender.example".to_owned(),
                peer: None,
                with: "ESMTP".to_owned(),
            },
            reports: false,
            instructions: Instructions::default(),
            forward: None,
        }),
    })
}

fn attempt(number: u32, phase: Phase, reply: Reply, from_peer: bool) -> Attempt {
    Attempt {
        number,
        started_at: ACCEPTED,
        ended_at: ACCEPTED,
        tracking_notes: Vec::new(),
        tries: vec![HostTry {
            host: Domain::parse("mx1.customer.example").unwrap(),
            ip: Some("192.0.2.25".parse().unwrap()),
            tls: (phase == Phase::Message).then(|| TlsUsed {
                version: "TLSv1.3".into(),
                policy: "opportunistic".into(),
                cipher: "TLS_AES_128_GCM_SHA256".into(),
                verification: Verification::Verified,
            }),
            plaintext: None,
            phase,
            reply,
            from_peer,
            dsn: false,
        }],
    }
}

fn delivery() -> Logged {
    let attempt = attempt(1, Phase::Message, Reply::new(250, 0, 0, "OK"), true);
    logged(2, Duration::from_millis(1_333), Fact::Delivery { attempt })
}

fn delivery_in_plaintext() -> Logged {
    let mut attempt = attempt(1, Phase::Message, Reply::new(250, 0, 0, "OK"), true);
    attempt.tries[0].tls = None;
    attempt.tries[0].plaintext = Some(PlaintextReason::HandshakeFailed);
    logged(2, Duration::from_millis(1_333), Fact::Delivery { attempt })
}

fn delay(sequence: u32, number: u32) -> Logged {
    let reply = Reply::received(451, "4.7.1 Greylisted, try again later");
    let at = Duration::from_micros(2_876_544);
    let fact = Fact::DeliveryDelay {
        attempt: attempt(number, Phase::Rcpt, reply, true),
        class: BounceClass::RateLimited,
        next_attempt_at: ACCEPTED.after(Duration::from_mins(5)),
        expires_at: ACCEPTED.after(Duration::from_hours(120)),
    };
    logged(sequence, at, fact)
}

fn bounce() -> Logged {
    let reply = Reply::received(550, "5.1.1 user unknown\n5.1.1 see https://mx.example/help");
    let fact = Fact::Bounce {
        attempt: attempt(1, Phase::Rcpt, reply, true),
        class: BounceClass::NoSuchUser,
        bounce_type: BounceType::Permanent,
    };
    logged(2, Duration::from_micros(2_665_544), fact)
}

fn expired() -> Logged {
    let reply = Reply::new(451, 4, 1, "No answer from the host");
    let fact = Fact::Bounce {
        attempt: attempt(42, Phase::Connect, reply, false),
        class: BounceClass::Expired,
        bounce_type: BounceType::Transient,
    };
    logged(9, Duration::from_hours(120), fact)
}

fn destination() -> Destination {
    Destination {
        id: DestinationId::new(ACCEPTED),
        workspace: WorkspaceId(7),
        configuration_set: None,
        name: "hook".to_owned(),
        url: "https://hooks.example/".to_owned(),
        secret: Secret::new("s"),
        previous_secret: None,
        matching_event_types: Vec::new(),
        format: "postbell".to_owned(),
        settings: DestinationSettings::default(),
        replays: 0,
        state: DestinationState::Active,
        created_at: ACCEPTED,
    }
}

fn check(format: Format, event: &Logged, golden: &str) {
    let [document] = &render(format, event, "default")[..] else {
        panic!("one document");
    };
    let told: Value = serde_json::from_slice(&document.json).unwrap();
    let wanted: Value = serde_json::from_str(golden).unwrap();
    assert_eq!(told, wanted, "{told:#}");
    assert_eq!(document.name, told["eventType"]);
    assert_eq!(document.id, event.id().to_string());
}

mod engagement;
mod inbound;

#[test]
fn postbell_documents_are_those_of_the_fixtures() {
    let send = logged(1, Duration::ZERO, Fact::Send);
    check(Format::Postbell, &send, fixture!("postbell", "send"));
    check(
        Format::Postbell,
        &delivery(),
        fixture!("postbell", "delivery"),
    );
    check(
        Format::Postbell,
        &delivery_in_plaintext(),
        fixture!("postbell", "delivery-plaintext"),
    );
    check(
        Format::Postbell,
        &delay(2, 1),
        fixture!("postbell", "delivery-delay"),
    );
    check(Format::Postbell, &bounce(), fixture!("postbell", "bounce"));
    check(
        Format::Postbell,
        &expired(),
        fixture!("postbell", "bounce-expired"),
    );
}

#[test]
fn what_was_left_alone_of_a_message_is_told_with_its_delivery() {
    let mut attempt = attempt(1, Phase::Message, Reply::new(250, 0, 0, "OK"), true);
    let note = "what is signed or encrypted is left as it is";
    attempt.tracking_notes = vec![note.to_owned()];
    let event = logged(2, Duration::ZERO, Fact::Delivery { attempt });
    let [document] = &render(Format::Postbell, &event, "default")[..] else {
        panic!("one document");
    };
    let told: Value = serde_json::from_slice(&document.json).unwrap();
    assert_eq!(told["delivery"]["trackingNotes"], serde_json::json!([note]));
}

#[test]
fn splashify_documents_are_those_of_the_fixtures() {
    let send = logged(1, Duration::ZERO, Fact::Send);
    check(Format::Splashify, &send, fixture!("splashify", "send"));
    check(
        Format::Splashify,
        &delivery(),
        fixture!("splashify", "delivery"),
    );
    check(
        Format::Splashify,
        &delay(2, 1),
        fixture!("splashify", "delivery-delay"),
    );
    check(
        Format::Splashify,
        &bounce(),
        fixture!("splashify", "bounce"),
    );
    check(
        Format::Splashify,
        &expired(),
        fixture!("splashify", "bounce-expired"),
    );
}

/// A consumer written for the Splashify documents reads ours unchanged: whatever stands in one
/// stands in the other, times but for their decimals.
#[test]
fn postbell_documents_contain_the_splashify_ones() {
    for event in [delivery(), delay(2, 1), bounce(), expired()] {
        assert_contains(
            &told(Format::Postbell, &event),
            &told(Format::Splashify, &event),
        );
    }
}

fn told(format: Format, event: &Logged) -> Value {
    let documents = render(format, event, "default");
    serde_json::from_slice(&documents[0].json).unwrap()
}

fn assert_contains(ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (name, value) in theirs {
                assert_contains(&ours[name], value);
            }
        }
        (Value::String(ours), Value::String(theirs)) if theirs.ends_with('Z') => {
            assert_eq!(ours[..23], theirs[..23]);
        }
        _ => assert_eq!(ours, theirs),
    }
}

#[test]
fn members_come_in_the_order_of_the_reference() {
    let json = &render(Format::Splashify, &bounce(), "default")[0].json;
    assert_eq!(
        std::str::from_utf8(json).unwrap(),
        concat!(
            r#"{"eventType":"Bounce","mail":{"timestamp":"2026-05-03T12:34:56.123Z","#,
            r#""messageId":"0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10","#,
            r#""source":"shop@sender.example","destination":["ann@customer.example"]},"#,
            r#""bounce":{"timestamp":"2026-05-03T12:34:58.789Z","bounceType":"Permanent","#,
            r#""bounceSubType":"no_such_user","bouncedRecipients":[{"#,
            r#""emailAddress":"ann@customer.example","#,
            r#""diagnosticCode":"550 5.1.1 user unknown see https://mx.example/help"}]}}"#,
        )
    );
}

#[test]
fn the_first_delay_is_known() {
    let is_first = |event: &Logged| match event {
        Logged::Delivery(logged) => is_first_delay(logged),
        Logged::Workspace(_) => false,
    };
    assert!(is_first(&delay(2, 1)) && is_first(&delay(2, 3)) && is_first(&delay(3, 1)));
    assert!(!is_first(&delay(3, 2)));
}

#[test]
fn what_a_vocabulary_has_no_word_for_is_not_told() {
    let held = logged(2, Duration::ZERO, Fact::Held);
    assert_eq!(render(Format::Postbell, &held, "default").len(), 1);
    assert_eq!(render(Format::Splashify, &held, "default").len(), 0);
    assert_eq!(render(Format::Splashify, &disabled(), "default").len(), 0);
}

fn disabled() -> Logged {
    let destination = "dst_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d13";
    about_workspace(WorkspaceFact::DestinationDisabled {
        destination: destination.parse().unwrap(),
        name: "hook".to_owned(),
        reason: DisableReason::Gone,
    })
}

fn about_workspace(fact: WorkspaceFact) -> Logged {
    let event = "evt_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d12";
    Logged::Workspace(LoggedWorkspaceEvent {
        position: Position(8),
        event: WorkspaceEvent {
            id: event.parse().unwrap(),
            at: ACCEPTED,
            workspace: WorkspaceId(7),
            configuration_set: None,
            fact,
        },
    })
}

#[test]
fn events_about_a_workspace_are_told_in_our_own_words() {
    check(
        Format::Postbell,
        &disabled(),
        fixture!("postbell", "destination-disabled"),
    );
    let paused = WorkspaceFact::SendingPaused {
        domain: None,
        reason: Some("too many bounces".to_owned()),
        new_mail: NewMail::Hold,
    };
    check(
        Format::Postbell,
        &about_workspace(paused),
        fixture!("postbell", "sending-paused"),
    );
    let resumed = WorkspaceFact::SendingResumed {
        domain: Domain::parse("sender.example").ok(),
        paused_at: ACCEPTED,
    };
    check(
        Format::Postbell,
        &about_workspace(resumed),
        fixture!("postbell", "sending-resumed"),
    );
}

fn about_domain(fact: WorkspaceFact) -> Logged {
    let Logged::Workspace(mut logged) = disabled() else {
        panic!("it is about a workspace");
    };
    logged.event.fact = fact;
    Logged::Workspace(logged)
}

#[test]
fn the_life_of_a_domain_is_told_in_our_own_words() {
    let domain = || Domain::parse("acme.example").unwrap();
    let change = |setting, old: Option<&str>, new: &str| SettingChange {
        setting,
        old: old.map(str::to_owned),
        new: new.to_owned(),
    };
    let settings = vec![
        change(DomainSetting::ReturnPathHost, None, "bounce.acme.example"),
        change(DomainSetting::ReplyHost, None, "reply.acme.example"),
        change(DomainSetting::TrackingHost, None, "track.acme.example"),
        change(DomainSetting::ConfigurationSet, None, "default"),
    ];
    let changes = vec![
        change(
            DomainSetting::TrackingHost,
            Some("track.acme.example"),
            "links.acme.example",
        ),
        change(DomainSetting::ConfigurationSet, Some("default"), "urgent"),
    ];
    let seen = SeenRecords {
        dkim: true,
        spf: true,
        dmarc: false,
    };
    let missing = vec!["MX bounce.acme.example".to_owned()];
    for (fact, golden) in [
        (
            WorkspaceFact::DomainCreated {
                domain: domain(),
                settings,
            },
            fixture!("postbell", "domain-created"),
        ),
        (
            WorkspaceFact::DomainUpdated {
                domain: domain(),
                changes,
            },
            fixture!("postbell", "domain-updated"),
        ),
        (
            WorkspaceFact::DomainVerified {
                domain: domain(),
                seen,
            },
            fixture!("postbell", "domain-verified"),
        ),
        (
            WorkspaceFact::DomainUnverified {
                domain: domain(),
                missing,
            },
            fixture!("postbell", "domain-unverified"),
        ),
        (
            WorkspaceFact::DomainDeleted { domain: domain() },
            fixture!("postbell", "domain-deleted"),
        ),
    ] {
        check(Format::Postbell, &about_domain(fact), golden);
    }
}

#[test]
fn a_rejection_is_told_with_its_reason() {
    let reason = RejectReason::DomainDeleted;
    let rejected = logged(2, Duration::from_secs(2), Fact::Reject { reason });
    check(Format::Postbell, &rejected, fixture!("postbell", "reject"));
    check(
        Format::Splashify,
        &rejected,
        fixture!("splashify", "reject"),
    );
}

#[test]
fn what_waits_is_told_as_the_fixtures_say() {
    let send_at = ACCEPTED.after(Duration::from_hours(24));
    let later = Duration::from_micros(3_600_665_544);
    let state = DeliveryState::Queued;
    for (event, golden) in [
        (
            logged(1, Duration::ZERO, Fact::Scheduled { send_at }),
            fixture!("postbell", "scheduled"),
        ),
        (logged(2, later, Fact::Held), fixture!("postbell", "held")),
        (
            logged(3, later, Fact::Released { state }),
            fixture!("postbell", "released"),
        ),
        (
            logged(2, later, Fact::Cancelled),
            fixture!("postbell", "cancelled"),
        ),
    ] {
        check(Format::Postbell, &event, golden);
        assert_eq!(render(Format::Splashify, &event, "default"), []);
    }
}

#[test]
fn formats_have_names() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(*format));
    }
    let error = "ses2".parse::<Format>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no format \"ses2\"; known are postbell and splashify"
    );
}
