#![expect(clippy::indexing_slicing, reason = "a test fails where it stands")]

use std::path::Path;
use std::time::Duration;

use mail_parser::{MessageParser, MimeHeaders};
use postbell_model::message::Received;
use postbell_model::{
    Attempt, BounceClass, BounceType, ConfigurationSetId, DeliveryId, Domain, EventId, Fact,
    Instructions, MessageId, OriginalRecipient, Phase, Reply, Ret, ReversePath, Timestamp,
    WorkspaceId,
};
use proptest::prelude::*;

use super::*;

const ACCEPTED: Timestamp = Timestamp::from_micros(1_777_811_696_123_456);
const PLAIN: &str = "From: Orders <orders@sender.example>\r\nTo: ann@customer.example\r\n\
    Subject: Your order\r\nMessage-ID: <4711@sender.example>\r\n\r\nIt is on its way.\r\n";
const EIGHT_BIT: &str = "From: orders@sender.example\r\nTo: ann@customer.example\r\n\
    Subject: Ihre Bestellung\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n";
const INTERNATIONAL: &str = "From: orders@sender.example\r\nTo: jürgen@customer.example\r\n\
    Subject: Grüße\r\n\r\nGrüße\r\n";

/// What a report is made of, with an owner.
struct Case {
    kind: ReportKind,
    fact: Fact,
    original: &'static str,
    recipient: &'static str,
    request: ReportRequest,
    instructions: Instructions,
    subject: &'static str,
    max_returned: u64,
}

fn attempt(host: &str, reply: Reply, from_peer: bool) -> Attempt {
    Attempt {
        number: 1,
        started_at: ACCEPTED,
        ended_at: ACCEPTED.after(Duration::from_secs(2)),
        tracking_notes: Vec::new(),
        tries: vec![HostTry {
            host: Domain::parse(host).unwrap(),
            ip: from_peer.then(|| [192, 0, 2, 25].into()),
            tls: None,
            plaintext: None,
            phase: Phase::Rcpt,
            reply,
            from_peer,
            dsn: false,
        }],
    }
}

fn bounce(class: BounceClass, attempt: Attempt) -> Fact {
    Fact::Bounce {
        attempt,
        class,
        bounce_type: BounceType::of_refusal(class),
    }
}

fn failed() -> Case {
    let reply = Reply::received(550, "5.1.1 No such user here");
    Case {
        kind: ReportKind::Failed,
        fact: bounce(
            BounceClass::NoSuchUser,
            attempt("mx.customer.example", reply, true),
        ),
        original: PLAIN,
        recipient: "ann@customer.example",
        request: ReportRequest::default(),
        instructions: Instructions::default(),
        subject: "Your order",
        max_returned: 100_000,
    }
}

impl Case {
    fn compose(&self) -> Bytes {
        self.compose_about(Some(self.original.as_bytes()))
    }

    fn compose_about(&self, original: Option<&[u8]>) -> Bytes {
        let event = "evt_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d12";
        let event = Event {
            id: event.parse::<EventId>().unwrap(),
            at: ACCEPTED.after(Duration::from_secs(3)),
            delivery: DeliveryId::from_bytes([9; 16]),
            sequence: 2,
            fact: self.fact.clone(),
        };
        compose(&Report {
            kind: self.kind,
            event: &event,
            message: &self.message(),
            original,
            recipient: &Address::parse(self.recipient).unwrap(),
            request: &self.request,
            from: &Address::parse("MAILER-DAEMON@mail.postbell.example").unwrap(),
            to: &Address::parse("orders@sender.example").unwrap(),
            hostname: "mail.postbell.example",
            max_returned: self.max_returned,
        })
    }

    fn message(&self) -> Message {
        Message {
            id: MessageId::from_bytes([7; 16]),
            workspace: WorkspaceId(1),
            configuration_set: ConfigurationSetId(2),
            mail_from: ReversePath::Mailbox(Address::parse("orders@sender.example").unwrap()),
            source: "orders@sender.example".to_owned(),
            subject: self.subject.to_owned(),
            header_message_id: "<4711@sender.example>".to_owned(),
            accepted_at: ACCEPTED,
            size: self.original.len() as u64,
            eight_bit: !self.original.is_ascii(),
            smtputf8: false,
            received: Received {
                helo: "app.sender.example".to_owned(),
                peer: None,
                with: "ESMTP".to_owned(),
            },
            reports: true,
            instructions: self.instructions.clone(),
            forward: None,
        }
    }
}

