//! Who may use whom: the table in `crates/README.md`, held against `cargo metadata`; with it
//! the licences and the sources of everything that is linked.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use crate::sources::{crates, read, root, sources};

/// Crates that only these of ours may depend on.
const RESERVED: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("axum", &["api", "peers"]),
    ("hyper", &["net", "api", "peers"]),
    ("hyper-util", &["net", "api", "peers"]),
    ("hickory-resolver", &["net"]),
    ("hickory-server", &["peers"]),
    // It brings a resolver of its own along, which nobody asks.
    ("mail-auth", &["receive"]),
    ("anyhow", &["postbell"]),
    ("reqwest", &[]),
];

/// The stages: they meet in the store and never call one another.
const STAGES: &[&str] = &["receive", "deliver", "notify", "api"];

const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn crates_use_only_what_the_table_allows() {
    let table = table();
    let used = used();
    let names: Vec<_> = table.keys().cloned().collect();
    assert_eq!(names, crates(), "crates/README.md lists other crates");
    for (krate, uses) in used {
        let more: Vec<_> = uses.difference(&table[&krate]).collect();
        assert!(more.is_empty(), "{krate} may not use {more:?}");
    }
}

#[test]
fn stages_never_depend_on_one_another() {
    let used = used();
    for stage in STAGES {
        for reached in closure(stage, &used) {
            assert!(
                !STAGES.contains(&&*reached),
                "{stage} depends on {reached}, perhaps through another crate"
            );
        }
    }
}

#[test]
fn reserved_crates_are_used_where_they_belong() {
    for package in ours(&metadata()) {
        let krate = short(&package.name);
        for dependency in normal(package) {
            let reserved = RESERVED.iter().find(|(name, _)| *name == dependency);
            let Some((name, users)) = reserved else {
                continue;
            };
            assert!(users.contains(&krate), "{krate} may not depend on {name}");
        }
    }
}

#[test]
fn model_carries_no_wire_format() {
    let metadata = metadata();
    let model = ours(&metadata).find(|package| short(&package.name) == "model");
    let model = model.expect("there is a model");
    assert!(!normal(model).any(|name| name.starts_with("serde")));
}

#[test]
fn only_net_is_an_http_client() {
    for source in sources().iter().filter(|source| source.krate != "net") {
        for (number, line) in source.code() {
            let client = line.contains("hyper::client") || line.contains("hyper_util::client");
            assert!(!client, "{}:{number} is an HTTP client", source.path);
        }
    }
}

#[test]
fn licences_are_allowed() {
    for package in &metadata().packages {
        let licence = package.license.as_deref().unwrap_or_default();
        assert!(
            permits(licence),
            "{} {} has the licence \"{licence}\"",
            package.name,
            package.version
        );
    }
}

#[test]
fn sources_are_crates_io_and_this_workspace() {
    for package in &metadata().packages {
        let fine = match &package.source {
            Some(source) => source.repr == CRATES_IO,
            None => package.manifest_path.starts_with(root()),
        };
        assert!(fine, "{} comes from {:?}", package.name, package.source);
    }
}

#[test]
fn licence_expressions_are_read() {
    for fine in [
        "MIT OR Apache-2.0",
        "MIT/Apache-2.0",
        "(MIT OR GPL-3.0) AND Unicode-3.0",
        "ISC AND (Apache-2.0 OR ISC)",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
    ] {
        assert!(permits(fine), "{fine}");
    }
    for refused in [
        "",
        "GPL-3.0",
        "MIT AND AGPL-3.0",
        "MIT AND (GPL-2.0 OR LGPL-3.0)",
    ] {
        assert!(!permits(refused), "{refused}");
    }
}

/// The rows `| name | sentence | may use |` of `crates/README.md`.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let mut table = BTreeMap::new();
    for line in read("crates/README.md").lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, krate, _, uses, _] = cells[..] else {
            continue;
        };
        let Some(krate) = krate.strip_prefix('`').and_then(|k| k.strip_suffix('`')) else {
            continue;
        };
        let uses = match uses {
            "none" => BTreeSet::new(),
            "all" => crates().into_iter().collect(),
            some => some.split(' ').map(str::to_owned).collect(),
        };
        table.insert(krate.to_owned(), uses);
    }
    table
}

/// The crates of ours that each of ours depends on.
fn used() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    ours(&metadata)
        .map(|package| {
            let uses = normal(package)
                .filter_map(|name| name.strip_prefix("postbell-"))
                .map(str::to_owned);
            (short(&package.name).to_owned(), uses.collect())
        })
        .collect()
}

/// What a crate of ours depends on, directly or through others of ours.
fn closure(krate: &str, used: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![krate.to_owned()];
    while let Some(next) = open.pop() {
        for dependency in &used[&next] {
            if reached.insert(dependency.clone()) {
                open.push(dependency.clone());
            }
        }
    }
    reached
}

/// The packages in `crates/`.
fn ours(metadata: &Metadata) -> impl Iterator<Item = &Package> {
    let crates = root().join("crates");
    metadata
        .packages
        .iter()
        .filter(move |package| package.manifest_path.starts_with(&crates))
}

fn normal(package: &Package) -> impl Iterator<Item = &str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == DependencyKind::Normal)
        .map(|dependency| &*dependency.name)
}

fn short(package: &str) -> &str {
    package.strip_prefix("postbell-").unwrap_or(package)
}

fn metadata() -> Metadata {
    // What other platforms would need has not been downloaded, so only the host is looked at.
    let options = ["--offline", "--filter-platform", &host()].map(str::to_owned);
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(options)
        .exec()
        .expect("cargo metadata answers")
}

fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output();
    let output = output.expect("rustc runs").stdout;
    String::from_utf8_lossy(&output)
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc says its host")
        .to_owned()
}

/// Whether an SPDX expression lets us take only licences of the list. `AND` binds more strongly
/// than `OR`; the old form `MIT/Apache-2.0` means `OR`.
fn permits(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    any_of(&mut words) && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>) -> bool {
    let mut fine = all_of(words);
    while words.next_if_eq(&"OR").is_some() {
        fine |= all_of(words);
    }
    fine
}

fn all_of(words: &mut Words<'_>) -> bool {
    let mut fine = one(words);
    while words.next_if_eq(&"AND").is_some() {
        fine &= one(words);
    }
    fine
}

fn one(words: &mut Words<'_>) -> bool {
    let Some(first) = words.next() else {
        return false;
    };
    if first == "(" {
        return any_of(words) && words.next_if_eq(&")").is_some();
    }
    let mut name = first.to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        name = format!("{name} WITH {}", words.next().unwrap_or_default());
    }
    LICENCES.contains(&&*name)
}
