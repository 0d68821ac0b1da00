//! What `/readyz` and the submission door say of the same, and what `/metrics` tells.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::kit::Place;
use crate::serve::{Running, say};

/// Longer than a question to a name server that is not there.
const LIMIT: Duration = Duration::from_secs(60);

/// More than any disk has free.
const NO_DISK: &str = "overload.min_free_disk = \"1000000 GiB\"\n";
/// Less than any program has.
const NO_MEMORY: &str = "overload.max_memory = \"1 KiB\"\n";

#[test]
fn a_disk_below_its_watermark_is_told_at_every_door() {
    let place = Place::new();
    let server = Running::with_acme(&place, NO_DISK);
    let (status, body) = server.http("/readyz");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains(r#"["disk_low"]"#), "{body}");
    let greeting = server.first_line();
    assert_eq!(
        greeting.trim_end(),
        "421 4.3.1 There is too little space to store mail; try again later"
    );
    assert_eq!(server.http("/livez").0, 200);
    let metrics = server.metrics();
    assert_eq!(metrics["postbell_ready"], 0.0);
    assert_eq!(metrics["postbell_obstacle{reason=\"disk_low\"}"], 1.0);
    let refusals = "postbell_refusals_total{door=\"smtp\",reason=\"disk_low\"}";
    assert_eq!(metrics[refusals], 1.0);
}

#[test]
fn a_program_with_too_much_memory_takes_nothing_more() {
    let place = Place::new();
    let server = Running::with_acme(&place, NO_MEMORY);
    let (status, body) = server.http("/readyz");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains(r#"["memory_high"]"#), "{body}");
    let greeting = server.first_line();
    assert!(greeting.starts_with("421 4.3.2 "), "{greeting}");
}

#[test]
fn a_server_that_ends_says_so() {
    let place = Place::new();
    let server = Running::with_acme(&place, "");
    assert_eq!(server.http("/readyz").0, 200);
    // Somebody in the middle of a message keeps it from ending.
    let mut client = server.in_data();
    server.begin_to_end();
    let (status, body) = server.http("/readyz");
    assert_eq!((status, body.contains(r#"["draining"]"#)), (503, true));
    assert_eq!(server.http("/livez").0, 200);
    say(&mut client, ".");
}

#[test]
fn messages_and_refusals_are_counted() {
    let place = Place::new();
    let server = Running::with_acme(&place, "");
    server.submit();
    server.submit();
    server.refused_sender("<a@foreign.example>");
    let metrics = server.metrics();
    for (name, value) in [
        ("postbell_messages_accepted_total{door=\"smtp\"}", 2.0),
        ("postbell_recipients_accepted_total{door=\"smtp\"}", 2.0),
        ("postbell_message_size_bytes_count", 2.0),
        (
            "postbell_refusals_total{door=\"smtp\",reason=\"foreign_domain\"}",
            1.0,
        ),
        ("postbell_smtp_sessions_total{listener=\"submission\"}", 3.0),
        ("postbell_ready", 1.0),
        ("postbell_panics_total", 0.0),
    ] {
        assert_eq!(metrics.get(name), Some(&value), "{name}");
    }
    assert!(metrics["postbell_store_commit_duration_seconds_count"] >= 2.0);
    assert!(metrics["process_resident_memory_bytes"] > 1e6);
    assert!(metrics["postbell_disk_free_bytes"] > 0.0);
}

/// The rules of <https://prometheus.io/docs/practices/naming/> that a program can check, for all
/// that a server tells.
#[test]
fn names_follow_the_conventions() {
    let place = Place::new();
    let server = Running::with_acme(&place, "");
    server.submit();
    let (_, text) = server.http("/metrics");
    let (mut helped, mut kinds) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(
                helped.insert(name, help).is_none(),
                "{name} is told of twice"
            );
            assert!(help.len() > 8, "{name} says too little: {help}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            kinds.insert(name, kind);
        }
    }
    assert!(kinds.len() > 40, "only {} metrics", kinds.len());
    for (name, kind) in &kinds {
        assert!(helped.contains_key(name), "{name} has no HELP");
        let ours = name.starts_with("postbell_") || name.starts_with("process_");
        assert!(ours, "{name} has another's prefix");
        let plain = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(name.chars().all(plain), "{name}");
        assert_eq!(
            *kind == "counter",
            name.ends_with("_total"),
            "{name} {kind}"
        );
        for unit in ["_ms", "_milliseconds", "_minutes", "_kb", "_mb", "_percent"] {
            assert!(!name.contains(unit), "{name} is in no base unit");
        }
        if *kind == "histogram" {
            let unit = ["_seconds", "_bytes", "_size"]
                .iter()
                .any(|u| name.ends_with(u));
            assert!(unit, "{name} does not say its unit");
        }
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|suffix| name.strip_suffix(suffix))
            .find(|family| kinds.get(family) == Some(&"histogram"));
        assert!(kinds.contains_key(family.unwrap_or(name)), "{line}");
    }
}

/// Dashboard, alerts and pages name metrics; each of them must be one that a server tells.
#[test]
fn what_is_drawn_and_alerted_on_exists() {
    let place = Place::new();
    let server = Running::with_acme(&place, "");
    server.submit();
    let named = named_on_pages();
    assert!(named.len() > 30, "only {} metrics are named", named.len());
    let begun = Instant::now();
    loop {
        // What counts by labels is told from the first time on: of hosts, once one was tried.
        let unknown = unknown(&server, &named);
        if unknown.is_empty() {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "no server tells {unknown:?}");
    }
}

/// The metrics that the pages for operators name.
fn named_on_pages() -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations/");
    let mut named = BTreeSet::new();
    for file in [
        "grafana-dashboard.json",
        "prometheus-alerts.yml",
        "monitoring.md",
    ] {
        let page = std::fs::read_to_string(format!("{folder}{file}")).unwrap();
        let words = page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let metrics = words.filter(|w| w.starts_with("postbell_") || w.starts_with("process_"));
        named.extend(metrics.map(str::to_owned));
    }
    named
}

/// Those of these names that a server does not tell.
fn unknown<'n>(server: &Running, named: &'n BTreeSet<String>) -> Vec<&'n str> {
    let (_, text) = server.http("/metrics");
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut told: BTreeSet<_> = types.filter_map(|line| line.split(' ').next()).collect();
    // Told only where there is a certificate.
    told.insert("postbell_certificate_expiry_timestamp_seconds");
    let is_known = |name: &&str| {
        let parts = ["_bucket", "_sum", "_count"].iter();
        let mut families = parts.filter_map(|part| name.strip_suffix(part));
        told.contains(name) || families.any(|family| told.contains(family))
    };
    let named = named.iter().map(String::as_str);
    named.filter(|name| !is_known(name)).collect()
}
