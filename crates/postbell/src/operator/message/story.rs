//! What happened, in a few words.

use postbell_model::engagement::Engagement;
use postbell_model::inbound::{FeedbackReport, LateReport, ReplyFact, Via};
use postbell_model::{Attempt, Fact, InboundId};

use crate::console::plain;

pub(super) fn story(fact: &Fact) -> String {
    match fact {
        Fact::Scheduled { send_at } => format!("to be sent at {send_at}"),
        Fact::Send => "queued".to_owned(),
        Fact::Delivery { attempt } => attempt_story(attempt),
        Fact::DeliveryDelay {
            attempt,
            class,
            next_attempt_at,
            ..
        } => format!(
            "{}: {class}, next at {next_attempt_at}",
            attempt_story(attempt)
        ),
        Fact::Bounce {
            attempt,
            class,
            bounce_type,
        } => format!(
            "{}: {class}, {}",
            attempt_story(attempt),
            bounce_type.name()
        ),
        Fact::Held => "kept back by the operator".to_owned(),
        Fact::Released { state } => format!("{state} again"),
        Fact::Cancelled => "taken back".to_owned(),
        Fact::Reject { reason } => reason.to_string(),
        Fact::LateBounce {
            class,
            bounce_type,
            report,
        } => format!("{}: {class}, {}", reported(report), bounce_type.name()),
        Fact::LateDelay { report } => match report.class {
            Some(class) => format!("{}: {class}", reported(report)),
            None => reported(report),
        },
        Fact::Confirmed {
            confirmation,
            report,
        } => format!("{}: {}", reported(report), confirmation.name()),
        Fact::Complaint(report) => {
            format!("reported as {}{}", plain(&report.feedback_type), by(report))
        }
        Fact::NotSpam(report) => format!("reported as no spam{}", by(report)),
        Fact::Reply(reply) => answer(reply),
        Fact::Unsubscribe { method, .. } => {
            format!("wants no more of its kind, by {}", method.name())
        }
        Fact::Suppressed(by) => format!("on the suppression list since {}: {}", by.since, by.cause),
        Fact::Open(open) => format!("opened{}", visitor(open)),
        Fact::Click(click) => format!("{}{}", plain(&click.url), visitor(&click.engagement)),
    }
}

/// The mail that a fact came by.
pub(in crate::operator) fn inbound_of(fact: &Fact) -> Option<InboundId> {
    match fact {
        Fact::LateBounce { report, .. }
        | Fact::LateDelay { report }
        | Fact::Confirmed { report, .. } => Some(report.inbound),
        Fact::Complaint(report) | Fact::NotSpam(report) => Some(report.inbound),
        Fact::Reply(reply) => Some(reply.inbound),
        Fact::Unsubscribe { inbound, .. } => *inbound,
        Fact::Scheduled { .. }
        | Fact::Send
        | Fact::Delivery { .. }
        | Fact::DeliveryDelay { .. }
        | Fact::Held
        | Fact::Released { .. }
        | Fact::Cancelled
        | Fact::Reject { .. }
        | Fact::Suppressed(_)
        | Fact::Open(_)
        | Fact::Click(_)
        | Fact::Bounce { .. } => None,
    }
}

/// By a machine, and why it is taken for one.
fn visitor(engagement: &Engagement) -> String {
    if !engagement.is_machine() {
        return String::new();
    }
    let reasons = engagement
        .machine_reasons
        .iter()
        .map(|reason| reason.name());
    let reasons: Vec<_> = reasons.collect();
    format!(", by a machine: {}", reasons.join(", "))
}

fn attempt_story(attempt: &Attempt) -> String {
    let took = attempt.ended_at.since(attempt.started_at);
    format!("attempt {} in {:.3} s", attempt.number, took.as_secs_f64())
}

fn reported(report: &LateReport) -> String {
    let said = plain(&report.said());
    match &report.reporting_mta {
        Some(who) => format!("a report says: {said} (reporting {})", plain(who)),
        None => format!("a report says: {said}"),
    }
}

fn by(report: &FeedbackReport) -> String {
    let who = report.reporting_mta.as_ref().or(report.user_agent.as_ref());
    who.map(|who| format!(" by {}", plain(who)))
        .unwrap_or_default()
}

