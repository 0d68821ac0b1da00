//! Settings from the environment: `POSTBELL_SUBMISSION__MAX_RECIPIENTS=50`.
//!
//! Two underscores stand for the dot of a key. What the default's type is decides how the text
//! is read, so that nobody has to quote for TOML within quotes for a shell: text is taken as it
//! is, a list may be written with commas, anything else is TOML.

use toml::de::DeValue;
use toml::{Table, Value};

use super::document::{Setting, tree};
use super::fault::{Fault, Origin};
use super::resolve::{leaf, leaf_keys};

const PREFIX: &str = "POSTBELL_";

/// The settings among `variables`, and what is wrong with those that look like settings.
pub(super) fn read(
    variables: impl IntoIterator<Item = (String, String)>,
    defaults: &Table,
) -> (Vec<Setting>, Vec<Fault>) {
    let mut settings = Vec::new();
    let mut faults = Vec::new();
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if rest.contains("__") {
            settings.push(setting(&name, rest, &text, defaults));
        } else if let Some(fault) = misspelt(&name, rest, defaults) {
            faults.push(fault);
        }
    }
    (settings, faults)
}

fn setting(name: &str, rest: &str, text: &str, defaults: &Table) -> Setting {
    let path: Vec<_> = rest.to_lowercase().split("__").map(str::to_owned).collect();
    let value = match leaf(defaults, &path) {
        Some(Value::String(_)) => Value::String(text.to_owned()),
        Some(Value::Array(_)) => list(text),
        _ => toml_value(text),
    };
    Setting {
        path,
        value,
        origin: Origin::Environment(name.to_owned()),
    }
}

/// `127.0.0.1:25, 127.0.0.1:587`, or a list in TOML.
fn list(text: &str) -> Value {
    if text.trim_start().starts_with('[') {
        return toml_value(text);
    }
    let elements = text.split(',').map(str::trim).filter(|e| !e.is_empty());
    Value::Array(elements.map(|e| Value::String(e.to_owned())).collect())
}

fn toml_value(text: &str) -> Value {
    let document = format!("value = {text}");
    toml::de::DeTable::parse(&document)
        .ok()
        .filter(|table| table.get_ref().len() == 1)
        .filter(|table| table.get_ref().values().all(|v| !is_date(v.get_ref())))
        .and_then(|table| tree(table.get_ref()).remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn is_date(value: &DeValue<'_>) -> bool {
    matches!(value, DeValue::Datetime(_))
}

/// A variable that would be a key if its underscores were doubled. Others with our prefix may
/// be anything: a service named "postbell" gets `POSTBELL_PORT` and the like from Kubernetes.
fn misspelt(name: &str, rest: &str, defaults: &Table) -> Option<Fault> {
    let wanted = rest.to_lowercase();
    let key = leaf_keys(defaults)
        .into_iter()
        .find(|key| key.replace('.', "_") == wanted)?;
    let right = format!("{PREFIX}{}", key.replace('.', "__").to_uppercase());
    Some(Fault {
        origin: Origin::Environment(name.to_owned()),
        key: String::new(),
        message: format!("is not a setting; write {right} with two underscores for the dot"),
    })
}
