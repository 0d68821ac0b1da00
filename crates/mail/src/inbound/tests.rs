//! What people write, which is nobody's report, complaint or automatic answer, and beside it what
//! programs write in nearly the same form.

use super::*;

/// What a message is whose lines these are.
fn read(message: &str) -> Inbound {
    let raw = message.replace('\n', "\r\n");
    Reader::new(Classifier::standard()).read(&Mail::read(raw.as_bytes()))
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
