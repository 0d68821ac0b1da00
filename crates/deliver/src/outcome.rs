//! From what the hosts said to what becomes of the delivery: pure rules.
//!
//! | the last try | outcome |
//! |---|---|
//! | 2xx to the final dot | delivered |
//! | 5xx to MAIL, RCPT, DATA or the dot | refused for good |
//! | 5xx of ours: the DNS, or a message that the host can't take | refused for good |
//! | 5xx at the greeting, to EHLO or to AUTH | tried again: the trouble is the host's, not the message's |
//! | 4xx, silence, disconnection, nonsense | tried again |
//!
//! A host that greets with 5xx is passed over for the next one (RFC 5321 §4.2.4.2 and §5.1 leave
//! the choice); where all of them do, it is taken for a block or an outage, which end.

use postbell_model::reply::Severity;
use postbell_model::retry::Jitter;
use postbell_model::{
    Attempt, BounceClass, BounceType, Delivery, Domain, Fact, HostTry, Phase, Reply, RetryPolicy,
};

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Delivered,
    Retry(BounceClass),
    Fail(BounceClass),
}

/// A try that no host heard of; `reply` is what we say in the place of one.
pub(crate) fn unsent(host: &Domain, phase: Phase, reply: Reply) -> HostTry {
    HostTry {
        host: host.clone(),
        ip: None,
        tls: None,
        plaintext: None,
        phase,
        reply,
        from_peer: false,
        dsn: false,
    }
}

/// What an attempt came to whose last try was this; `class` is the class of what was said.
pub(crate) fn outcome(last: &HostTry, class: BounceClass) -> Outcome {
    match (last.reply.severity(), last.phase) {
        (Severity::Success, Phase::Message) if last.from_peer => Outcome::Delivered,
        (Severity::Permanent, phase) if is_about_the_delivery(phase) => Outcome::Fail(class),
        _ => Outcome::Retry(class),
    }
}

const fn is_about_the_delivery(phase: Phase) -> bool {
    match phase {
        Phase::Dns | Phase::Mail | Phase::Rcpt | Phase::Data | Phase::Message | Phase::Render => {
            true
        }
        Phase::Connect | Phase::Greeting | Phase::Ehlo | Phase::Tls | Phase::Auth => false,
    }
}

/// Whether the next host may be tried at once: this one gave out, and can't have taken the
/// message.
///
/// A connection that is lost after the final dot says nothing about the message. Another host
/// would send it a second time, so it waits for the next attempt, as RFC 1047 asks.
pub(crate) fn may_try_next_host(tried: &HostTry) -> bool {
    let gave_out = !tried.from_peer || tried.reply.code == 421;
    match tried.phase {
        Phase::Dns | Phase::Render => false,
        Phase::Connect | Phase::Greeting | Phase::Ehlo | Phase::Tls | Phase::Auth => true,
        Phase::Mail | Phase::Rcpt | Phase::Data => gave_out,
        Phase::Message => tried.from_peer && tried.reply.code == 421,
    }
}

