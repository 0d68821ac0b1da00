use super::codes::{Codes, find};
use super::*;
use crate::inbound::origin::Envelope;

fn check(text: &str, reply: u16, enhanced: &str) {
    let wanted = Codes {
        reply: (reply > 0).then_some(reply),
        enhanced: EnhancedCode::parse(enhanced),
    };
    assert_eq!(find(text), wanted, "{text}");
}

#[test]
fn codes_are_found_in_text() {
    check("550 5.1.1 no", 550, "5.1.1");
    check("550-5.1.1 no\n550 5.1.1 nobody", 550, "5.1.1");
    check("550 no (#5.1.1)", 550, "5.1.1");
    check("Sorry, no mailbox here. (#5.1.1)", 0, "5.1.1");
    check("host a.example[192.0.2.4] said: 450 try later", 450, "");
    check("552: over quota", 552, "");
    // What the far server said stands behind what the reporting one says.
    check("554 4.4.7 expired <421 4.4.2 timed out>", 421, "4.4.2");
    check(
        "5.1.0 - Unknown address error 550-'5.7.1 denied'",
        550,
        "5.7.1",
    );
    check("550 5.1.1 unknown\n503 5.5.1 RCPT first", 550, "5.1.1");
    check("554 5.0.0 refused for 5.7.1", 554, "5.7.1");
}

#[test]
fn what_looks_like_a_code_is_none() {
    check("192.0.2.555 and 4.5.6.7", 0, "");
    check("a542 b-450x 4501 $450 5500", 0, "");
    check("see https://a.example/550", 0, "");
    check("version 5.11.2002", 0, "");
    check("590 is no reply", 0, "");
}

#[test]
fn actions_are_read_leniently() {
    for (value, action) in [
        ("failed", Some(Action::Failed)),
        (" Delivered (to a mailbox)", Some(Action::Delivered)),
        ("deliverable", Some(Action::Delivered)),
        ("DELAYED", Some(Action::Delayed)),
        ("relayed; x", Some(Action::Relayed)),
        ("expanded", Some(Action::Expanded)),
        ("", None),
        ("lost", None),
    ] {
        assert_eq!(Action::read(value), action, "{value}");
    }
}

#[test]
fn the_compiled_in_table_is_sound() {
    Judge::new(crate::Classifier::standard());
}

fn report_of(fields: &str) -> Option<StatusReport> {
    let raw = format!(
        "From: <>\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\n{fields}"
    );
    let mail = Mail::read(raw.as_bytes());
    let judge = Judge::new(crate::Classifier::standard());
    read(
        &mail,
        &Origin::of(&mail, Envelope::Noted),
        &Notice::of(&mail),
        &judge,
    )
}

#[test]
fn a_report_has_no_more_recipients_than_a_transaction() {
    for between in ["", "\r\n"] {
        let one =
            format!("Final-Recipient: rfc822;ann@customer.example\r\nAction: failed\r\n{between}");
        let report = report_of(&one.repeat(3 * RECIPIENTS_MAX)).unwrap();
        assert_eq!(report.recipients.len(), RECIPIENTS_MAX, "{between:?}");
    }
}
