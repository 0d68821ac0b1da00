//! Complaints.

use std::collections::BTreeSet;

use postbell_mail::inbound::{Envelope, Inbound, Mail, Reader};

use super::Row;
use super::score::Scores;

pub(crate) fn measure(row: &Row, reader: &Reader, scores: &mut Scores) {
    if !row.is(&["complaint"]) {
        return;
    }
    let raw = row.received();
    let found = reader.read(&Mail::read(&raw), Envelope::Noted);
    let Inbound::Complaint(complaint) = &found else {
        scores.count("complaints: recognised", row, false, || {
            format!("{found:?}")
        });
        return;
    };
    scores.count("complaints: recognised", row, true, String::new);
    if let Some(kind) = row.text("feedback_type") {
        let letters = |name: &str| name.replace('-', "");
        let hit = letters(complaint.feedback_type.name()) == letters(kind);
        scores.count("complaints: type", row, hit, || {
            format!("{kind}: {complaint:?}")
        });
    }
    let labels = row.recipients().into_iter().flatten();
    let wanted: BTreeSet<_> = labels
        .filter_map(|label| label["address"].as_str())
        .map(str::to_lowercase)
        .collect();
    if !wanted.is_empty() {
        let named: BTreeSet<_> = complaint
            .original_recipients
            .iter()
            .map(|a| a.to_lowercase())
            .collect();
        scores.count("complaints: recipients", row, named == wanted, || {
            format!("wanted {wanted:?}: {complaint:?}")
        });
    }
    if let Some(id) = row.text("orig_message_id") {
        let hit = complaint.returned.message_id.as_deref() == Some(id);
        scores.count("complaints: Message-ID", row, hit, || {
            format!("{id}: {complaint:?}")
        });
    }
}
