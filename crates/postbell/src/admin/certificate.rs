//! `postbell certificate`: the certificates of tracking hosts.

use std::collections::HashMap;

use anyhow::bail;
use postbell_model::{Domain, Timestamp};
use postbell_net::{CertificateFiles, valid_until};
use postbell_store::HostCertificate;
use serde_json::{Value, json};

use super::desk::Desk;
use crate::certificates::{LinkHosts, Standing};
use crate::cli::{CertificateCommand, Output};
use crate::config::tracking::files;
use crate::console::{plain, until};

pub(super) async fn run(desk: &Desk, command: &CertificateCommand) -> anyhow::Result<()> {
    match command {
        CertificateCommand::List { output } => list(desk, output).await,
        CertificateCommand::Renew { host, output } => renew(desk, host, output).await,
    }
}

/// A host as it is told.
struct Told {
    host: Domain,
    /// `file`, `acme`, `tls`, `none`.
    from: &'static str,
    /// `valid`, `overdue`, `missing`.
    state: &'static str,
    until: Option<Timestamp>,
    renew_at: Option<Timestamp>,
    failures: u32,
    fault: Option<String>,
    retry_at: Option<Timestamp>,
    /// Whether links of earlier mail alone are there.
    is_retired: bool,
}

async fn list(desk: &Desk, output: &Output) -> anyhow::Result<()> {
    let now = desk.clock.now();
    let known = desk.certificates.certificates().await?;
    let directory = desk.directory();
    let link_hosts = LinkHosts::of(&desk.config);
    let hosts = link_hosts.list(&directory, &known, now).into_iter();
    let known: HashMap<_, _> = known.into_iter().map(|k| (k.host.clone(), k)).collect();
    let files = files(&desk.config.tracking);
    let told = hosts.map(
        |host| match files.iter().find(|f| f.is_for(host.as_str())) {
            Some(file) => of_file(host, ("file", &file.files), now),
            None => of_others(desk, known.get(&host), host, now),
        },
    );
    let retired = |told: Told| Told {
        is_retired: link_hosts.is_retired(&directory, &told.host),
        ..told
    };
    let told: Vec<_> = told.map(retired).collect();
    let documents = told.iter().map(document).collect();
    let rows: Vec<_> = told.iter().map(|told| row(told, now)).collect();
    let heading = ["HOST", "FROM", "STATE", "ENDS", "RENEWED", "LAST FAULT"];
    desk.tell_list(output, documents, &heading, &rows);
    Ok(())
}

fn of_file(host: Domain, (from, files): (&'static str, &CertificateFiles), now: Timestamp) -> Told {
    let end = valid_until(&files.certificate);
    let holds = end.as_ref().is_ok_and(|end| *end > now);
    Told {
        host,
        from,
        state: if holds { "valid" } else { "missing" },
        until: end.as_ref().ok().copied(),
        renew_at: None,
        failures: 0,
        fault: end.err().map(|error| error.to_string()),
        retry_at: None,
        is_retired: false,
    }
}

/// A host without a file: it is asked for, or shown that of the server.
fn of_others(desk: &Desk, known: Option<&HostCertificate>, host: Domain, now: Timestamp) -> Told {
    let options = &desk.config.tracking.acme;
    let standing = Standing::of(known, options, now);
    let kept = known.and_then(|known| known.certificate.as_ref());
    let is_asked_for = options.directory.is_some() || kept.is_some();
    if let (false, Some(files)) = (is_asked_for, desk.config.tls.files()) {
        return of_file(host, ("tls", &files), now);
    }
    let renew_at = match standing {
        Standing::Valid { renew_at, .. } if options.directory.is_some() => Some(renew_at),
        _ => None,
    };
    Told {
        host,
        from: if is_asked_for { "acme" } else { "none" },
        state: standing.name(),
        until: kept.map(|kept| kept.expires_at),
        renew_at,
        failures: known.map_or(0, |known| known.failures),
        fault: known.and_then(|known| Some(known.fault.as_ref()?.text.clone())),
        retry_at: known.and_then(|known| known.retry_at),
        is_retired: false,
    }
}

fn document(told: &Told) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "host": told.host.as_str(),
        "from": told.from,
        "state": told.state,
        "retired": told.is_retired,
        "expiresAt": time(told.until),
        "renewAt": time(told.renew_at),
        "failures": told.failures,
        "lastFault": told.fault,
        "retryAt": time(told.retry_at),
    })
}

fn row(told: &Told, now: Timestamp) -> Vec<String> {
    let when = |at: Option<Timestamp>| at.map_or_else(String::new, |at| until(at, now));
    let ends = match told.until {
        Some(end) if end <= now => format!("ended at {end}"),
        end => when(end),
    };
    vec![
        told.host.to_string(),
        told.from.to_owned(),
        match told.is_retired {
            true => format!("{}, retired", told.state),
            false => told.state.to_owned(),
        },
        ends,
        when(told.renew_at.or(told.retry_at)),
        told.fault.as_deref().map(plain).unwrap_or_default(),
    ]
}

async fn renew(desk: &Desk, host: &Domain, output: &Output) -> anyhow::Result<()> {
    let tracking = &desk.config.tracking;
    if tracking.acme.directory.is_none() {
        bail!("no authority is asked for certificates; set tracking.acme.directory");
    }
    let known = desk.certificates.certificates().await?;
    let hosts = LinkHosts::of(&desk.config);
    let hosts = hosts.list(&desk.directory(), &known, desk.clock.now());
    if !hosts.contains(host) {
        bail!("{host} is no tracking host; `postbell certificate list` lists them");
    }
    if files(tracking)
        .iter()
        .any(|file| file.is_for(host.as_str()))
    {
        bail!("{host} has its certificate in a file (tracking.certificate); put a new one there");
    }
    desk.certificates.want_certificate(host).await?;
    let sentence = format!(
        "the server asks for a certificate for {host} now; `postbell certificate list` tells what became of it"
    );
    desk.tell(
        output,
        &json!({"host": host.as_str(), "wanted": true}),
        &sentence,
    );
    Ok(())
}
