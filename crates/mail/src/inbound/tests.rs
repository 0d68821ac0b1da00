//! What people write, which is nobody's report, complaint or automatic answer, and beside it what
//! programs write in nearly the same form.

use postbell_model::{Address, ReversePath};

use super::*;

/// What a message is whose lines these are.
fn read(message: &str) -> Inbound {
    read_from(Envelope::Noted, message)
}

/// What it is from this sender.
fn read_from(envelope: Envelope<'_>, message: &str) -> Inbound {
    let raw = message.replace('\n', "\r\n");
    Reader::new(Classifier::standard()).read(&Mail::read(raw.as_bytes()), envelope)
}

const REPORT: &str = "\
    From: Mail Delivery System <mailer-daemon@other.test>\n\
    To: zoe@far.test\n\
    Subject: Undelivered Mail Returned to Sender\n\
    Message-ID: <r1@other.test>\n\
    Content-Type: multipart/report; report-type=delivery-status; boundary=r\n\n\
    --r\n\nYour mail to nobody@other.test could not be delivered.\n\n\
    --r\nContent-Type: message/delivery-status\n\n\
    Reporting-MTA: dns; mx.other.test\n\n\
    Final-Recipient: rfc822; nobody@other.test\nAction: failed\nStatus: 5.1.1\n\n\
    --r--\n";

/// A multipart of a text and a part of this type.
fn with_part(head: &str, text: &str, media: &str, part: &str) -> String {
    format!(
        "{head}\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\n{text}\n\n\
         --m\nContent-Type: {media}\n\n{part}\n--m--\n"
    )
}

#[test]
fn a_report_that_somebody_passes_on_is_mail() {
    let fields = REPORT.split_once("delivery-status\n\n").unwrap().1;
    let log = format!("a line of a log\n{fields}");
    for head in [
        "From: Zoe <zoe@far.test>\nSubject: Re: Test\nIn-Reply-To: <1@ours.test>",
        "From: Zoe <zoe@far.test>\nSubject: Fwd: Undelivered Mail Returned to Sender",
        "From: Zoe <zoe@far.test>\nSubject: please call me",
        "From: Zoe <zoe@far.test>\nSubject: Undelivered mail",
        "From: Zoe <postmaster@far.test>\nSubject: Re: Test",
    ] {
        let text = "My mail to nobody@other.test was not delivered. Please call me.";
        for (media, part) in [
            ("message/rfc822", REPORT),
            ("message/delivery-status", fields),
            ("application/octet-stream", &log),
        ] {
            let message = with_part(head, text, media, part);
            assert_eq!(read(&message), Inbound::Mail, "{message}");
        }
    }
}

#[test]
fn a_report_in_another_form_is_one_where_a_program_sent_it() {
    let fields = REPORT.split_once("delivery-status\n\n").unwrap().1;
    for head in [
        "From: Mailer Daemon <mailer-daemon@far.test>\nSubject: Delivery status: failed",
        "From: Robot <robot@far.test>\nReturn-Path: <>\nSubject: Notification",
    ] {
        for (media, part) in [
            ("message/rfc822", REPORT),
            ("message/delivery-status", fields),
            ("application/octet-stream", fields),
        ] {
            let message = with_part(head, "See below.", media, part);
            let Inbound::Status(report) = read(&message) else {
                panic!("{message}");
            };
            let [status] = report.recipients.as_slice() else {
                panic!("{report:?}");
            };
            assert_eq!(status.address.as_deref(), Some("nobody@other.test"));
            assert_eq!(status.action, Action::Failed);
        }
    }
}

#[test]
fn a_fact_in_json_that_somebody_passes_on_is_mail() {
    let complaint = r#"{"notificationType":"Complaint","complaint":{"complainedRecipients":
        [{"emailAddress":"nobody@other.test"}]},"mail":{"messageId":"1"}}"#;
    let bounce = r#"{"notificationType":"Bounce","bounce":{"bouncedRecipients":
        [{"emailAddress":"nobody@other.test","status":"5.1.1","action":"failed"}]},"mail":{}}"#;
    for fact in [complaint, bounce] {
        for head in [
            "From: Zoe <zoe@far.test>\nSubject: Re: Test\nIn-Reply-To: <1@ours.test>",
            "From: Zoe <zoe@far.test>\nSubject: what is this?",
            "From: Zoe <feedback@far.test>\nSubject: Fwd: Notification",
            "From: Zoe <feedback@far.test>\nSubject: a fact\nReferences: <1@ours.test>",
        ] {
            let message = format!("{head}\n\n{fact}\n\nWhat does that mean?\n");
            assert_eq!(read(&message), Inbound::Mail, "{message}");
        }
        for head in [
            "From: Robot <no-reply@far.test>\nSubject: Notification",
            "From: Robot <robot@far.test>\nAuto-Submitted: auto-generated\nSubject: Notification",
            "From: Loop <fbl@far.test>\nSubject: Notification",
        ] {
            let message = format!("{head}\n\n{fact}\n");
            let found = read(&message);
            let is_fact = matches!(found, Inbound::Complaint(_) | Inbound::Status(_));
            assert!(is_fact, "{message}: {found:?}");
        }
    }
}