/// The report is that of `fixtures/reports`.
fn check(name: &str, case: &Case) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/reports");
    let expected = std::fs::read(folder.join(format!("{name}.eml"))).unwrap_or_default();
    let composed = case.compose();
    assert!(
        composed == expected,
        "{name}.eml should be:\n{}",
        String::from_utf8_lossy(&composed)
    );
    check_shape(case, &composed);
}

/// What holds for every report: three parts as another parser sees them, lines that any host
/// takes, and the message as it was.
fn check_shape(case: &Case, composed: &[u8]) {
    let parsed = MessageParser::default().parse(composed).unwrap();
    assert_eq!(
        parsed.parts[0].content_type().unwrap().subtype(),
        Some("report")
    );
    let longest = composed
        .split(|octet| *octet == b'\n')
        .map(<[u8]>::len)
        .max();
    assert!(longest.unwrap() <= 998, "{longest:?}");
    assert!(composed.ends_with(b"--\r\n"));
    let text = String::from_utf8_lossy(composed).replace("\r\n", "");
    assert!(!text.contains(['\r', '\n']), "every line ends with CRLF");
    let asked = case.instructions.ret == Some(Ret::Full);
    assert!(
        composed.is_ascii() || asked,
        "7-bit unless all was asked for"
    );
}

#[test]
fn a_failure_returns_the_message() {
    check("failed", &failed());
}

#[test]
fn a_failure_can_return_the_header_alone() {
    let mut case = failed();
    case.instructions.ret = Some(Ret::Headers);
    case.instructions.envid = Some("QQ314159".to_owned());
    case.request.orcpt = OriginalRecipient::new("rfc822", "info@customer.example");
    check("failed-headers", &case);
}

#[test]
fn a_message_that_is_too_large_is_not_returned_whole() {
    let mut case = failed();
    case.instructions.ret = Some(Ret::Full);
    case.max_returned = PLAIN.len() as u64 - 1;
    let composed = String::from_utf8(case.compose().to_vec()).unwrap();
    assert!(composed.contains("Content-Type: text/rfc822-headers\r\n\r\nFrom: Orders"));
    assert!(!composed.contains("on its way"));
}

#[test]
fn what_is_given_up_says_what_was_last_heard() {
    let reply = Reply::new(451, 4, 1, "The connection could not be made in time");
    let case = Case {
        fact: bounce(
            BounceClass::Expired,
            attempt("mx.customer.example", reply, false),
        ),
        ..failed()
    };
    check("expired", &case);
}

#[test]
fn a_delay_says_until_when_it_is_tried() {
    let reply = Reply::received(451, "4.7.1 Greylisted,\n4.7.1 please come again");
    let case = Case {
        kind: ReportKind::Delayed,
        fact: Fact::DeliveryDelay {
            attempt: attempt("mx.customer.example", reply, true),
            class: BounceClass::RateLimited,
            next_attempt_at: ACCEPTED.after(Duration::from_secs(300)),
            expires_at: ACCEPTED.after(Duration::from_secs(432_000)),
        },
        ..failed()
    };
    check("delayed", &case);
}

#[test]
fn a_relayed_message_returns_its_header() {
    let mut attempt = attempt(
        "mx.customer.example",
        Reply::received(250, "2.0.0 Taken"),
        true,
    );
    attempt.tries[0].phase = Phase::Message;
    let mut case = Case {
        kind: ReportKind::Relayed,
        fact: Fact::Delivery { attempt },
        ..failed()
    };
    case.instructions.ret = Some(Ret::Full);
    check("relayed", &case);
}

#[test]
fn eight_bit_content_comes_back_where_it_was_asked_for() {
    let mut case = Case {
        original: EIGHT_BIT,
        subject: "Ihre Bestellung",
        ..failed()
    };
    assert!(case.compose().is_ascii());
    case.instructions.ret = Some(Ret::Full);
    check("failed-8bit", &case);
}

