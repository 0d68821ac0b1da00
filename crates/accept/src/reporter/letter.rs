//! Whether an event deserves a report, and the report: pure rules.

use postbell_mail::report::{self, Report};
use postbell_model::{Address, ReportKind, Timestamp};
use postbell_store::{IdempotencyKey, ReportDue, ReportEnd};

use super::options::ReportOptions;
use crate::own::OwnMail;

/// The key goes with the event; until then it is kept, however long the process is down.
const FOR_EVER: Timestamp = Timestamp::from_micros(i64::MAX);

/// What is done about an event on the list.
#[derive(Debug)]
pub(super) struct Judgement {
    /// The report, where there is one.
    pub(super) mail: Option<OwnMail>,
    /// What is noted once it was submitted.
    pub(super) end: ReportEnd,
}

impl Judgement {
    /// Nobody is told.
    pub(super) const fn nothing(due: &ReportDue) -> Self {
        Self {
            mail: None,
            end: ReportEnd::without_report(due.logged.position),
        }
    }
}

/// Decides about an event and writes its report.
pub(super) fn judge(
    options: &ReportOptions,
    from: &Address,
    due: &ReportDue,
    original: Option<&[u8]>,
) -> Judgement {
    let message = &*due.logged.message;
    let Some(to) = message.mail_from.mailbox() else {
        return Judgement::nothing(due);
    };
    if !deserves(options, due) || original.is_some_and(report::is_answer) {
        return Judgement::nothing(due);
    }
    let event = &due.logged.event;
    let body = report::compose(&Report {
        kind: due.kind,
        event,
        message,
        original,
        recipient: &due.logged.recipient,
        request: &due.request,
        from,
        to,
        hostname: &options.hostname,
        max_returned: options.max_returned,
    });
    let key = format!("report:{}", event.id);
    Judgement {
        mail: Some(OwnMail {
            workspace: message.workspace,
            from: from.clone(),
            to: to.clone(),
            body,
            idempotency: IdempotencyKey {
                key: key.clone(),
                until: FOR_EVER,
            },
        }),
        end: ReportEnd {
            position: due.logged.position,
            key: Some(key),
            warned: due.kind == ReportKind::Delayed,
        },
    }
}

/// A delay is worth a report once it is long, where its sender wants to hear of it and was not
/// told before. Everything else is.
fn deserves(options: &ReportOptions, due: &ReportDue) -> bool {
    if due.kind != ReportKind::Delayed {
        return true;
    }
    let asked = due.request.notify.is_some() || options.warn_unasked;
    let waited = due.logged.event.at.since(due.queued_at);
    let long = options.delay_after.is_some_and(|after| waited >= after);
    due.unwarned && asked && long
}
