use super::*;

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
    let complaint = read(&Mail::read(raw.as_bytes())).unwrap();
    assert_eq!(complaint.source_ip.as_deref(), Some("192.0.2.4"));
    assert_eq!(complaint.incidents, Some(3));
    assert_eq!(complaint.original_recipients, ["ann@customer.example"]);
}

#[test]
fn feedback_loops_are_told_by_their_senders() {
    for from in [
        "staff@a.example",
        "Loop <fbl-no-reply@a.example>",
        "Complaints@a.example",
        "email-abuse@a.example",
    ] {
        assert!(forwarded::is_feedback_sender(from), "{from}");
    }
    for from in [
        "",
        "ann@abuse.example",
        "staff.ann@a.example",
        "junkyard@a.example",
    ] {
        assert!(!forwarded::is_feedback_sender(from), "{from}");
    }
}