#[test]
fn whoever_answers_from_the_address_of_a_program_is_a_person() {
    let text = "My mail to nobody@other.test could not be delivered: 550 5.1.1 no. What now?";
    for from in ["postmaster@small.test", "smtp@small.test", "ann@small.test"] {
        for head in [
            "Subject: Re: Test",
            "Subject: RE : Test",
            "Subject: Re[2]: Test",
            "Subject: [Shop] AW: Test",
            "Subject: Undeliverable mail\nIn-Reply-To: <1@ours.test>",
            "Subject: Test\nReferences: <1@ours.test>",
        ] {
            let message = format!("From: Ann <{from}>\n{head}\n\n{text}\n");
            assert_eq!(read(&message), Inbound::Mail, "{message}");
        }
    }
    for head in [
        "From: Ann <postmaster@small.test>\nSubject: Test",
        "From: MAILER-DAEMON@small.test\nSubject: Test\nIn-Reply-To: <1@ours.test>",
    ] {
        let message = format!("{head}\n\n{text}\n");
        assert!(matches!(read(&message), Inbound::Status(_)), "{message}");
    }
}

#[test]
fn a_complaint_that_somebody_passes_on_is_mail() {
    let original = "From: Shop <shop@ours.test>\nTo: feedback@acme.test\nSubject: Test\n\nHello\n";
    let marked = format!("X-HmXmrOriginalRecipient: nobody@other.test\n{original}");
    let fields = "Feedback-Type: abuse\nUser-Agent: Loop/1\nVersion: 1\n";
    let parts = [
        ("message/rfc822", original),
        ("message/rfc822", marked.as_str()),
        ("message/feedback-report", fields),
    ];
    for (media, part) in parts {
        for head in [
            "From: feedback@acme.test\nSubject: Re: your feedback loop",
            "From: feedback@acme.test\nSubject: Fwd: abuse report",
        ] {
            let message = with_part(head, "Is that yours?", media, part);
            assert_eq!(read(&message), Inbound::Mail, "{message}");
        }
        let head = "From: feedback@acme.test\nSubject: abuse report";
        let message = with_part(head, "See below.", media, part);
        assert!(matches!(read(&message), Inbound::Complaint(_)), "{message}");
    }
    // RFC 5965 §2: the type says it, whatever the subject is.
    let head = "From: abuse@acme.test\nSubject: FW: Test";
    let message = with_part(head, "See below.", "message/feedback-report", fields);
    let report = message.replace("mixed;", "report; report-type=feedback-report;");
    assert!(matches!(read(&report), Inbound::Complaint(_)));
}

// RFC 5321 §4.5.5
#[test]
fn the_sender_in_the_envelope_counts_and_no_field_that_claims_to_be_it() {
    let somebody = ReversePath::Mailbox(Address::parse("info@far.test").unwrap());
    let robot = ReversePath::Mailbox(Address::parse("AutoReply@far.test").unwrap());
    let told = "From: Info Desk <info@far.test>\nSubject: Your message to zoe@far.test\n\n\
        Your message to zoe@far.test was not delivered because the mailbox is full.\n";
    let forged = format!("Return-Path: <>\n{told}");
    let note = "From: Zoe <info@far.test>\nSubject: Re: Test\n\nThank you.\n";
    let forged_note = format!("Return-Path: <autoreply@far.test>\n{note}");
    let kind = |envelope, message: &str| match read_from(envelope, message) {
        Inbound::Status(_) => "report",
        Inbound::Complaint(_) => "complaint",
        Inbound::Automatic(_) => "automatic",
        Inbound::Mail => "mail",
    };
    for (envelope, message, expected) in [
        (Envelope::Said(&ReversePath::Null), told, "report"),
        (Envelope::Said(&ReversePath::Null), &forged, "report"),
        (Envelope::Said(&somebody), told, "mail"),
        (Envelope::Said(&somebody), &forged, "mail"),
        (Envelope::Noted, told, "mail"),
        (Envelope::Noted, &forged, "report"),
        (Envelope::Said(&robot), note, "automatic"),
        (Envelope::Said(&somebody), &forged_note, "mail"),
        (Envelope::Noted, &forged_note, "automatic"),
    ] {
        assert_eq!(kind(envelope, message), expected, "{envelope:?}\n{message}");
    }
}

#[test]
fn whoever_writes_about_being_away_is_a_person() {
    let somebody = ReversePath::Mailbox(Address::parse("zoe@far.test").unwrap());
    for subject in [
        "Urlaub",
        "Holiday: booking in May",
        "I am on vacation, can you ship later?",
        "Automatic reply is what I get from you",
        "Re: Out of office",
    ] {
        let letter = format!(
            "Return-Path: <>\nFrom: Zoe <zoe@far.test>\nSubject: {subject}\n\
             In-Reply-To: <1@ours.test>\n\nWe are on holiday next week.\n"
        );
        let found = read_from(Envelope::Said(&somebody), &letter);
        assert_eq!(found, Inbound::Mail, "{letter}");
    }
    let note = "From: Zoe <zoe@far.test>\nSubject: Urlaub\n\nWir sind im Urlaub.\n";
    let found = read_from(Envelope::Said(&ReversePath::Null), note);
    assert!(matches!(found, Inbound::Automatic(_)), "{found:?}");
}
