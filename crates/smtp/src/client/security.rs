//! STARTTLS (RFC 3207), from the offer to the second EHLO.

use postbell_model::reply::Severity;
use postbell_model::{Monotonic, Phase, Reply};

use super::transaction::{After, Giver};
use super::{Client, ClientStep, Extensions, StartTls, State, out_of_turn};

pub(super) const STARTTLS: &[u8] = b"STARTTLS\r\n";

/// How a session stands with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// In plaintext: TLS was not wanted, not offered, or not asked for yet.
    Plaintext,
    /// In plaintext, since the host refused STARTTLS.
    Refused,
    /// The connection broke between STARTTLS and the first reply under TLS.
    Broken,
    /// Under TLS.
    Secured,
}

impl Security {
    /// How a session stands that has just begun.
    pub(super) const fn at_first(start_tls: StartTls) -> Self {
        match start_tls {
            StartTls::Active => Self::Secured,
            StartTls::WhenOffered | StartTls::Required | StartTls::Never => Self::Plaintext,
        }
    }
}

impl Client {
    /// Takes note that the handshake is done, after [`ClientStep::StartTls`]: the session begins
    /// anew under TLS. At any other time it ends.
    pub fn secured(&mut self, now: Monotonic) {
        if !matches!(self.state, State::Securing) {
            return self.abandon(Reply::new(451, 5, 0, "TLS was not asked for"));
        }
        self.security = Security::Secured;
        // RFC 3207 §4.2: what was announced before the handshake is forgotten.
        self.extensions = Extensions::default();
        self.say_ehlo(now);
    }

    /// How the session stands with TLS.
    pub const fn security(&self) -> Security {
        self.security
    }

    pub(super) fn wants_tls(&self) -> bool {
        self.extensions.starttls
            && matches!(self.start_tls, StartTls::WhenOffered | StartTls::Required)
            && self.security == Security::Plaintext
    }

    pub(super) fn take_starttls(&mut self, reply: &Reply) {
        match (reply.code, reply.severity()) {
            (220, _) => {
                self.state = State::Securing;
                self.steps.push_back(ClientStep::StartTls);
                // The owner of the socket keeps the deadline of the handshake.
                (self.answer_by, self.end_by) = (None, None);
            }
            (421, _) => self.fail(Phase::Tls, reply.clone(), Giver::Host),
            (_, Severity::Transient | Severity::Permanent)
                if self.start_tls == StartTls::Required =>
            {
                self.fail(Phase::Tls, reply.clone(), Giver::Host);
            }
            // RFC 3207 §4.1 leaves it to the client whether to go on without TLS.
            (_, Severity::Transient | Severity::Permanent) => {
                self.security = Security::Refused;
                self.become_idle(After::Clean);
            }
            (_, Severity::Success | Severity::Intermediate) => self.abandon(out_of_turn(reply)),
        }
    }

    /// The connection is lost.
    pub(super) fn note_loss(&mut self) {
        self.note_breakage();
        // With TLS 1.3 the host may refuse the client's part when that believes that all is well.
        if matches!(self.state, State::Ehlo)
            && self.security == Security::Secured
            && self.start_tls != StartTls::Active
        {
            self.security = Security::Broken;
        }
    }

    /// The connection is of no more use.
    pub(super) fn note_breakage(&mut self) {
        if matches!(self.state, State::StartTls | State::Securing) {
            self.security = Security::Broken;
        }
    }
}

pub(super) fn injected() -> Reply {
    Reply::new(451, 5, 0, "More than a reply came in answer to STARTTLS")
}
