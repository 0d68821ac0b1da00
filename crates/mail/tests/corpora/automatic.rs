//! Automatic answers, and people's mail, which is none.

use postbell_mail::inbound::{Envelope, Inbound, Mail, Reader};

use super::Row;
use super::score::Scores;

pub(crate) fn measure(row: &Row, reader: &Reader, scores: &mut Scores) {
    let is_human = row.is(&["reply", "mime", "outbound-html"]) || row.file.starts_with("html-eml");
    let is_automatic = row.is(&["autoreply", "challenge-response"]);
    let is_no_bounce = row.is(&["not-bounce"]);
    if !is_human && !is_automatic && !is_no_bounce {
        return;
    }
    // Reports and notifications that lie among the rest are nobody's mail.
    let top = row
        .value
        .pointer("/reference/top")
        .and_then(serde_json::Value::as_str);
    let is_program = top == Some("multipart/report")
        || row.file.contains("delivery-status")
        || row.file.contains("multipart-report");
    // One of them is an automatic answer by its own subject.
    let is_program = is_program || row.file.ends_with("php-mime-mail-parser-issue212");
    if is_human && is_program {
        return;
    }
    let raw = row.received();
    let mail = Mail::read(&raw);
    let found = reader.read(&mail, Envelope::Noted);
    let shown = || format!("{found:?}").chars().take(600).collect();
    if is_automatic {
        let hit = matches!(found, Inbound::Automatic(_));
        let figure = match row.is(&["autoreply"]) {
            true => "automatic: recognised",
            false => "automatic: challenges",
        };
        scores.count(figure, row, hit, shown);
    } else if is_human {
        let figure = match row.is(&["reply"]) {
            true => "people's replies: as such",
            false => "people's mail: as such",
        };
        scores.count(figure, row, found == Inbound::Mail, shown);
    } else {
        let hit = !matches!(found, Inbound::Status(_));
        scores.count("no bounces: as such", row, hit, shown);
    }
}
