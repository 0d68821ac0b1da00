//! Bounces that are written for people (qmail, Exim, old sendmail, Exchange, Notes, providers'
//! own forms), and the prose beside the fields of RFC 3464.
//!
//! No form is tied to a program. A message is a bounce when it looks like one by several signs at
//! once ([`signs`]); its text ends where the returned message begins ([`notice`]); and an address
//! is a recipient when it stands where such texts put one ([`recipients`]). The names and turns of
//! phrase of well-known programs stand in the same lists as everybody's ([`phrases`]), so a form
//! that nobody has seen is read as well as those that we know.

mod notice;
mod phrases;
mod recipients;
mod signs;

#[cfg(test)]
mod tests;

use super::address;
use super::mime::Mail;
use super::origin::Origin;
use super::status::{Form, Judge, RECIPIENTS_MAX, StatusReport, Told};

pub(super) use notice::Notice;

use signs::Signs;

/// Reads a bounce in prose; `None` where the message is none, or names nobody.
pub(super) fn read(
    mail: &Mail<'_>,
    origin: &Origin,
    notice: &Notice,
    judge: &Judge,
) -> Option<StatusReport> {
    let signs = Signs::of(mail, notice, origin);
    // Whom it names is looked for where that could make it one.
    if !signs.tell_a_bounce(true) {
        return None;
    }
    let named = recipients::find(mail, notice, &signs);
    if named.is_empty() && !signs.tell_a_bounce(false) {
        return None;
    }
    let action = signs.action();
    let mut named = named;
    if named.is_empty() {
        named.push(None);
    }
    named.truncate(RECIPIENTS_MAX);
    let is_alone = named.len() == 1;
    let statuses = named.into_iter().map(|address| {
        let paragraph = match is_alone {
            true => notice.text.as_str(),
            false => notice.paragraph(address.as_deref()),
        };
        let diagnostic = notice::diagnostic(paragraph, address.as_deref());
        judge.judge(Told {
            address,
            action: Some(action),
            diagnostic,
            context: paragraph.to_owned(),
            ..Told::default()
        })
    });
    Some(StatusReport {
        form: Form::Prose,
        reporting_mta: signs.reporting_mta(),
        envelope_id: None,
        recipients: statuses.collect(),
        returned: notice.returned.clone(),
    })
}

/// The recipients that the prose names, for a report whose fields name none.
pub(super) fn complete(
    mail: &Mail<'_>,
    origin: &Origin,
    notice: &Notice,
    report: &mut StatusReport,
) {
    if report.returned.is_empty() {
        report.returned = notice.returned.clone();
    }
    let is_whole = |address: &Option<String>| address.as_deref().is_some_and(address::is_whole);
    let is_nameless = report
        .recipients
        .iter()
        .all(|status| !is_whole(&status.address));
    if !is_nameless {
        return;
    }
    let signs = Signs::of(mail, notice, origin);
    let named = recipients::find(mail, notice, &signs);
    if let [status] = report.recipients.as_mut_slice()
        && let [address] = named.as_slice()
    {
        status.address.clone_from(address);
        return;
    }
    if named.len() == report.recipients.len() {
        for (status, address) in report.recipients.iter_mut().zip(named) {
            status.address = address;
        }
    }
}
