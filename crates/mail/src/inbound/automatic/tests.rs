use super::*;
use crate::inbound::origin::Envelope;

fn check(head: &str, class: Option<AutoReplyClass>) {
    let raw = format!("From: ann@customer.example\r\n{head}\r\n\r\ntext\r\n");
    let mail = Mail::read(raw.as_bytes());
    let notice = Notice::saying("text");
    let origin = Origin::of(&mail, Envelope::Noted);
    let found = by_subject(&mail, &origin, &notice).or_else(|| read(&mail, &origin, &notice));
    assert_eq!(found.map(|found| found.class), class, "{head}");
}

// RFC 3834 §5
#[test]
fn fields_tell_automatic_answers() {
    for head in [
        "Auto-Submitted: auto-replied",
        "auto-submitted: auto-generated (failure)",
        "Precedence: auto_reply",
        "X-Autoreply: yes",
    ] {
        check(head, Some(AutoReplyClass::Other));
    }
    for head in [
        "Auto-Submitted: no",
        "Precedence: bulk",
        "X-Auto-Response-Suppress: All",
        "List-Id: <a.example>",
    ] {
        check(head, None);
    }
}

#[test]
fn the_beginning_of_a_subject_tells() {
    for subject in [
        "Out of Office: your order",
        "Out of office",
        "Abwesend: Ihre Bestellung",
        "I will be out of office until Monday",
        "Absence du bureau",
    ] {
        check(
            &format!("Subject: {subject}"),
            Some(AutoReplyClass::Vacation),
        );
    }
    for subject in [
        "Re: Out of Office: your order",
        "Out of office furniture, we need some",
        "Vacations in Spain",
        "The automatic reply is broken",
        "Absent-minded as I am",
        "Auto parts",
    ] {
        check(&format!("Subject: {subject}"), None);
    }
    check(
        "Subject: Automatic reply: your order",
        Some(AutoReplyClass::Other),
    );
}

#[test]
fn a_bounce_is_no_challenge() {
    let text = "Your message has been held by our anti-spam service.\r\n\
        550 5.7.1 verify your address to get onto the guest list.\r\n";
    let of = |head: &str, body: &str| {
        let raw =
            format!("From: Mail <filter@customer.example>\r\nReturn-Path: <>\r\n{head}\r\n{body}");
        let mail = Mail::read(raw.as_bytes());
        challenge(
            &mail,
            &Origin::of(&mail, Envelope::Noted),
            &Notice::saying(text),
        )
        .is_some()
    };
    assert!(of("", text));
    let report = "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n";
    assert!(!of(report, text));
    let mixed = "Content-Type: multipart/mixed; boundary=b\r\n";
    let part = "--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n";
    assert!(!of(mixed, part));
    // What nobody else writes outweighs the form.
    assert!(of(&format!("X-Boxbe-Notice: 1\r\n{report}"), text));
}

#[test]
fn a_request_that_protects_is_no_challenge() {
    let text =
        "to protect your account you only need to enter a one-time code. simply reply to verify.";
    let raw = "From: noreply@shop.example\r\nSubject: your code\r\n\r\n";
    let notice = Notice::saying(text);
    let mail = Mail::read(raw.as_bytes());
    assert_eq!(
        challenge(&mail, &Origin::of(&mail, Envelope::Noted), &notice),
        None
    );
}
