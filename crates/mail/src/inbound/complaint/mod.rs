//! Complaints (RFC 5965): somebody called a message unwanted, or, with `not-spam`, wanted.
//!
//! Providers take the recipient out, name it in fields of their own, or send no report at all but
//! the message within another one. All are read; what identifies the message is collected in
//! [`Returned`].

mod forwarded;

#[cfg(test)]
mod tests;

use super::address;
use super::mime::{Kind, Mail, Media, to_text};
use super::origin::Origin;
use super::status::Returned;
use crate::header::Header;

/// What a report is called, as its type and as that of its part.
const REPORTS: [&str; 2] = ["feedback-report", "x-feedback-report"];
/// Octets of the fields that are read.
const FIELDS_MAX: usize = 256 * 1024;
/// Values of a field that are kept.
const VALUES_MAX: usize = 100;
/// Octets of a value that are kept.
const VALUE_MAX: usize = 1_000;

/// What a complaint says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Complaint {
    /// Its kind (RFC 5965 §3.5).
    pub feedback_type: FeedbackType,
    /// Whether it is a message within another one, without fields for programs.
    pub is_forwarded: bool,
    /// The program that made it.
    pub user_agent: Option<String>,
    /// When the message arrived there, as it was written.
    pub arrival_date: Option<String>,
    /// The address that it came from.
    pub source_ip: Option<String>,
    /// The server that reports.
    pub reporting_mta: Option<String>,
    /// The return path that it had.
    pub original_mail_from: Option<String>,
    /// Whom it was for, where that was not taken out.
    pub original_recipients: Vec<String>,
    /// The domains that it is about.
    pub reported_domains: Vec<String>,
    /// The envelope id that it was sent with.
    pub envelope_id: Option<String>,
    /// How many messages the report stands for, where it says so.
    pub incidents: Option<u32>,
    /// What is known of the message.
    pub returned: Returned,
}

/// RFC 5965 §7.3, RFC 6430, RFC 6591.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FeedbackType {
    /// Unwanted mail.
    #[default]
    Abuse,
    /// Fraud or phishing.
    Fraud,
    /// A virus.
    Virus,
    /// Authentication failed (RFC 6591): a report about the domain, and no complaint of a person.
    AuthFailure,
    /// It was taken for spam and is none: never a reason to suppress anybody.
    NotSpam,
    /// The recipient wants no more of it (RFC 5965 §7.3 had it as `opt-out`).
    OptOut,
    /// None of these, as it was written, in lower case.
    Other(String),
}

impl FeedbackType {
    /// The name in RFC 5965: `not-spam`.
    pub fn name(&self) -> &str {
        match self {
            Self::Abuse => "abuse",
            Self::Fraud => "fraud",
            Self::Virus => "virus",
            Self::AuthFailure => "auth-failure",
            Self::NotSpam => "not-spam",
            Self::OptOut => "opt-out",
            Self::Other(name) => name,
        }
    }

    fn read(value: &str) -> Self {
        let value = value.trim().to_ascii_lowercase();
        let plain: String = value.chars().filter(char::is_ascii_alphabetic).collect();
        match plain.as_str() {
            "abuse" | "" => Self::Abuse,
            "fraud" => Self::Fraud,
            "virus" => Self::Virus,
            "authfailure" => Self::AuthFailure,
            "notspam" | "notabuse" | "dismiss" => Self::NotSpam,
            "optout" | "optoutlist" | "unsubscribe" => Self::OptOut,
            _ => Self::Other(cut(&value)),
        }
    }
}

/// Reads a complaint; `None` where the message is none.
pub(super) fn read(mail: &Mail<'_>, origin: &Origin) -> Option<Complaint> {
    fields(mail, origin).or_else(|| forwarded::read(mail, origin))
}

