//! What is said at the submission door: logins, and whose mail may be what.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use postbell_accept::{Door, Gate, Offer, Recipient, Refusal};
use postbell_model::message::Received;
use postbell_model::{Address, Clock, Reply, ReversePath, Secret, WorkspaceId};
use postbell_smtp::{Answer, Ask, Incoming, Server};
use tokio::time::timeout;
use tracing::{debug, error, info};

use super::allowance::{Counter, Reserved, Submitter};
use super::login::{Challenged, Logins, User};
use crate::DoorMetrics;
use crate::door::{Activity, Conversation, LoginOutcome, Place, transmission};

// RFC 5321 §4.5.3.2.6: clients wait ten minutes for the reply to the final dot. Half of that is
// far more than a commit takes, and the client still hears of it.
const SUBMIT_LIMIT: Duration = Duration::from_secs(300);

/// What all conversations share.
pub(super) struct Shared {
    pub(super) gate: Arc<Gate>,
    pub(super) logins: Logins,
    pub(super) counter: Counter,
    pub(super) activity: Activity,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: DoorMetrics,
}

impl Shared {
    fn note_activity(&self) {
        self.activity.note(self.clock.monotonic());
    }
}

/// With one client.
pub(super) struct Submitting {
    shared: Arc<Shared>,
    ip: IpAddr,
    /// Whose mail it is without a login; `None`: nobody's.
    workspace: Option<WorkspaceId>,
    /// Who has proved it; a session that is not authenticated is nobody's yet.
    user: Option<User>,
    /// Whether the machine has taken the proof.
    is_authenticated: bool,
    challenged: Option<Challenged>,
    /// The recipients of the message that is under way.
    reserved: Reserved,
    messages: u32,
    _place: Place<IpAddr>,
}

/// A refusal, and why for whoever counts them.
#[derive(Debug)]
struct Refused {
    reason: &'static str,
    reply: Reply,
}

impl From<Reply> for Refused {
    fn from(reply: Reply) -> Self {
        Self {
            reason: "no_login",
            reply,
        }
    }
}

impl Conversation for Submitting {
    async fn decide(&mut self, ask: Ask, server: &Server) -> Answer {
        self.is_authenticated = server.is_authenticated();
        self.shared.note_activity();
        match ask {
            Ask::Login { username, password } => self.log_in(&username, password).await,
            Ask::ScramChallenge { username } => self.challenge(username),
            Ask::ScramProof {
                auth_message,
                proof,
            } => self.prove(&auth_message, &proof).await,
            Ask::Mail { from, .. } => {
                let checked = self.check_sender(&from);
                self.answer(checked)
            }
            Ask::Rcpt { to } => {
                let checked = self.check_recipient(&to).await;
                self.answer(checked)
            }
            Ask::Message(incoming) => Answer::Reply(self.submit(incoming).await),
        }
    }

    fn forget(&mut self) {
        self.user = None;
        self.challenged = None;
        self.reserved = Reserved::default();
    }

    fn messages(&self) -> u32 {
        self.messages
    }
}

impl Submitting {
    /// With a client of this address, whose mail is the workspace's where there is one.
    pub(super) fn new(
        shared: Arc<Shared>,
        ip: IpAddr,
        workspace: Option<WorkspaceId>,
        place: Place<IpAddr>,
    ) -> Self {
        shared.note_activity();
        Self {
            shared,
            ip,
            workspace,
            user: None,
            is_authenticated: false,
            challenged: None,
            reserved: Reserved::default(),
            messages: 0,
            _place: place,
        }
    }

    async fn log_in(&mut self, username: &str, password: Secret) -> Answer {
        let logins = &self.shared.logins;
        let checked = logins.check(self.ip, username, password).await;
        self.count_login(checked.as_ref().err());
        match checked {
            Ok(user) => {
                self.user = Some(user);
                Answer::Accept
            }
            Err(refusal) => Answer::Reply(refusal),
        }
    }

    fn challenge(&mut self, username: String) -> Answer {
        match self.shared.logins.challenge(self.ip, username) {
            Ok((challenge, challenged)) => {
                self.challenged = Some(challenged);
                Answer::Challenge(challenge)
            }
            Err(refusal) => Answer::Reply(refusal),
        }
    }

    async fn prove(&mut self, auth_message: &str, proof: &[u8; 32]) -> Answer {
        let Some(challenged) = self.challenged.take() else {
            return Answer::Reply(login_first());
        };
        let (logins, ip) = (&self.shared.logins, self.ip);
        let proven = logins.prove(ip, challenged, auth_message, proof).await;
        self.count_login(proven.as_ref().err());
        match proven {
            Ok((user, signature)) => {
                self.user = Some(user);
                Answer::Proven(signature)
            }
            Err(refusal) => Answer::Reply(refusal),
        }
    }

    fn count_login(&self, refusal: Option<&Reply>) {
        let outcome = refusal.map(|refusal| LoginOutcome::of_code(refusal.code));
        let outcome = outcome.unwrap_or(LoginOutcome::Accepted);
        self.shared.metrics.logged_in(outcome);
    }

