#![expect(clippy::indexing_slicing, reason = "a test fails where it stands")]

use std::slice;

use postbell_model::message::Received;
use postbell_model::{
    Address, Authentication, ConfigurationSetId, Forward, ForwardWay, InboundId, Instructions,
    MessageId, ReversePath, Timestamp, WorkspaceId,
};
use proptest::prelude::*;

use super::*;

const TOKEN: &str = "cy3h2d7k5m4q6r2t7v3x5z2b4d6f2h3j5l7n4p6r2t4v6x3z5b7d2";
const ACCEPTED: Timestamp = Timestamp::from_micros(1_777_811_697_456_123);

fn message() -> Message {
    Message {
        id: MessageId::from_bytes([7; 16]),
        workspace: WorkspaceId(1),
        configuration_set: ConfigurationSetId(2),
        mail_from: ReversePath::Null,
        source: "a@example.com".to_owned(),
        subject: String::new(),
        header_message_id: "<given@example.com>".to_owned(),
        accepted_at: ACCEPTED,
        size: 0,
        eight_bit: false,
        smtputf8: false,
        received: Received {
            helo: "app.example.com".to_owned(),
            peer: Some([192, 0, 2, 1].into()),
            with: "ESMTP".to_owned(),
        },
        reports: false,
        instructions: Instructions::default(),
        forward: None,
    }
}

fn rendered(message: &Message, body: &[u8]) -> Rendered {
    let body = Bytes::copy_from_slice(body);
    render(&Rendering {
        message,
        body: &[body],
        hostname: "mail.example.net",
        header_token: TOKEN,
        reply_to: None,
        unsubscribe: None,
    })
    .unwrap()
}

/// A message as it goes out to somebody who unsubscribes there.
pub(super) fn rendered_with(body: &Bytes, unsubscribe: Option<&dyn Unsubscribe>) -> Vec<u8> {
    let rendered = render(&Rendering {
        message: &message(),
        body: slice::from_ref(body),
        hostname: "mail.example.net",
        header_token: TOKEN,
        reply_to: None,
        unsubscribe,
    });
    rendered.unwrap().chunks.concat()
}

fn text(message: &Message, body: &str) -> String {
    let rendered = rendered(message, body.as_bytes());
    assert_eq!(rendered.len, rendered.chunks.concat().len() as u64);
    String::from_utf8(rendered.chunks.concat()).unwrap()
}

#[test]
fn what_is_missing_stands_in_front() {
    let wanted = format!(
        "Received: from app.example.com ([192.0.2.1])\r\n\
         \tby mail.example.net (Postbell) with ESMTP\r\n\
         \tid 07070707-0707-0707-0707-070707070707;\r\n\
         \tSun, 03 May 2026 12:34:57 +0000\r\n\
         X-Postbell-Delivery: {TOKEN}\r\n\
         Feedback-ID: {TOKEN}:set_2:ws_1:postbell\r\n\
         Message-ID: <given@example.com>\r\n\
         Date: Sun, 03 May 2026 12:34:57 +0000\r\n\
         From: a@example.com\r\n\r\nHello\r\n"
    );
    assert_eq!(
        text(&message(), "From: a@example.com\r\n\r\nHello\r\n"),
        wanted
    );
}

#[test]
fn what_is_there_is_kept() {
    let given = "Feedback-ID: x\r\nmessage-id: <1@example.com>\r\nDATE: Sun, 3 May 26 12:34 GMT\r\n\r\nHello\r\n";
    let text = text(&message(), given);
    let (ours, theirs) = text.split_at(text.len() - given.len());
    assert_eq!(theirs, given);
    for name in ["Message-ID:", "Date:", "Feedback-ID:"] {
        assert!(!ours.contains(name), "{name}");
    }
}

#[test]
fn what_is_not_for_the_recipient_is_removed() {
    let given = "bcc: a@example.org,\r\n b@example.org\r\nFrom: a@example.com\r\n\
                 Return-Path: <x@example.com>\r\nX-Postbell-Tags: one\r\n two\r\n\
                 x-postbell-delivery: forged\r\nBcc : c@example.org\r\nTo: d@example.org\r\n\
                 Date:\r\nMessage-ID: \r\nX-Other: e\r\n\r\nBcc: in the body\r\n";
    let text = text(&message(), given);
    let kept = "From: a@example.com\r\nTo: d@example.org\r\nX-Other: e\r\n\r\n\
                Bcc: in the body\r\n";
    assert!(text.ends_with(&format!("+0000\r\n{kept}")), "{text}");
    assert!(text.contains("\r\nMessage-ID: <given@example.com>\r\nDate: Sun,"));
    assert!(!text.contains("forged"));
}

fn captured(body: &'static str) -> String {
    let rendered = render(&Rendering {
        message: &message(),
        body: &[Bytes::from_static(body.as_bytes())],
        hostname: "mail.example.net",
        header_token: TOKEN,
        reply_to: Some("reply+token@reply.example.com"),
        unsubscribe: None,
    });
    String::from_utf8(rendered.unwrap().chunks.concat()).unwrap()
}

