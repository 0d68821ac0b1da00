//! `pause` and `resume`, of workspaces and of domains.

use postbell_model::{Domain, NewMail, Pause, Sender, Sending};
use postbell_store::Directory;
use serde_json::{Value, json};

use super::Output;
use super::desk::{self, Desk};
use crate::cli::{NewMailArg, PauseArgs};

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
        Sending::Active | Sending::Sandbox(_) => format!("paused {}", whose.name),
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

/// Whether mail is sent, for machines.
pub(super) fn document(sending: &Sending) -> Value {
    let mut document = json!({"state": sending.name()});
    if let Some(pause) = sending.pause() {
        document["since"] = json!(pause.since.to_string());
        document["reason"] = json!(pause.reason);
        document["newMail"] = json!(pause.new_mail.name());
    }
    document
}

/// Whether mail is sent, for people.
pub(super) fn told(sending: &Sending) -> String {
    let Some(pause) = sending.pause() else {
        return sending.name().to_owned();
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
