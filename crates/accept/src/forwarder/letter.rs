//! What goes on, as the gate takes it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_mail::forward::{came_with_smtputf8, has_passed};
use postbell_mail::header::{Header, HeaderError};
use postbell_model::message::Received;
use postbell_model::{
    Address, ConfigurationSetId, Forward, ForwardTo, ForwardWay, InboundMail, Instructions,
    Message, MessageId, Reply, ReversePath, WorkspaceId,
};
use postbell_store::{IdempotencyKey, NewForward, Submission};

use crate::decide::{self, Times};
use crate::gate::{Accepted, Door, Gate};
use crate::refusal::Refusal;

/// How long it is known that a message has gone on: a process that was down for longer may send
/// it a second time.
const KEEP_KEYS: Duration = Duration::from_hours(30 * 24);

/// The octets of a message that came in.
#[derive(Debug)]
pub(crate) enum Content {
    Read(Bytes),
    /// They are not what was stored.
    Lost,
}

/// A message that goes on.
#[derive(Debug)]
pub(crate) struct Letter {
    workspace: WorkspaceId,
    configuration_set: ConfigurationSetId,
    mail: InboundMail,
    to: Address,
    forward: Forward,
    body: Bytes,
    eight_bit: bool,
    smtputf8: bool,
    /// The name of what becomes of it in metrics.
    outcome: &'static str,
}

impl Letter {
    pub(super) const fn outcome(&self) -> &'static str {
        self.outcome
    }
}

/// What the octets ask of the hosts on their way.
#[derive(Debug, Default)]
struct Needs {
    eight_bit: bool,
    smtputf8: bool,
}

/// Writes down what is to become of a message that goes on.
pub(crate) fn write(
    gate: &Gate,
    mail: &InboundMail,
    forward: &NewForward,
    content: Content,
) -> Letter {
    let (to, way) = match &forward.to {
        ForwardTo::Address(address) => (address.clone(), ForwardWay::Exchangers),
        ForwardTo::Host { host, port } => {
            let (host, port) = (host.clone(), *port);
            (mail.recipient.clone(), ForwardWay::Host { host, port })
        }
    };
    let (body, read) = match content {
        Content::Read(body) => {
            let needs = look_at(&body, &mail.recipient, &to);
            (body, needs)
        }
        Content::Lost => (Bytes::new(), Err(Obstacle::Lost)),
    };
    let fits = match &way {
        ForwardWay::Exchangers => gate.check_recipient(&to).map_err(Obstacle::Address),
        ForwardWay::Host { .. } | ForwardWay::Nowhere(_) => Ok(()),
    };
    let (needs, way, outcome) = match fits.and(read) {
        Ok(needs) => (needs, way, "queued"),
        Err(obstacle) => {
            let nowhere = ForwardWay::Nowhere(obstacle.reply(&mail.recipient));
            (Needs::default(), nowhere, obstacle.name())
        }
    };
    let (workspace, configuration_set) = owner(gate, mail);
    Letter {
        workspace,
        configuration_set,
        mail: mail.clone(),
        to,
        forward: Forward {
            of: mail.id,
            via: mail.recipient.clone(),
            way,
            authentication: forward.authentication.clone(),
        },
        body,
        eight_bit: needs.eight_bit,
        smtputf8: needs.smtputf8,
        outcome,
    }
}

/// Why a message goes nowhere.
#[derive(Debug)]
enum Obstacle {
    Circle,
    Header(HeaderError),
    Lost,
    Address(Refusal),
}

impl Obstacle {
    fn reply(&self, via: &Address) -> Reply {
        match self {
            // RFC 3463 §3.5: X.4.6, routing loop detected.
            Self::Circle => {
                let text = format!("Mail loop: {via} has forwarded this message before");
                Reply::new(554, 4, 6, text)
            }
            Self::Header(error) => Reply::new(554, 6, 0, format!("It can't be read: {error}")),
            Self::Lost => Reply::new(554, 3, 0, "The message that came in is damaged"),
            Self::Address(refusal) => refusal.reply(),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Circle => "loop",
            Self::Header(_) => "unreadable_header",
            Self::Lost => "damaged",
            Self::Address(refusal) => refusal.name(),
        }
    }
}

fn look_at(body: &[u8], via: &Address, to: &Address) -> Result<Needs, Obstacle> {
    let header = Header::find(body).map_err(Obstacle::Header)?;
    if has_passed(header, via) {
        return Err(Obstacle::Circle);
    }
    let summary = postbell_mail::summarise(body).map_err(Obstacle::Header)?;
    Ok(Needs {
        eight_bit: summary.eight_bit,
        // Many send a header of other octets without a word; what hosts took without one they
        // take again.
        smtputf8: to.needs_smtputf8() || came_with_smtputf8(header),
    })
}

/// Whose it is, and who hears of it: the route's owner, as the domain is now. Of a domain that
/// was removed nobody does.
fn owner(gate: &Gate, mail: &InboundMail) -> (WorkspaceId, ConfigurationSetId) {
    let directory = gate.directory();
    let domain = directory.domain(mail.recipient.domain());
    match (mail.workspace, domain) {
        (Some(workspace), Some(domain)) if domain.workspace == workspace => {
            (workspace, domain.configuration_set)
        }
        (Some(workspace), _) => (workspace, ConfigurationSetId::OWN),
        (None, Some(domain)) => (domain.workspace, domain.configuration_set),
        (None, None) => (WorkspaceId(0), ConfigurationSetId::OWN),
    }
}

impl Gate {
    /// Takes over a message that goes on, as [`Gate::submit`] does for others.
    ///
    /// # Errors
    /// The store can't take it now. Nothing was stored.
    pub(crate) async fn submit_forward(&self, letter: Letter) -> Result<Accepted, Refusal> {
        let submission = self.forward_submission(letter);
        self.commit(Door::Forward, submission).await
    }

    fn forward_submission(&self, letter: Letter) -> Submission {
        let directory = self.directory();
        let set = directory.configuration_set(letter.configuration_set);
        let policy = self.retry().of_set(set);
        let now = self.now();
        let id = MessageId::new(now);
        let (mail, via) = (letter.mail, &letter.forward.via);
        let key = format!("forward:{}", mail.id);
        let message = Message {
            id,
            workspace: letter.workspace,
            configuration_set: letter.configuration_set,
            // The address that it came to stands for us: where it is of our domains the return
            // path is made from it. RFC 5321 §6.1: what came from `<>` goes on from `<>`.
            mail_from: match mail.mail_from {
                ReversePath::Null => ReversePath::Null,
                ReversePath::Mailbox(_) => ReversePath::Mailbox(via.clone()),
            },
            source: mail.from,
            subject: mail.subject,
            header_message_id: match mail.header_message_id {
                Some(id) => format!("<{id}>"),
                None => format!("<{id}@{}>", via.domain()),
            },
            accepted_at: now,
            size: letter.body.len() as u64,
            eight_bit: letter.eight_bit,
            smtputf8: letter.smtputf8,
            // How it came to us its first field says already.
            received: Received {
                helo: String::new(),
                peer: None,
                with: "local".to_owned(),
            },
            reports: false,
            instructions: Instructions::default(),
            forward: Some(Box::new(letter.forward)),
        };
        Submission {
            message: Arc::new(message),
            credential: None,
            deliveries: decide::deliveries(vec![letter.to.into()], policy, &Times::at(now)),
            body: letter.body,
            send_at: None,
            idempotency: Some(IdempotencyKey {
                key,
                until: now.after(KEEP_KEYS),
            }),
        }
    }
}