// RFC 5322 §3.6.2
#[test]
fn answers_are_caught_where_they_would_come_to_from() {
    for (given, kept) in [
        (
            "From: Ann <a@example.com>\r\n\r\nHello\r\n",
            "From: Ann <a@example.com>\r\n",
        ),
        (
            "Reply-To:\r\nFrom: Ann <a@example.com>\r\nreply-to: <>\r\n\r\nHello\r\n",
            "From: Ann <a@example.com>\r\n",
        ),
    ] {
        let text = captured(given);
        let end =
            format!("\r\nReply-To: Ann <reply+token@reply.example.com>\r\n{kept}\r\nHello\r\n");
        assert!(text.ends_with(&end), "{text}");
        assert_eq!(text.to_lowercase().matches("reply-to").count(), 1);
    }
}

#[test]
fn a_message_with_a_reply_to_keeps_it() {
    let given = "From: a@example.com\r\nREPLY-TO: b@example.com\r\n\r\nHello\r\n";
    assert_eq!(captured(given), text(&message(), given));
    // Where nobody catches answers, an empty one is left as well.
    let empty = "From: a@example.com\r\nReply-To:\r\n\r\nHello\r\n";
    assert!(text(&message(), empty).ends_with(empty));
}

// RFC 6409 §8.2
#[test]
fn a_date_that_nobody_can_read_is_replaced() {
    for (date, kept) in [
        ("Sun, 3 May 2026 12:34:60 +0200 (CEST)", true),
        ("3 May 2026 12:34 EST", true),
        ("Mon, 4 May 2026 25:34:57", false),
        ("today", false),
        ("2026-05-03T12:34:57Z", false),
        ("Sun, 33 May 2026 12:34:57 +0000", false),
        ("$date", false),
    ] {
        let text = text(&message(), &format!("Date: {date}\r\n\r\n"));
        let ours = "Date: Sun, 03 May 2026 12:34:57 +0000\r\n";
        assert_eq!(text.contains(&format!("Date: {date}\r\n")), kept, "{text}");
        assert_eq!(text.contains(ours), !kept, "{text}");
        assert_eq!(text.matches("Date:").count(), 1);
    }
}

#[test]
fn a_message_without_such_fields_is_the_block_and_one_slice() {
    let message = message();
    let body = Bytes::from_static(b"From: a@example.com\r\n\r\nHello\r\n");
    let rendered = render(&Rendering {
        message: &message,
        body: slice::from_ref(&body),
        hostname: "mail.example.net",
        header_token: TOKEN,
        reply_to: None,
        unsubscribe: None,
    })
    .unwrap();
    let [_, kept] = rendered.chunks.as_slice() else {
        panic!("{} chunks", rendered.chunks.len());
    };
    assert_eq!(kept.as_ptr(), body.as_ptr());
    assert_eq!(kept.len(), body.len());
}

#[test]
fn chunks_behind_the_first_are_handed_on() {
    let message = message();
    for (body, end) in [
        (&["From: a@example.com\r\n\r\n", "Hello\r", "\n"][..], ""),
        (&["From: a@example.com\r\n\r\n", "Hello", "\r"], "\n"),
        (&["From: a@example.com\r\n\r\n", "Hello", "\n"], "\r\n"),
        (&["From: a@example.com\r\n\r\n", "Bcc: x\r\n"], ""),
    ] {
        let body: Vec<_> = body.iter().map(|chunk| Bytes::from(*chunk)).collect();
        let rendered = render(&Rendering {
            message: &message,
            body: &body,
            hostname: "mail.example.net",
            header_token: TOKEN,
            reply_to: None,
            unsubscribe: None,
        })
        .unwrap();
        let behind = rendered.chunks[1..].concat();
        assert_eq!(behind, [&body.concat(), end.as_bytes()].concat());
        assert_eq!(rendered.len, rendered.chunks.concat().len() as u64);
    }
}

#[test]
fn what_goes_on_is_left_as_it_came() {
    let mut message = message();
    message.received = Received {
        helo: String::new(),
        peer: None,
        with: "local".to_owned(),
    };
    message.forward = Some(Box::new(Forward {
        of: InboundId::from_bytes([1; 16]),
        via: Address::parse("support@acme.example").unwrap(),
        way: ForwardWay::Exchangers,
        authentication: Authentication::default(),
    }));
    let kept = "Received: from x by mail.example.net\r\nX-Postbell-Delivery: theirs\r\n\
                X-Postbell-Stream: x\r\nBcc: a@example.org\r\nDate: today\r\n\r\nHi\r\n";
    let given = format!("Return-Path: <>\r\n{kept}");
    let wanted = format!(
        "Received: by mail.example.net (Postbell) with local\r\n\
         \tid 07070707-0707-0707-0707-070707070707;\r\n\
         \tSun, 03 May 2026 12:34:57 +0000\r\n\
         X-Postbell-Delivery: {TOKEN}\r\n\
         Postbell-Forwarded: support@acme.example\r\n{kept}"
    );
    assert_eq!(text(&message, &given), wanted);
}

