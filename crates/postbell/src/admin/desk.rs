//! What every such command needs: the tenants, the clock, the terminal, and how names are found.

use std::sync::Arc;

use anyhow::{Context, bail};
use postbell_model::{Clock, ConfigurationSet, ConfigurationSetId, Workspace, WorkspaceId};
use postbell_store::{
    Allowances, ApiKeys, Certificates, Directory, DomainKeys, Domains, InboundRoutes, LinkBlocks,
    Logged, Pauses, Removals, Sandboxes, SealingKey, Suppressions, Tenants, VerifiedAddresses,
    Webhooks,
};
use serde_json::Value;

use crate::cli::{InWorkspace, Output};
use crate::config::Config;
use crate::console::Console;
use crate::identity::sealing_key;

const NAME_MAX: usize = 64;

/// Where commands are served.
pub(crate) struct Desk {
    pub(crate) config: Config,
    pub(crate) tenants: Arc<dyn Tenants>,
    pub(crate) allowances: Arc<dyn Allowances>,
    pub(crate) keys: Arc<dyn DomainKeys>,
    pub(crate) domains: Arc<dyn Domains>,
    pub(crate) webhooks: Arc<dyn Webhooks>,
    pub(crate) pauses: Arc<dyn Pauses>,
    pub(crate) removals: Arc<dyn Removals>,
    pub(crate) api_keys: Arc<dyn ApiKeys>,
    pub(crate) routes: Arc<dyn InboundRoutes>,
    pub(crate) verified: Arc<dyn VerifiedAddresses>,
    pub(crate) sandboxes: Arc<dyn Sandboxes>,
    pub(crate) suppressions: Arc<dyn Suppressions>,
    pub(crate) link_blocks: Arc<dyn LinkBlocks>,
    pub(crate) certificates: Arc<dyn Certificates>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) console: Console,
}

impl Desk {
    pub(super) fn directory(&self) -> Arc<Directory> {
        self.tenants.directory()
    }

    /// The key that private keys are sealed with.
    pub(super) fn sealing_key(&self) -> anyhow::Result<SealingKey> {
        sealing_key(&self.config)
    }

    /// Tells what was made: to machines as one JSON document, to people as `sentence`.
    pub(super) fn tell(&self, output: &Output, document: &Value, sentence: &str) {
        if output.json {
            self.console.say(document.to_string());
        } else {
            self.console.say(sentence);
        }
    }

    /// Tells a list: to machines one JSON array, to people a table.
    pub(super) fn tell_list(
        &self,
        output: &Output,
        documents: Vec<Value>,
        heading: &[&str],
        rows: &[Vec<String>],
    ) {
        if output.json {
            self.console.say(Value::Array(documents).to_string());
        } else if rows.is_empty() {
            self.console.complain("none yet");
        } else {
            self.console.table(heading, rows);
        }
    }
}

/// The workspace of this name.
pub(crate) fn workspace<'a>(directory: &'a Directory, name: &str) -> anyhow::Result<&'a Workspace> {
    directory.workspace_named(name).with_context(|| {
        let known = names(directory.workspaces().iter().map(|w| w.name.as_str()));
        format!("there is no workspace \"{name}\"; there {known}")
    })
}

/// The workspaces that a list is about.
pub(super) fn workspaces<'a>(
    directory: &'a Directory,
    list: &InWorkspace,
) -> anyhow::Result<Vec<&'a Workspace>> {
    match &list.workspace {
        Some(name) => Ok(vec![workspace(directory, name)?]),
        None => Ok(directory.workspaces()),
    }
}

/// The configuration set of this name in a workspace.
pub(super) fn configuration_set<'a>(
    directory: &'a Directory,
    workspace: &Workspace,
    name: &str,
) -> anyhow::Result<&'a ConfigurationSet> {
    let found = directory.configuration_set_named(workspace.id, name);
    found.with_context(|| {
        let sets = directory.configuration_sets_of(workspace.id);
        let known = names(sets.iter().map(|set| set.name.as_str()));
        format!(
            "workspace \"{}\" has no configuration set \"{name}\"; there {known}",
            workspace.name
        )
    })
}

/// What a configuration set is called.
pub(crate) fn set_name(directory: &Directory, id: ConfigurationSetId) -> String {
    directory
        .configuration_set(id)
        .map_or_else(|| id.to_string(), |set| set.name.clone())
}

/// What the configuration set of an event's message is called; nothing where there is none.
pub(crate) fn set_of(directory: &Directory, event: &Logged) -> String {
    match event {
        Logged::Delivery(logged) => set_name(directory, logged.message.configuration_set),
        Logged::Workspace(_) => String::new(),
    }
}

/// What a workspace is called.
pub(crate) fn workspace_name(directory: &Directory, id: WorkspaceId) -> String {
    let found = directory.workspace(id);
    found.map_or_else(|| id.to_string(), |workspace| workspace.name.clone())
}

/// Names in a row, or `none`.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

/// Refuses names that would be awkward in a URL, a log line or a shell.
pub(super) fn check_name(name: &str) -> anyhow::Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(allowed) {
        bail!(
            "\"{}\" can't be a name: 1 to {NAME_MAX} letters, digits, \"-\", \"_\" and \".\"",
            name.escape_debug()
        );
    }
    Ok(())
}

/// `are: a, b`, for an error that says what there is.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        return "are none yet".to_owned();
    }
    format!("are: {}", names.join(", "))
}
