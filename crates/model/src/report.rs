//! Which facts a sender is to be told of (RFC 3461 §5.2, RFC 3464): one pure rule, so that the
//! store keeps what a report will need and nobody asks for more.

use crate::{Fact, Notify, ReportRequest};

/// What a report says became of a message for one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportKind {
    /// It can't be delivered.
    Failed,
    /// It takes long, and is still tried.
    Delayed,
    /// It was handed to a server that sends no reports of success.
    Relayed,
}

impl ReportKind {
    /// The value of the Action field (RFC 3464 §2.3.3).
    pub const fn action(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Relayed => "relayed",
        }
    }
}

impl ReportRequest {
    /// What was asked for. Without NOTIFY that is failures, and delays where whoever reports
    /// likes to (RFC 3461 §5.2.1 (b)).
    pub fn wanted(&self) -> Notify {
        self.notify.unwrap_or(Notify {
            success: false,
            failure: true,
            delay: true,
        })
    }
}

/// The report that a fact calls for where these are wanted.
pub fn called_for(wanted: Notify, fact: &Fact) -> Option<ReportKind> {
    let (asked, kind) = match fact {
        // Who cancels mail or takes its domain away knows it; what is held goes on or is cancelled.
        Fact::Scheduled { .. }
        | Fact::Send
        | Fact::Held
        | Fact::Released { .. }
        | Fact::Cancelled
        | Fact::Reject { .. } => return None,
        // What far servers say later is not about a message that we still have.
        Fact::LateBounce { .. }
        | Fact::LateDelay { .. }
        | Fact::Confirmed { .. }
        | Fact::Complaint(_)
        | Fact::NotSpam(_)
        | Fact::Reply(_)
        | Fact::Unsubscribe { .. }
        | Fact::Suppressed(_)
        | Fact::Open(_)
        | Fact::Click(_) => return None,
        // RFC 3461 §5.2.2: a host that took the request over reports the success itself.
        Fact::Delivery { attempt } => {
            let taken_over = attempt.last().is_some_and(|last| last.dsn);
            (wanted.success && !taken_over, ReportKind::Relayed)
        }
        Fact::DeliveryDelay { .. } => (wanted.delay, ReportKind::Delayed),
        Fact::Bounce { .. } => (wanted.failure, ReportKind::Failed),
    };
    asked.then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attempt, BounceClass, BounceType, Domain, HostTry, Phase, Reply, Timestamp};

    fn facts(dsn: bool) -> [Fact; 4] {
        let now = Timestamp::default();
        let attempt = Attempt {
            number: 1,
            started_at: now,
            ended_at: now,
            tracking_notes: Vec::new(),
            tries: vec![HostTry {
                host: Domain::parse("mx.example.com").unwrap(),
                ip: None,
                tls: None,
                plaintext: None,
                phase: Phase::Message,
                reply: Reply::plain(250, "OK"),
                from_peer: true,
                dsn,
            }],
        };
        [
            Fact::Send,
            Fact::Delivery {
                attempt: attempt.clone(),
            },
            Fact::DeliveryDelay {
                attempt: attempt.clone(),
                class: BounceClass::RateLimited,
                next_attempt_at: now,
                expires_at: now,
            },
            Fact::Bounce {
                attempt,
                class: BounceClass::NoSuchUser,
                bounce_type: BounceType::Permanent,
            },
        ]
    }

    fn check(notify: Option<&str>, dsn: bool, kinds: [Option<ReportKind>; 4]) {
        let request = ReportRequest {
            notify: notify.map(|words| words.parse().unwrap()),
            orcpt: None,
        };
        let called = facts(dsn).map(|fact| called_for(request.wanted(), &fact));
        assert_eq!(called, kinds, "{notify:?}");
    }

    #[test]
    fn notify_says_what_is_reported() {
        use ReportKind::{Delayed, Failed, Relayed};
        check(None, false, [None, None, Some(Delayed), Some(Failed)]);
        check(Some("NEVER"), false, [None; 4]);
        check(Some("FAILURE"), false, [None, None, None, Some(Failed)]);
        check(Some("DELAY"), false, [None, None, Some(Delayed), None]);
        let all = [None, Some(Relayed), Some(Delayed), Some(Failed)];
        check(Some("SUCCESS,FAILURE,DELAY"), false, all);
        check(Some("SUCCESS"), true, [None; 4]);
    }
}
