//! Opens, clicks, and what follows from the suppression list.

use postbell_model::Telling;
use postbell_model::engagement::{Click, Engagement, ImageProxy, MachineReason};
use postbell_model::inbound::UnsubscribeMethod;
use postbell_model::suppression::{Cause, Scope, SuppressedBy, Suppression};

use crate::hears;

use super::*;

const LATER: Duration = Duration::from_micros(3_600_665_544);
const FIVE_DAYS: Duration = Duration::from_hours(120);

fn open() -> Engagement {
    Engagement {
        ip: Some("203.0.113.42".to_owned()),
        user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15"
            .to_owned(),
        count: Some(1),
        machine_reasons: Vec::new(),
        proxy: None,
    }
}

fn opened() -> Logged {
    logged(3, LATER, Fact::Open(Box::new(open())))
}

/// By way of Gmail, long after its rows were removed, with addresses that are not told.
fn opened_by_proxy() -> Logged {
    let open = Engagement {
        ip: None,
        user_agent: "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 \
            (via ggpht.com GoogleImageProxy)"
            .to_owned(),
        count: None,
        machine_reasons: Vec::new(),
        proxy: Some(ImageProxy::Google),
    };
    logged(3, LATER, Fact::Open(Box::new(open)))
}

fn clicked_by(count: u32, machine_reasons: Vec<MachineReason>) -> Logged {
    let click = Click {
        url: "https://shop.example/orders/42?lang=de&from=mail#top".to_owned(),
        index: 3,
        engagement: Engagement {
            user_agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:139.0) \
                Gecko/20100101 Firefox/139.0"
                .to_owned(),
            count: Some(count),
            machine_reasons,
            ..open()
        },
    };
    logged(3, LATER, Fact::Click(Box::new(click)))
}

fn clicked() -> Logged {
    clicked_by(1, Vec::new())
}

fn clicked_by_machine() -> Logged {
    let reasons = [
        MachineReason::RightAfterDelivery,
        MachineReason::SeveralLinks,
    ];
    clicked_by(2, reasons.to_vec())
}

fn cause() -> EventId {
    let id = "evt_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d15";
    id.parse().unwrap()
}

fn suppressed() -> Logged {
    let by = SuppressedBy {
        scope: Scope::All,
        cause: Cause::Bounce,
        since: ACCEPTED.before(FIVE_DAYS),
        event: Some(cause()),
    };
    logged(1, Duration::ZERO, Fact::Suppressed(Box::new(by)))
}

fn entry() -> Suppression {
    Suppression {
        workspace: WorkspaceId(7),
        address: Address::parse("ann@customer.example").unwrap(),
        scope: Scope::Stream("news".to_owned()),
        cause: Cause::Unsubscribe,
        since: ACCEPTED,
        event: Some(cause()),
        expires_at: None,
        note: None,
    }
}

fn added() -> Logged {
    about_workspace(WorkspaceFact::SuppressionAdded(Box::new(entry())))
}

fn removed() -> Logged {
    let entry = Suppression {
        scope: Scope::All,
        cause: Cause::Manual,
        since: ACCEPTED.before(FIVE_DAYS),
        event: None,
        expires_at: Some(ACCEPTED.after(Duration::from_hours(720))),
        note: Some("asked by telephone".to_owned()),
        ..entry()
    };
    about_workspace(WorkspaceFact::SuppressionRemoved(Box::new(entry)))
}

fn unsubscribed_by_link() -> Logged {
    let fact = Fact::Unsubscribe {
        method: UnsubscribeMethod::Link,
        inbound: None,
    };
    logged(3, LATER, fact)
}

#[test]
fn engagement_and_consent_are_told_as_the_fixtures_say() {
    for (event, golden) in [
        (opened(), fixture!("postbell", "open")),
        (opened_by_proxy(), fixture!("postbell", "open-proxy")),
        (clicked(), fixture!("postbell", "click")),
        (clicked_by_machine(), fixture!("postbell", "click-machine")),
        (suppressed(), fixture!("postbell", "reject-suppressed")),
        (added(), fixture!("postbell", "suppression-added")),
        (removed(), fixture!("postbell", "suppression-removed")),
        (
            unsubscribed_by_link(),
            fixture!("postbell", "unsubscribe-link"),
        ),
    ] {
        check(Format::Postbell, &event, golden);
    }
}

#[test]
fn splashify_tells_engagement_in_the_words_of_the_reference() {
    for (event, golden) in [
        (opened(), fixture!("splashify", "open")),
        (clicked(), fixture!("splashify", "click")),
        (suppressed(), fixture!("splashify", "reject-suppressed")),
    ] {
        check(Format::Splashify, &event, golden);
    }
    for event in [
        opened(),
        opened_by_proxy(),
        clicked(),
        clicked_by_machine(),
        suppressed(),
    ] {
        let (ours, theirs) = (
            told(Format::Postbell, &event),
            told(Format::Splashify, &event),
        );
        assert_contains(&ours, &theirs);
    }
    for event in [added(), removed(), unsubscribed_by_link()] {
        assert_eq!(render(Format::Splashify, &event, "default"), []);
    }
}

