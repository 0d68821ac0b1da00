//! `postbell domain show`, `check` and `rotate`: keys and DNS records.

use anyhow::{Context, bail};
use postbell_model::{Domain, DomainKey, KeyState, Sender, Sending, SendingDomain};
use postbell_net::Resolver;
use postbell_store::DomainCheck;
use serde_json::{Value, json};

use super::desk::Desk;
use super::{domain, sending, tracking, waiting};
use crate::cli::{DomainNamed, DomainShow};
use crate::console::Style;
use crate::identity::{
    Finding, Identity, Importance, Record, Verdict, check, failed, make_keys, records, settle_keys,
    verdict,
};

/// A required record is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not ready: a record that its mail needs was not found")]
struct NotReady(Domain);

/// Prints the records of a domain.
pub(super) async fn show(desk: &Desk, show: &DomainShow) -> anyhow::Result<()> {
    let domain = find(desk, &show.name)?;
    let records = records_of(desk, &domain);
    let sender = Sender::Domain(domain.name.clone());
    let used = sending::used_today(desk, (domain.workspace, &sender)).await?;
    if show.output.json {
        let known = desk.domains.verifications().await?;
        let mut told = domain::document(&desk.directory(), &domain, known.get(&domain.name));
        if let Some(used) = used {
            told["sending"]["usedToday"] = json!(used);
        }
        merge(&mut told, document(desk, &domain, &records));
        desk.console.say(told.to_string());
        return Ok(());
    }
    let mut lines = vec![coming_in(&domain), tracking::of_domain(&domain)];
    let directory = desk.directory();
    let sending = directory.sending(&sender);
    if *sending != Sending::Active {
        lines.push(format!("{}: {}", domain.name, sending::told(sending)));
    }
    if let Some(used) = used {
        let used = waiting::recipients(used);
        lines.push(format!("{}: sent to {used} today", domain.name));
    }
    if show.table {
        lines.iter().for_each(|line| desk.console.say(line));
        let rows: Vec<_> = records.iter().map(row).collect();
        desk.console
            .table(&["NAME", "TYPE", "VALUE", "NEEDED", "FOR"], &rows);
    } else {
        lines
            .iter()
            .for_each(|line| desk.console.say(format!("; {line}")));
        tell_zone(desk, &records);
    }
    Ok(())
}

/// What comes back of a domain's mail, and what comes to it, in a line.
fn coming_in(domain: &SendingDomain) -> String {
    let is_on = |on| if on { "on" } else { "off" };
    format!(
        "{}: reply capture {}, inbound {}, dmarc {}",
        domain.name,
        is_on(domain.reply_capture),
        is_on(domain.inbound),
        domain.dmarc.name()
    )
}

/// The records as lines of a zone file.
pub(super) fn tell_zone(desk: &Desk, records: &[Record]) {
    for record in records {
        desk.console
            .say(format!("; {}: {}", record.importance, record.purpose));
        desk.console.say(record.zone_line());
    }
    desk.console.say(format!(
        "; advised: the addresses of {} lead back to that name (PTR), which their owner sets",
        desk.config.server.hostname
    ));
}

/// Looks all records up, and takes keys into use that are there.
pub(super) async fn check_domain(desk: &Desk, named: &DomainNamed) -> anyhow::Result<()> {
    let domain = find(desk, &named.name)?;
    let resolver = Resolver::new(&desk.config.dns).context("there is no DNS resolver")?;
    let keys = desk.directory().domain_keys(&domain.name).to_vec();
    let retire_after = desk.config.dkim.retire_after;
    let now = desk.clock.now();
    let found = records_of(desk, &domain);
    let findings = check(&resolver, &found, &desk.config.server.hostname).await;
    settle_keys(desk.keys.as_ref(), &resolver, &keys, retire_after, now).await?;
    let checked = DomainCheck {
        domain: domain.name.clone(),
        at: now,
        found: verdict(&findings),
    };
    desk.domains.record_domain_checks(vec![checked]).await?;
    if named.output.json {
        let document = json!({
            "domain": domain.name.as_str(),
            "ready": !failed(&findings),
            "keys": keys_document(desk.directory().domain_keys(&domain.name)),
            "records": findings.iter().map(finding_document).collect::<Vec<_>>(),
        });
        desk.console.say(document.to_string());
    } else {
        findings
            .iter()
            .for_each(|finding| tell_finding(desk, finding));
    }
    if failed(&findings) {
        bail!(NotReady(domain.name));
    }
    Ok(())
}