    /// What the client is told of a sender or recipient; what was refused is counted.
    fn answer(&self, checked: Result<(), Refused>) -> Answer {
        let Err(Refused { reason, reply }) = checked else {
            return Answer::Accept;
        };
        self.shared.metrics.refused(reason);
        Answer::Reply(reply)
    }

    fn check_sender(&mut self, from: &ReversePath) -> Result<(), Refused> {
        self.shared
            .gate
            .admit()
            .map_err(|refusal| refused(&refusal))?;
        // What a message before this one had reserved and not used is free again.
        self.reserved = Reserved::default();
        let submitter = self.submitter()?;
        self.check_current()?;
        let gate = &self.shared.gate;
        let checked = gate.check_sender(submitter.workspace, from);
        checked.map_err(|refusal| refused(&refusal))?;
        self.shared.counter.begin(submitter).map_err(limited)
    }

    /// Refuses a user whose credential was revoked since the login.
    fn check_current(&self) -> Result<(), Refused> {
        match self.user() {
            Some(user) if !self.shared.logins.is_current(user) => Err(Refused {
                reason: "revoked_credential",
                reply: Reply::new(421, 7, 0, "The credential was revoked, goodbye"),
            }),
            _ => Ok(()),
        }
    }

    async fn check_recipient(&mut self, to: &Address) -> Result<(), Refused> {
        let checked = self.shared.gate.check_recipient(to);
        checked.map_err(|refusal| refused(&refusal))?;
        let mut reserved = std::mem::take(&mut self.reserved);
        let submitter = self.submitter()?;
        let counter = &self.shared.counter;
        let counted = counter.add_recipient(submitter, &mut reserved).await;
        self.reserved = reserved;
        counted.map_err(limited)
    }

    /// Whose mail it is: the user's, or that of the client's network.
    fn submitter(&self) -> Result<Submitter<'_>, Reply> {
        let of_user = |user: &'_ User| user.workspace;
        let workspace = self.user().map(of_user).or(self.workspace);
        Ok(Submitter {
            workspace: workspace.ok_or_else(login_first)?,
            credential: self
                .user()
                .map(|user| (user.credential, user.username.as_str())),
        })
    }

    /// Who has logged in.
    fn user(&self) -> Option<&User> {
        self.user.as_ref().filter(|_| self.is_authenticated)
    }

    /// Hands the message to the gate; the reply is a promise where it is a 250.
    async fn submit(&mut self, incoming: Incoming) -> Reply {
        let reserved = std::mem::take(&mut self.reserved);
        let submitter = match self.submitter() {
            Ok(submitter) => submitter,
            Err(refusal) => return refusal,
        };
        // It may have been revoked while the message came in, and its queue cancelled.
        if let Err(Refused { reason, reply }) = self.check_current() {
            self.shared.metrics.refused(reason);
            return reply;
        }
        let offer = self.offer(submitter, incoming);
        match timeout(SUBMIT_LIMIT, self.shared.gate.submit(offer)).await {
            Ok(Ok(accepted)) => {
                self.messages += 1;
                reserved.keep();
                Reply::new(250, 0, 0, format!("Accepted as {}", accepted.message))
            }
            // The gate has counted it.
            Ok(Err(refusal)) => refused(&refusal).reply,
            Err(_) => {
                self.shared.metrics.refused("not_stored");
                error!("a message was not stored within {SUBMIT_LIMIT:?}");
                Reply::new(
                    451,
                    3,
                    0,
                    "The message could not be stored; try again later",
                )
            }
        }
    }

    fn offer(&self, submitter: Submitter<'_>, Incoming { envelope, body }: Incoming) -> Offer {
        let with = transmission(&envelope);
        Offer {
            door: Door::Smtp,
            workspace: submitter.workspace,
            credential: submitter.credential.map(|(id, _)| id),
            envelope_from: envelope.from,
            envid: envelope.envid,
            ret: envelope.ret,
            recipients: envelope.recipients.into_iter().map(recipient).collect(),
            smtputf8: envelope.smtputf8,
            body,
            received: Received {
                helo: envelope.helo,
                peer: Some(self.ip),
                with,
            },
        }
    }
}

/// The machine asks nobody who has not logged in and has to; this is the second lock.
fn login_first() -> Reply {
    Reply::new(530, 7, 0, "Authentication required")
}

fn recipient(accepted: postbell_smtp::Recipient) -> Recipient {
    Recipient {
        address: accepted.address,
        report: accepted.report,
    }
}

fn limited(reply: Reply) -> Refused {
    info!(smtp.code = reply.code, "a rate or quota holds mail back");
    Refused {
        reason: if reply.code == 450 { "rate" } else { "quota" },
        reply,
    }
}

fn refused(refusal: &Refusal) -> Refused {
    let reply = refusal.reply();
    debug!(
        smtp.code = reply.code,
        smtp.enhanced = reply.enhanced.map(tracing::field::display),
        "the gate refuses: {refusal}"
    );
    Refused {
        reason: refusal.name(),
        reply,
    }
}
