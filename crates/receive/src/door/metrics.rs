//! What a door counts, beside what the gate behind it does.

use postbell_accept::inbound::InboundMetrics;
use postbell_accept::{Door, GateMetrics};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Encryption;

/// The counters of a door. All doors count in the same families, and clones share them.
#[derive(Debug, Clone)]
pub struct DoorMetrics {
    whose: Whose,
    sessions: Family<OfListener, Counter>,
    open: Family<OfListener, Gauge>,
    logins: Family<Outcome, Counter>,
    handshakes: Family<Handshake, Counter>,
    timeouts: Family<OfDoor, Counter>,
    refusals: Refusals,
}

/// Refusals are counted with those of the gate behind the door, so that they are one family.
#[derive(Debug, Clone)]
enum Refusals {
    Submission(GateMetrics),
    Inbound(InboundMetrics),
}

/// Which door counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Submission,
    Inbound,
}

impl Whose {
    const ALL: [Self; 2] = [Self::Submission, Self::Inbound];

    /// The name of the door, as the gate's counters have it.
    const fn door(self) -> &'static str {
        match self {
            Self::Submission => Door::Smtp.name(),
            Self::Inbound => "inbound",
        }
    }

    const fn listener(self, encryption: Encryption) -> &'static str {
        match (self, encryption) {
            (Self::Submission, Encryption::StartTls) => "submission",
            (Self::Submission, Encryption::Implicit) => "submissions",
            (Self::Inbound, _) => "inbound",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfListener {
    listener: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDoor {
    door: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handshake {
    door: &'static str,
    outcome: &'static str,
}

/// One session that is open; dropped, it no longer counts.
#[derive(Debug)]
pub(crate) struct OpenSession(Gauge);

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What came of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginOutcome {
    Accepted,
    /// The password was wrong, or there is no such user.
    Wrong,
    /// The address is blocked.
    Blocked,
    /// Nobody had time to check it.
    Unchecked,
}

impl LoginOutcome {
    const ALL: [Self; 4] = [Self::Accepted, Self::Wrong, Self::Blocked, Self::Unchecked];

    const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Wrong => "wrong",
            Self::Blocked => "blocked",
            Self::Unchecked => "unchecked",
        }
    }

    /// What a refusal of a login means.
    pub(crate) const fn of_code(code: u16) -> Self {
        match code {
            421 => Self::Blocked,
            454 => Self::Unchecked,
            _ => Self::Wrong,
        }
    }
}

impl DoorMetrics {
    /// Those of the submission door.
    pub(crate) fn new(gate: GateMetrics) -> Self {
        let metrics = Self {
            whose: Whose::Submission,
            sessions: Family::default(),
            open: Family::default(),
            logins: Family::default(),
            handshakes: Family::default(),
            timeouts: Family::default(),
            refusals: Refusals::Submission(gate),
        };
        for whose in Whose::ALL {
            Self {
                whose,
                ..metrics.clone()
            }
            .begin_at_zero();
        }
        for login in LoginOutcome::ALL {
            let outcome = login.name();
            drop(metrics.logins.get_or_create(&Outcome { outcome }));
        }
        metrics
    }

    /// Those of the inbound door, which stand beside.
    pub(crate) fn of_inbound(&self, gate: InboundMetrics) -> Self {
        Self {
            whose: Whose::Inbound,
            refusals: Refusals::Inbound(gate),
            ..self.clone()
        }
    }

    /// What has not happened yet is 0, and the first time shows in a rate.
    fn begin_at_zero(&self) {
        let door = self.whose.door();
        for encryption in [Encryption::StartTls, Encryption::Implicit] {
            let listener = self.whose.listener(encryption);
            drop(self.sessions.get_or_create(&OfListener { listener }));
            drop(self.open.get_or_create(&OfListener { listener }));
        }
        for outcome in ["completed", "failed"] {
            drop(self.handshakes.get_or_create(&Handshake { door, outcome }));
        }
        drop(self.timeouts.get_or_create(&OfDoor { door }));
    }

    /// Names the counters of all doors in a registry, with those of the gate behind this one.
    pub fn register(&self, registry: &mut Registry) {
        match &self.refusals {
            Refusals::Submission(gate) => gate.register(registry),
            Refusals::Inbound(gate) => gate.register(registry),
        }
        registry.register(
            "postbell_smtp_sessions",
            "SMTP sessions begun with clients, by listener",
            self.sessions.clone(),
        );
        registry.register(
            "postbell_smtp_sessions_open",
            "SMTP sessions that are open, by listener",
            self.open.clone(),
        );
        registry.register(
            "postbell_smtp_logins",
            "Logins that clients have tried, by what came of them",
            self.logins.clone(),
        );
        registry.register(
            "postbell_smtp_tls_handshakes",
            "TLS handshakes with clients, by door and by what came of them",
            self.handshakes.clone(),
        );
        registry.register(
            "postbell_smtp_client_timeouts",
            "Clients that took too long for a command or a message, by door",
            self.timeouts.clone(),
        );
    }

    pub(crate) fn opened(&self, encryption: Encryption) -> OpenSession {
        let listener = OfListener {
            listener: self.whose.listener(encryption),
        };
        self.sessions.get_or_create(&listener).inc();
        let open = self.open.get_or_create_owned(&listener);
        open.inc();
        OpenSession(open)
    }

    /// A connection, sender or recipient was refused.
    pub(crate) fn refused(&self, reason: &'static str) {
        match &self.refusals {
            Refusals::Submission(gate) => gate.refused(Door::Smtp, reason),
            Refusals::Inbound(gate) => gate.refused(reason),
        }
    }

    pub(crate) fn logged_in(&self, login: LoginOutcome) {
        let outcome = login.name();
        self.logins.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn shook_hands<T, E>(&self, result: &Result<T, E>) {
        let outcome = if result.is_ok() {
            "completed"
        } else {
            "failed"
        };
        let door = self.whose.door();
        let handshake = Handshake { door, outcome };
        self.handshakes.get_or_create(&handshake).inc();
    }

    pub(crate) fn timed_out(&self) {
        let door = self.whose.door();
        self.timeouts.get_or_create(&OfDoor { door }).inc();
    }
}
