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
/// The most signs of a machine that are shown; there are eight.
const SIGNS_MAX: usize = 8;

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
        // Mail that came to an address of a domain is about no delivery, nor is the suppression list.
        none if none.is_empty() => first_of(block, &["/recipient", "/emailAddress"]),
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
        "Open" | "Click" => ('•', GREEN),
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
        "Open" => visited("opened", block),
        "Click" => visited(&format!("followed {}", text(block, "/link")), block),
        "Reject" => rejected(block),
        "SuppressionAdded" => suppressed("gets no more mail", block),
        "SuppressionRemoved" => suppressed("may get mail again", block),
        "Reply" => written("answered", block),
        "Received" => written("written", block),
        _ => first_of(
            block,
            &["/reason", "/errorMessage", "/subject", "/from", "/domain"],
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

/// What was done, from where, how often by now, and by which signs of a machine.
fn visited(done: &str, block: &Value) -> String {
    let mut story = done.to_owned();
    for (before, pointer) in [(" from ", "/ipAddress"), (" by way of ", "/proxy")] {
        let found = text(block, pointer);
        if !found.is_empty() {
            story.push_str(&format!("{before}{found}"));
        }
    }
    if let Some(count @ 2..) = block.get("count").and_then(Value::as_u64) {
        story.push_str(&format!(", {count} times by now"));
    }
    if block.get("machine").and_then(Value::as_bool) == Some(true) {
        story.push_str(&format!(", by a machine ({})", signs(block)));
    }
    story
}

fn signs(block: &Value) -> String {
    let signs = (0..SIGNS_MAX).map(|at| text(block, &format!("/machineReasons/{at}")));
    let signs: Vec<_> = signs.take_while(|sign| !sign.is_empty()).collect();
    signs.join(", ")
}

fn rejected(block: &Value) -> String {
    let (reason, since) = (text(block, "/reason"), text(block, "/originalEventAt"));
    if since.is_empty() {
        return reason;
    }
    let list = format!("{} since {}", text(block, "/cause"), date(&since));
    match text(block, "/stream") {
        none if none.is_empty() => format!("{reason} ({list})"),
        stream => format!("{reason} ({list}, of the stream {stream})"),
    }
}

/// What is so from now on, of which mail, why, until when and what somebody says of it.
fn suppressed(now: &str, block: &Value) -> String {
    let mut story = match text(block, "/stream") {
        none if none.is_empty() => now.to_owned(),
        stream => format!("{now} of the stream {stream}"),
    };
    story.push_str(&format!(": {}", text(block, "/cause")));
    let until = text(block, "/expiresAt");
    if !until.is_empty() {
        story.push_str(&format!(", until {}", date(&until)));
    }
    let note = text(block, "/note");
    if !note.is_empty() {
        story.push_str(&format!(" ({note})"));
    }
    story
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

/// `2026-05-03` of an RFC 3339 time.
fn date(timestamp: &str) -> String {
    timestamp.get(..10).unwrap_or(timestamp).to_owned()
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
mod tests;
