//! `pause`, `sandbox` and `resume`, of workspaces and of domains.

use std::num::NonZeroU32;

use postbell_model::{Domain, NewMail, Pause, Sandbox, Sender, Sending, WorkspaceId};
use postbell_store::Directory;
use serde_json::{Value, json};

use super::Output;
use super::desk::{self, Desk};
use crate::cli::{NewMailArg, PauseArgs, SandboxArgs, SandboxMailArg};

const DAY_SECONDS: u64 = 86_400;

/// What is paused or resumed, with its name.
#[derive(Debug)]
pub(super) struct Whose {
    sender: Sender,
    /// `workspace acme`
    name: String,
}

impl Whose {
    pub(super) fn workspace(directory: &Directory, name: &str) -> anyhow::Result<Self> {
        let workspace = desk::workspace(directory, name)?;
        Ok(Self {
            sender: Sender::Workspace(workspace.id),
            name: format!("workspace {}", workspace.name),
        })
    }

    pub(super) fn domain(domain: Domain) -> Self {
        Self {
            name: format!("domain {domain}"),
            sender: Sender::Domain(domain),
        }
    }
}

pub(super) async fn pause(
    desk: &Desk,
    whose: &Whose,
    args: &PauseArgs,
    output: &Output,
) -> anyhow::Result<()> {
    let pause = Pause {
        since: desk.clock.now(),
        reason: args.reason.clone(),
        new_mail: match args.new_mail {
            NewMailArg::Hold => NewMail::Hold,
            NewMailArg::Refuse => NewMail::Refuse,
            NewMailArg::Reject => NewMail::Reject,
        },
    };
    let before = desk.pauses.pause(&whose.sender, pause).await?;
    let mut sentence = match before {
        Sending::Active => format!("paused {}", whose.name),
        Sending::Sandbox(_) => format!(
            "paused {}, which is in no sandbox any more: `sandbox` takes the place of `resume`",
            whose.name
        ),
        Sending::Paused(_) => format!("{} was paused already; its terms are new", whose.name),
    };
    sentence.push_str("; a server that runs sends nothing of it from within two seconds on, ");
    sentence.push_str(match args.new_mail {
        NewMailArg::Hold => "and new mail waits with what is there",
        NewMailArg::Refuse => "and refuses new mail",
        NewMailArg::Reject => "and rejects new mail with an event",
    });
    tell(desk, whose, output, &sentence);
    Ok(())
}

pub(super) async fn enter_sandbox(
    desk: &Desk,
    whose: &Whose,
    args: &SandboxArgs,
    output: &Output,
) -> anyhow::Result<()> {
    let sandbox = Sandbox {
        since: desk.clock.now(),
        daily_limit: args.daily_limit.map(NonZeroU32::get),
        new_mail: match args.new_mail {
            SandboxMailArg::Refuse => NewMail::Refuse,
            SandboxMailArg::Reject => NewMail::Reject,
        },
    };
    let terms = terms(&sandbox);
    let before = desk.pauses.enter_sandbox(&whose.sender, sandbox).await?;
    let sentence = match before {
        Sending::Active => format!("{} is in a sandbox", whose.name),
        Sending::Paused(_) => format!("{} is no longer paused, and in a sandbox", whose.name),
        Sending::Sandbox(_) => {
            format!("{} was in a sandbox already; its terms are new", whose.name)
        }
    };
    let sentence = format!("{sentence}: {terms}; a server that runs sees it within two seconds");
    tell(desk, whose, output, &sentence);
    Ok(())
}

pub(super) async fn resume(desk: &Desk, whose: &Whose, output: &Output) -> anyhow::Result<()> {
    let now = desk.clock.now();
    let sentence = match desk.pauses.resume(&whose.sender, now).await? {
        Sending::Active => format!("{} was not paused", whose.name),
        Sending::Sandbox(_) => format!("{} has left its sandbox", whose.name),
        Sending::Paused(_) => format!(
            "resumed {}; a server that runs sends its mail within two seconds",
            whose.name
        ),
    };
    tell(desk, whose, output, &sentence);
    Ok(())
}

fn tell(desk: &Desk, whose: &Whose, output: &Output, sentence: &str) {
    let directory = desk.directory();
    let document = match &whose.sender {
        Sender::Workspace(id) => json!({
            "workspace": desk::workspace_name(&directory, *id),
            "sending": document(directory.sending(&whose.sender)),
        }),
        Sender::Domain(domain) => json!({
            "domain": domain.as_str(),
            "sending": document(directory.sending(&whose.sender)),
        }),
    };
    desk.tell(output, &document, sentence);
}

/// How many recipients a sandbox has sent to today; `None` where there is no limit to that.
pub(super) async fn used_today(
    desk: &Desk,
    (workspace, sender): (WorkspaceId, &Sender),
) -> anyhow::Result<Option<u32>> {
    let directory = desk.directory();
    let sandbox = directory.sending(sender).sandbox();
    if sandbox.is_none_or(|sandbox| sandbox.daily_limit.is_none()) {
        return Ok(None);
    }
    let seconds = desk.clock.now().as_micros().unsigned_abs() / 1_000_000;
    let today = u32::try_from(seconds / DAY_SECONDS)?;
    let taken = desk.sandboxes.taken_in_sandbox(workspace, sender, today);
    Ok(Some(taken.await?))
}

/// Whether mail is sent, for machines.
pub(super) fn document(sending: &Sending) -> Value {
    let mut document = json!({"state": sending.name()});
    if let Some(sandbox) = sending.sandbox() {
        document["since"] = json!(sandbox.since.to_string());
        document["dailyLimit"] = json!(sandbox.daily_limit);
        document["newMail"] = json!(sandbox.new_mail.name());
    }
    if let Some(pause) = sending.pause() {
        document["since"] = json!(pause.since.to_string());
        document["reason"] = json!(pause.reason);
        document["newMail"] = json!(pause.new_mail.name());
    }
    document
}

/// Whether mail is sent, for people.
pub(super) fn told(sending: &Sending) -> String {
    let pause = match sending {
        Sending::Active => return sending.name().to_owned(),
        Sending::Sandbox(sandbox) => {
            return format!("in a sandbox since {}: {}", sandbox.since, terms(sandbox));
        }
        Sending::Paused(pause) => pause,
    };
    let reason = pause.reason.as_deref();
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let new_mail = match pause.new_mail {
        NewMail::Hold => "new mail waits",
        NewMail::Refuse => "new mail is refused",
        NewMail::Reject => "new mail is taken and rejected",
    };
    format!("paused since {}{reason}; {new_mail}", pause.since)
}

/// `to verified addresses alone, 200 recipients a day; other mail is refused`
fn terms(sandbox: &Sandbox) -> String {
    let limit = sandbox.daily_limit;
    let limit = limit.map_or_else(String::new, |limit| format!(", {limit} recipients a day"));
    let other = match sandbox.new_mail {
        NewMail::Refuse => "refused",
        NewMail::Hold | NewMail::Reject => "taken and rejected",
    };
    format!("mail goes to verified addresses alone{limit}; other mail is {other}")
}
