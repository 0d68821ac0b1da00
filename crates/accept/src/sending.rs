//! What becomes of mail whose sender is paused, or in a sandbox.
//!
//! A pause holds, refuses or rejects all of a message. A sandbox looks at each recipient: verified
//! addresses and the simulator get the message, up to a limit a day; the others are refused or
//! rejected. What is rejected is accepted, and its delivery ends with a `Reject` in the place of
//! its first event. What was accepted before a sandbox began is sent.
//!
//! Reports to senders and what is forwarded don't come this way: the one goes to who sent the mail,
//! the other where an operator has it go.

use std::fmt;

use postbell_model::suppression::{Cause, Scope, SuppressedBy};
use postbell_model::{
    Domain, Fact, MessageId, NewMail, RejectReason, Sandbox, Sender, Simulated, WorkspaceId,
};
use postbell_store::{
    Directory, NewDelivery, Paused, Portion, SandboxTaking, StoreError, Submission,
};

use crate::gate::{Accepted, Gate};
use crate::instructions::Shown;
use crate::refusal::Refusal;

const DAY_SECONDS: u64 = 86_400;

/// Whose sending is not as usual, as a client is told: `workspace acme`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose(String);

impl Whose {
    fn of(directory: &Directory, sender: &Sender) -> Self {
        Self(match sender {
            Sender::Workspace(id) => {
                let name = directory.workspace(*id).map(|workspace| &workspace.name);
                format!("workspace {}", Shown::of(name.map_or("", String::as_str)))
            }
            Sender::Domain(domain) => format!("domain {domain}"),
        })
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Refuses what is paused in such a way that new mail is not taken.
pub(crate) fn check_taken(
    directory: &Directory,
    paused: Option<Paused<'_>>,
) -> Result<(), Refusal> {
    match paused {
        Some(Paused { sender, pause }) if pause.new_mail == NewMail::Refuse => {
            let why = pause.reason.as_deref().map(Shown::of);
            Err(Refusal::Paused(Whose::of(directory, sender), why))
        }
        _ => Ok(()),
    }
}

/// Mail of a sandbox that is to be looked at.
struct Boxed<'d> {
    directory: &'d Directory,
    workspace: WorkspaceId,
    sender: &'d Sender,
    sandbox: &'d Sandbox,
}

impl Gate {
    /// Ends those deliveries at once that a pause or a sandbox keeps from being sent. What a sandbox
    /// may send less of today comes back.
    pub(crate) async fn screen(
        &self,
        directory: &Directory,
        (workspace, from): (WorkspaceId, &Domain),
        (deliveries, simulator): (&mut [NewDelivery], Option<&Domain>),
    ) -> Result<Option<SandboxTaking>, Refusal> {
        let paused = directory.pause_of(workspace, from);
        if paused.is_some_and(|paused| paused.pause.new_mail == NewMail::Reject) {
            let all = deliveries.iter_mut();
            all.for_each(|delivery| reject(delivery, RejectReason::SendingPaused));
            return Ok(None);
        }
        let is_simulated = |d: &NewDelivery| Some(d.recipient.domain()) == simulator;
        simulate(deliveries.iter_mut().filter(|d| is_simulated(d)), self);
        let Some((sender, sandbox)) = directory.sandbox_of(workspace, from) else {
            return Ok(None);
        };
        let real = deliveries.iter_mut().filter(|d| !is_simulated(d));
        let mut real: Vec<_> = real.collect();
        let boxed = Boxed {
            directory,
            workspace,
            sender,
            sandbox,
        };
        boxed.keep_verified(&mut real)?;
        real.retain(|delivery| delivery.ends_with.is_none());
        self.keep_within_limit(&boxed, &mut real).await
    }

