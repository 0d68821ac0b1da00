//! What follows from a fact: one pure function, whichever door the fact came through.

use crate::{BounceClass, DeliveryState, Fact, Timestamp};

/// What the store does beside appending the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consequence {
    /// The state that the delivery is in from then on.
    pub state: DeliveryState,
    /// When it is tried next, where it stays queued.
    pub next_attempt_at: Option<Timestamp>,
}

/// A fact that can't follow on the state that the delivery is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a delivery that is {state} can't have this fact")]
pub struct Impossible {
    /// The state that the delivery is in.
    pub state: DeliveryState,
}

/// What follows from `fact` about a delivery in state `state`.
///
/// # Errors
/// The delivery has ended, and what is told of it comes too late; or it is released without
/// having been held, or held twice.
pub fn consequence(state: DeliveryState, fact: &Fact) -> Result<Consequence, Impossible> {
    if let Some(state) = after_the_fact(state, fact)? {
        return Ok(ended(state));
    }
    let held = state == DeliveryState::Held;
    let possible = match fact {
        Fact::Held => !held,
        Fact::Released { .. } => held,
        _ => true,
    };
    if state.is_final() || !possible {
        return Err(Impossible { state });
    }
    Ok(match fact {
        Fact::LateBounce { .. }
        | Fact::LateDelay { .. }
        | Fact::Confirmed { .. }
        | Fact::Complaint(_)
        | Fact::NotSpam(_)
        | Fact::Reply(_)
        | Fact::Unsubscribe { .. }
        | Fact::Open(_)
        | Fact::Click(_) => ended(state),
        Fact::Scheduled { .. } => ended(DeliveryState::Scheduled),
        Fact::Send => ended(DeliveryState::Queued),
        Fact::Delivery { .. } => ended(DeliveryState::Delivered),
        Fact::DeliveryDelay {
            next_attempt_at, ..
        } => Consequence {
            state: DeliveryState::Queued,
            next_attempt_at: Some(*next_attempt_at),
        },
        Fact::Held => ended(DeliveryState::Held),
        Fact::Released { state } => ended(*state),
        Fact::Cancelled => ended(DeliveryState::Cancelled),
        Fact::Reject { .. } => ended(DeliveryState::Rejected),
        Fact::Suppressed(_) => ended(DeliveryState::Suppressed),
        Fact::Bounce {
            class: BounceClass::Expired,
            ..
        } => ended(DeliveryState::Expired),
        Fact::Bounce { .. } => ended(DeliveryState::Bounced),
    })
}

/// The state after what others say of a delivery: told of one that has ended as well, and only a
/// late bounce changes anything. `None`: it is another fact.
///
/// A delivery has one bounce: a second report about it, or one about what was never handed over,
/// is none. One that waits goes on, whatever became of a copy that got through.
fn after_the_fact(state: DeliveryState, fact: &Fact) -> Result<Option<DeliveryState>, Impossible> {
    use DeliveryState::{Bounced, Delivered, Held, Queued};
    match fact {
        Fact::LateBounce { .. } => match state {
            Delivered => Ok(Some(Bounced)),
            Queued | Held => Ok(Some(state)),
            _ => Err(Impossible { state }),
        },
        Fact::LateDelay { .. }
        | Fact::Confirmed { .. }
        | Fact::Complaint(_)
        | Fact::NotSpam(_)
        | Fact::Reply(_)
        | Fact::Unsubscribe { .. }
        | Fact::Open(_)
        | Fact::Click(_) => Ok(Some(state)),
        _ => Ok(None),
    }
}

const fn ended(state: DeliveryState) -> Consequence {
    Consequence {
        state,
        next_attempt_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attempt, BounceType, RejectReason};

    fn attempt() -> Attempt {
        let moment = Timestamp::from_micros(0);
        Attempt {
            number: 1,
            started_at: moment,
            ended_at: moment,
            tracking_notes: Vec::new(),
            tries: Vec::new(),
        }
    }

    #[test]
    fn every_fact_has_its_state() {
        let next = Timestamp::from_micros(5);
        let delay = Fact::DeliveryDelay {
            attempt: attempt(),
            class: BounceClass::RateLimited,
            next_attempt_at: next,
            expires_at: next,
        };
        let bounce = |class| Fact::Bounce {
            attempt: attempt(),
            class,
            bounce_type: BounceType::of_refusal(class),
        };
        for (fact, state) in [
            (
                Fact::Delivery { attempt: attempt() },
                DeliveryState::Delivered,
            ),
            (bounce(BounceClass::NoSuchUser), DeliveryState::Bounced),
            (bounce(BounceClass::Expired), DeliveryState::Expired),
        ] {
            assert_eq!(consequence(DeliveryState::Queued, &fact), Ok(ended(state)));
        }
        assert_eq!(
            consequence(DeliveryState::Queued, &delay),
            Ok(Consequence {
                state: DeliveryState::Queued,
                next_attempt_at: Some(next)
            })
        );
    }

    #[test]
    fn what_is_held_can_be_released() {
        let release = Fact::Released {
            state: DeliveryState::Scheduled,
        };
        let held = consequence(DeliveryState::Queued, &Fact::Held);
        assert_eq!(held, Ok(ended(DeliveryState::Held)));
        let released = consequence(DeliveryState::Held, &release);
        assert_eq!(released, Ok(ended(DeliveryState::Scheduled)));
        let cancelled = consequence(DeliveryState::Held, &Fact::Cancelled);
        assert_eq!(cancelled, Ok(ended(DeliveryState::Cancelled)));
        assert!(consequence(DeliveryState::Held, &Fact::Held).is_err());
        assert!(consequence(DeliveryState::Queued, &release).is_err());
    }

    #[test]
    fn whatever_waits_can_be_rejected() {
        use DeliveryState::{Held, Queued, Scheduled};
        let reason = RejectReason::DomainDeleted;
        for state in [Queued, Held, Scheduled] {
            let rejected = consequence(state, &Fact::Reject { reason });
            assert_eq!(rejected, Ok(ended(DeliveryState::Rejected)));
        }
    }

    #[test]
    fn an_outcome_after_the_end_is_refused() {
        let late = Fact::Delivery { attempt: attempt() };
        assert_eq!(
            consequence(DeliveryState::Cancelled, &late),
            Err(Impossible {
                state: DeliveryState::Cancelled
            })
        );
    }
}
