//! What came in by mail.

use postbell_model::authentication::{DkimAlgorithm, SpfIdentity, Verdict};
use postbell_model::inbound::{
    Attachment, AutoReplyClass, Confirmation, Content, Excerpt, FeedbackReport, LateReport,
    MailFact, MatchedBy, ReplyFact, UnsubscribeMethod, Via,
};
use postbell_model::{
    Aligned, ArcResult, Authentication, DkimResult, DmarcPolicy, DmarcRequest, DmarcResult,
    EnhancedCode, InboundId, SpfResult, Telling,
};

use crate::hears;

use super::*;

const LATER: Duration = Duration::from_micros(3_600_665_544);

fn inbound() -> InboundId {
    let id = "in_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d14";
    id.parse().unwrap()
}

fn report(status: &str, diagnostic: &str, class: Option<BounceClass>) -> Box<LateReport> {
    Box::new(LateReport {
        inbound: inbound(),
        matched_by: MatchedBy::Address,
        recipient: Some("Ann.Smith@mailbox.customer.example".to_owned()),
        status: EnhancedCode::parse(status),
        code: diagnostic
            .split(' ')
            .next()
            .and_then(|code| code.parse().ok()),
        diagnostic: diagnostic.to_owned(),
        remote_mta: Some("mailbox.customer.example".to_owned()),
        reporting_mta: Some("mx1.customer.example".to_owned()),
        class,
        is_permanent: status.starts_with('5'),
    })
}

fn late_bounce() -> Logged {
    let class = BounceClass::NoSuchUser;
    let fact = Fact::LateBounce {
        class,
        bounce_type: BounceType::Permanent,
        report: report("5.1.1", "550 5.1.1 user unknown", Some(class)),
    };
    logged(3, LATER, fact)
}

fn late_delay() -> Logged {
    let report = report(
        "4.4.7",
        "delivery is delayed",
        Some(BounceClass::NetworkError),
    );
    logged(3, LATER, Fact::LateDelay { report })
}

fn confirmed() -> Logged {
    let fact = Fact::Confirmed {
        confirmation: Confirmation::Delivered,
        report: report("2.1.5", "250 2.1.5 stored", None),
    };
    logged(3, LATER, fact)
}

fn feedback(feedback_type: &str) -> Box<FeedbackReport> {
    Box::new(FeedbackReport {
        inbound: inbound(),
        matched_by: MatchedBy::ReturnedToken,
        feedback_type: feedback_type.to_owned(),
        user_agent: Some("Customer-FBL/1.2".to_owned()),
        arrival_date: Some("Sun, 3 May 2026 12:40:00 +0000".to_owned()),
        source_ip: Some("192.0.2.1".to_owned()),
        reporting_mta: Some("fbl.customer.example".to_owned()),
    })
}

fn complaint() -> Logged {
    logged(3, LATER, Fact::Complaint(feedback("abuse")))
}

fn not_spam() -> Logged {
    logged(3, LATER, Fact::NotSpam(feedback("not-spam")))
}

fn unsubscribed() -> Logged {
    let fact = Fact::Unsubscribe {
        method: UnsubscribeMethod::OneClick,
        inbound: Some(inbound()),
    };
    logged(3, LATER, fact)
}

fn authentication() -> Authentication {
    let domain = || Domain::parse("customer.example").unwrap();
    Authentication {
        spf: SpfResult {
            verdict: Verdict::SoftFail,
            identity: SpfIdentity::MailFrom,
            domain: Some(domain()),
        },
        dkim: vec![DkimResult {
            verdict: Verdict::Pass,
            domain: Some(domain()),
            selector: Some("s1".to_owned()),
            algorithm: Some(DkimAlgorithm::RsaSha256),
            reason: None,
        }],
        dmarc: DmarcResult {
            verdict: Verdict::Pass,
            from: Some(domain()),
            request: Some(DmarcRequest {
                policy: DmarcPolicy::Reject,
                percent: 100,
            }),
            aligned: vec![Aligned::Dkim(domain())],
        },
        arc: ArcResult {
            verdict: Verdict::Pass,
            sets: 1,
            sealer: Domain::parse("lists.example").ok(),
        },
    }
}

fn excerpt(text: &str) -> Excerpt {
    Excerpt::of(text.to_owned(), 1_000)
}

