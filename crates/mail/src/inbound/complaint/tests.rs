use super::*;
use crate::inbound::origin::Envelope;

fn read_one(raw: &str) -> Complaint {
    let mail = Mail::read(raw.as_bytes());
    read(&mail, &Origin::of(&mail, Envelope::Noted)).unwrap()
}

#[test]
fn types_are_read_leniently() {
    for (value, kind) in [
        ("abuse", FeedbackType::Abuse),
        (" Fraud ", FeedbackType::Fraud),
        ("auth-failure", FeedbackType::AuthFailure),
        ("not-spam", FeedbackType::NotSpam),
        ("opt-out", FeedbackType::OptOut),
        (
            "miscategorized",
            FeedbackType::Other("miscategorized".to_owned()),
        ),
    ] {
        assert_eq!(FeedbackType::read(value), kind, "{value}");
    }
}

#[test]
fn a_report_is_read_whatever_stands_between_its_fields() {
    let raw = "Content-Type: message/feedback-report\r\n\r\n\r\nFeedback-Type: abuse\r\n\r\n\
        Source-IP: 192.0.2.4\r\nIncidents: 3\r\nOriginal-Rcpt-To: Ann <ann@customer.example>\r\n";
    let complaint = read_one(raw);
    assert_eq!(complaint.source_ip.as_deref(), Some("192.0.2.4"));
    assert_eq!(complaint.incidents, Some(3));
    assert_eq!(complaint.original_recipients, ["ann@customer.example"]);
}
