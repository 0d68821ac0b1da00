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
fn the_beginning_of_a_subject_tells_with_a_second_sign() {
    let others = [
        "Return-Path: <>",
        "Precedence: bulk",
        "In-Reply-To: <1@sender.example>",
        "X-Auto-Response-Suppress: All",
    ];
    for subject in [
        "Out of Office: your order",
        "Out of office",
        "I will be out of office until Monday",
        "Absence du bureau",
        "Automatic reply: out of the office",
    ] {
        for other in others {
            let head = format!("Subject: {subject}\r\n{other}");
            check(&head, Some(AutoReplyClass::Vacation));
        }
        check(&format!("Subject: {subject}"), None);
        check(&format!("Subject: Re: {subject}\r\n{}", others[2]), None);
    }
    // What people write as well nothing tells but a program.
    for subject in [
        "Urlaub",
        "Abwesend: Ihre Bestellung",
        "Holiday: booking in May",
        "I am on vacation, can you ship later?",
        "Out of office: can you ship later?",
    ] {
        check(&format!("Subject: {subject}"), None);
        for (other, class) in [
            (others[0], Some(AutoReplyClass::Vacation)),
            (others[1], Some(AutoReplyClass::Vacation)),
            (others[2], None),
            (others[3], None),
        ] {
            check(&format!("Subject: {subject}\r\n{other}"), class);
        }
    }
    // A newsletter.
    let newsletter = "Subject: Holiday: all for less\r\nPrecedence: bulk\r\nList-Id: <a.example>";
    check(newsletter, None);
    for subject in [
        "Out of office furniture, we need some",
        "Vacations in Spain",
        "The automatic reply is broken",
        "Absent-minded as I am",
        "Auto parts",
    ] {
        for other in others {
            check(&format!("Subject: {subject}\r\n{other}"), None);
        }
    }
    for subject in ["Automatic response is broken", "Auto: Termin am Montag"] {
        check(&format!("Subject: {subject}\r\n{}", others[2]), None);
    }
    let head = format!("Subject: Automatic reply: your order\r\n{}", others[2]);
    check(&head, Some(AutoReplyClass::Other));
}

#[test]
fn a_text_is_a_second_sign_unless_it_quotes() {
    let of = |head: &str, text: &str| {
        let raw = format!("From: ann@customer.example\r\n{head}\r\n\r\n{text}\r\n");
        let mail = Mail::read(raw.as_bytes());
        let origin = Origin::of(&mail, Envelope::Noted);
        by_subject(&mail, &origin, &Notice::of(&mail)).is_some()
    };
    let automatic = "Subject: Automatic reply: your order";
    assert!(of(automatic, "I am away until Monday."));
    assert!(of(automatic, "This is an automated message."));
    assert!(!of(automatic, "I keep getting these. Stop it."));
    let away = "Subject: Out of office";
    assert!(of(away, "This is an automatic reply."));
    assert!(!of(away, "I am away until Monday, please ship later."));
    let answer = format!("{away}\r\nIn-Reply-To: <1@sender.example>");
    assert!(of(&answer, "I am away until Monday."));
    assert!(!of(
        &answer,
        "Please ship later.\r\n\r\nYou wrote:\r\n> It is on its way."
    ));
}

#[test]
fn what_a_rule_sends_on_is_a_person_s() {
    let head = |more: &str| {
        format!(
            "To: shop@sender.example\r\nSubject: Re: your order\r\nIn-Reply-To: <1@sender.example>\r\n{more}"
        )
    };
    let other = AutoReplyClass::Other;
    for (more, class) in [
        (
            "X-MS-Exchange-Inbox-Rules-Loop: bob@customer.example",
            Some(other),
        ),
        ("X-MS-Exchange-Inbox-Rules-Loop: ann@customer.example", None),
        (
            "X-MS-Exchange-Inbox-Rules-Loop: bob@elsewhere.example",
            None,
        ),
        (
            "X-MS-Exchange-Inbox-Rules-Loop: bob@customer.example\r\nCc: bob@customer.example",
            None,
        ),
        (
            "X-MS-Exchange-Inbox-Rules-Loop: bob@customer.example\r\nX-Mailer: Letters 1",
            None,
        ),
        ("X-MS-Exchange-Inbox-Rules-Loop: 1", None),
    ] {
        check(&head(more), class);
    }
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