fn content() -> Content {
    Content {
        from: "ann@customer.example".to_owned(),
        from_name: "Ann Smith".to_owned(),
        to: vec!["reply+token@reply.sender.example".to_owned()],
        subject: "Re: Your \"order\" is on its way — Grüße".to_owned(),
        message_id: Some("2@customer.example".to_owned()),
        in_reply_to: Some("4711@sender.example".to_owned()),
        references: vec![
            "1@sender.example".to_owned(),
            "4711@sender.example".to_owned(),
        ],
        text: excerpt("Thanks! When?\n\n> It is on its way.\n"),
        html: Some(Excerpt::of(
            "<div dir=\"ltr\">Thanks! When?</div><blockquote>It is".to_owned(),
            37,
        )),
        stripped_text: excerpt("Thanks! When?"),
        attachments: vec![Attachment {
            part: 3,
            name: Some("Skizze.pdf".to_owned()),
            media_type: "application/pdf".to_owned(),
            size: 48_213,
            content_id: None,
        }],
        auto_reply: None,
        authentication: authentication(),
    }
}

fn reply_fact(content: Content) -> ReplyFact {
    ReplyFact {
        inbound: inbound(),
        via: Via::ReplyTo,
        is_from_recipient: true,
        is_forwarded: false,
        also_to: vec!["bob@customer.example".to_owned()],
        content,
    }
}

fn reply() -> Logged {
    logged(3, LATER, Fact::Reply(Box::new(reply_fact(content()))))
}

/// A vacation note: to the return path, with nothing but text.
fn vacation() -> Logged {
    let content = Content {
        from_name: String::new(),
        subject: "Out of office".to_owned(),
        message_id: None,
        in_reply_to: None,
        references: Vec::new(),
        text: excerpt("Back on Monday.\n"),
        html: None,
        stripped_text: excerpt("Back on Monday."),
        attachments: Vec::new(),
        auto_reply: Some(AutoReplyClass::Vacation),
        authentication: Authentication::default(),
        ..content()
    };
    let note = ReplyFact {
        via: Via::ReturnPath,
        also_to: Vec::new(),
        ..reply_fact(content)
    };
    logged(3, LATER, Fact::Reply(Box::new(note)))
}

fn mail_fact() -> MailFact {
    MailFact {
        inbound: inbound(),
        mail_from: "ann@customer.example".to_owned(),
        recipient: Address::parse("support+42@sender.example").unwrap(),
        tag: Some("42".to_owned()),
        headers: vec![
            (
                "From".to_owned(),
                "Ann Smith <ann@customer.example>".to_owned(),
            ),
            ("Subject".to_owned(), "A question — Grüße".to_owned()),
        ],
        is_suspicious: false,
        content: Content {
            to: vec!["support+42@sender.example".to_owned()],
            subject: "A question — Grüße".to_owned(),
            in_reply_to: None,
            references: Vec::new(),
            ..content()
        },
    }
}

fn received(mail: MailFact) -> Logged {
    about_workspace(WorkspaceFact::Received(Box::new(mail)))
}

#[test]
fn what_came_in_by_mail_is_told_as_the_fixtures_say() {
    for (event, golden) in [
        (late_bounce(), fixture!("postbell", "bounce-late")),
        (late_delay(), fixture!("postbell", "delivery-delay-late")),
        (confirmed(), fixture!("postbell", "confirmed")),
        (complaint(), fixture!("postbell", "complaint")),
        (not_spam(), fixture!("postbell", "not-spam")),
        (unsubscribed(), fixture!("postbell", "unsubscribe")),
        (reply(), fixture!("postbell", "reply")),
        (vacation(), fixture!("postbell", "reply-automatic")),
        (received(mail_fact()), fixture!("postbell", "received")),
    ] {
        check(Format::Postbell, &event, golden);
    }
}

#[test]
fn splashify_tells_it_in_the_words_of_the_reference() {
    for (event, golden) in [
        (late_bounce(), fixture!("splashify", "bounce-late")),
        (late_delay(), fixture!("splashify", "delivery-delay-late")),
        (complaint(), fixture!("splashify", "complaint")),
        (reply(), fixture!("splashify", "reply")),
        (vacation(), fixture!("splashify", "reply-automatic")),
    ] {
        check(Format::Splashify, &event, golden);
        assert_contains(
            &told(Format::Postbell, &event),
            &told(Format::Splashify, &event),
        );
    }
    for event in [
        confirmed(),
        not_spam(),
        unsubscribed(),
        received(mail_fact()),
    ] {
        assert_eq!(render(Format::Splashify, &event, "default"), []);
    }
}

/// The page that users read.
#[test]
fn every_event_is_documented() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.md"));
    for kind in EventKind::ALL {
        assert!(page.contains(&format!("`{kind}`")), "{kind}");
    }
    // What a member of an example is called is what it is called in the document.
    for event in [late_bounce(), complaint(), reply(), received(mail_fact())] {
        let Value::Object(told) = told(Format::Postbell, &event) else {
            panic!("no object");
        };
        for (name, block) in told {
            let members = block.as_object().into_iter().flatten();
            let members = members.map(|(member, _)| member).chain([&name]);
            for member in members {
                assert!(page.contains(&format!("\"{member}\":")), "{member}");
            }
        }
    }
}

