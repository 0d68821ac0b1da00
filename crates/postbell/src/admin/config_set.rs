//! `postbell config-set`.

use std::time::Duration;

use postbell_model::{ConfigurationSet, Egress};
use postbell_store::{Directory, NewConfigurationSet};
use serde_json::{Value, json};

use super::InWorkspace;
use super::desk::{self, Desk};
use super::egress;
use crate::cli::{ConfigSetAdd, ConfigSetSet};
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
        reports: add.reports,
        egress: add.egress.over(Egress::default()),
    };
    let set = desk
        .tenants
        .create_configuration_set(new, desk.clock.now())
        .await?;
    let sentence = format!("made configuration set {}", described(&directory, &set));
    desk.tell(&add.output, &document(&directory, &set), &sentence);
    Ok(())
}

pub(super) async fn set(desk: &Desk, set: &ConfigSetSet) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &set.workspace)?;
    let mut changed = desk::configuration_set(&directory, workspace, &set.name)?.clone();
    if let Some(choice) = set.max_retries {
        changed.max_retries = choice.into_option();
    }
    if let Some(choice) = set.expire_after {
        changed.expire_after = choice.into_option();
    }
    if let Some(choice) = set.reports {
        changed.reports = choice.into_option();
    }
    changed.egress = set.egress.over(changed.egress);
    let sentence = format!(
        "changed configuration set {}",
        described(&directory, &changed)
    );
    let document = document(&directory, &changed);
    desk.tenants.change_configuration_set(changed).await?;
    desk.tell(&set.output, &document, &sentence);
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
    let heading = ["NAME", "WORKSPACE", "RETRIES", "EXPIRY", "REPORTS"];
    desk.tell_list(&list.output, documents, &heading, &rows);
    Ok(())
}

fn document(directory: &Directory, set: &ConfigurationSet) -> Value {
    json!({
        "name": set.name,
        "workspace": desk::workspace_name(directory, set.workspace),
        "maxRetries": set.max_retries,
        "expireAfterSeconds": set.expire_after.map(|duration| duration.as_secs()),
        "reports": set.reports,
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
        reports(set),
    ]
}

fn described(directory: &Directory, set: &ConfigurationSet) -> String {
    format!(
        "{} of workspace {}: retries {}, expiry {}, reports {}, {}",
        set.name,
        desk::workspace_name(directory, set.workspace),
        retries(set),
        expiry(set),
        reports(set),
        egress::told(&set.egress)
    )
}

fn retries(set: &ConfigurationSet) -> String {
    set.max_retries
        .map_or_else(as_configured, |retries| retries.to_string())
}

fn expiry(set: &ConfigurationSet) -> String {
    set.expire_after
        .map_or_else(as_configured, |d: Duration| format_duration(d))
}

fn reports(set: &ConfigurationSet) -> String {
    let word = match set.reports {
        Some(true) => "on",
        Some(false) => "off",
        None => "on for SMTP",
    };
    word.to_owned()
}

fn as_configured() -> String {
    "as configured".to_owned()
}
