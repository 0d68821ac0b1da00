//! `postbell config show`: every key, its value in force, and where that comes from.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::json;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::fault::Origin;
use super::resolve::leaf;

/// Renders `tree` in the order in which `defaults` lists the keys.
pub(super) fn render(defaults: &str, tree: &Table, origins: &BTreeMap<String, Origin>) -> String {
    let mut text = String::new();
    let mut section = Vec::new();
    for path in keys(defaults) {
        let Some((name, of)) = path.split_last() else {
            continue;
        };
        if section != of {
            let gap = if section.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{}]", of.join("."));
            section = of.to_vec();
        }
        if let Some(value) = leaf(tree, &path) {
            let origin = origins.get(&path.join("."));
            text.push_str(&line(name, value, origin));
        }
    }
    text
}

/// The same for machines; where nothing sets a key, its origin is null.
pub(super) fn document(
    defaults: &str,
    tree: &Table,
    origins: &BTreeMap<String, Origin>,
) -> serde_json::Value {
    let of_key = |path: Vec<String>| {
        let (name, value) = (path.join("."), leaf(tree, &path)?);
        let origin = origins.get(&name).map(ToString::to_string);
        Some((name, json!({"value": value, "origin": origin})))
    };
    serde_json::Value::Object(keys(defaults).into_iter().filter_map(of_key).collect())
}

/// Every key, in the order of the text.
fn keys(defaults: &str) -> Vec<Vec<String>> {
    let (root, _) = DeTable::parse_recoverable(defaults);
    let mut keys = Vec::new();
    collect(&[], root.get_ref(), &mut keys);
    keys.sort();
    keys.into_iter().map(|(_, path)| path).collect()
}

/// Every key with its place in the text.
fn collect(path: &[String], table: &DeTable<'_>, keys: &mut Vec<(usize, Vec<String>)>) {
    for (key, value) in table {
        let mut path = path.to_vec();
        path.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) => collect(&path, inner, keys),
            _ => keys.push((key.span().start, path)),
        }
    }
}

fn line(name: &str, value: &Value, origin: Option<&Origin>) -> String {
    match origin {
        Some(origin) => format!("{name} = {value}  # {origin}\n"),
        None => format!("{name} = {value}\n"),
    }
}