/// The reference: `reply` in its text on event types.
#[test]
fn a_reply_has_the_members_of_the_reference_in_their_order() {
    let json = &render(Format::Splashify, &reply(), "default")[0].json;
    let json = std::str::from_utf8(json).unwrap();
    let (_, block) = json.split_once(r#""reply":{"#).unwrap();
    let names = [
        "outbox_id",
        "original_recipient",
        "from",
        "subject",
        "message_id",
        "in_reply_to",
        "references",
        "text_body",
        "html_body",
        "received_at",
    ];
    let places: Vec<_> = names
        .iter()
        .map(|name| block.find(&format!(r#""{name}":""#)).unwrap())
        .collect();
    assert!(places.is_sorted(), "{json}");
    assert_eq!(
        told(Format::Splashify, &reply())["reply"]
            .as_object()
            .unwrap()
            .len(),
        names.len()
    );
}

const HOSTILE: &str = "a\r\nBcc: b@c.example\u{0}\u{1b}[2J\u{85}\"},{<script>\u{2028}\u{202e}";

fn hostile() -> Content {
    let text = || HOSTILE.to_owned();
    Content {
        from: text(),
        from_name: text(),
        to: vec![text()],
        subject: text(),
        message_id: Some(text()),
        in_reply_to: Some(text()),
        references: vec![text(), text()],
        text: excerpt(HOSTILE),
        html: Some(excerpt(HOSTILE)),
        stripped_text: excerpt(HOSTILE),
        attachments: vec![Attachment {
            part: 1,
            name: Some(text()),
            media_type: text(),
            size: 1,
            content_id: Some(text()),
        }],
        ..content()
    }
}

/// Whoever puts a member into a header, a log or a page of their own gets one line, and what is
/// text in the mail is nothing but a string here.
#[test]
fn nothing_that_strangers_write_leaves_its_string() {
    let reply = ReplyFact {
        also_to: vec![HOSTILE.to_owned()],
        ..reply_fact(hostile())
    };
    let mail = MailFact {
        mail_from: HOSTILE.to_owned(),
        tag: Some(HOSTILE.to_owned()),
        headers: vec![(HOSTILE.to_owned(), HOSTILE.to_owned())],
        content: hostile(),
        ..mail_fact()
    };
    let mut complaint = feedback(HOSTILE);
    for member in [
        &mut complaint.user_agent,
        &mut complaint.arrival_date,
        &mut complaint.source_ip,
        &mut complaint.reporting_mta,
    ] {
        *member = Some(HOSTILE.to_owned());
    }
    let mut late = report("5.1.1", HOSTILE, Some(BounceClass::Other));
    for member in [
        &mut late.recipient,
        &mut late.remote_mta,
        &mut late.reporting_mta,
    ] {
        *member = Some(HOSTILE.to_owned());
    }
    for event in [
        logged(3, LATER, Fact::Reply(Box::new(reply))),
        received(mail),
        logged(3, LATER, Fact::Complaint(complaint)),
        logged(3, LATER, Fact::LateDelay { report: late }),
    ] {
        for format in Format::ALL {
            for document in render(*format, &event, "default") {
                assert!(!document.json.iter().any(u8::is_ascii_control));
                let value: Value = serde_json::from_slice(&document.json).unwrap();
                assert_lines("", &value);
            }
        }
    }
}

/// Texts have lines, whatever else is written by others has one.
fn assert_lines(name: &str, value: &Value) {
    match value {
        Value::String(_) if ["text_body", "html_body", "strippedText"].contains(&name) => {}
        Value::String(text) => assert!(!text.contains(char::is_control), "{name}: {text:?}"),
        Value::Array(values) => values.iter().for_each(|value| assert_lines(name, value)),
        Value::Object(members) => members
            .iter()
            .for_each(|(name, value)| assert_lines(name, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn a_destination_may_pass_over_what_programs_wrote() {
    let mut destination = destination();
    let program = || {
        let content = Content {
            auto_reply: Some(AutoReplyClass::Ticket),
            ..content()
        };
        received(MailFact {
            content,
            ..mail_fact()
        })
    };
    for telling in [Telling::Send, Telling::Skip] {
        destination.settings.auto_replies = telling;
        let is_sent = telling == Telling::Send;
        assert_eq!(hears(&destination, &vacation()), is_sent);
        assert_eq!(hears(&destination, &program()), is_sent);
        assert!(hears(&destination, &reply()));
        assert!(hears(&destination, &received(mail_fact())));
        // The first delay that another server reports is no retry of ours.
        assert!(hears(&destination, &late_delay()));
    }
}
