//! `docs/rfcs.md` and the code agree on which RFCs there are.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{read, root, sources};

const STATUSES: &[&str] = &["Yes", "Partial", "Roadmap", "No"];

/// A row of the table.
struct Row {
    status: String,
    modules: Vec<String>,
}

#[test]
fn every_rfc_that_the_code_cites_is_listed() {
    let listed = listed();
    for source in sources() {
        for rfc in cited(source.text()) {
            assert!(
                listed.contains_key(&rfc),
                "{} cites RFC {rfc}, which docs/rfcs.md doesn't list",
                source.path
            );
        }
    }
}

#[test]
fn every_rfc_that_is_done_is_cited() {
    let cited: BTreeSet<_> = sources().iter().flat_map(|s| cited(s.text())).collect();
    for (rfc, row) in listed() {
        let done = row.status == "Yes" || row.status == "Partial";
        assert!(
            !done || cited.contains(&rfc),
            "docs/rfcs.md says {} to RFC {rfc}, but no code cites it",
            row.status
        );
    }
}

#[test]
fn every_module_that_the_table_names_exists() {
    for (rfc, row) in listed() {
        for module in row.modules {
            let (krate, rest) = module.split_once("::").unwrap_or((&module, "lib"));
            let path = format!("crates/{krate}/src/{}", rest.replace("::", "/"));
            let exists = [".rs", "/mod.rs"]
                .iter()
                .any(|end| root().join(format!("{path}{end}")).exists());
            assert!(exists, "RFC {rfc}: there is no module {module}");
        }
    }
}

/// The rows `| 5321 | title | status | modules |`.
fn listed() -> BTreeMap<u32, Row> {
    let mut rows = BTreeMap::new();
    for line in read("docs/rfcs.md").lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, number, _, status, modules, ..] = cells[..] else {
            continue;
        };
        let Ok(number) = number.parse() else {
            continue;
        };
        assert!(STATUSES.contains(&status), "RFC {number} is \"{status}\"");
        let quoted = modules.split('`').skip(1).step_by(2);
        let modules = quoted.filter(|text| is_module(text));
        let row = Row {
            status: status.to_owned(),
            modules: modules.map(str::to_owned).collect(),
        };
        assert!(rows.insert(number, row).is_none(), "RFC {number} is twice");
    }
    assert!(!rows.is_empty(), "docs/rfcs.md has no rows");
    rows
}

/// `smtp::server`, not `ESMTP`.
fn is_module(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_lowercase() || c == '_' || c == ':')
}

/// The numbers after `RFC ` in a text.
fn cited(text: &str) -> BTreeSet<u32> {
    text.split("RFC ")
        .skip(1)
        .filter_map(|after| {
            let end = after.find(|c: char| !c.is_ascii_digit());
            after[..end.unwrap_or(after.len())].parse().ok()
        })
        .collect()
}