/// The fields for programs, in a message that is a complaint by its own type (RFC 5965 §2) or that
/// a program sent: some mail programs attach the parts of one that is passed on.
fn fields(mail: &Mail<'_>, origin: &Origin) -> Option<Complaint> {
    let is_report = |media: &Media| media.main != "multipart" && REPORTS.contains(&&*media.sub);
    let is_announced = mail.parts().first().is_some_and(|root| {
        let report_type = root.report_type.as_deref();
        is_report(&root.media) || report_type.is_some_and(|name| REPORTS.contains(&name))
    });
    if !is_announced && !origin.is_program() {
        return None;
    }
    let (index, _) = mail
        .own_leaves()
        .find(|(_, part)| part.kind == Kind::Leaf && is_report(&part.media))?;
    let octets = mail.octets(index);
    let octets = octets.get(..FIELDS_MAX).unwrap_or(&octets);
    let mut complaint = Complaint::default();
    for block in blocks(octets) {
        for field in Header::of(block).fields() {
            let name = String::from_utf8_lossy(field.name()).to_ascii_lowercase();
            complaint.add(&name, &to_text(&field.unfolded(), None));
        }
    }
    complaint.returned = Returned::within(mail);
    complaint.complete();
    Some(complaint)
}

/// What lies between empty lines: some put those between the fields.
fn blocks(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let trimmed = rest
            .iter()
            .position(|octet| !matches!(octet, b'\r' | b'\n'))?;
        rest = rest.get(trimmed..)?;
        let len = Header::find(rest).map_or(rest.len(), |header| header.as_bytes().len());
        let (block, after) = rest.split_at_checked(len.max(1))?;
        rest = after;
        Some(block)
    })
}

impl Complaint {
    pub(super) fn of_type(name: &str) -> Self {
        Self {
            feedback_type: FeedbackType::read(name),
            ..Self::default()
        }
    }

    fn add(&mut self, name: &str, value: &str) {
        match name {
            "feedback-type" => self.feedback_type = FeedbackType::read(value),
            "user-agent" => set(&mut self.user_agent, value),
            "arrival-date" | "received-date" => set(&mut self.arrival_date, value),
            "source-ip" | "source" if self.source_ip.is_none() => {
                self.source_ip = ip(value);
            }
            "reporting-mta" => {
                let (_, host) = value.split_once(';').unwrap_or(("", value));
                set(&mut self.reporting_mta, host);
            }
            "original-mail-from" => set(
                &mut self.original_mail_from,
                value.trim().trim_matches(['<', '>']),
            ),
            "original-rcpt-to" | "removal-recipient" | "original-recipient"
            | "redacted-address" => self.add_recipient(value),
            "reported-domain" if self.reported_domains.len() < VALUES_MAX => {
                self.reported_domains.push(cut(value))
            }
            "original-envelope-id" => set(&mut self.envelope_id, value),
            "incidents" => self.incidents = value.trim().parse().ok(),
            "original-message-id" => set(
                &mut self.returned.message_id,
                value.trim().trim_matches(['<', '>']),
            ),
            _ => {}
        }
    }

    pub(super) fn add_recipient(&mut self, value: &str) {
        let (_, value) = value.split_once(';').unwrap_or(("", value));
        for found in address::all(value) {
            if self.original_recipients.len() < VALUES_MAX
                && !self.original_recipients.contains(&found.address)
            {
                self.original_recipients.push(found.address);
            }
        }
    }

    /// What the fields leave out the message may say. Its To field is whom somebody wrote to,
    /// which says whom it was for where that is one address.
    fn complete(&mut self) {
        let to = self.returned.to.clone().unwrap_or_default();
        if self.original_recipients.is_empty() {
            let noted = self.returned.recipients.clone();
            let named: Vec<_> = address::all(&to).map(|found| found.address).collect();
            self.original_recipients = match (named.as_slice(), noted.first()) {
                ([one], _) => vec![one.clone()],
                (_, Some(noted)) => vec![noted.clone()],
                _ => named.into_iter().take(VALUES_MAX).collect(),
            };
        }
    }
}

fn ip(value: &str) -> Option<String> {
    let value = value.trim().trim_matches(['[', ']']);
    let value = value.strip_prefix("IPv6:").unwrap_or(value);
    value
        .parse::<std::net::IpAddr>()
        .ok()
        .map(|ip| ip.to_string())
}

fn set(place: &mut Option<String>, value: &str) {
    let value = cut(value);
    if place.is_none() && !value.is_empty() {
        *place = Some(value);
    }
}

fn cut(value: &str) -> String {
    let mut text: String = value
        .chars()
        .filter(|c| !c.is_control())
        .take(VALUE_MAX)
        .collect();
    text.truncate(text.trim_end().len());
    text.trim_start().to_owned()
}
