//! Complaints without fields for programs: the message that is complained about within one of a
//! feedback loop.

use super::{Complaint, FeedbackType};
use crate::inbound::mime::Mail;
use crate::inbound::origin::Origin;
use crate::inbound::status::Returned;

/// In a subject.
const SUBJECTS: [&str; 10] = [
    "complaint about message",
    "spam complaint",
    "abuse complaint",
    "abuse report",
    "spam report",
    "feedback report",
    "feedback loop",
    "junk mail report",
    "reported as spam",
    "email abuse",
];
/// Reads one; `None` where the message is none, as an answer is and what somebody passes on.
pub(super) fn read(mail: &Mail<'_>, origin: &Origin) -> Option<Complaint> {
    if origin.is_answer {
        return None;
    }
    let enclosed = mail.enclosed()?;
    let within = mail.header(enclosed);
    let reports = |name: &str| within.fields().find(|field| field.is(name));
    // What Outlook.com's programme puts into the message that it returns.
    let is_marked = reports("X-HmXmrOriginalRecipient").is_some();
    let subject = mail
        .field("Subject")
        .map(|field| field.text().to_lowercase());
    let subject = subject.unwrap_or_default();
    let says_so = SUBJECTS.iter().any(|words| subject.contains(words));
    let is_told = is_marked || (says_so && origin.is_feedback);
    if !is_told {
        return None;
    }
    let ip = subject.split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'));
    let mut complaint = Complaint {
        is_forwarded: true,
        source_ip: ip.filter(|word| word.len() > 6).find_map(super::ip),
        user_agent: None,
        returned: Returned::read(&within),
        feedback_type: match subject.contains("not spam") || subject.contains("not-spam") {
            true => FeedbackType::NotSpam,
            false => FeedbackType::Abuse,
        },
        ..Complaint::default()
    };
    if let Some(field) = reports("X-HmXmrOriginalRecipient") {
        complaint.add_recipient(&field.text());
    }
    complaint.complete();
    Some(complaint)
}
