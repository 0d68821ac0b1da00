//! What the far side of `postbell dev` answers, as this program understands it.

use std::net::Ipv4Addr;

use bytes::Bytes;
use postbell_mail::Classifier;
use postbell_mail::inbound::complaint::FeedbackType;
use postbell_mail::inbound::status::Action;
use postbell_mail::inbound::{Envelope, Inbound, Mail, Reader, reply_text, thread};
use postbell_model::inbound::AutoReplyClass;
use postbell_model::{Address, BounceClass, ReversePath, Timestamp};
use postbell_peers::answer::{Answer, Answering, Original};
use postbell_peers::client;

const RETURN_PATH: &str = "bounce+token@bounce.acme.example";
const HEADER: &str = "X-Postbell-Delivery: headertoken\r\nMessage-ID: <1@acme.example>\r\n\
    Reply-To: Acme <reply+token@reply.acme.example>\r\nFrom: Acme <shop@acme.example>\r\n\
    Subject: Your order\r\nDate: Sun, 03 May 2026 12:34:57 +0000";

fn answer(recipient: &str) -> client::Mail {
    let original = Original {
        return_path: Address::parse(RETURN_PATH).unwrap(),
        recipient: Address::parse(recipient).unwrap(),
        host: "mx.peer.test".to_owned(),
        peer: Ipv4Addr::LOCALHOST.into(),
        header: HEADER.to_owned(),
        text: vec!["Hello Robin,".to_owned(), "did it arrive?".to_owned()],
        body: Bytes::new(),
        now: Timestamp::from_micros(1_777_811_697_000_000),
        answer_id: "<2@example.org>".to_owned(),
    };
    let answering = Answering::of(recipient).unwrap();
    let Some(Answer::Mail(mail)) = answering.answer(&original) else {
        panic!("{recipient} sends no mail");
    };
    mail
}

fn read(mail: &client::Mail) -> Inbound {
    let sender = match mail.from.as_str() {
        "" => ReversePath::Null,
        from => ReversePath::Mailbox(Address::parse(from).unwrap()),
    };
    let reader = Reader::new(Classifier::standard());
    reader.read(&Mail::read(&mail.body), Envelope::Said(&sender))
}

#[test]
fn a_reply_is_mail_of_a_person_in_the_thread() {
    let mail = answer("reply@example.org");
    assert_eq!(mail.to, ["reply+token@reply.acme.example"]);
    assert_eq!(read(&mail), Inbound::Mail);
    let read = Mail::read(&mail.body);
    let text = reply_text(&read);
    assert!(text.text.contains("> did it arrive?"), "{}", text.text);
    assert!(
        text.stripped.contains("all that I needed") && !text.stripped.contains("arrive"),
        "{}",
        text.stripped
    );
    assert_eq!(thread(&read).in_reply_to, ["1@acme.example"]);
}

#[test]
fn a_late_bounce_is_a_report_of_a_dead_address() {
    let mail = answer("bounce-later@example.org");
    assert_eq!((mail.from.as_str(), mail.to[0].as_str()), ("", RETURN_PATH));
    let Inbound::Status(report) = read(&mail) else {
        panic!("no report");
    };
    let [about] = report.recipients.as_slice() else {
        panic!("{report:?}");
    };
    assert_eq!(about.address.as_deref(), Some("bounce-later@example.org"));
    assert_eq!(about.action, Action::Failed);
    assert_eq!(about.class, Some(BounceClass::NoSuchUser));
    assert!(about.is_dead());
    assert!(format!("{:?}", report.returned).contains("headertoken"));
}

#[test]
fn a_complaint_leads_to_the_delivery() {
    let mail = answer("complaint@example.org");
    assert_eq!(mail.to, ["fbl@bounce.acme.example"]);
    let Inbound::Complaint(complaint) = read(&mail) else {
        panic!("no complaint");
    };
    assert_eq!(complaint.feedback_type, FeedbackType::Abuse);
    assert_eq!(complaint.source_ip.as_deref(), Some("127.0.0.1"));
    assert!(format!("{:?}", complaint.returned).contains("headertoken"));
}

#[test]
fn a_vacation_note_is_a_program_s() {
    let mail = answer("vacation@example.org");
    assert_eq!((mail.from.as_str(), mail.to[0].as_str()), ("", RETURN_PATH));
    let Inbound::Automatic(note) = read(&mail) else {
        panic!("no automatic answer");
    };
    assert_eq!(note.class, AutoReplyClass::Vacation);
}
