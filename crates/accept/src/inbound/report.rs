//! What a report about a delivery says of one delivery of ours (RFC 3464).
//!
//! A delivery has one recipient, and a report makes one fact of it: where it names several, as a
//! list or an alias does that the mail went on to, the one that is the delivery's recipient
//! counts, else the worst of all.

use postbell_mail::inbound::{Action, Complaint, FeedbackType, RecipientStatus, StatusReport};
use postbell_model::inbound::{Confirmation, FeedbackReport, LateReport, MatchedBy};
use postbell_model::{Address, BounceClass, BounceType, Fact, InboundId};

use super::plain::{one_line, one_line_of};
use super::reading::ADDRESS_MAX;

/// Octets of what a server said.
const DIAGNOSTIC_MAX: usize = 2_000;
/// Octets of any other value.
const VALUE_MAX: usize = 1_000;

/// The status that is about this recipient.
pub(super) fn status_of<'r>(
    report: &'r StatusReport,
    recipient: &Address,
) -> Option<&'r RecipientStatus> {
    let statuses = report.recipients.iter();
    let named = statuses.clone().filter(|status| names(status, recipient));
    let worst = |status: &&RecipientStatus| badness(status);
    // Of several as bad the first: it is the one that the reader of the report sees first.
    named
        .rev()
        .max_by_key(worst)
        .or_else(|| statuses.rev().max_by_key(worst))
}

/// Whether a status is about this address: local parts are compared without case, since those
/// who report change it.
pub(super) fn names(status: &RecipientStatus, recipient: &Address) -> bool {
    let addresses = [&status.original, &status.address];
    let mut named = addresses.into_iter().flatten();
    named.any(|address| address.eq_ignore_ascii_case(recipient.as_str()))
}

fn badness(status: &RecipientStatus) -> u8 {
    match status.action {
        Action::Failed if status.is_dead() => 6,
        Action::Failed if status.is_permanent => 5,
        Action::Failed => 4,
        Action::Delayed => 3,
        Action::Expanded => 2,
        Action::Relayed => 1,
        Action::Delivered => 0,
    }
}

/// The fact that a status is.
pub(super) fn fact(
    report: &StatusReport,
    status: &RecipientStatus,
    inbound: InboundId,
    matched_by: MatchedBy,
) -> Fact {
    let mut late = late_report(report, status, inbound, matched_by);
    let confirmation = match status.action {
        Action::Failed => {
            let class = late.class.unwrap_or(BounceClass::Other);
            late.class = Some(class);
            return Fact::LateBounce {
                class,
                bounce_type: bounce_type(status),
                report: Box::new(late),
            };
        }
        Action::Delayed => {
            return Fact::LateDelay {
                report: Box::new(late),
            };
        }
        Action::Delivered => Confirmation::Delivered,
        Action::Relayed => Confirmation::Relayed,
        Action::Expanded => Confirmation::Expanded,
    };
    late.class = None;
    Fact::Confirmed {
        confirmation,
        report: Box::new(late),
    }
}

fn bounce_type(status: &RecipientStatus) -> BounceType {
    let says_nothing = status.status.is_none()
        && status.code.is_none()
        && matches!(status.class, None | Some(BounceClass::Other));
    if status.is_dead() {
        BounceType::Permanent
    } else if says_nothing {
        BounceType::Undetermined
    } else {
        BounceType::Transient
    }
}

fn late_report(
    report: &StatusReport,
    status: &RecipientStatus,
    inbound: InboundId,
    matched_by: MatchedBy,
) -> LateReport {
    LateReport {
        inbound,
        matched_by,
        recipient: one_line_of(status.address.as_deref(), ADDRESS_MAX),
        status: status.status,
        code: status.code,
        diagnostic: one_line(&status.diagnostic, DIAGNOSTIC_MAX),
        remote_mta: one_line_of(status.remote_mta.as_deref(), VALUE_MAX),
        reporting_mta: one_line_of(report.reporting_mta.as_deref(), VALUE_MAX),
        class: status.class,
        is_permanent: status.is_permanent,
    }
}

/// The fact that a complaint is. `None`: a report about authentication (RFC 6591) is no word of a
/// person.
pub(super) fn feedback(
    complaint: &Complaint,
    inbound: InboundId,
    matched_by: MatchedBy,
) -> Option<Fact> {
    let value = |text: &Option<String>| one_line_of(text.as_deref(), VALUE_MAX);
    let report = Box::new(FeedbackReport {
        inbound,
        matched_by,
        feedback_type: one_line(complaint.feedback_type.name(), VALUE_MAX),
        user_agent: value(&complaint.user_agent),
        arrival_date: value(&complaint.arrival_date),
        source_ip: value(&complaint.source_ip),
        reporting_mta: value(&complaint.reporting_mta),
    });
    match complaint.feedback_type {
        FeedbackType::AuthFailure => None,
        FeedbackType::NotSpam => Some(Fact::NotSpam(report)),
        FeedbackType::Abuse
        | FeedbackType::Fraud
        | FeedbackType::Virus
        | FeedbackType::OptOut
        | FeedbackType::Other(_) => Some(Fact::Complaint(report)),
    }
}
