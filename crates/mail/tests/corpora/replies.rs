//! What somebody wrote in a reply.

use postbell_mail::inbound::{Mail, reply, reply_text};

use super::Row;
use super::score::Scores;

pub(crate) fn measure(row: &Row, scores: &mut Scores) {
    let Some(wanted) = row.text("expected_reply_text") else {
        return;
    };
    let stripped = match row.is(&["reply"]) {
        true => reply_text(&Mail::read(&row.received())).stripped,
        false => reply::strip(&String::from_utf8_lossy(&row.raw)),
    };
    let hit = words(&stripped) == words(wanted);
    scores.count("replies: text", row, hit, || {
        format!("wanted {wanted:?}\n    found  {stripped:?}")
    });
}

/// White space at the ends of lines and of the text says nothing.
fn words(text: &str) -> Vec<String> {
    let lines = text.trim().lines().map(|line| line.trim_end().to_owned());
    lines.collect()
}
