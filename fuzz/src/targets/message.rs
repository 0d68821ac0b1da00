use bytes::Bytes;
use postbell_mail::control::is_control;
use postbell_mail::header::Header;
use postbell_mail::summary::Mailboxes;
use postbell_mail::{Rendering, render, summarise};
use postbell_model::message::Received;
use postbell_model::{
    ConfigurationSetId, Instructions, Message, MessageId, ReversePath, Timestamp, WorkspaceId,
};

/// What is rendered ends with the body as it was, has the fields that were kept in their order, and
/// none that stay with us; what a summary says is true of the octets.
pub fn message(data: &[u8]) {
    let Ok(summary) = summarise(data) else {
        return;
    };
    assert_eq!(summary.eight_bit, !data.is_ascii());
    let longest = data.split(|octet| *octet == b'\n').map(<[u8]>::len).max();
    assert!(longest.is_some_and(|longest| summary.longest_line <= longest));
    if let Mailboxes::Listed(list) = &summary.from {
        assert!(!list.is_empty());
    }
    assert!(!summary.subject.chars().any(char::is_control));
    let body = Bytes::copy_from_slice(data);
    check_rendering(&body);
    check_answers(&body);
}

fn check_rendering(body: &Bytes) {
    let whole = rendered(body, None);
    assert!(whole.ends_with(b"\n"));
    let (before, after) = (header(body), header(&whole));
    let content = &body[before.as_bytes().len()..];
    let end = whole.len() - content.len();
    let is_there = whole[end..] == *content
        || whole
            .strip_suffix(b"\r\n")
            .is_some_and(|all| all.ends_with(content))
        || whole
            .strip_suffix(b"\n")
            .is_some_and(|all| all.ends_with(content));
    assert!(is_there);
    check_fields(before, after);
}

fn rendered(body: &Bytes, reply_to: Option<&str>) -> Vec<u8> {
    let message = about();
    let rendered = render(&Rendering {
        message: &message,
        body: std::slice::from_ref(body),
        hostname: "mail.test",
        header_token: "token",
        reply_to,
        unsubscribe: None,
    });
    let rendered = rendered.expect("the header was short enough");
    let whole = rendered.chunks.concat();
    assert_eq!(rendered.len, whole.len() as u64);
    whole
}

/// Where answers are caught, there is a Reply-To, and nothing else is another than without it.
fn check_answers(body: &Bytes) {
    // What begins with white space goes on with the last field of ours, whichever that is.
    if body.starts_with(b" ") || body.starts_with(b"\t") {
        return;
    }
    const OURS: &str = "reply+token@reply.sender.test";
    let (without, with) = (rendered(body, None), rendered(body, Some(OURS)));
    let others = |octets: &[u8]| -> Vec<Vec<u8>> {
        let fields = header(octets).fields();
        let others = fields.filter(|field| !field.is("Reply-To"));
        others.map(|field| field.value().to_vec()).collect()
    };
    assert_eq!(others(&without), others(&with));
    let answers: Vec<_> = (header(&with).fields())
        .filter(|field| field.is("Reply-To"))
        .map(|field| field.value().to_vec())
        .collect();
    assert!(!answers.is_empty());
    let ours = |value: &Vec<u8>| {
        value
            .windows(OURS.len())
            .any(|part| part == OURS.as_bytes())
    };
    let theirs = header(body).fields().filter(|field| field.is("Reply-To"));
    assert!(answers.iter().any(ours) || theirs.count() > 0);
}

fn check_fields(before: Header<'_>, after: Header<'_>) {
    for field in after.fields() {
        assert!(!is_control(&field) || field.is("X-Postbell-Delivery"));
        assert!(!field.is("Bcc") && !field.is("Return-Path"));
    }
    for name in ["Date", "Message-ID", "Received"] {
        assert!(after.fields().any(|field| field.is(name)), "{name}");
    }
    let kept = ["From", "To", "Cc", "Subject", "Reply-To", "DKIM-Signature"];
    let of = |header: Header<'_>| -> Vec<Vec<u8>> {
        let fields = header
            .fields()
            .filter(|field| kept.iter().any(|name| field.is(name)));
        fields.map(|field| field.value().to_vec()).collect()
    };
    assert_eq!(of(before), of(after));
}

fn header(octets: &[u8]) -> Header<'_> {
    Header::find(octets).expect("the header was short enough")
}

/// What is known of the message beside its octets.
pub(super) fn about() -> Message {
    Message {
        id: MessageId::from_bytes([7; 16]),
        workspace: WorkspaceId(1),
        configuration_set: ConfigurationSetId(2),
        mail_from: ReversePath::Null,
        source: "orders@sender.test".to_owned(),
        subject: String::new(),
        header_message_id: "<given@sender.test>".to_owned(),
        accepted_at: Timestamp::from_micros(1_777_811_697_456_123),
        size: 0,
        eight_bit: false,
        smtputf8: false,
        received: Received {
            helo: "app.sender.test".to_owned(),
            peer: None,
            with: "ESMTP".to_owned(),
        },
        reports: false,
        forward: None,
        instructions: Instructions::default(),
    }
}