fn answer(reply: &ReplyFact) -> String {
    let content = &reply.content;
    let (from, subject) = (plain(&content.from), plain(&content.subject));
    let mut story = match content.auto_reply {
        Some(class) => format!(
            "a program's answer ({}) from {from}: {subject}",
            class.name()
        ),
        None => format!("answered by {from}: {subject}"),
    };
    let remarks = [
        (reply.via == Via::ReturnPath, "to the return path"),
        (!reply.is_from_recipient, "from another address"),
        (reply.is_forwarded, "forwarded"),
        (!reply.also_to.is_empty(), "to others as well"),
        (!content.attachments.is_empty(), "with attachments"),
    ];
    let remarks: Vec<_> = remarks.into_iter().filter(|(holds, _)| *holds).collect();
    if !remarks.is_empty() {
        let words: Vec<_> = remarks.iter().map(|(_, words)| *words).collect();
        story.push_str(&format!(" ({})", words.join(", ")));
    }
    story
}

#[cfg(test)]
mod tests {
    use postbell_model::inbound::{AutoReplyClass, Confirmation, Content, MatchedBy};
    use postbell_model::{BounceClass, BounceType, EnhancedCode, Timestamp};

    use super::*;

    fn inbound() -> InboundId {
        InboundId::new(Timestamp::from_micros(0))
    }

    fn report(diagnostic: &str) -> Box<LateReport> {
        Box::new(LateReport {
            inbound: inbound(),
            matched_by: MatchedBy::Address,
            recipient: None,
            status: EnhancedCode::parse("5.1.1"),
            code: Some(550),
            diagnostic: diagnostic.to_owned(),
            remote_mta: None,
            reporting_mta: Some("mx.example.org".to_owned()),
            class: Some(BounceClass::NoSuchUser),
            is_permanent: true,
        })
    }

    fn reply(content: Content) -> ReplyFact {
        ReplyFact {
            inbound: inbound(),
            via: Via::ReplyTo,
            is_from_recipient: true,
            is_forwarded: false,
            also_to: Vec::new(),
            content,
        }
    }

    fn told(fact: &Fact) -> String {
        assert!(inbound_of(fact).is_some());
        story(fact)
    }

    #[test]
    fn a_report_is_told_with_who_reports() {
        let bounce = Fact::LateBounce {
            class: BounceClass::NoSuchUser,
            bounce_type: BounceType::Permanent,
            report: report("550 5.1.1 no such user"),
        };
        assert_eq!(
            told(&bounce),
            "a report says: 550 5.1.1 no such user (reporting mx.example.org): no_such_user, Permanent"
        );
        let confirmed = Fact::Confirmed {
            confirmation: Confirmation::Relayed,
            report: report(""),
        };
        assert_eq!(
            told(&confirmed),
            "a report says: 550 5.1.1 (reporting mx.example.org): relayed"
        );
    }

    #[test]
    fn an_answer_is_told_with_what_is_odd_about_it() {
        let content = || Content {
            from: "ann@example.org".to_owned(),
            subject: "Re: hello".to_owned(),
            ..Content::default()
        };
        let plain = Fact::Reply(Box::new(reply(content())));
        assert_eq!(told(&plain), "answered by ann@example.org: Re: hello");
        let odd = ReplyFact {
            via: Via::ReturnPath,
            is_from_recipient: false,
            is_forwarded: true,
            ..reply(Content {
                auto_reply: Some(AutoReplyClass::Vacation),
                ..content()
            })
        };
        assert_eq!(
            told(&Fact::Reply(Box::new(odd))),
            "a program's answer (vacation) from ann@example.org: Re: hello \
             (to the return path, from another address, forwarded)"
        );
    }

    #[test]
    fn what_others_wrote_stays_on_its_line() {
        let hostile = "a\r\n\u{1b}[2Jb\u{9b}";
        let bounce = Fact::LateDelay {
            report: report(hostile),
        };
        let answer = Fact::Reply(Box::new(reply(Content {
            from: hostile.to_owned(),
            subject: hostile.to_owned(),
            ..Content::default()
        })));
        let complaint = Fact::Complaint(Box::new(FeedbackReport {
            inbound: inbound(),
            matched_by: MatchedBy::Address,
            feedback_type: hostile.to_owned(),
            user_agent: Some(hostile.to_owned()),
            arrival_date: None,
            source_ip: None,
            reporting_mta: None,
        }));
        for fact in [bounce, answer, complaint] {
            assert!(!told(&fact).contains(char::is_control));
        }
    }
}
