//! `postbell api-key`.

use anyhow::{Context, bail};
use postbell_model::{ApiKey, ApiKeyKind, Timestamp};
use postbell_store::{ApiKeyChange, Directory, api_key};
use serde_json::{Value, json};

use super::desk::{self, Desk, check_name};
use super::{InWorkspace, Output};
use crate::cli::{ApiKeyAdd, ApiKeyCommand, ApiKeyUpdate, Expiry, WhichApiKey};

pub(super) async fn run(desk: &Desk, command: &ApiKeyCommand) -> anyhow::Result<()> {
    match command {
        ApiKeyCommand::Add(wanted) => add(desk, wanted).await,
        ApiKeyCommand::List(wanted) => list(desk, wanted),
        ApiKeyCommand::Show { which, output } => show(desk, which, output),
        ApiKeyCommand::Update(wanted) => update(desk, wanted).await,
        ApiKeyCommand::Remove { which, yes, output } => remove(desk, which, (*yes, output)).await,
    }
}

async fn add(desk: &Desk, add: &ApiKeyAdd) -> anyhow::Result<()> {
    check_name(&add.name)?;
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &add.workspace)?;
    let kind = if add.public {
        ApiKeyKind::Public
    } else {
        ApiKeyKind::Secret
    };
    let minted = api_key::mint(kind)?;
    let now = desk.clock.now();
    let key = ApiKey {
        prefix: minted.prefix,
        workspace: workspace.id,
        name: add.name.clone(),
        kind,
        hash: minted.hash,
        created_at: now,
        expires_at: add.expires_in.map(|after| now.after(after)),
        last_used_at: None,
    };
    desk.api_keys.create_api_key(key.clone()).await?;
    let shown = str::from_utf8(minted.key.expose()).context("the key is no text")?;
    // Told here and never again.
    let mut document = document(&directory, &key);
    document["key"] = json!(shown);
    let sentence = format!(
        "made API key {} of workspace {} ({kind})\nkey, shown this once: {shown}",
        key.name,
        workspace.name,
        kind = kind.name()
    );
    desk.tell(&add.output, &document, &sentence);
    Ok(())
}

fn list(desk: &Desk, list: &InWorkspace) -> anyhow::Result<()> {
    let directory = desk.directory();
    let mut keys = Vec::new();
    for workspace in desk::workspaces(&directory, list)? {
        keys.extend(directory.api_keys_of(workspace.id));
    }
    let now = desk.clock.now();
    let documents = keys.iter().map(|key| document(&directory, key)).collect();
    let row = |key: &&ApiKey| {
        vec![
            key.name.clone(),
            desk::workspace_name(&directory, key.workspace),
            format!("{}…", key.prefix),
            key.kind.name().to_owned(),
            key.created_at.to_string(),
            expiry(key, now),
            last_use(key),
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    let heading = [
        "NAME",
        "WORKSPACE",
        "KEY",
        "KIND",
        "CREATED",
        "EXPIRES",
        "LAST USED",
    ];
    desk.tell_list(&list.output, documents, &heading, &rows);
    Ok(())
}

fn show(desk: &Desk, which: &WhichApiKey, output: &Output) -> anyhow::Result<()> {
    let directory = desk.directory();
    let key = find(&directory, which)?;
    let lines = [
        format!("{} ({}…)", key.name, key.prefix),
        format!(
            "  workspace      {}",
            desk::workspace_name(&directory, key.workspace)
        ),
        format!("  kind           {}", key.kind.name()),
        format!("  created        {}", key.created_at),
        format!("  expires        {}", expiry(key, desk.clock.now())),
        format!("  last used      {}", last_use(key)),
    ];
    desk.tell(output, &document(&directory, key), &lines.join("\n"));
    Ok(())
}

async fn update(desk: &Desk, update: &ApiKeyUpdate) -> anyhow::Result<()> {
    if let Some(name) = &update.name {
        check_name(name)?;
    }
    let directory = desk.directory();
    let prefix = find(&directory, &update.which)?.prefix.clone();
    let expires_at = update.expires_in.map(|expiry| match expiry {
        Expiry::Never => None,
        Expiry::After(after) => Some(desk.clock.now().after(after)),
    });
    let change = ApiKeyChange {
        name: update.name.clone(),
        expires_at,
    };
    desk.api_keys.change_api_key(&prefix, change).await?;
    let directory = desk.directory();
    let mut keys = directory.api_keys();
    let key = keys.find(|key| key.prefix == prefix);
    let key = key.context("the key is gone")?;
    let sentence = format!(
        "changed API key {} ({}…): expires {}",
        key.name,
        key.prefix,
        expiry(key, desk.clock.now())
    );
    desk.tell(&update.output, &document(&directory, key), &sentence);
    Ok(())
}

async fn remove(
    desk: &Desk,
    which: &WhichApiKey,
    (yes, output): (bool, &Output),
) -> anyhow::Result<()> {
    let directory = desk.directory();
    let key = find(&directory, which)?;
    let told = format!("API key {} ({}…)", key.name, key.prefix);
    let sentence = if yes {
        desk.api_keys.remove_api_key(&key.prefix).await?;
        format!("removed {told}; a server that runs refuses it within two seconds")
    } else {
        format!(
            "{told} would be removed, last used {}; say --yes to do it",
            last_use(key)
        )
    };
    let mut document = document(&directory, key);
    document["done"] = json!(yes);
    desk.tell(output, &document, &sentence);
    Ok(())
}

/// The key that is meant: by how it begins, or by a name that only one has.
fn find<'a>(directory: &'a Directory, which: &WhichApiKey) -> anyhow::Result<&'a ApiKey> {
    let wanted = which.key.as_str();
    let workspace = match &which.workspace {
        Some(name) => Some(desk::workspace(directory, name)?.id),
        None => None,
    };
    let found: Vec<_> = directory
        .api_keys()
        .filter(|key| key.name == wanted || key.prefix == wanted)
        .filter(|key| workspace.is_none_or(|workspace| key.workspace == workspace))
        .collect();
    match found[..] {
        [found] => Ok(found),
        [] => bail!(
            "there is no API key \"{}\" there; `postbell api-key list` shows all",
            wanted.escape_debug()
        ),
        _ => bail!(
            "{} API keys are named \"{wanted}\": say --workspace, or how the key begins",
            found.len()
        ),
    }
}

fn document(directory: &Directory, key: &ApiKey) -> Value {
    json!({
        "prefix": key.prefix,
        "name": key.name,
        "workspace": desk::workspace_name(directory, key.workspace),
        "kind": key.kind.name(),
        "createdAt": key.created_at.to_string(),
        "expiresAt": key.expires_at.map(|at| at.to_string()),
        "lastUsedAt": key.last_used_at.map(|at| at.to_string()),
    })
}

fn expiry(key: &ApiKey, now: Timestamp) -> String {
    match key.expires_at {
        None => "never".to_owned(),
        Some(at) if key.has_expired(now) => format!("{at}, so it is refused"),
        Some(at) => at.to_string(),
    }
}

fn last_use(key: &ApiKey) -> String {
    key.last_used_at
        .map_or_else(|| "never".to_owned(), |at| at.to_string())
}
