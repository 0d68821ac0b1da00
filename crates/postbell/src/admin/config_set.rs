//! `postbell config-set`.

use std::time::Duration;

use anyhow::bail;
use postbell_model::tracking::SetTracking;
use postbell_model::{ConfigurationSet, Egress};
use postbell_store::{Directory, NewConfigurationSet, Removal};
use serde_json::{Value, json};

use super::InWorkspace;
use super::desk::{self, Desk};
use super::workspace::DEFAULT_SET;
use super::{egress, identity, tracking};
use crate::cli::{ConfigSetAdd, ConfigSetCommand, ConfigSetNamed, ConfigSetUpdate};
use crate::config::format_duration;

pub(super) async fn run(desk: &Desk, command: &ConfigSetCommand) -> anyhow::Result<()> {
    match command {
        ConfigSetCommand::Add(wanted) => add(desk, wanted).await,
        ConfigSetCommand::List(wanted) => list(desk, wanted),
        ConfigSetCommand::Show(named) => show(desk, named),
        ConfigSetCommand::Update(wanted) => update(desk, wanted).await,
        ConfigSetCommand::Remove { which, yes } => remove(desk, which, *yes).await,
    }
}

async fn add(desk: &Desk, add: &ConfigSetAdd) -> anyhow::Result<()> {
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
        tracking: add.tracks.over(SetTracking::default())?,
    };
    let set = desk
        .tenants
        .create_configuration_set(new, desk.clock.now())
        .await?;
    let sentence = format!("made configuration set {}", described(&directory, &set));
    desk.tell(&add.output, &document(&directory, &set), &sentence);
    Ok(())
}

async fn update(desk: &Desk, update: &ConfigSetUpdate) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &update.workspace)?;
    let mut changed = desk::configuration_set(&directory, workspace, &update.name)?.clone();
    if let Some(choice) = update.max_retries {
        changed.max_retries = choice.into_option();
    }
    if let Some(choice) = update.expire_after {
        changed.expire_after = choice.into_option();
    }
    if let Some(choice) = update.reports {
        changed.reports = choice.into_option();
    }
    changed.egress = update.egress.over(changed.egress);
    let kept = update.no_longer.out_of(changed.tracking)?;
    changed.tracking = update.tracks.over(kept)?;
    let sentence = format!(
        "changed configuration set {}",
        described(&directory, &changed)
    );
    let document = document(&directory, &changed);
    desk.tenants.change_configuration_set(changed).await?;
    desk.tell(&update.output, &document, &sentence);
    Ok(())
}

fn show(desk: &Desk, named: &ConfigSetNamed) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &named.workspace)?;
    let set = desk::configuration_set(&directory, workspace, &named.name)?;
    let domains = directory.domains_of(workspace.id).into_iter();
    let domains: Vec<_> = domains
        .filter(|domain| domain.configuration_set == set.id)
        .map(|domain| domain.name.as_str())
        .collect();
    let destinations = directory.destinations().iter();
    let destinations: Vec<_> = destinations
        .filter(|destination| destination.configuration_set == Some(set.id))
        .map(|destination| destination.name.as_str())
        .collect();
    let mut lines = vec![
        format!("{} ({})", set.name, set.id),
        format!("  workspace      {}", workspace.name),
        format!("  retries        {}", retries(set)),
        format!("  expiry         {}", expiry(set)),
        format!("  reports        {}", reports(set)),
        format!("  egress         {}", egress::told(&set.egress)),
    ];
    let tracking = tracking::of_set(&set.tracking).into_iter();
    lines.extend(tracking.map(|(what, told)| format!("  {what:<14} {told}")));
    lines.extend([
        format!("  domains        {}", desk::listed(domains.iter().copied())),
        format!(
            "  destinations   {}",
            desk::listed(destinations.iter().copied())
        ),
        format!("  created        {}", set.created_at),
    ]);
    let mut document = document(&directory, set);
    document["domains"] = json!(domains);
    document["destinations"] = json!(destinations);
    desk.tell(&named.output, &document, &lines.join("\n"));
    Ok(())
}

async fn remove(desk: &Desk, named: &ConfigSetNamed, yes: bool) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &named.workspace)?;
    let set = desk::configuration_set(&directory, workspace, &named.name)?;
    if set.name == DEFAULT_SET {
        bail!(
            "configuration set \"{DEFAULT_SET}\" can't be removed: mail and domains that name no \
             other are of it"
        );
    }
    let removal = if yes {
        Removal::At(desk.clock.now())
    } else {
        Removal::Check
    };
    desk.removals
        .remove_configuration_set(set.id, removal)
        .await?;
    let told = format!(
        "configuration set {} of workspace {}",
        set.name, workspace.name
    );
    let sentence = if yes {
        format!("removed {told}")
    } else {
        format!("{told} would be removed: nothing uses it; say --yes to do it")
    };
    let mut document = document(&directory, set);
    document["done"] = json!(yes);
    desk.tell(&named.output, &document, &sentence);
    Ok(())
}

fn list(desk: &Desk, list: &InWorkspace) -> anyhow::Result<()> {
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
    let mut document = json!({
        "name": set.name,
        "workspace": desk::workspace_name(directory, set.workspace),
        "maxRetries": set.max_retries,
        "expireAfterSeconds": set.expire_after.map(|duration| duration.as_secs()),
        "reports": set.reports,
        "egress": egress::document(&set.egress),
        "createdAt": set.created_at.to_string(),
    });
    identity::merge(&mut document, tracking::document(&set.tracking));
    document
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
    let mut described = format!(
        "{} of workspace {}: retries {}, expiry {}, reports {}, {}",
        set.name,
        desk::workspace_name(directory, set.workspace),
        retries(set),
        expiry(set),
        reports(set),
        egress::told(&set.egress)
    );
    if set.tracking != SetTracking::default() {
        let switches = tracking::switches(&set.tracking);
        let unsubscribe = tracking::switch(set.tracking.unsubscribe);
        described.push_str(&format!(
            "; tracking: {switches}; unsubscribe {unsubscribe}"
        ));
    }
    described
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
