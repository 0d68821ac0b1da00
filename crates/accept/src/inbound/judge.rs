//! What follows from a message for one of its recipients: pure rules.

use std::collections::HashSet;

use postbell_mail::inbound::{Complaint, FeedbackType, Inbound, StatusReport};
use postbell_model::inbound::{
    AutoReplyClass, MailFact, MatchedBy, ReplyFact, UnsubscribeMethod, Via,
};
use postbell_model::token::{Claim, Purpose};
use postbell_model::{
    Address, Authentication, DeliveryId, DmarcPolicy, Fact, InboundId, InboundKind, ReversePath,
    WorkspaceFact, WorkspaceId,
};
use postbell_store::{InboundFact, NewForward, Sent};

use super::correlate::Match;
use super::policy;
use super::reading::Reading;
use super::recipient::{Home, InboundRecipient, Place};
use super::report;

/// What all recipients share.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) reading: &'a Reading<'a>,
    pub(super) mail_from: &'a ReversePath,
    pub(super) authentication: &'a Authentication,
    /// What the domain in From asks for.
    pub(super) asked: DmarcPolicy,
    /// What it is about as far as what came back tells.
    pub(super) matches: &'a [Match],
}

/// What follows for a recipient.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) kind: InboundKind,
    pub(super) workspace: Option<WorkspaceId>,
    pub(super) delivery: Option<DeliveryId>,
    pub(super) facts: Vec<InboundFact>,
    pub(super) forward: Option<NewForward>,
}

impl Outcome {
    /// It is kept, and that is all.
    const fn kept(kind: InboundKind, workspace: Option<WorkspaceId>) -> Self {
        Self {
            kind,
            workspace,
            delivery: None,
            facts: Vec::new(),
            forward: None,
        }
    }

    fn about(kind: InboundKind, workspace: WorkspaceId, sent: &Sent, fact: Option<Fact>) -> Self {
        let delivery = sent.delivery;
        let fact = fact.map(|fact| InboundFact::Delivery { delivery, fact });
        Self {
            delivery: Some(delivery),
            facts: fact.into_iter().collect(),
            ..Self::kept(kind, Some(workspace))
        }
    }
}