#[test]
fn the_last_line_is_ended() {
    for (body, end) in [
        ("A: b\r\n\r\nHello", "\r\n\r\nHello\r\n"),
        ("A: b\r\n\r\nHello\r", "\r\n\r\nHello\r\n"),
        ("A: b", "A: b\r\n"),
        ("A: b\r\n\r\n", "A: b\r\n\r\n"),
        ("\r\nHello", "+0000\r\n\r\nHello\r\n"),
        ("", "+0000\r\n"),
        ("A: b\r\nBcc: c", "A: b\r\n"),
    ] {
        let text = text(&message(), body);
        assert!(
            text.ends_with(end) && !text.ends_with(&format!("{end}\r\n")),
            "{text:?}"
        );
    }
}

#[test]
fn our_lines_are_short() {
    let mut message = message();
    message.workspace = WorkspaceId(99_999);
    message.configuration_set = ConfigurationSetId(99_999);
    message.received.peer = Some([0x2001, 0xdb8, 1, 2, 3, 4, 5, 6].into());
    for line in text(&message, "").lines() {
        // What has no space behind its name can't be folded well.
        let (_, value) = line.split_once(": ").unwrap_or(("", line));
        let foldable = value.trim_start().contains(' ');
        assert!(line.len() <= 78 || !foldable, "{line}");
        assert!(line.len() <= 100, "{line}");
    }
}

#[test]
fn nothing_from_outside_leaves_its_place() {
    let mut message = message();
    message.received.helo = "x\r\nBcc: y (z) <é>;\"\\".to_owned();
    message.received.with = "ESMTP\n".to_owned();
    message.header_message_id = "<a\r\nB: c@example.com>".to_owned();
    let shown = text(&message, "");
    assert!(
        shown.starts_with("Received: from xBcc:yz ([192.0.2.1])\r\n"),
        "{shown}"
    );
    assert!(shown.contains("with ESMTP\r\n"));
    assert!(shown.contains("\r\nMessage-ID: <aB: c@example.com>\r\n"));
    message.received.helo.clear();
    assert!(text(&message, "").starts_with("Received: from unknown ([192.0.2.1])\r\n"));
    message.received.peer = None;
    assert!(text(&message, "").starts_with("Received: by mail.example.net "));
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("Bcc: a@example.org".to_owned()),
        Just("X-Postbell-Stream: x".to_owned()),
        Just("Date: Sun, 03 May 2026 12:34:57 +0000".to_owned()),
        Just("\tfolded".to_owned()),
        Just(String::new()),
        "[A-Za-z]{1,8}: [ -~é]{0,20}",
        "[ -~]{0,20}",
    ]
}

fn is_ours_to_remove(field: &str) -> bool {
    let name = field.split(':').next().unwrap_or("").trim_end();
    name.eq_ignore_ascii_case("bcc") || name.to_ascii_lowercase().starts_with("x-postbell-")
}

/// The fields of a header by a second, slower reading.
fn fields(header: &str) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for line in header.split_inclusive("\r\n") {
        match fields.last_mut() {
            Some(field) if line.starts_with([' ', '\t']) => field.push_str(line),
            _ => fields.push(line.to_owned()),
        }
    }
    fields
}

proptest! {
    #[test]
    fn nothing_is_lost_or_moved_but_what_is_removed(
        lines in prop::collection::vec(line(), 0..30),
    ) {
        let given = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
        let end = if given.starts_with("\r\n") {
            0
        } else {
            given.find("\r\n\r\n").map_or(given.len(), |at| at + 2)
        };
        let (header, rest) = given.split_at(end);
        // Whether a folded Date can still be read is for other tests to say.
        let is_folded_date = |field: &String| {
            field.to_ascii_lowercase().starts_with("date") && field.matches("\r\n").count() > 1
        };
        prop_assume!(!fields(header).iter().any(is_folded_date));
        let mut wanted: String = fields(header)
            .into_iter()
            .filter(|field| !is_ours_to_remove(field))
            .collect();
        wanted.push_str(rest);
        let rendered = rendered(&message(), given.as_bytes());
        let kept = rendered.chunks.iter().skip(1).flatten().copied().collect::<Vec<_>>();
        prop_assert_eq!(String::from_utf8(kept).unwrap(), wanted);
    }

    #[test]
    fn any_octets_are_rendered(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let rendered = rendered(&message(), &body);
        let whole = rendered.chunks.concat();
        prop_assert_eq!(rendered.len, whole.len() as u64);
        prop_assert!(whole.ends_with(b"\r\n"));
    }
}
