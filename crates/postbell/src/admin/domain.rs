//! `postbell domain`.

use anyhow::{Context, bail};
use postbell_model::{
    Clock, ConfigurationSetId, Domain, Sender, SendingDomain, SettingChange, WorkspaceId,
};
use postbell_store::{Directory, DomainChange, Tenants, Verification};
use serde_json::{Value, json};

use super::desk::{self, Desk};
use super::sending::{self, Whose};
use super::{InWorkspace, identity, removal};
use crate::cli::{ComingIn, DomainAdd, DomainCommand, DomainTracks, DomainUpdate};
use crate::identity::make_keys;

/// A domain to be added.
#[derive(Debug)]
pub(crate) struct NewDomain<'a> {
    pub(crate) name: &'a str,
    /// `None`: `bounce.` and the name.
    pub(crate) return_path: Option<&'a str>,
    /// `None`: `reply.` and the name.
    pub(crate) reply_host: Option<&'a str>,
    /// `None`: `track.` and the name.
    pub(crate) tracking_host: Option<&'a str>,
    pub(crate) workspace: WorkspaceId,
    pub(crate) set: ConfigurationSetId,
    pub(crate) coming_in: ComingIn,
    pub(crate) tracks: DomainTracks,
}

pub(super) async fn run(desk: &Desk, command: &DomainCommand) -> anyhow::Result<()> {
    match command {
        DomainCommand::Add(wanted) => add(desk, wanted).await,
        DomainCommand::Update(wanted) => update(desk, wanted).await,
        DomainCommand::Remove(wanted) => removal::remove(desk, wanted).await,
        DomainCommand::List(wanted) => list(desk, wanted).await,
        DomainCommand::Show(show) => identity::show(desk, show).await,
        DomainCommand::Check(named) => identity::check_domain(desk, named).await,
        DomainCommand::Rotate(named) => identity::rotate(desk, named).await,
        DomainCommand::Pause {
            name,
            pause,
            output,
        } => sending::pause(desk, &whose(name)?, pause, output).await,
        DomainCommand::Sandbox {
            name,
            sandbox,
            output,
        } => sending::enter_sandbox(desk, &whose(name)?, sandbox, output).await,
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
        reply_host: add.reply_host.as_deref(),
        tracking_host: add.tracking_host.as_deref(),
        workspace: workspace.id,
        set: set.id,
        coming_in: add.coming_in,
        tracks: add.tracks.clone(),
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
    let mut told = document(&directory, &domain, None);
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

/// Changes what is given of a domain.
async fn update(desk: &Desk, update: &DomainUpdate) -> anyhow::Result<()> {
    let domain = identity::find(desk, &update.name)?;
    let directory = desk.directory();
    let change = DomainChange {
        return_path_host: update
            .return_path
            .as_deref()
            .map(|host| return_path_host(&domain.name, host))
            .transpose()?,
        reply_host: update.reply_host.as_deref().map(parse).transpose()?,
        tracking_host: update.tracking_host.as_deref().map(parse).transpose()?,
        configuration_set: match &update.config_set {
            Some(name) => {
                let workspace = directory.workspace(domain.workspace);
                let workspace = workspace.context("its workspace is gone")?;
                Some(desk::configuration_set(&directory, workspace, name)?.id)
            }
            None => None,
        },
        reply_capture: update.coming_in.reply_capture,
        inbound: update.coming_in.inbound,
        dmarc: update.coming_in.dmarc,
        track_opens: update.tracks.track_opens,
        track_clicks: update.tracks.track_clicks,
        brand_name: update.tracks.brand_name.clone().map(|name| name.0),
        brand_colour: update.tracks.brand_colour.map(|colour| colour.0),
    };
    let now = desk.clock.now();
    let changes = desk
        .domains
        .change_domain(&domain.name, change, now)
        .await?;
    let directory = desk.directory();
    let changed = directory
        .domain(&domain.name)
        .context("the domain is gone")?;
    let document = document(&directory, changed, None);
    let mut sentence = changed_sentence(&domain, &changes);
    if desk.config.tracking.base_url.is_none() {
        sentence.push_str(&left_host(&domain.tracking_host, &changed.tracking_host));
    }
    desk.tell(&update.output, &document, &sentence);
    Ok(())
}

/// What is to be known of a tracking host that a domain has no longer.
fn left_host(old: &Domain, new: &Domain) -> String {
    if old == new {
        return String::new();
    }
    format!(
        "\nlinks in mail that was sent lead to {old}: keep its record, so that it goes on leading here, \
         and its certificate (`postbell certificate list`)"
    )
}

fn changed_sentence(domain: &SendingDomain, changes: &[SettingChange]) -> String {
    if changes.is_empty() {
        return format!("{} has these settings already", domain.name);
    }
    let told = changes.iter().map(|change| {
        let old = or_nothing(change.old.as_deref().unwrap_or_default());
        format!(
            "{} from {old} to {}",
            change.setting,
            or_nothing(&change.new)
        )
    });
    let told: Vec<_> = told.collect();
    format!(
        "changed {}: {}; `postbell domain show {}` prints the records that it needs now",
        domain.name,
        told.join(", "),
        domain.name
    )
}

/// A setting that is not there is told as nothing.
fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

async fn list(desk: &Desk, list: &InWorkspace) -> anyhow::Result<()> {
    let directory = desk.directory();
    let mut domains = Vec::new();
    for workspace in desk::workspaces(&directory, list)? {
        domains.extend(directory.domains_of(workspace.id));
    }
    let known = desk.domains.verifications().await?;
    let verification = |domain: &SendingDomain| known.get(&domain.name);
    let documents = domains.iter();
    let documents = documents.map(|d| document(&directory, d, verification(d)));
    let documents = documents.collect();
    let rows = domains.iter().map(|d| row(&directory, d, verification(d)));
    let rows: Vec<_> = rows.collect();
    let heading = [
        "NAME",
        "WORKSPACE",
        "CONFIGURATION SET",
        "RETURN PATH",
        "RECORDS",
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
    let host = |label: &str| parse(&format!("{label}.{name}"));
    let usual = SendingDomain::new(name.clone(), new.workspace, new.set, clock.now());
    let ComingIn {
        reply_capture,
        inbound,
        dmarc,
    } = new.coming_in;
    let domain = SendingDomain {
        return_path_host: match new.return_path {
            Some(given) => return_path_host(&name, given)?,
            None => host("bounce")?,
        },
        reply_host: new.reply_host.map_or_else(|| host("reply"), parse)?,
        tracking_host: new.tracking_host.map_or_else(|| host("track"), parse)?,
        reply_capture: reply_capture.unwrap_or(usual.reply_capture),
        inbound: inbound.unwrap_or(usual.inbound),
        dmarc: dmarc.unwrap_or(usual.dmarc),
        tracking: new.tracks.tracking(),
        brand: new.tracks.brand(),
        ..usual
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

/// The host of a domain's return path, which has to be near it.
fn return_path_host(name: &Domain, host: &str) -> anyhow::Result<Domain> {
    let host = parse(host)?;
    if !aligns(name, &host) {
        bail!(
            "the return path host {host} is not within {name} or its parent domain, so SPF would \
             not align; leave --return-path out for bounce.{name}"
        );
    }
    Ok(host)
}

/// RFC 7489 §3.1.2: SPF aligns where both have the same organizational domain. Which that is
/// only a list of public suffixes can tell; a common parent of two labels is what is checked.
fn aligns(domain: &Domain, return_path_host: &Domain) -> bool {
    let labels: Vec<_> = domain.as_str().rsplit('.').take(2).collect();
    let host: Vec<_> = return_path_host.as_str().rsplit('.').take(2).collect();
    labels == host
}

/// A domain with its settings, and what the DNS said of it last.
pub(super) fn document(
    directory: &Directory,
    domain: &SendingDomain,
    known: Option<&Verification>,
) -> Value {
    json!({
        "name": domain.name.as_str(),
        "workspace": desk::workspace_name(directory, domain.workspace),
        "configurationSet": desk::set_name(directory, domain.configuration_set),
        "returnPathHost": domain.return_path_host.as_str(),
        "replyHost": domain.reply_host.as_str(),
        "trackingHost": domain.tracking_host.as_str(),
        "replyCapture": domain.reply_capture,
        "inbound": domain.inbound,
        "dmarc": domain.dmarc.name(),
        "trackOpens": domain.tracking.opens,
        "trackClicks": domain.tracking.clicks,
        "brandName": domain.brand.name,
        "brandColour": domain.brand.colour.map(|colour| colour.to_string()),
        "sending": sending::document(directory.sending(&Sender::Domain(domain.name.clone()))),
        "createdAt": domain.created_at.to_string(),
        "verified": known.is_some_and(|known| known.verified_at.is_some()),
        "verifiedAt": known.and_then(|known| known.verified_at).map(|at| at.to_string()),
        "checkedAt": known.map(|known| known.checked_at.to_string()),
        "missing": known.map_or(&[][..], |known| &known.missing),
    })
}

fn row(directory: &Directory, domain: &SendingDomain, known: Option<&Verification>) -> Vec<String> {
    vec![
        domain.name.to_string(),
        desk::workspace_name(directory, domain.workspace),
        desk::set_name(directory, domain.configuration_set),
        domain.return_path_host.to_string(),
        match known {
            None => "not checked yet".to_owned(),
            Some(known) if known.verified_at.is_some() => "verified".to_owned(),
            Some(known) if known.missing.is_empty() => "no answer".to_owned(),
            Some(known) => format!("missing: {}", known.missing.join(", ")),
        },
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