    /// What a sandbox may send today is taken from what is left of it.
    async fn keep_within_limit(
        &self,
        boxed: &Boxed<'_>,
        deliveries: &mut [&mut NewDelivery],
    ) -> Result<Option<SandboxTaking>, Refusal> {
        let (Some(limit), false) = (boxed.sandbox.daily_limit, deliveries.is_empty()) else {
            return Ok(None);
        };
        let refuses = boxed.sandbox.new_mail == NewMail::Refuse;
        let seconds = self.now().as_micros().unsigned_abs() / 1_000_000;
        let taking = SandboxTaking {
            workspace: boxed.workspace,
            sender: boxed.sender.clone(),
            day: u32::try_from(seconds / DAY_SECONDS).unwrap_or(u32::MAX),
            limit,
            count: u32::try_from(deliveries.len()).unwrap_or(u32::MAX),
            portion: if refuses { Portion::All } else { Portion::Some },
        };
        let taken = self.take_in_sandbox(taking.clone()).await;
        let count = taken.map_err(|error| uncounted(boxed.workspace, &error))?;
        let over = deliveries.iter_mut();
        let over = over.skip(usize::try_from(count).unwrap_or(usize::MAX));
        if refuses && over.len() > 0 {
            return Err(Refusal::SandboxLimit(boxed.whose(), limit));
        }
        over.for_each(|delivery| reject(delivery, RejectReason::SandboxLimit));
        Ok(Some(SandboxTaking { count, ..taking }))
    }

    /// The message that mail of a sandbox was accepted as before, with the same key: the sandbox is
    /// not asked again.
    pub(crate) async fn sent_before(
        &self,
        directory: &Directory,
        (workspace, from): (WorkspaceId, &Domain),
        submission: &Submission,
    ) -> Result<Option<MessageId>, Refusal> {
        let is_boxed = directory.sandbox_of(workspace, from).is_some();
        let sandboxes = self.sandboxes().filter(|_| is_boxed);
        let (Some(sandboxes), Some(key)) = (sandboxes, &submission.idempotency) else {
            return Ok(None);
        };
        let at = submission.message.accepted_at;
        let found = sandboxes.sent_before(workspace, &key.key, at).await;
        found.map_err(|error| uncounted(workspace, &error))
    }

    /// Gives back what was taken for mail that was not stored, or had been before.
    pub(crate) async fn give_back(
        &self,
        taken: Option<SandboxTaking>,
        accepted: &Result<Accepted, Refusal>,
    ) {
        let is_new = matches!(accepted, Ok(accepted) if !accepted.deliveries.is_empty());
        let taken = taken.filter(|taken| !is_new && taken.count > 0);
        let (Some(taken), Some(sandboxes)) = (taken, self.sandboxes()) else {
            return;
        };
        let workspace = taken.workspace;
        if let Err(error) = sandboxes.give_back_in_sandbox(taken).await {
            uncounted(workspace, &error);
        }
    }

    async fn take_in_sandbox(&self, taking: SandboxTaking) -> Result<u32, StoreError> {
        match self.sandboxes() {
            Some(sandboxes) => sandboxes.take_in_sandbox(taking).await,
            None => Err(StoreError::Refused("nobody counts for sandboxes".into())),
        }
    }
}

impl Boxed<'_> {
    /// Rejects what goes to others than verified addresses, or refuses all of it.
    fn keep_verified(&self, deliveries: &mut [&mut NewDelivery]) -> Result<(), Refusal> {
        let is_verified = |delivery: &NewDelivery| {
            let directory = self.directory;
            directory.is_verified_address(self.workspace, &delivery.recipient)
        };
        for delivery in deliveries {
            if is_verified(delivery) {
                continue;
            }
            if self.sandbox.new_mail == NewMail::Refuse {
                let address = Shown::of(delivery.recipient.as_str());
                return Err(Refusal::SandboxRecipient(self.whose(), address));
            }
            // What is held would wait for a verification that may never come.
            reject(delivery, RejectReason::SandboxRecipient);
        }
        Ok(())
    }

    fn whose(&self) -> Whose {
        Whose::of(self.directory, self.sender)
    }
}

/// Logs why, and refuses.
fn uncounted(workspace: WorkspaceId, error: &StoreError) -> Refusal {
    tracing::error!(
        workspace.id = %workspace,
        error = error as &dyn std::error::Error,
        "what a sandbox has sent can't be counted"
    );
    Refusal::of_store(error)
}

/// Ends those to `suppressed@` as if somebody had put it on the list.
fn simulate<'d>(deliveries: impl Iterator<Item = &'d mut NewDelivery>, gate: &Gate) {
    for delivery in deliveries {
        if Simulated::of(&delivery.recipient) == Some(Simulated::Suppressed) {
            delivery.ends_with = Some(Fact::Suppressed(Box::new(SuppressedBy {
                scope: Scope::All,
                cause: Cause::Manual,
                since: gate.now(),
                event: None,
            })));
        }
    }
}

fn reject(delivery: &mut NewDelivery, reason: RejectReason) {
    delivery.ends_with = Some(Fact::Reject { reason });
}
