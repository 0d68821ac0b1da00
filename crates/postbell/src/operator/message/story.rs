//! What happened, in a few words.

use postbell_model::engagement::Engagement;
use postbell_model::inbound::{FeedbackReport, LateReport, ReplyFact, Via};
use postbell_model::suppression::SuppressedBy;
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
        Fact::Suppressed(by) => suppressed(by),
        Fact::Open(open) => format!("opened{}", visitor(open)),
        Fact::Click(click) => format!(
            "followed {}{}",
            plain(&click.url),
            visitor(&click.engagement)
        ),
    }
}

/// What stands below a story: where to look for more, or what only some ask for.
pub(super) fn detail(fact: &Fact) -> Option<String> {
    match fact {
        Fact::Suppressed(by) => by.event.map(|event| format!("since event {event}")),
        Fact::Open(open) => agent(open),
        Fact::Click(click) => agent(&click.engagement),
        fact => inbound_of(fact).map(|inbound| format!("mail {inbound}")),
    }
}

fn agent(engagement: &Engagement) -> Option<String> {
    let agent = plain(&engagement.user_agent);
    (!agent.is_empty()).then(|| format!("with {agent}"))
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

/// From where, how often by now, and by which signs of a machine.
fn visitor(engagement: &Engagement) -> String {
    let mut story = String::new();
    if let Some(ip) = &engagement.ip {
        story.push_str(&format!(" from {}", plain(ip)));
    }
    if let Some(proxy) = engagement.proxy {
        story.push_str(&format!(" by way of {proxy}"));
    }
    if let Some(count @ 2..) = engagement.count {
        story.push_str(&format!(", {count} times by now"));
    }
    if engagement.is_machine() {
        let reasons = engagement.machine_reasons.iter();
        let reasons: Vec<_> = reasons.map(|reason| reason.name()).collect();
        story.push_str(&format!(", by a machine ({})", reasons.join(", ")));
    }
    story
}

fn suppressed(by: &SuppressedBy) -> String {
    let (cause, since) = (by.cause, by.since);
    match by.scope.stream() {
        None => format!("address on suppression list ({cause} since {since})"),
        Some(stream) => format!(
            "address on suppression list ({cause} since {since}, of the stream {})",
            plain(stream)
        ),
    }
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
    use postbell_model::engagement::{Click, ImageProxy, MachineReason};
    use postbell_model::inbound::{AutoReplyClass, Confirmation, Content, MatchedBy};
    use postbell_model::suppression::{Cause, Scope};
    use postbell_model::{BounceClass, BounceType, EnhancedCode, EventId, Timestamp};

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

    fn engagement() -> Engagement {
        Engagement {
            ip: Some("203.0.113.42".to_owned()),
            user_agent: "Scanner/1".to_owned(),
            count: Some(3),
            machine_reasons: vec![MachineReason::HeadRequest, MachineReason::SeveralLinks],
            proxy: None,
        }
    }

    #[test]
    fn an_open_and_a_click_are_told_with_who_made_them() {
        let open = Fact::Open(Box::new(Engagement {
            ip: None,
            user_agent: String::new(),
            count: None,
            machine_reasons: Vec::new(),
            proxy: Some(ImageProxy::Google),
        }));
        assert_eq!(story(&open), "opened by way of google");
        assert_eq!(detail(&open), None);
        let click = Fact::Click(Box::new(Click {
            url: "https://shop.example/42".to_owned(),
            index: 0,
            engagement: engagement(),
        }));
        assert_eq!(
            story(&click),
            "followed https://shop.example/42 from 203.0.113.42, 3 times by now, \
             by a machine (headRequest, severalLinks)"
        );
        assert_eq!(detail(&click).as_deref(), Some("with Scanner/1"));
    }

    #[test]
    fn what_the_suppression_list_keeps_back_is_told_with_its_cause() {
        let at = Timestamp::from_micros(0);
        let event = EventId::new(at);
        let fact = |scope, event| {
            let (cause, since) = (Cause::Complaint, at);
            Fact::Suppressed(Box::new(SuppressedBy {
                scope,
                cause,
                since,
                event,
            }))
        };
        let all = fact(Scope::All, Some(event));
        assert_eq!(
            story(&all),
            "address on suppression list (COMPLAINT since 1970-01-01T00:00:00.000000Z)"
        );
        assert_eq!(detail(&all), Some(format!("since event {event}")));
        let stream = fact(Scope::Stream("news".to_owned()), None);
        assert!(story(&stream).ends_with("Z, of the stream news)"));
        assert_eq!(detail(&stream), None);
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
        let open = Fact::Open(Box::new(Engagement {
            user_agent: hostile.to_owned(),
            ..engagement()
        }));
        for fact in [bounce, answer, complaint, open] {
            let lines = [Some(story(&fact)), detail(&fact)];
            for line in lines.into_iter().flatten() {
                assert!(!line.contains(char::is_control), "{line}");
            }
        }
    }
}
