use super::*;

fn check(head: &str, class: Option<AutoReplyClass>) {
    let raw = format!("From: ann@customer.example\r\n{head}\r\n\r\ntext\r\n");
    let mail = Mail::read(raw.as_bytes());
    let found = by_subject(&mail, "text").or_else(|| read(&mail, "text"));
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
