//! The fields for programs of a status notification (RFC 3464 §2), where they should be and
//! where they are found as well: in a part under another name, or in the text.

use postbell_model::EnhancedCode;

use super::codes;
use super::judge::{Judge, Told};
use super::returned::{Returned, cut};
use super::{Action, Form, RECIPIENTS_MAX, StatusReport};
use crate::header::Header;
use crate::inbound::address;
use crate::inbound::bounce::Notice;
use crate::inbound::mime::{Kind, Mail, Part, to_text};
use crate::inbound::origin::Origin;

/// Octets of the fields that are read.
const FIELDS_MAX: usize = 1024 * 1024;

/// What the fields say of the message, and of each recipient.
#[derive(Debug, Default)]
struct Fields {
    reporting_mta: Option<String>,
    envelope_id: Option<String>,
    recipients: Vec<Told>,
}

/// Whether a message is a report about a delivery by its form: by its own type (RFC 6522 §3), or
/// by a part where a program sent it. People enclose reports in what they write, and some mail
/// programs attach the parts of one that is passed on.
pub(crate) fn is_announced(mail: &Mail<'_>, origin: &Origin) -> bool {
    let is_report = |root: &Part| {
        let is_typed = root.report_type.as_deref() == Some("delivery-status");
        is_status_part(root) || (root.media.main == "multipart" && is_typed)
    };
    let has_part = || mail.leaves().any(|(_, part)| is_status_part(part));
    mail.parts().first().is_some_and(is_report) || (origin.reports() && has_part())
}

fn is_status_part(part: &Part) -> bool {
    let names = ["delivery-status", "global-delivery-status"];
    part.media.main == "message" && names.contains(&part.media.sub.as_str())
}

pub(super) fn read(
    mail: &Mail<'_>,
    origin: &Origin,
    notice: &Notice,
    judge: &Judge,
) -> Option<StatusReport> {
    let fields = find(mail, origin)?;
    let recipients = fields.recipients.into_iter().map(|mut told| {
        told.context = notice.paragraph(told.address.as_deref()).to_owned();
        judge.judge(told)
    });
    Some(StatusReport {
        form: Form::Fields,
        reporting_mta: fields.reporting_mta,
        envelope_id: fields.envelope_id,
        recipients: recipients.collect(),
        returned: Returned::within(mail),
    })
}

/// The fields, with at least one recipient, of a message that is a report by its form or that a
/// program sent.
fn find(mail: &Mail<'_>, origin: &Origin) -> Option<Fields> {
    if !is_announced(mail, origin) && !origin.reports() {
        return None;
    }
    in_status_parts(mail).or_else(|| elsewhere(mail))
}

fn in_status_parts(mail: &Mail<'_>) -> Option<Fields> {
    let leaves = mail.leaves().filter(|(_, part)| part.kind == Kind::Leaf);
    let mut named: Vec<_> = leaves.filter(|(_, part)| is_status_part(part)).collect();
    // RFC 3464 §2: one part. What is returned may be a report itself.
    let is_own = |index: usize| !mail.is_enclosed(index);
    if named.iter().any(|(index, _)| is_own(*index)) {
        named.retain(|(index, _)| is_own(*index));
    }
    named.sort_by_key(|(_, part)| part.depth);
    let mut read = named
        .into_iter()
        .map(|(index, _)| Fields::read(&mail.octets(index)));
    read.find(|fields| !fields.recipients.is_empty())
}

/// Some take the names of the parts away, or the parts themselves.
fn elsewhere(mail: &Mail<'_>) -> Option<Fields> {
    let texts = mail.own_leaves().filter(|(_, part)| {
        let main = part.media.main.as_str();
        matches!(main, "text" | "application" | "multipart")
    });
    for (index, _) in texts.take(10) {
        let octets = mail.octets(index);
        let Some(from) = first_field(&octets) else {
            continue;
        };
        let fields = Fields::read(octets.get(from..).unwrap_or_default());
        let is_told = |told: &Told| told.action.is_some() || told.status.is_some();
        if fields.recipients.iter().any(is_told) {
            return Some(fields);
        }
    }
    None
}