/// The fact to be recorded about an attempt of `delivery`.
pub(crate) fn fact(
    attempt: Attempt,
    outcome: Outcome,
    delivery: &Delivery,
    policy: &RetryPolicy,
    jitter: Jitter,
) -> Fact {
    let class = match outcome {
        Outcome::Delivered => return Fact::Delivery { attempt },
        Outcome::Fail(class) => {
            return Fact::Bounce {
                attempt,
                class,
                bounce_type: BounceType::of_refusal(class),
            };
        }
        Outcome::Retry(class) => class,
    };
    let expires_at = delivery.expires_at;
    match policy.next_attempt(attempt.number, attempt.ended_at, expires_at, jitter) {
        Some(next_attempt_at) => Fact::DeliveryDelay {
            attempt,
            class,
            next_attempt_at,
            expires_at,
        },
        None => Fact::Bounce {
            attempt,
            class: BounceClass::Expired,
            bounce_type: BounceType::Transient,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use postbell_model::{Address, DeliveryId, ReportRequest, Timestamp};

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn tried(phase: Phase, code: u16, from_peer: bool) -> HostTry {
        HostTry {
            host: Domain::parse("mx.example.com").unwrap(),
            ip: None,
            tls: None,
            plaintext: None,
            phase,
            reply: Reply::plain(code, "text"),
            from_peer,
            dsn: false,
        }
    }

    #[test]
    fn outcomes() {
        let class = BounceClass::Other;
        let (retry, fail) = (Outcome::Retry(class), Outcome::Fail(class));
        for (phase, code, from_peer, expected) in [
            (Phase::Message, 250, true, Outcome::Delivered),
            (Phase::Message, 250, false, retry),
            (Phase::Rcpt, 250, true, retry),
            (Phase::Message, 354, true, retry),
            (Phase::Mail, 550, true, fail),
            (Phase::Rcpt, 550, true, fail),
            (Phase::Data, 554, true, fail),
            (Phase::Message, 552, true, fail),
            (Phase::Dns, 556, false, fail),
            (Phase::Render, 552, false, fail),
            (Phase::Greeting, 554, true, retry),
            (Phase::Ehlo, 550, true, retry),
            (Phase::Auth, 535, true, retry),
            (Phase::Connect, 451, false, retry),
            (Phase::Dns, 451, false, retry),
            (Phase::Rcpt, 451, true, retry),
            (Phase::Rcpt, 999, true, retry),
            (Phase::Message, 421, true, retry),
        ] {
            let outcome = outcome(&tried(phase, code, from_peer), class);
            assert_eq!(outcome, expected, "{phase} {code}");
        }
    }

    #[test]
    fn the_next_host_is_tried_only_where_the_message_was_not_taken() {
        for (phase, code, from_peer, expected) in [
            (Phase::Connect, 451, false, true),
            (Phase::Greeting, 554, true, true),
            (Phase::Ehlo, 421, true, true),
            (Phase::Mail, 451, false, true),
            (Phase::Mail, 421, true, true),
            (Phase::Mail, 451, true, false),
            (Phase::Rcpt, 450, true, false),
            (Phase::Data, 451, false, true),
            (Phase::Message, 451, false, false),
            (Phase::Message, 421, true, true),
            (Phase::Message, 451, true, false),
            (Phase::Dns, 451, false, false),
        ] {
            let may = may_try_next_host(&tried(phase, code, from_peer));
            assert_eq!(may, expected, "{phase} {code} {from_peer}");
        }
    }

    fn delivery(expires_in: Duration) -> Delivery {
        Delivery {
            id: DeliveryId::new(NOW),
            recipient: Address::parse("a@example.com").unwrap(),
            attempt: 1,
            sequence: 1,
            expires_at: NOW.after(expires_in),
            report: ReportRequest::default(),
        }
    }

    fn fact_of(outcome: Outcome, number: u32, expires_in: Duration) -> Fact {
        let attempt = Attempt {
            number,
            started_at: NOW,
            ended_at: NOW,
            tracking_notes: Vec::new(),
            tries: Vec::new(),
        };
        let policy = RetryPolicy {
            first: Duration::from_secs(300),
            longest: Duration::from_secs(3_600),
            max_retries: Some(2),
            expire_after: expires_in,
        };
        fact(
            attempt,
            outcome,
            &delivery(expires_in),
            &policy,
            Jitter::NONE,
        )
    }

    #[test]
    fn a_retry_says_when_and_ends_some_day() {
        let hour = Duration::from_secs(3_600);
        let retry = Outcome::Retry(BounceClass::RateLimited);
        let Fact::DeliveryDelay {
            class,
            next_attempt_at,
            expires_at,
            ..
        } = fact_of(retry, 1, hour)
        else {
            panic!("not a delay");
        };
        assert_eq!(class, BounceClass::RateLimited);
        assert_eq!(next_attempt_at, NOW.after(Duration::from_secs(300)));
        assert_eq!(expires_at, NOW.after(hour));
        for given_up in [fact_of(retry, 3, hour), fact_of(retry, 1, Duration::ZERO)] {
            assert!(matches!(
                given_up,
                Fact::Bounce {
                    class: BounceClass::Expired,
                    bounce_type: BounceType::Transient,
                    ..
                }
            ));
        }
    }

    #[test]
    fn only_a_dead_address_bounces_permanently() {
        for (class, expected) in [
            (BounceClass::NoSuchUser, BounceType::Permanent),
            (BounceClass::SpamRejected, BounceType::Transient),
        ] {
            let fact = fact_of(Outcome::Fail(class), 1, Duration::from_secs(60));
            assert!(matches!(fact, Fact::Bounce { bounce_type, .. } if bounce_type == expected));
        }
    }
}