/// The reference: `open` and `click` in its text on event types. An address that is not told is an
/// empty text, since a text is what its consumers read.
#[test]
fn opens_and_clicks_have_the_members_of_the_reference_in_their_order() {
    let block = |event: &Logged, name: &str| {
        let json = &render(Format::Splashify, event, "default")[0].json;
        let json = std::str::from_utf8(json).unwrap();
        let (_, block) = json.split_once(&format!(r#""{name}":"#)).unwrap();
        block.to_owned()
    };
    assert_eq!(
        block(&clicked(), "click"),
        concat!(
            r#"{"timestamp":"2026-05-03T13:34:56.789Z","ipAddress":"203.0.113.42","#,
            r#""userAgent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:139.0) "#,
            r#"Gecko/20100101 Firefox/139.0","#,
            r#""link":"https://shop.example/orders/42?lang=de&from=mail#top"}}"#,
        )
    );
    let open = block(&opened_by_proxy(), "open");
    assert!(
        open.starts_with(r#"{"timestamp":"2026-05-03T13:34:56.789Z","ipAddress":"","userAgent":""#),
        "{open}"
    );
}

#[test]
fn each_policy_rejects_in_its_own_words() {
    for (reason, words) in [
        (RejectReason::DomainDeleted, "sending domain was deleted"),
        (RejectReason::SendingPaused, "sending paused"),
        (
            RejectReason::SandboxRecipient,
            "sandbox: address not verified",
        ),
        (RejectReason::SandboxLimit, "sandbox limit reached"),
    ] {
        let event = logged(1, Duration::ZERO, Fact::Reject { reason });
        let ours = &told(Format::Postbell, &event)["reject"];
        let wanted = serde_json::json!({ "reason": words, "cause": reason.name() });
        assert_eq!(*ours, wanted);
        let theirs = &told(Format::Splashify, &event)["reject"];
        assert_eq!(*theirs, serde_json::json!({ "reason": words }));
    }
}

#[test]
fn a_destination_may_ask_for_people_alone() {
    let mut destination = destination();
    let opened_by_machine = || {
        let open = Engagement {
            machine_reasons: vec![MachineReason::ApplePrivacyProxy],
            ..open()
        };
        logged(3, LATER, Fact::Open(Box::new(open)))
    };
    for format in ["postbell", "splashify"] {
        destination.format = format.to_owned();
        for telling in [Telling::Send, Telling::Skip] {
            destination.settings.machines = telling;
            let is_sent = telling == Telling::Send;
            assert_eq!(hears(&destination, &opened_by_machine()), is_sent);
            assert_eq!(hears(&destination, &clicked_by_machine()), is_sent);
            // A proxy that fetches pictures for whoever looks at them is no machine.
            for event in [opened(), opened_by_proxy(), clicked(), suppressed()] {
                assert!(hears(&destination, &event));
            }
        }
    }
}

/// The User-Agent is written by whoever asks.
#[test]
fn what_a_visitor_says_stays_within_its_string() {
    let hostile = "a\r\nBcc: b@c.example\u{0}\u{1b}[2J\u{85}\"},{<script>";
    let engagement = Engagement {
        user_agent: hostile.to_owned(),
        ..open()
    };
    let click = Click {
        url: format!("https://shop.example/{hostile}"),
        index: 0,
        engagement: engagement.clone(),
    };
    for fact in [
        Fact::Open(Box::new(engagement)),
        Fact::Click(Box::new(click)),
    ] {
        for format in Format::ALL {
            let Value::Object(members) = told(*format, &logged(3, LATER, fact.clone())) else {
                panic!("no object");
            };
            let block = members.values().filter_map(Value::as_object);
            for text in block.flat_map(|block| block.values().filter_map(Value::as_str)) {
                assert!(!text.contains(char::is_control), "{text:?}");
            }
        }
    }
}

/// The page that users read: an example of a kind that tells of these is what is sent.
#[test]
fn the_examples_of_the_page_are_what_is_sent() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.md"));
    let examples: Vec<Value> = page
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .filter_map(|example| serde_json::from_str(&format!("{{{example}}}")).ok())
        .collect();
    for (event, member) in [
        (opened(), "open"),
        (clicked_by_machine(), "click"),
        (suppressed(), "reject"),
        (added(), "suppressionAdded"),
        (removed(), "suppressionRemoved"),
        (unsubscribed_by_link(), "unsubscribe"),
    ] {
        let told = &told(Format::Postbell, &event)[member];
        let mut of_kind = examples.iter().filter_map(|example| example.get(member));
        assert!(of_kind.any(|example| example == told), "{member}: {told:#}");
    }
    for reason in MachineReason::ALL {
        assert!(page.contains(&format!("`{reason}`")), "{reason}");
    }
    for proxy in ImageProxy::ALL {
        assert!(page.contains(&format!("`{proxy}`")), "{proxy}");
    }
    for cause in Cause::ALL {
        assert!(page.contains(&format!("`{cause}`")), "{cause}");
    }
    for reason in RejectReason::ALL {
        assert!(page.contains(&format!("`{}`", reason.name())), "{reason}");
    }
}