/// Makes new keys, which take the place of the others once their records are there.
pub(super) async fn rotate(desk: &Desk, named: &DomainNamed) -> anyhow::Result<()> {
    let domain = find(desk, &named.name)?;
    let directory = desk.directory();
    let mut keys = directory.domain_keys(&domain.name).iter();
    if let Some(pending) = keys.find(|key| key.state == KeyState::Pending) {
        bail!(
            "{} has new keys already: publish the record of {}, which `postbell domain show {}` \
             prints",
            domain.name,
            pending.selector,
            domain.name
        );
    }
    let sealing = desk.sealing_key()?;
    make_keys(desk.keys.as_ref(), &sealing, &domain.name, desk.clock.now()).await?;
    let records = records_of(desk, &domain);
    if named.output.json {
        desk.console
            .say(document(desk, &domain, &records).to_string());
        return Ok(());
    }
    desk.console.say(format!(
        "{} has new keys; publish their records. The old ones sign until these are seen.",
        domain.name
    ));
    tell_zone(desk, &records);
    Ok(())
}

/// Adds the members of a document to another.
pub(super) fn merge(document: &mut Value, more: Value) {
    if let (Value::Object(document), Value::Object(more)) = (document, more) {
        document.extend(more);
    }
}

pub(super) fn find(desk: &Desk, name: &str) -> anyhow::Result<SendingDomain> {
    let domain = Domain::parse(name).with_context(|| format!("\"{}\"", name.escape_debug()))?;
    let directory = desk.directory();
    let found = directory.domain(&domain).cloned();
    found.with_context(|| format!("there is no domain {domain}; `postbell domain list` lists all"))
}

pub(super) fn records_of(desk: &Desk, domain: &SendingDomain) -> Vec<Record> {
    let directory = desk.directory();
    records(&Identity {
        domain,
        keys: directory.domain_keys(&domain.name),
        set: directory.configuration_set(domain.configuration_set),
        host: &desk.config.server.hostname,
        retire_after: desk.config.dkim.retire_after,
        now: desk.clock.now(),
    })
}

fn row(record: &Record) -> Vec<String> {
    vec![
        record.name.clone(),
        record.kind.to_owned(),
        record.value.clone(),
        record.importance.to_string(),
        record.purpose.clone(),
    ]
}

fn tell_finding(desk: &Desk, finding: &Finding) {
    let (style, mark) = match (finding.verdict, finding.importance) {
        (Verdict::Found, _) => (Style::Good, "ok  "),
        (Verdict::Wrong | Verdict::Unknown, Importance::Advised) => (Style::Faint, "warn"),
        (Verdict::Wrong | Verdict::Unknown, Importance::Required) => (Style::Strong, "FAIL"),
    };
    let mark = desk.console.styled(style, mark);
    let Finding {
        name,
        kind,
        sentence,
        ..
    } = finding;
    desk.console
        .say(format!("{mark} {kind:<6} {name}: {sentence}"));
    if finding.verdict == Verdict::Wrong {
        desk.console
            .say(format!("       expected: {}", finding.expected));
        for found in &finding.found {
            desk.console
                .say(format!("       found:    {}", found.escape_debug()));
        }
    }
}

pub(super) fn document(desk: &Desk, domain: &SendingDomain, records: &[Record]) -> Value {
    let records = records.iter().map(|record| {
        json!({
            "name": record.name,
            "type": record.kind,
            "value": record.value,
            "zone": record.zone_line(),
            "required": record.importance == Importance::Required,
            "purpose": record.purpose,
        })
    });
    json!({
        "domain": domain.name.as_str(),
        "keys": keys_document(desk.directory().domain_keys(&domain.name)),
        "records": records.collect::<Vec<_>>(),
    })
}

fn keys_document(keys: &[DomainKey]) -> Vec<Value> {
    let keys = keys.iter().map(|key| {
        json!({
            "selector": key.selector,
            "algorithm": key.algorithm.name(),
            "state": key.state.name(),
            "createdAt": key.created_at.to_string(),
            "activatedAt": key.activated_at.map(|at| at.to_string()),
            "retiredAt": key.retired_at.map(|at| at.to_string()),
        })
    });
    keys.collect()
}

fn finding_document(finding: &Finding) -> Value {
    json!({
        "name": finding.name,
        "type": finding.kind,
        "required": finding.importance == Importance::Required,
        "verdict": finding.verdict.name(),
        "sentence": finding.sentence,
        "expected": finding.expected,
        "found": finding.found,
    })
}
