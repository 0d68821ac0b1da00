use std::time::Duration;

use postbell_mail::header::Header;
use postbell_mail::report::{Report, compose, is_answer};
use postbell_mail::summarise;
use postbell_mail::summary::Mailboxes;
use postbell_model::{
    Address, Attempt, BounceClass, BounceType, DeliveryId, Domain, Event, EventId, Fact, HostTry,
    OriginalRecipient, Phase, Reply, ReportKind, ReportRequest, Ret, ReversePath, Timestamp,
};

use super::message::about;
use crate::input::Input;

const AT: Timestamp = Timestamp::from_micros(1_777_811_696_123_456);
const CLASS: BounceClass = BounceClass::NoSuchUser;

/// A report is what RFC 3464 says, whatever the far server said and whatever is returned: lines
/// that any host takes, the parts that it announces, the recipient that it is about, and nothing
/// of a stranger's among our own fields. The reply, the subject, the recipient as it was first
/// written and the message are lines of the input.
pub fn report(data: &[u8]) {
    let mut input = Input::new(data);
    let [kind, choice] = input.octets();
    let mut parts = input.rest().splitn(4, |octet| *octet == b'\n');
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (said, subject, orcpt) = (text(), text(), text());
    let original = parts.next().unwrap_or_default();
    let reply = Reply::received(550, &said);
    let (kind, fact) = fact(kind, attempt(reply));
    let mut message = about();
    message.subject = subject.chars().filter(|c| !c.is_control()).collect();
    message.mail_from = ReversePath::Mailbox(address("orders@sender.test"));
    message.instructions.ret = (choice & 1 == 1).then_some(Ret::Full);
    let event = Event {
        id: EventId::from_bytes([5; 16]),
        at: AT.after(Duration::from_secs(3)),
        delivery: DeliveryId::from_bytes([9; 16]),
        sequence: 2,
        fact,
    };
    let composed = compose(&Report {
        kind,
        event: &event,
        message: &message,
        original: (choice & 2 == 0).then_some(original),
        recipient: &address("ann@customer.test"),
        request: &ReportRequest {
            notify: None,
            orcpt: OriginalRecipient::parse(&orcpt),
        },
        from: &address("mailer-daemon@mail.test"),
        to: &address("orders@sender.test"),
        hostname: "mail.test",
        max_returned: 2_000,
    });
    check(
        &composed,
        message.instructions.ret == Some(Ret::Full),
        original,
    );
}

fn fact(kind: u8, attempt: Attempt) -> (ReportKind, Fact) {
    match kind % 3 {
        0 => (
            ReportKind::Failed,
            Fact::Bounce {
                attempt,
                class: CLASS,
                bounce_type: BounceType::of_refusal(CLASS),
            },
        ),
        1 => (
            ReportKind::Delayed,
            Fact::DeliveryDelay {
                attempt,
                class: CLASS,
                next_attempt_at: AT,
                expires_at: AT.after(Duration::from_secs(86_400)),
            },
        ),
        _ => (ReportKind::Relayed, Fact::Delivery { attempt }),
    }
}

fn attempt(reply: Reply) -> Attempt {
    Attempt {
        number: 1,
        started_at: AT,
        ended_at: AT.after(Duration::from_secs(2)),
        tries: vec![HostTry {
            host: Domain::parse("mx.customer.test").expect("it is a domain"),
            ip: Some([192, 0, 2, 25].into()),
            tls: None,
            plaintext: None,
            phase: Phase::Rcpt,
            reply,
            from_peer: true,
            dsn: false,
        }],
        tracking_notes: Vec::new(),
    }
}

fn check(composed: &[u8], asked_for_all: bool, original: &[u8]) {
    let summary = summarise(composed).expect("our header is short");
    assert_eq!(
        summary.from,
        Mailboxes::Listed(vec![address("mailer-daemon@mail.test")])
    );
    assert!(summary.repeated.is_empty() && summary.stray_line.is_none());
    assert!(summary.has_date && summary.message_id.is_some());
    assert!(is_answer(composed));
    assert!(composed.is_ascii() || asked_for_all);
    assert!(!summary.bare_line_end || has_bare_line_end(original));
    check_parts(composed);
}

/// The parts between the boundaries that the header names: two or three, the second with its two
/// groups of fields.
fn check_parts(composed: &[u8]) {
    let header = Header::find(composed).expect("our header is short");
    let kind = header.fields().find(|field| field.is("Content-Type"));
    let kind = kind.map(|field| field.text()).unwrap_or_default();
    let boundary = kind.split('"').nth(1).expect("it names a boundary");
    let text = String::from_utf8_lossy(composed);
    let parts: Vec<_> = text.split(&format!("--{boundary}")).skip(1).collect();
    assert!((3..=4).contains(&parts.len()), "{} parts", parts.len());
    assert_eq!(parts.last(), Some(&"--\r\n"));
    let status: Vec<_> = parts[1].split("\r\n\r\n").collect();
    assert!(status.len() >= 3, "{}", parts[1]);
    assert!(
        status[1].contains("Reporting-MTA: dns; mail.test"),
        "{}",
        status[1]
    );
    let about = Header::find(status[2].as_bytes()).expect("it is short");
    let count = |name| about.fields().filter(|field| field.is(name)).count();
    for name in ["Final-Recipient", "Action", "Status"] {
        assert_eq!(count(name), 1, "{name} in {}", status[2]);
    }
}

/// The gate lets none in.
fn has_bare_line_end(original: &[u8]) -> bool {
    let text = String::from_utf8_lossy(original).replace("\r\n", "");
    text.contains(['\r', '\n'])
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("it is an address")
}
