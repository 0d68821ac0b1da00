//! Events as lines for people: what `postbell dev` shows while mail moves.
//!
//! Reads the documents of the `postbell` format. A member that is missing leaves a gap, an
//! unknown kind is shown by its name; nothing that a far server said can move the cursor.

use serde_json::Value;

use crate::webhook::{Post, SignatureCheck};

/// The width of the column of kinds: `DeliveryDelay`.
const KIND_WIDTH: usize = 13;
/// The width that the column of recipients has at least.
const RECIPIENT_WIDTH: usize = 24;
/// The most characters of what a far server said.
const TEXT_MAX: usize = 160;
/// The last digits of a delivery's id; the first are its time, much the same for all.
const ID_DIGITS: usize = 6;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Text alone.
    Plain,
    /// With ANSI colours, for a terminal.
    Coloured,
}

impl Look {
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";
const CYAN: &str = "36";
const FAINT: &str = "2";

/// One line about a post.
pub fn line_of_post(post: &Post, look: Look) -> String {
    match post.json() {
        Ok(event) => line(&event, post.signature, look),
        Err(_) => look.paint(
            RED,
            &format!("a post of {} octets that is no JSON", post.body.len()),
        ),
    }
}

/// One line about an event: time, kind, recipient, what happened, delivery, signature.
pub fn line(event: &Value, signature: SignatureCheck, look: Look) -> String {
    let kind = text(event, "/eventType");
    let (symbol, colour) = symbol(&kind);
    let block = event.get(lower_camel(&kind)).unwrap_or(&Value::Null);
    let recipient = match text(event, "/mail/destination/0") {
        // Mail that came to an address of a domain is about no delivery.
        none if none.is_empty() => text(block, "/recipient"),
        recipient => recipient,
    };
    let columns = [
        look.paint(FAINT, &clock_time(&text(event, "/timestamp"))),
        look.paint(colour, &format!("{symbol} {kind:<KIND_WIDTH$}")),
        format!("{recipient:<RECIPIENT_WIDTH$}"),
        story(&kind, event, block),
        look.paint(FAINT, &short_id(&text(event, "/mail/deliveryId"))),
        signature_mark(signature, look),
    ];
    let shown: Vec<&str> = columns
        .iter()
        .map(String::as_str)
        .filter(|column| !column.is_empty())
        .collect();
    shown.join("  ")
}

fn symbol(kind: &str) -> (char, &'static str) {
    match kind {
        "Send" | "Scheduled" => ('→', CYAN),
        "Delivery" | "Confirmed" => ('✓', GREEN),
        "DeliveryDelay" => ('…', YELLOW),
        "Bounce" | "Complaint" | "Reject" | "RenderingFailure" => ('✗', RED),
        "Reply" | "Received" => ('←', CYAN),
        _ => ('·', CYAN),
    }
}

/// What happened, in a few words.
fn story(kind: &str, event: &Value, block: &Value) -> String {
    match kind {
        "Send" => format!("accepted “{}”", text(event, "/mail/subject")),
        "Delivery" => delivery(block),
        "DeliveryDelay" => delay(block),
        "Bounce" => bounce(block),
        "DestinationDisabled" => {
            format!("{}: {}", text(block, "/name"), text(block, "/reason"))
        }
        "SendingPaused" | "SendingResumed" => sending(block),
        "Confirmed" => by(
            &format!("reported {}", text(block, "/confirmation")),
            &text(block, "/reportingMta"),
        ),
        "Complaint" => by(
            &format!("reported as {}", text(block, "/complaintFeedbackType")),
            &first_of(block, &["/reportingMta", "/userAgent"]),
        ),
        "NotSpam" => by("reported as no spam", &text(block, "/reportingMta")),
        "Unsubscribe" => format!("wants no more, by {}", text(block, "/method")),
        "Reply" => written("answered", block),
        "Received" => written("written", block),
        _ => first_of(
            block,
            &[
                "/reason",
                "/errorMessage",
                "/link",
                "/subject",
                "/from",
                "/domain",
            ],
        ),
    }
}

fn sending(block: &Value) -> String {
    let mut story = match first_of(block, &["/domain"]) {
        domain if domain.is_empty() => "the workspace".to_owned(),
        domain => domain,
    };
    let reason = text(block, "/reason");
    if !reason.is_empty() {
        story.push_str(&format!(": {reason}"));
    }
    story
}

fn delivery(block: &Value) -> String {
    let mut story = text(block, "/smtpResponse");
    let mx = first_of(block, &["/mx", "/remoteIp"]);
    if !mx.is_empty() {
        story.push_str(&format!(" from {mx}"));
    }
    let tls = text(block, "/tls/version");
    if !tls.is_empty() {
        story.push_str(&format!(" over {tls}"));
    }
    if let Some(millis) = block.get("latencyMs").and_then(Value::as_u64) {
        story.push_str(&format!(" after {}", duration(millis)));
    }
    story
}

/// Who wrote, and what about.
fn written(done: &str, block: &Value) -> String {
    let subject = text(block, "/subject");
    let program = text(block, "/autoReply");
    if !program.is_empty() {
        return format!("a program's answer ({program}): {subject}");
    }
    let from = first_of(block, &["/fromAddress", "/from"]);
    format!("{done} by {from}: {subject}")
}

/// What was said, and by which server or program, where that is known.
fn by(said: &str, who: &str) -> String {
    match who.is_empty() {
        true => said.to_owned(),
        false => format!("{said} by {who}"),
    }
}

fn is_late(block: &Value) -> bool {
    block.get("late").and_then(Value::as_bool) == Some(true)
}

/// What a report says, and who reports.
fn reported(said: &str, class: &str, block: &Value) -> String {
    let who = text(block, "/reportingMta");
    let said = with_class(said, class);
    match who.is_empty() {
        true => format!("a report says: {said}"),
        false => format!("{who} reports: {said}"),
    }
}

fn delay(block: &Value) -> String {
    let (said, class) = (text(block, "/reply"), text(block, "/class"));
    if is_late(block) {
        return reported(&said, &class, block);
    }
    let mut story = with_class(&said, &class);
    let next = text(block, "/nextAttemptAt");
    if !next.is_empty() {
        story.push_str(&format!(", next attempt at {}", clock_time(&next)));
    }
    story
}

fn bounce(block: &Value) -> String {
    let said = text(block, "/bouncedRecipients/0/diagnosticCode");
    let class = text(block, "/bounceSubType");
    let story = match is_late(block) {
        true => reported(&said, &class, block),
        false => with_class(&said, &class),
    };
    match text(block, "/bounceType").as_str() {
        "Permanent" => format!("{story}, the address is dead"),
        _ => format!("{story}, given up"),
    }
}

fn with_class(said: &str, class: &str) -> String {
    match (said.is_empty(), class.is_empty()) {
        (_, true) => said.to_owned(),
        (true, false) => class.to_owned(),
        (false, false) => format!("{said} ({class})"),
    }
}

fn signature_mark(signature: SignatureCheck, look: Look) -> String {
    match signature {
        SignatureCheck::Valid => look.paint(FAINT, "signed"),
        SignatureCheck::Unchecked => String::new(),
        SignatureCheck::Missing => look.paint(RED, "NOT SIGNED"),
        SignatureCheck::Wrong => look.paint(RED, "WRONG SIGNATURE"),
        SignatureCheck::Stale => look.paint(RED, "STALE SIGNATURE"),
    }
}

/// `812 ms`, `4.1 s`.
fn duration(millis: u64) -> String {
    if millis < 1_000 {
        return format!("{millis} ms");
    }
    format!("{}.{} s", millis / 1_000, millis % 1_000 / 100)
}

/// `12:34:57.456` of an RFC 3339 time.
fn clock_time(timestamp: &str) -> String {
    timestamp.get(11..23).unwrap_or(timestamp).to_owned()
}

fn short_id(id: &str) -> String {
    let start = id.len().saturating_sub(ID_DIGITS);
    id.get(start..).unwrap_or(id).to_owned()
}

/// `DeliveryDelay` → `deliveryDelay`: the member that holds what the kind tells.
fn lower_camel(kind: &str) -> String {
    let mut chars = kind.chars();
    chars
        .next()
        .map(|first| first.to_ascii_lowercase().to_string() + chars.as_str())
        .unwrap_or_default()
}

/// The first of these members that is a text.
fn first_of(value: &Value, pointers: &[&str]) -> String {
    let mut texts = pointers.iter().map(|pointer| text(value, pointer));
    texts.find(|text| !text.is_empty()).unwrap_or_default()
}

/// The text at this place, without control characters, cut to a length; empty where none is.
fn text(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    let text = text.unwrap_or_default();
    let mut shown: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(TEXT_MAX)
        .collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
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
}