impl Case<'_> {
    /// What follows for this recipient; `sent` is the delivery of its token, where it has one and
    /// anything is known of it.
    pub(super) fn judge(
        &self,
        to: &InboundRecipient,
        sent: Option<&Sent>,
        id: InboundId,
    ) -> Outcome {
        match &to.place {
            Place::Token(purpose, claim) => match sent {
                Some(sent) => self.at_token(*purpose, *claim, sent, &to.address, id),
                None => Outcome::kept(self.kind_at(*purpose), Some(claim.workspace)),
            },
            Place::Role(home) => self.at_role(home.as_ref(), &to.address, id),
            Place::Mailbox(home) => self.at_mailbox(home, &to.address, id),
        }
    }

    /// What it is taken for at the address of a delivery.
    fn kind_at(&self, purpose: Purpose) -> InboundKind {
        match &self.reading.says {
            Inbound::Status(_) => InboundKind::Report,
            Inbound::Complaint(_) => InboundKind::Complaint,
            Inbound::Mail if purpose == Purpose::Unsubscribe => InboundKind::Unsubscribe,
            // Providers press the button for their users, and some say that it was no person.
            Inbound::Automatic(answer)
                if purpose == Purpose::Unsubscribe
                    && answer.class == AutoReplyClass::Other
                    && self.reading.is_generated() =>
            {
                InboundKind::Unsubscribe
            }
            Inbound::Automatic(_) | Inbound::Mail => InboundKind::Reply,
        }
    }

    fn at_token(
        &self,
        purpose: Purpose,
        claim: Claim,
        sent: &Sent,
        to: &Address,
        id: InboundId,
    ) -> Outcome {
        let kind = self.kind_at(purpose);
        let wants_no_more = purpose == Purpose::Unsubscribe;
        let fact = match &self.reading.says {
            // A wish is said by whoever wishes it: not by what could not be delivered.
            Inbound::Status(_) if wants_no_more => None,
            Inbound::Status(report) => late(report, sent, id, MatchedBy::Address),
            Inbound::Complaint(complaint) => report::feedback(complaint, id, MatchedBy::Address),
            _ if kind == InboundKind::Unsubscribe => Some(Fact::Unsubscribe {
                method: UnsubscribeMethod::OneClick,
                inbound: Some(id),
            }),
            _ if wants_no_more => None,
            _ => Some(Fact::Reply(Box::new(self.reply(purpose, sent, to, id)))),
        };
        Outcome::about(kind, claim.workspace, sent, fact)
    }

    fn reply(&self, purpose: Purpose, sent: &Sent, to: &Address, id: InboundId) -> ReplyFact {
        let content = self.reading.content();
        // A token is ours at whatever host.
        let ours = to.plain_local_part();
        let is_other = |address: &&String| {
            let local = address.rsplit_once('@').map(|(local, _)| local);
            !local.is_some_and(|local| local.trim_matches('"').eq_ignore_ascii_case(&ours))
        };
        ReplyFact {
            inbound: id,
            via: match purpose {
                Purpose::Reply => Via::ReplyTo,
                // By way of others than these two no answer comes.
                Purpose::Bounce
                | Purpose::Header
                | Purpose::Unsubscribe
                | Purpose::Open
                | Purpose::Click
                | Purpose::UnsubscribePage => Via::ReturnPath,
            },
            is_from_recipient: content.from.eq_ignore_ascii_case(sent.recipient.as_str()),
            is_forwarded: self.reading.is_forwarded(),
            also_to: content.to.iter().filter(is_other).cloned().collect(),
            content,
        }
    }

    fn at_role(&self, home: Option<&Home>, to: &Address, id: InboundId) -> Outcome {
        let workspace = home.map(|home| home.workspace);
        let kind = match &self.reading.says {
            Inbound::Automatic(_) | Inbound::Mail => {
                return match home {
                    Some(home) => self.received(InboundKind::Mail, home, to, id),
                    None => Outcome::kept(InboundKind::Mail, None),
                };
            }
            Inbound::Status(_) => InboundKind::Report,
            Inbound::Complaint(complaint) if is_about_domain(complaint) => {
                return Outcome::kept(InboundKind::Complaint, workspace);
            }
            Inbound::Complaint(_) => InboundKind::Complaint,
        };
        self.explained(kind, None, id)
            .unwrap_or_else(|| Outcome::kept(kind, workspace))
    }

    fn at_mailbox(&self, home: &Home, to: &Address, id: InboundId) -> Outcome {
        let kind = match &self.reading.says {
            Inbound::Status(_) => InboundKind::Report,
            Inbound::Complaint(complaint) if !is_about_domain(complaint) => InboundKind::Complaint,
            Inbound::Complaint(_) | Inbound::Automatic(_) | Inbound::Mail => {
                return self.received(InboundKind::Mail, home, to, id);
            }
        };
        self.explained(kind, Some(home.workspace), id)
            .unwrap_or_else(|| self.received(kind, home, to, id))
    }

    /// The facts about the deliveries that were found: those of one workspace alone, at an
    /// address that it has. `None`: there are none.
    fn explained(
        &self,
        kind: InboundKind,
        within: Option<WorkspaceId>,
        id: InboundId,
    ) -> Option<Outcome> {
        let of_workspace = |found: &&Match| {
            let workspace = found.sent.message.workspace;
            within.is_none_or(|within| within == workspace)
        };
        let mut outcome: Option<Outcome> = None;
        for found in self.matches.iter().filter(of_workspace) {
            let sent = &found.sent;
            let fact = match &self.reading.says {
                Inbound::Status(report) => late(report, sent, id, found.matched_by),
                Inbound::Complaint(complaint) => report::feedback(complaint, id, found.matched_by),
                Inbound::Automatic(_) | Inbound::Mail => None,
            };
            let one = Outcome::about(kind, sent.message.workspace, sent, fact);
            match &mut outcome {
                Some(outcome) => outcome.facts.extend(one.facts),
                None => outcome = Some(one),
            }
        }
        outcome
    }

    /// Mail for an address of a domain that takes mail.
    fn received(&self, kind: InboundKind, home: &Home, to: &Address, id: InboundId) -> Outcome {
        let fact = home.tells.then(|| InboundFact::Workspace {
            workspace: home.workspace,
            configuration_set: home.configuration_set,
            fact: WorkspaceFact::Received(Box::new(MailFact {
                inbound: id,
                mail_from: self.mail_from.to_string(),
                recipient: to.clone(),
                tag: tag(&to.plain_local_part()),
                headers: self.reading.headers(),
                is_suspicious: policy::is_suspicious(self.asked, home.dmarc),
                content: self.reading.content(),
            })),
        });
        let forward = home.forward.clone().map(|to| NewForward {
            to,
            authentication: self.authentication.clone(),
        });
        Outcome {
            facts: fact.into_iter().collect(),
            forward,
            ..Outcome::kept(kind, Some(home.workspace))
        }
    }
}

fn late(report: &StatusReport, sent: &Sent, id: InboundId, matched_by: MatchedBy) -> Option<Fact> {
    let status = report::status_of(report, &sent.recipient)?;
    Some(report::fact(report, status, id, matched_by))
}

/// Whether it says something of mail that claims a domain, and nothing of a message of ours.
fn is_about_domain(complaint: &Complaint) -> bool {
    complaint.feedback_type == FeedbackType::AuthFailure
}

/// What stands behind the first `+`.
fn tag(local: &str) -> Option<String> {
    let (_, tag) = local.split_once('+')?;
    (!tag.is_empty()).then(|| tag.to_owned())
}

/// Leaves out what another recipient's copy of the message has said already of a delivery.
pub(super) fn say_once(outcomes: &mut [Outcome]) {
    let mut said = HashSet::new();
    for outcome in outcomes {
        outcome.facts.retain(|fact| match fact {
            InboundFact::Delivery { delivery, fact } => said.insert((*delivery, fact.kind())),
            InboundFact::Workspace { .. } => true,
        });
    }
}
