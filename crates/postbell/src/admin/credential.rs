//! `postbell credential`.

use anyhow::{Context, bail};
use postbell_model::{Clock, Credential, SendingLimits, WorkspaceId};
use postbell_store::{DeliveryFilter, Directory, NewCredential, Tenants, password, scram};
use serde_json::{Value, json};

use super::desk::{self, Desk};
use super::{InWorkspace, Output, limits, revoke, waiting};
use crate::cli::{CredentialAdd, CredentialCommand, CredentialUpdate};

const USERNAME_MAX: usize = 128;

pub(super) async fn run(desk: &Desk, command: &CredentialCommand) -> anyhow::Result<()> {
    match command {
        CredentialCommand::Add(wanted) => add(desk, wanted).await,
        CredentialCommand::List(wanted) => list(desk, wanted),
        CredentialCommand::Show { username, output } => show(desk, username, output).await,
        CredentialCommand::Update(wanted) => update(desk, wanted).await,
        CredentialCommand::Revoke(wanted) => revoke::revoke(desk, wanted).await,
    }
}

/// The credential of this name, be it revoked or not.
pub(super) fn find<'a>(directory: &'a Directory, username: &str) -> anyhow::Result<&'a Credential> {
    let credential = directory.credential(username);
    credential.with_context(|| {
        format!(
            "there is no credential \"{}\"; `postbell credential list` shows all",
            username.escape_debug()
        )
    })
}

async fn add(desk: &Desk, add: &CredentialAdd) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &add.workspace)?;
    let password = match &add.password {
        Some(password) if password.is_empty() => bail!("the password is empty"),
        Some(password) => password.clone(),
        None => password::generate()?,
    };
    let (tenants, clock) = (desk.tenants.as_ref(), desk.clock.as_ref());
    let mut credential =
        make_credential(tenants, clock, &add.username, &password, workspace.id).await?;
    let limits = add.limits.wanted();
    if limits != SendingLimits::default() {
        let allowances = &desk.allowances;
        allowances
            .set_credential_limits(&credential.username, limits)
            .await?;
        credential.limits = limits;
    }
    let mut document = document(&directory, &credential);
    let mut sentence = format!(
        "{} may hand in mail of workspace {}",
        credential.username, workspace.name
    );
    // Told here and never again, and only where nobody chose it.
    if add.password.is_none() {
        document["password"] = json!(password);
        sentence.push_str(&format!("\npassword, shown this once: {password}"));
    }
    if credential.scram.is_none() {
        sentence.push_str("\nno SCRAM-SHA-256 with this password: it is not all printable ASCII");
    }
    desk.tell(&add.output, &document, &sentence);
    Ok(())
}

async fn update(desk: &Desk, update: &CredentialUpdate) -> anyhow::Result<()> {
    let directory = desk.directory();
    let credential = find(&directory, &update.username)?;
    let limits = update.limits.over(credential.limits);
    let allowances = &desk.allowances;
    allowances
        .set_credential_limits(&update.username, limits)
        .await?;
    let credential = Credential {
        limits,
        ..credential.clone()
    };
    let sentence = format!(
        "{} may hand in {}; a server that runs sees it within two seconds",
        credential.username,
        limits::sentence(limits)
    );
    desk.tell(
        &update.output,
        &document(&directory, &credential),
        &sentence,
    );
    Ok(())
}

fn list(desk: &Desk, list: &InWorkspace) -> anyhow::Result<()> {
    let directory = desk.directory();
    let mut credentials = Vec::new();
    for workspace in desk::workspaces(&directory, list)? {
        credentials.extend(directory.credentials_of(workspace.id));
    }
    let documents = credentials.iter().map(|c| document(&directory, c));
    let rows: Vec<_> = credentials.iter().map(|c| row(&directory, c)).collect();
    let [rate, quota] = limits::HEADING;
    let heading = [
        "USERNAME",
        "WORKSPACE",
        "CREATED",
        "REVOKED",
        rate,
        quota,
        "SCRAM",
    ];
    desk.tell_list(&list.output, documents.collect(), &heading, &rows);
    Ok(())
}

async fn show(desk: &Desk, username: &str, output: &Output) -> anyhow::Result<()> {
    let directory = desk.directory();
    let credential = find(&directory, username)?;
    let filter = DeliveryFilter {
        credential: Some(credential.id),
        ..DeliveryFilter::default()
    };
    let waits = waiting::count(desk, &filter).await?;
    let mut document = document(&directory, credential);
    document["waiting"] = json!(waits);
    let revoked = credential.revoked_at;
    let state = revoked.map_or_else(|| "in use".to_owned(), |at| format!("revoked {at}"));
    let lines = [
        format!("{} ({})", credential.username, credential.id),
        format!(
            "  workspace      {}",
            desk::workspace_name(&directory, credential.workspace)
        ),
        format!("  state          {state}"),
        format!("  may hand in    {}", limits::sentence(credential.limits)),
        format!("  waiting        {}", waiting::deliveries(waits)),
        format!("  SCRAM          {}", has_scram(credential)),
        format!("  created        {}", credential.created_at),
    ];
    desk.tell(output, &document, &lines.join("\n"));
    Ok(())
}

/// Makes a credential.
pub(crate) async fn make_credential(
    tenants: &dyn Tenants,
    clock: &dyn Clock,
    username: &str,
    password: &str,
    workspace: WorkspaceId,
) -> anyhow::Result<Credential> {
    check_username(username)?;
    let new = NewCredential {
        workspace,
        username: username.to_owned(),
        password_hash: password::hash(password.as_bytes())?,
        scram: scram::derive(password.as_bytes())?,
        limits: SendingLimits::default(),
    };
    Ok(tenants.create_credential(new, clock.now()).await?)
}

/// An address may be a username, so more is allowed than in other names.
fn check_username(username: &str) -> anyhow::Result<()> {
    let good = username.chars().all(|c| c.is_ascii_graphic());
    if username.is_empty() || username.len() > USERNAME_MAX || !good {
        bail!(
            "\"{}\" can't be a username: 1 to {USERNAME_MAX} ASCII characters without spaces",
            username.escape_debug()
        );
    }
    Ok(())
}

pub(super) fn document(directory: &Directory, credential: &Credential) -> Value {
    let mut document = json!({
        "id": credential.id.to_string(),
        "username": credential.username,
        "workspace": desk::workspace_name(directory, credential.workspace),
        "createdAt": credential.created_at.to_string(),
        "revokedAt": credential.revoked_at.map(|at| at.to_string()),
        "scram": credential.scram.is_some(),
    });
    limits::document(&mut document, credential.limits);
    document
}

fn row(directory: &Directory, credential: &Credential) -> Vec<String> {
    let [rate, quota] = limits::cells(credential.limits);
    vec![
        credential.username.clone(),
        desk::workspace_name(directory, credential.workspace),
        credential.created_at.to_string(),
        credential
            .revoked_at
            .map_or_else(String::new, |at| at.to_string()),
        rate,
        quota,
        has_scram(credential).to_owned(),
    ]
}

const fn has_scram(credential: &Credential) -> &'static str {
    if credential.scram.is_some() {
        "yes"
    } else {
        "no"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_typed_without_trouble() {
        assert!(check_username("shop@acme.example").is_ok());
        for bad in ["", "a b", "jörg", "a\n", &"x".repeat(129)] {
            assert!(check_username(bad).is_err(), "{bad:?}");
        }
    }
}