/// Where a line begins with a field that each recipient has.
fn first_field(octets: &[u8]) -> Option<usize> {
    let octets = octets.get(..FIELDS_MAX).unwrap_or(octets);
    let mut at = 0;
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        let line_lower = line.get(..20).unwrap_or(line).to_ascii_lowercase();
        let names: [&[u8]; 3] = [
            b"reporting-mta:",
            b"final-recipient:",
            b"original-recipient:",
        ];
        if names.iter().any(|name| line_lower.starts_with(name)) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

impl Fields {
    fn read(octets: &[u8]) -> Self {
        let mut rest = octets.get(..FIELDS_MAX).unwrap_or(octets);
        let mut fields = Self::default();
        while !rest.is_empty() && fields.recipients.len() < RECIPIENTS_MAX {
            let len = block_len(rest);
            let (block, after) = rest.split_at(len.min(rest.len()));
            // A boundary that nobody named: another part begins.
            if block.starts_with(b"--") {
                break;
            }
            fields.add_block(block);
            rest = after;
        }
        fields.recipients.retain(|told| {
            told.address.is_some()
                || told.original.is_some()
                || told.action.is_some()
                || told.status.is_some()
        });
        fields
    }

    /// A block of fields: about the message, or about a recipient. Where the line between them is
    /// missing, a recipient begins with a field that it has already, and the limit of recipients
    /// may be reached within a block.
    fn add_block(&mut self, block: &[u8]) {
        let mut told: Option<Told> = None;
        for field in Header::of(block).fields() {
            let Ok(name) = std::str::from_utf8(field.name()) else {
                continue;
            };
            let name = name.to_ascii_lowercase();
            let value = to_text(&field.unfolded(), None);
            match name.as_str() {
                "reporting-mta" => self.reporting_mta = Some(untyped(&value)),
                "original-envelope-id" => self.envelope_id = Some(cut(&value)),
                "final-recipient" | "original-recipient" => {
                    let address = recipient(&value);
                    let is_final = name == "final-recipient";
                    let has_it = told.as_ref().is_some_and(|told| told.has(is_final));
                    if has_it {
                        self.recipients.extend(told.take());
                        if self.recipients.len() >= RECIPIENTS_MAX {
                            return;
                        }
                    }
                    let told = told.get_or_insert_default();
                    *told.place(is_final) = address;
                }
                "action" => told.get_or_insert_default().action = Action::read(&value),
                "status" => told.get_or_insert_default().status = status(&value),
                "diagnostic-code" => {
                    let told = told.get_or_insert_default();
                    if told.diagnostic.is_empty() {
                        told.diagnostic = diagnostic(&value);
                    }
                }
                "remote-mta" => told.get_or_insert_default().remote_mta = Some(untyped(&value)),
                _ => {}
            }
        }
        self.recipients.extend(told.map(Told::settled));
    }
}

impl Told {
    const fn has(&self, is_final: bool) -> bool {
        if is_final {
            self.address.is_some()
        } else {
            self.original.is_some()
        }
    }

    const fn place(&mut self, is_final: bool) -> &mut Option<String> {
        if is_final {
            &mut self.address
        } else {
            &mut self.original
        }
    }

    /// With the one address where there is only the other or where that is none.
    fn settled(mut self) -> Self {
        let is_whole = |address: &Option<String>| address.as_deref().is_some_and(address::is_whole);
        let is_public = |address: &Option<String>| {
            let domain = address
                .as_deref()
                .and_then(|address| address.rsplit_once('@'));
            domain.is_some_and(|(_, domain)| domain.contains(['.', '[']))
        };
        let is_better =
            !is_whole(&self.address) || (!is_public(&self.address) && is_public(&self.original));
        if is_better && is_whole(&self.original) {
            self.address = self.original.clone();
        }
        if self.original == self.address {
            self.original = None;
        }
        self
    }
}

/// The octets up to and with the next empty lines.
fn block_len(octets: &[u8]) -> usize {
    let mut at = 0;
    let mut is_begun = false;
    let mut is_blank = false;
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        let blank = line.trim_ascii().is_empty();
        if is_begun && is_blank && !blank {
            return at;
        }
        is_begun |= !blank;
        is_blank = blank;
        at += line.len();
    }
    at
}

/// What stands behind `type;` (RFC 3464 §2.1.2).
fn untyped(value: &str) -> String {
    let (_, value) = value.split_once(';').unwrap_or(("", value));
    cut(value)
}

/// RFC 3464 §2.3.2; RFC 6533 §3 for `utf-8;`. Some write angle brackets, a name, or leave the type
/// out.
fn recipient(value: &str) -> Option<String> {
    let value = untyped(value);
    let found = address::first(&value);
    let plain = || {
        let bare = value.trim_matches(['<', '>', '"', ' ']);
        (!bare.is_empty()).then(|| bare.to_owned())
    };
    found.or_else(plain)
}

/// RFC 3464 §2.3.4: comments may follow.
fn status(value: &str) -> Option<EnhancedCode> {
    codes::first_enhanced(value)
}

/// Without its type (RFC 3464 §2.3.6), which some leave out.
fn diagnostic(value: &str) -> String {
    let typed = value.split_once(';').filter(|(kind, _)| {
        let kind = kind.trim();
        !kind.is_empty()
            && kind.len() <= 40
            && kind
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
    });
    typed.map_or(value, |(_, text)| text).trim().to_owned()
}
