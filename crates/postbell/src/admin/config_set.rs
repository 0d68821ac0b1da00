//! `postbell config-set`.

use std::time::Duration;

use postbell_model::{ConfigurationSet, Egress};
use postbell_store::{Directory, NewConfigurationSet};
use serde_json::{Value, json};

use super::InWorkspace;
use super::desk::{self, Desk};
use super::egress;
use crate::cli::ConfigSetAdd;
use crate::config::format_duration;

pub(super) async fn add(desk: &Desk, add: &ConfigSetAdd) -> anyhow::Result<()> {
    desk::check_name(&add.name)?;
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &add.workspace)?;
    let new = NewConfigurationSet {
        workspace: workspace.id,
        name: add.name.clone(),
        max_retries: add.max_retries,
        expire_after: add.expire_after,
        reports: None,
        egress: add.egress.over(Egress::default()),
    };
    let set = desk
        .tenants
        .create_configuration_set(new, desk.clock.now())
        .await?;
    let sentence = format!(
        "made configuration set {} of workspace {}: retries {}, expiry {}, {}",
        set.name,
        workspace.name,
        retries(&set),
        expiry(&set),
        egress::told(&set.egress)
    );
    desk.tell(&add.output, &document(&directory, &set), &sentence);
    Ok(())
}

pub(super) fn list(desk: &Desk, list: &InWorkspace) -> anyhow::Result<()> {
    let directory = desk.directory();
    let mut sets = Vec::new();
    for workspace in desk::workspaces(&directory, list)? {
        sets.extend(directory.configuration_sets_of(workspace.id));
    }
    let documents = sets.iter().map(|s| document(&directory, s)).collect();
    let rows: Vec<_> = sets.iter().map(|s| row(&directory, s)).collect();
    let heading = ["NAME", "WORKSPACE", "RETRIES", "EXPIRY"];
    desk.tell_list(&list.output, documents, &heading, &rows);
    Ok(())
}

fn document(directory: &Directory, set: &ConfigurationSet) -> Value {
    json!({
        "name": set.name,
        "workspace": desk::workspace_name(directory, set.workspace),
        "maxRetries": set.max_retries,
        "expireAfterSeconds": set.expire_after.map(|duration| duration.as_secs()),
        "egress": egress::document(&set.egress),
        "createdAt": set.created_at.to_string(),
    })
}

fn row(directory: &Directory, set: &ConfigurationSet) -> Vec<String> {
    vec![
        set.name.clone(),
        desk::workspace_name(directory, set.workspace),
        retries(set),
        expiry(set),
    ]
}

fn retries(set: &ConfigurationSet) -> String {
    set.max_retries
        .map_or_else(as_configured, |retries| retries.to_string())
}

fn expiry(set: &ConfigurationSet) -> String {
    set.expire_after
        .map_or_else(as_configured, |d: Duration| format_duration(d))
}

fn as_configured() -> String {
    "as configured".to_owned()
}
