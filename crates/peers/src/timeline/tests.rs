use serde_json::json;

use super::*;

fn event(kind: &str, block: Value) -> Value {
    let mut event = json!({
        "id": "evt_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10",
        "eventType": kind,
        "timestamp": "2026-05-03T12:34:57.456123Z",
        "mail": {
            "deliveryId": "0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10",
            "destination": ["ada@example.org"],
            "subject": "Welcome aboard",
        },
    });
    event[lower_camel(kind)] = block;
    event
}

fn plain(kind: &str, block: Value) -> String {
    line(&event(kind, block), SignatureCheck::Valid, Look::Plain)
}

#[test]
fn each_kind_tells_its_story() {
    let lines = [
        plain("Send", json!({})),
        plain(
            "Delivery",
            json!({"smtpResponse": "250 2.0.0 OK", "mx": "mx.example.org", "latencyMs": 4120,
                   "tls": {"version": "TLSv1.3"}}),
        ),
        plain(
            "DeliveryDelay",
            json!({"reply": "451 4.7.1 Greylisted", "class": "rate_limited",
                   "nextAttemptAt": "2026-05-03T12:35:02.500000Z"}),
        ),
        plain(
            "Bounce",
            json!({"bounceType": "Permanent", "bounceSubType": "no_such_user",
                   "bouncedRecipients": [{"diagnosticCode": "550 5.1.1 No such user"}]}),
        ),
        plain("Custom", json!({})),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    12:34:57.456  → Send           ada@example.org           accepted “Welcome aboard”  2b9d10  signed
    12:34:57.456  ✓ Delivery       ada@example.org           250 2.0.0 OK from mx.example.org over TLSv1.3 after 4.1 s  2b9d10  signed
    12:34:57.456  … DeliveryDelay  ada@example.org           451 4.7.1 Greylisted (rate_limited), next attempt at 12:35:02.500  2b9d10  signed
    12:34:57.456  ✗ Bounce         ada@example.org           550 5.1.1 No such user (no_such_user), the address is dead  2b9d10  signed
    12:34:57.456  · Custom         ada@example.org           2b9d10  signed
    ");
}

#[test]
fn what_came_in_by_mail_tells_its_story() {
    let lines = [
        plain(
            "Bounce",
            json!({"bounceType": "Permanent", "bounceSubType": "no_such_user", "late": true,
                   "bouncedRecipients": [{"diagnosticCode": "550 5.1.1 No such user"}],
                   "reportingMta": "mx.example.org"}),
        ),
        plain(
            "DeliveryDelay",
            json!({"reply": "4.4.7 still trying", "class": null, "late": true}),
        ),
        plain(
            "Confirmed",
            json!({"confirmation": "delivered", "reportingMta": "mx.example.org"}),
        ),
        plain(
            "Complaint",
            json!({"complaintFeedbackType": "abuse", "userAgent": "FBL/1", "reportingMta": null}),
        ),
        plain(
            "Reply",
            json!({"from": "Ada <ada@example.org>", "fromAddress": "ada@example.org",
                   "subject": "Re: Welcome", "autoReply": null}),
        ),
        plain("Reply", json!({"subject": "Away", "autoReply": "vacation"})),
        plain("Unsubscribe", json!({"method": "one-click"})),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    12:34:57.456  ✗ Bounce         ada@example.org           mx.example.org reports: 550 5.1.1 No such user (no_such_user), the address is dead  2b9d10  signed
    12:34:57.456  … DeliveryDelay  ada@example.org           a report says: 4.4.7 still trying  2b9d10  signed
    12:34:57.456  ✓ Confirmed      ada@example.org           reported delivered by mx.example.org  2b9d10  signed
    12:34:57.456  ✗ Complaint      ada@example.org           reported as abuse by FBL/1  2b9d10  signed
    12:34:57.456  ← Reply          ada@example.org           answered by ada@example.org: Re: Welcome  2b9d10  signed
    12:34:57.456  ← Reply          ada@example.org           a program's answer (vacation): Away  2b9d10  signed
    12:34:57.456  · Unsubscribe    ada@example.org           wants no more, by one-click  2b9d10  signed
    ");
    let received = json!({
        "eventType": "Received",
        "timestamp": "2026-05-03T12:34:57.456123Z",
        "received": {"recipient": "support@acme.example", "from": "ada@example.org",
                     "subject": "Hello"},
    });
    let line = line(&received, SignatureCheck::Unchecked, Look::Plain);
    insta::assert_snapshot!(line, @"12:34:57.456  ← Received       support@acme.example      written by ada@example.org: Hello");
}

#[test]
fn engagement_and_consent_tell_their_story() {
    let lines = [
        plain(
            "Open",
            json!({"ipAddress": "", "proxy": "google", "machine": false, "count": null}),
        ),
        plain(
            "Click",
            json!({"ipAddress": "203.0.113.42", "link": "https://shop.example/42", "machine": true,
                   "machineReasons": ["headRequest", "severalLinks"], "proxy": null, "count": 3}),
        ),
        plain(
            "Reject",
            json!({"reason": "address on suppression list", "cause": "UNSUBSCRIBE",
                   "originalEventAt": "2026-04-28T12:34:56.123456Z", "stream": "news"}),
        ),
        plain(
            "Reject",
            json!({"reason": "sandbox limit reached", "cause": "sandbox_limit"}),
        ),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    12:34:57.456  • Open           ada@example.org           opened by way of google  2b9d10  signed
    12:34:57.456  • Click          ada@example.org           followed https://shop.example/42 from 203.0.113.42, 3 times by now, by a machine (headRequest, severalLinks)  2b9d10  signed
    12:34:57.456  ✗ Reject         ada@example.org           address on suppression list (UNSUBSCRIBE since 2026-04-28, of the stream news)  2b9d10  signed
    12:34:57.456  ✗ Reject         ada@example.org           sandbox limit reached  2b9d10  signed
    ");
}

#[test]
fn the_suppression_list_tells_its_story() {
    let told = |kind: &str, block: Value| {
        let mut event = json!({"eventType": kind, "timestamp": "2026-05-03T12:34:57.456123Z"});
        event[lower_camel(kind)] = block;
        line(&event, SignatureCheck::Unchecked, Look::Plain)
    };
    let lines = [
        told(
            "SuppressionAdded",
            json!({"emailAddress": "ada@example.org", "stream": null, "cause": "MANUAL",
                   "expiresAt": "2026-06-02T12:34:56.123456Z", "note": "asked\nby telephone"}),
        ),
        told(
            "SuppressionRemoved",
            json!({"emailAddress": "ada@example.org", "stream": "news", "cause": "UNSUBSCRIBE"}),
        ),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    12:34:57.456  · SuppressionAdded  ada@example.org           gets no more mail: MANUAL, until 2026-06-02 (asked by telephone)
    12:34:57.456  · SuppressionRemoved  ada@example.org           may get mail again of the stream news: UNSUBSCRIBE
    ");
}

#[test]
fn colours_are_for_terminals_only() {
    let coloured = line(
        &event("Delivery", json!({})),
        SignatureCheck::Wrong,
        Look::Coloured,
    );
    assert!(coloured.contains("\u{1b}[32m✓ Delivery"));
    assert!(coloured.contains("\u{1b}[31mWRONG SIGNATURE"));
    assert!(!plain("Delivery", json!({})).contains('\u{1b}'));
}

#[test]
fn a_far_server_can_not_move_the_cursor() {
    let said = format!("250 \u{1b}[2J\r\n{}", "x".repeat(1_000));
    let line = plain("Delivery", json!({"smtpResponse": said}));
    assert!(!line.chars().any(char::is_control));
    assert!(line.chars().count() < 300);
}

#[test]
fn nonsense_gives_a_line_too() {
    for event in [
        json!(null),
        json!([]),
        json!({"eventType": 7}),
        json!({"eventType": "é"}),
    ] {
        assert!(!line(&event, SignatureCheck::Missing, Look::Plain).contains('\n'));
    }
}