// RFC 6533 §4
#[test]
fn an_international_recipient_is_reported_in_utf_8() {
    let reply = Reply::received(550, "5.1.1 Kein Konto für jürgen");
    let mut case = Case {
        fact: bounce(
            BounceClass::NoSuchUser,
            attempt("mx.customer.example", reply, true),
        ),
        original: INTERNATIONAL,
        recipient: "jürgen@customer.example",
        subject: "Grüße",
        ..failed()
    };
    check("failed-utf8", &case);
    case.instructions.ret = Some(Ret::Full);
    let composed = String::from_utf8(case.compose().to_vec()).unwrap();
    assert!(composed.contains("Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit"));
}

#[test]
fn a_message_that_can_not_be_read_is_reported_without_it() {
    let composed = failed().compose_about(None);
    let parsed = MessageParser::default().parse(&composed).unwrap();
    assert_eq!(parsed.parts.len(), 3, "the report, and two parts of it");
}

#[test]
fn the_status_never_contradicts_the_action() {
    for (reply, status) in [
        (Reply::received(550, "4.2.2 Full"), "5.2.2"),
        (Reply::received(554, "no"), "5.0.0"),
        (Reply::received(550, "5.7.26 no"), "5.7.26"),
    ] {
        let case = Case {
            fact: bounce(BounceClass::Other, attempt("[192.0.2.25]", reply, true)),
            ..failed()
        };
        let composed = String::from_utf8(case.compose().to_vec()).unwrap();
        assert!(
            composed.contains(&format!("\r\nStatus: {status}\r\n")),
            "{composed}"
        );
    }
}

#[test]
fn a_message_id_that_could_break_the_header_is_not_repeated() {
    for id in ["no brackets", "<a b@c>", "<é@c>", "<a\r\nX: y>", ""] {
        let message = Message {
            header_message_id: id.to_owned(),
            ..failed().message()
        };
        assert_eq!(message_id(&message), None, "{id}");
    }
}

#[test]
fn reports_and_answers_of_programs_are_not_reported_about() {
    for (header, answer) in [
        ("Auto-Submitted: auto-replied\r\n\r\n", true),
        ("auto-submitted: Auto-Replied; owner=a@b\r\n\r\n", true),
        ("Auto-Submitted: auto-replied (vacation)\r\n\r\n", true),
        (
            "Content-Type: multipart/report; report-type=x\r\n\r\n",
            true,
        ),
        (
            "Content-Type:\r\n multipart/report;\r\n boundary=x\r\n\r\n",
            true,
        ),
        ("Auto-Submitted: auto-generated\r\n\r\n", false),
        ("Auto-Submitted: no\r\n\r\n", false),
        ("Precedence: bulk\r\n\r\n", false),
        ("Content-Type: multipart/reports\r\n\r\n", false),
        ("From: a\r\n\r\nAuto-Submitted: auto-replied\r\n", false),
        ("", false),
    ] {
        assert_eq!(is_answer(header.as_bytes()), answer, "{header}");
    }
}

proptest! {
    #[test]
    fn the_content_never_has_the_boundary(
        numbers in prop::collection::vec(0_u8..4, 0..6),
        tail in "\\PC{0,80}",
        reply in "\\PC{0,300}",
    ) {
        let mut original = "From: a@sender.example\r\n\r\n".to_owned();
        for number in numbers {
            let id = "evt_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d12";
            original.push_str(&format!("--{id}.{number}\r\n"));
        }
        original.push_str(&tail);
        let mut case = failed();
        case.instructions.ret = Some(Ret::Full);
        let reply = Reply::received(550, &reply);
        case.fact = bounce(BounceClass::Other, attempt("mx.customer.example", reply, true));
        let composed = case.compose_about(Some(original.as_bytes()));
        let parsed = MessageParser::default().parse(&composed).unwrap();
        let types: Vec<_> = parsed.parts[0].sub_parts().unwrap_or_default().iter()
            .map(|part| parsed.parts[*part as usize].content_type().unwrap().subtype().unwrap())
            .collect();
        prop_assert_eq!(types, ["plain", "delivery-status", "rfc822"]);
        let at = memmem::find(&composed, original.as_bytes());
        prop_assert!(at.is_some(), "the message comes back as it was");
    }
}
