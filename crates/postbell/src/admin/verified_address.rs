//! `postbell verified-address`: who sandboxes may send to.

use serde_json::json;

use super::desk::{self, Desk};
use crate::cli::{InWorkspace, VerifiedAddressCommand, WhichVerified};

pub(super) async fn run(desk: &Desk, command: &VerifiedAddressCommand) -> anyhow::Result<()> {
    match command {
        VerifiedAddressCommand::Add(which) => add(desk, which).await,
        VerifiedAddressCommand::List(wanted) => list(desk, wanted),
        VerifiedAddressCommand::Remove(which) => remove(desk, which).await,
    }
}

async fn add(desk: &Desk, which: &WhichVerified) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &which.workspace)?;
    let now = desk.clock.now();
    let verified = &desk.verified;
    let is_new = verified.verify_address(workspace.id, &which.address, now);
    let is_new = is_new.await?;
    let (address, name) = (&which.address, &workspace.name);
    let sentence = if is_new {
        format!("sandboxes of workspace {name} may send to {address}")
    } else {
        format!("sandboxes of workspace {name} may send to {address} already")
    };
    let document = json!({"workspace": name, "address": address.as_str(), "added": is_new});
    desk.tell(&which.output, &document, &sentence);
    Ok(())
}

async fn remove(desk: &Desk, which: &WhichVerified) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &which.workspace)?;
    let (address, name) = (&which.address, &workspace.name);
    let was_there = desk.verified.forget_address(workspace.id, address).await?;
    if !was_there {
        anyhow::bail!(
            "{address} is no verified address of workspace {name}; \
             `postbell verified-address list --workspace {name}` lists them"
        );
    }
    let sentence = format!("sandboxes of workspace {name} may not send to {address} any more");
    let document = json!({"workspace": name, "address": address.as_str(), "removed": true});
    desk.tell(&which.output, &document, &sentence);
    Ok(())
}

fn list(desk: &Desk, wanted: &InWorkspace) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspaces = desk::workspaces(&directory, wanted)?;
    let all = workspaces.iter().flat_map(|workspace| {
        let addresses = directory.verified_addresses_of(workspace.id).into_iter();
        addresses.map(|address| (workspace.name.as_str(), address))
    });
    let all: Vec<_> = all.collect();
    let documents = all.iter();
    let documents =
        documents.map(|(workspace, address)| json!({"workspace": workspace, "address": address}));
    let documents = documents.collect();
    let rows = all.iter();
    let rows =
        rows.map(|(workspace, address)| vec![(*address).to_owned(), (*workspace).to_owned()]);
    let rows: Vec<_> = rows.collect();
    desk.tell_list(&wanted.output, documents, &["ADDRESS", "WORKSPACE"], &rows);
    Ok(())
}
