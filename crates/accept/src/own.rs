//! Mail that we send on our own account.
//!
//! It is from `<>`, so that nothing is ever said about it (RFC 5321 §6.1), and of no
//! configuration set, so that no destination hears of what its workspace has not sent. What is
//! returned of somebody's message was let in before, so its shape is not looked at again.

use std::sync::Arc;

use bytes::Bytes;
use postbell_model::message::Received;
use postbell_model::{
    Address, ConfigurationSetId, Instructions, Message, MessageId, ReversePath, WorkspaceId,
};
use postbell_store::{IdempotencyKey, Submission};

use crate::decide;
use crate::gate::{Accepted, Door, Gate};
use crate::refusal::Refusal;

/// A message of ours.
#[derive(Debug, Clone)]
pub struct OwnMail {
    /// For whose mail it is sent.
    pub workspace: WorkspaceId,
    /// The address of its From field.
    pub from: Address,
    /// Who gets it.
    pub to: Address,
    /// The message, with Date and Message-ID, CRLF line ends.
    pub body: Bytes,
    /// What keeps it from being sent twice.
    pub idempotency: IdempotencyKey,
}

impl Gate {
    /// Takes over a message of ours, as [`Gate::submit`] does for others.
    ///
    /// # Errors
    /// It can't be delivered to such an address, or the store can't take it now. Nothing was
    /// stored.
    pub async fn submit_own(&self, own: OwnMail) -> Result<Accepted, Refusal> {
        self.check_recipient(&own.to)?;
        let submission = self.own_submission(own)?;
        self.commit(Door::Own, submission).await
    }

    fn own_submission(&self, own: OwnMail) -> Result<Submission, Refusal> {
        let summary = postbell_mail::summarise(&own.body).map_err(Refusal::Header)?;
        let now = self.now();
        let id = MessageId::new(now);
        let message = Message {
            id,
            workspace: own.workspace,
            configuration_set: ConfigurationSetId::OWN,
            mail_from: ReversePath::Null,
            source: own.from.as_str().to_owned(),
            subject: summary.subject,
            header_message_id: summary
                .message_id
                .unwrap_or_else(|| format!("<{id}@{}>", own.from.domain())),
            accepted_at: now,
            size: own.body.len() as u64,
            eight_bit: summary.eight_bit,
            smtputf8: summary.eight_bit_header,
            received: Received {
                helo: String::new(),
                peer: None,
                with: "local".to_owned(),
            },
            reports: false,
            instructions: Instructions::default(),
            forward: None,
        };
        Ok(Submission {
            message: Arc::new(message),
            credential: None,
            deliveries: decide::deliveries(
                vec![own.to.into()],
                self.retry(),
                &decide::Times::at(now),
            ),
            body: own.body,
            send_at: None,
            idempotency: Some(own.idempotency),
        })
    }
}
