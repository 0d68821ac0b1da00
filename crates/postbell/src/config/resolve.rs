//! From defaults and settings to one configuration, or to all that is wrong with it.

use std::collections::BTreeMap;

use postbell_model::Domain;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::document::Setting;
use super::fault::{Fault, Origin};
use super::suggest;
use super::value::from_table;

/// The name of the server, which others are compared with.
const HOSTNAME: &str = "server.hostname";

/// A value that is set once and that several crates' options hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared {
    /// Where it is set: `server.hostname`.
    pub(super) set_at: &'static str,
    /// Where it is read as well; no key that can be set.
    pub(super) read_at: &'static str,
}

/// The outcome of laying settings over the defaults.
#[derive(Debug)]
pub(super) struct Resolved<T> {
    /// The options: those of the defaults where a setting was faulty. `None` where not even the
    /// defaults can be read.
    pub(super) options: Option<T>,
    /// The tree that `options` was read from.
    pub(super) tree: Table,
    /// Where each key got its value, for those that are not at their default.
    pub(super) origins: BTreeMap<String, Origin>,
    pub(super) faults: Vec<Fault>,
}

/// Lays `settings` over `defaults`, the later over the earlier.
///
/// Each setting is tried alone, in a tree of defaults: so a fault is that setting's, and one
/// fault hides no other.
pub(super) fn resolve<T: DeserializeOwned>(
    defaults: &Table,
    shared: &[Shared],
    settings: Vec<Setting>,
) -> Resolved<T> {
    let mut tree = defaults.clone();
    let mut origins = BTreeMap::new();
    let mut faults = Vec::new();
    // Without sound defaults nothing can be tried, and their own fault is what counts.
    let sound = read::<T>(defaults, shared).is_ok();
    for setting in settings {
        if !sound {
            break;
        }
        if let Err(fault) = try_alone::<T>(defaults, shared, &setting) {
            faults.push(fault);
            continue;
        }
        origins.insert(setting.key(), setting.origin);
        replace(&mut tree, &setting.path, setting.value);
    }
    let options = read(&tree, shared).map_err(|(key, message)| {
        faults.push(Fault {
            origin: Origin::Default,
            key,
            message,
        });
    });
    Resolved {
        options: options.ok(),
        tree,
        origins,
        faults,
    }
}

/// The value at `path`, where there is one that is not a section.
pub(super) fn leaf<'a>(tree: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (last, sections) = path.split_last()?;
    let mut table = tree;
    for section in sections {
        table = table.get(section)?.as_table()?;
    }
    table.get(last).filter(|value| !value.is_table())
}

/// The full keys of all values.
pub(super) fn leaf_keys(tree: &Table) -> Vec<String> {
    let mut keys = Vec::new();
    for (key, value) in tree {
        match value {
            Value::Table(inner) => {
                keys.extend(leaf_keys(inner).into_iter().map(|k| format!("{key}.{k}")));
            }
            _ => keys.push(key.clone()),
        }
    }
    keys
}

fn try_alone<T: DeserializeOwned>(
    defaults: &Table,
    shared: &[Shared],
    setting: &Setting,
) -> Result<(), Fault> {
    let fault = |key, message| Fault {
        origin: setting.origin.clone(),
        key,
        message,
    };
    if leaf(defaults, &setting.path).is_none() {
        return Err(fault(setting.key(), unknown_key(defaults, setting)));
    }
    let mut tree = defaults.clone();
    replace(&mut tree, &setting.path, setting.value.clone());
    read::<T>(&tree, shared).map_err(|(key, message)| fault(key, message))?;
    Ok(())
}

/// Reads the options; a fault is a key and what is wrong with it.
pub(super) fn read<T: DeserializeOwned>(
    tree: &Table,
    shared: &[Shared],
) -> Result<T, (String, String)> {
    let mut tree = tree.clone();
    write_alike(&mut tree);
    for Shared { set_at, read_at } in shared {
        if let Some(value) = leaf(&tree, &path(set_at)).cloned() {
            replace(&mut tree, &path(read_at), value);
        }
    }
    from_table(&tree).map_err(|error| {
        let key = error.key();
        let set_at = shared.iter().find(|shared| shared.read_at == key);
        let key = set_at.map_or(key, |shared| shared.set_at.to_owned());
        (key, error.message)
    })
}

/// Domain names that are compared with others, as those are written: in lower case, in A-labels.
/// What is no domain name stays, to be told of.
fn write_alike(tree: &mut Table) {
    let key = path(HOSTNAME);
    let name = leaf(tree, &key).and_then(Value::as_str);
    if let Some(domain) = name.and_then(|name| Domain::parse(name).ok()) {
        replace(tree, &key, Value::String(domain.as_str().to_owned()));
    }
}

pub(super) fn path(key: &str) -> Vec<String> {
    key.split('.').map(str::to_owned).collect()
}

fn unknown_key(defaults: &Table, setting: &Setting) -> String {
    let key = setting.key();
    let keys = leaf_keys(defaults);
    if keys.iter().any(|k| k.starts_with(&format!("{key}."))) {
        return format!("is a section, not a value; write [{key}] and its keys below");
    }
    match suggest::nearest(&key, &keys) {
        Some(known) => format!("unknown key; did you mean {known}?"),
        None => "unknown key; `postbell config show` lists all keys".to_owned(),
    }
}

/// Puts `value` at `path`, whose sections exist.
pub(super) fn replace(tree: &mut Table, path: &[String], value: Value) {
    let Some((last, sections)) = path.split_last() else {
        return;
    };
    let mut table = tree;
    for section in sections {
        let Some(Value::Table(inner)) = table.get_mut(section) else {
            return;
        };
        table = inner;
    }
    table.insert(last.clone(), value);
}
