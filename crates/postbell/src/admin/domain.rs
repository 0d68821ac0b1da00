//! `postbell domain`.

use anyhow::{Context, bail};
use postbell_model::{Clock, ConfigurationSetId, Domain, Sender, SendingDomain, WorkspaceId};
use postbell_store::{Directory, Tenants};
use serde_json::{Value, json};

use super::desk::{self, Desk};
use super::sending::{self, Whose};
use super::{InWorkspace, identity};
use crate::cli::{DomainAdd, DomainCommand};
use crate::identity::make_keys;

/// A domain to be added.
#[derive(Debug)]
pub(crate) struct NewDomain<'a> {
    pub(crate) name: &'a str,
    /// `None`: `bounce.` and the name.
    pub(crate) return_path: Option<&'a str>,
    pub(crate) workspace: WorkspaceId,
    pub(crate) set: ConfigurationSetId,
}

pub(super) async fn run(desk: &Desk, command: &DomainCommand) -> anyhow::Result<()> {
    match command {
        DomainCommand::Add(wanted) => add(desk, wanted).await,
        DomainCommand::List(wanted) => list(desk, wanted),
        DomainCommand::Show(show) => identity::show(desk, show),
        DomainCommand::Check(named) => identity::check_domain(desk, named).await,
        DomainCommand::Rotate(named) => identity::rotate(desk, named).await,
        DomainCommand::Pause {
            name,
            pause,
            output,
        } => sending::pause(desk, &whose(name)?, pause, output).await,
        DomainCommand::Resume(named) => {
            sending::resume(desk, &whose(&named.name)?, &named.output).await
        }
    }
}

fn whose(name: &str) -> anyhow::Result<Whose> {
    parse(name).map(Whose::domain)
}

async fn add(desk: &Desk, add: &DomainAdd) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &add.workspace)?;
    let set = desk::configuration_set(&directory, workspace, &add.config_set)?;
    let new = NewDomain {
        name: &add.name,
        return_path: add.return_path.as_deref(),
        workspace: workspace.id,
        set: set.id,
    };
    // What can't be sealed is not begun.
    let sealing = if add.no_dkim {
        None
    } else {
        Some(desk.sealing_key()?)
    };
    let domain = make_domain(desk.tenants.as_ref(), desk.clock.as_ref(), &new).await?;
    if let Some(sealing) = sealing {
        make_keys(desk.keys.as_ref(), &sealing, &domain.name, desk.clock.now()).await?;
    }
    let sentence = format!(
        "workspace {} may send from {}; bounces come back to {}",
        workspace.name, domain.name, domain.return_path_host
    );
    let records = identity::records_of(desk, &domain);
    let mut told = document(&directory, &domain);
    let identity = identity::document(desk, &domain, &records);
    told["keys"] = identity["keys"].clone();
    told["records"] = identity["records"].clone();
    desk.tell(&add.output, &told, &sentence);
    if !add.output.json {
        desk.console
            .say("\nPublish these records, then run `postbell domain check`:\n");
        identity::tell_zone(desk, &records);
    }
    Ok(())
}

fn list(desk: &Desk, list: &InWorkspace) -> anyhow::Result<()> {
    let directory = desk.directory();
    let mut domains = Vec::new();
    for workspace in desk::workspaces(&directory, list)? {
        domains.extend(directory.domains_of(workspace.id));
    }
    let documents = domains.iter().map(|d| document(&directory, d)).collect();
    let rows: Vec<_> = domains.iter().map(|d| row(&directory, d)).collect();
    let heading = [
        "NAME",
        "WORKSPACE",
        "CONFIGURATION SET",
        "RETURN PATH",
        "SENDING",
    ];
    desk.tell_list(&list.output, documents, &heading, &rows);
    Ok(())
}

/// Adds a domain.
pub(crate) async fn make_domain(
    tenants: &dyn Tenants,
    clock: &dyn Clock,
    new: &NewDomain<'_>,
) -> anyhow::Result<SendingDomain> {
    let name = parse(new.name)?;
    let return_path_host = match new.return_path {
        Some(host) => parse(host)?,
        None => parse(&format!("bounce.{name}"))?,
    };
    if !aligns(&name, &return_path_host) {
        bail!(
            "the return path host {return_path_host} is not within {name} or its parent domain, \
             so SPF would not align; leave --return-path out for bounce.{name}"
        );
    }
    let domain = SendingDomain {
        name,
        workspace: new.workspace,
        return_path_host,
        configuration_set: new.set,
        created_at: clock.now(),
    };
    tenants.add_domain(domain.clone()).await?;
    Ok(domain)
}

fn parse(text: &str) -> anyhow::Result<Domain> {
    let domain = Domain::parse(text).with_context(|| format!("\"{}\"", text.escape_debug()))?;
    if domain.literal().is_some() || !domain.as_str().contains('.') {
        bail!("\"{domain}\" is not a full domain name such as acme.example");
    }
    Ok(domain)
}

/// RFC 7489 §3.1.2: SPF aligns where both have the same organizational domain. Which that is
/// only a list of public suffixes can tell; a common parent of two labels is what is checked.
fn aligns(domain: &Domain, return_path_host: &Domain) -> bool {
    let labels: Vec<_> = domain.as_str().rsplit('.').take(2).collect();
    let host: Vec<_> = return_path_host.as_str().rsplit('.').take(2).collect();
    labels == host
}

fn document(directory: &Directory, domain: &SendingDomain) -> Value {
    json!({
        "name": domain.name.as_str(),
        "workspace": desk::workspace_name(directory, domain.workspace),
        "configurationSet": desk::set_name(directory, domain.configuration_set),
        "returnPathHost": domain.return_path_host.as_str(),
        "sending": sending::document(directory.sending(&Sender::Domain(domain.name.clone()))),
        "createdAt": domain.created_at.to_string(),
    })
}

fn row(directory: &Directory, domain: &SendingDomain) -> Vec<String> {
    vec![
        domain.name.to_string(),
        desk::workspace_name(directory, domain.workspace),
        desk::set_name(directory, domain.configuration_set),
        domain.return_path_host.to_string(),
        directory
            .sending(&Sender::Domain(domain.name.clone()))
            .name()
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_return_path_stays_with_the_domain() {
        let check = |domain: &str, host: &str| {
            aligns(
                &Domain::parse(domain).unwrap(),
                &Domain::parse(host).unwrap(),
            )
        };
        assert!(check("acme.example", "bounce.acme.example"));
        assert!(check("news.acme.example", "bounce.acme.example"));
        assert!(check("acme.example", "acme.example"));
        assert!(!check("acme.example", "bounce.other.example"));
    }
}
