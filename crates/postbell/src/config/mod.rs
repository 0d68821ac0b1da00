//! The configuration: defaults, a file over them, the environment over both.
//!
//! `config/default.toml` holds every key with its reason and is compiled in, so that a key which
//! is not there does not exist. [`Config`] is made of the options of the crates; each crate says
//! what its options are, and this module finds them, reads them, and reports all that is wrong at
//! once, each fault with its line.

mod changes;
mod classes;
mod document;
mod fault;
mod reputation;
mod resolve;
mod sections;
mod show;
mod signing;
mod suggest;
pub(crate) mod tracking;
mod units;
mod validate;
mod value;
mod variables;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use toml::Table;
use toml::de::DeTable;

use document::Document;
use resolve::Resolved;
use validate::Violation;

pub use classes::ClassifyOptions;
pub use fault::{Fault, Faults, Origin};
pub use reputation::{NewMailSetting, ReputationAction, ReputationSection};
pub use sections::*;
pub(crate) use signing::KeyPlace;
pub use signing::{DkimSection, DomainsSection, SecretsSection};
pub(crate) use units::{format_duration, parse_duration};

/// Every key, commented.
pub const DEFAULTS: &str = include_str!("../../../../config/default.toml");

/// Where a configuration is looked for when none is named.
const USUAL_PLACES: [&str; 2] = ["postbell.toml", "/etc/postbell/postbell.toml"];

/// A file that was named, or found, can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the configuration file {} can't be read", path.display())]
pub struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

/// The variables of the process that are text; others can't be settings.
pub(crate) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Where settings come from.
#[derive(Debug, Default)]
pub struct Sources {
    file: Option<(PathBuf, String)>,
    environment: Vec<(String, String)>,
}

impl Sources {
    /// The named file, or the first of the usual places that exists, and the environment.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn find(named: Option<&Path>) -> Result<Self, Unreadable> {
        let usual = || USUAL_PLACES.map(Path::new).into_iter().find(|p| p.exists());
        let file = match named.or_else(usual) {
            Some(path) => Some((path.to_owned(), read_file(path)?)),
            None => None,
        };
        Ok(Self {
            file,
            environment: environment(),
        })
    }

    /// These settings alone; for tests and for `postbell dev`.
    pub fn of(file: Option<(PathBuf, String)>, environment: Vec<(String, String)>) -> Self {
        Self { file, environment }
    }

    /// The file, where there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|(path, _)| path.as_path())
    }
}

/// A configuration that holds.
#[derive(Debug)]
pub struct Loaded {
    /// The options.
    pub config: Config,
    tree: Table,
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Reads the files that the configuration names: the certificate and its key.
    ///
    /// # Errors
    /// One can't be read, or is not what it should be.
    pub fn check_files(&self) -> Result<(), Faults> {
        match validate::check_files(&self.config) {
            None => Ok(()),
            Some(violation) => Err(Faults::new(vec![violation.at(&self.origins)])),
        }
    }

    /// How many keys are not at their default.
    pub fn settings(&self) -> usize {
        self.origins.len()
    }

    /// Every key with the value in force and where it comes from, as TOML. There is nothing
    /// secret to hide: no key holds a secret.
    pub fn show(&self) -> String {
        show::render(DEFAULTS, &self.tree, &self.origins)
    }

    /// The same as a document: each key in full with its `value` and its `origin`.
    pub fn document(&self) -> serde_json::Value {
        show::document(DEFAULTS, &self.tree, &self.origins)
    }
}

/// Reads and checks everything.
///
/// # Errors
/// All that is wrong, at once.
pub fn load(sources: &Sources) -> Result<Loaded, Faults> {
    let defaults = defaults();
    let document = match &sources.file {
        Some((path, text)) => document::read(path, text),
        None => Document::default(),
    };
    let (from_environment, misspelt) =
        variables::read(sources.environment.iter().cloned(), &defaults);
    let mut settings = document.settings.clone();
    settings.extend(from_environment);

    let mut resolved: Resolved<Config> = resolve::resolve(&defaults, SHARED, settings);
    let mut faults = document.faults.clone();
    faults.extend(misspelt);
    faults.append(&mut resolved.faults);
    if let Some(config) = &resolved.options {
        let violations = validate::check(config, &defaults, &resolved.tree);
        faults.extend(violations.into_iter().map(|v| v.at(&resolved.origins)));
        if let Err(wrong) = config.classify.read() {
            faults.extend(wrong.faults(resolved.origins.get(classes::TABLE)));
        }
    }
    for fault in &mut faults {
        point_into_list(fault, &document);
    }
    match resolved.options {
        Some(config) if faults.is_empty() => Ok(Loaded {
            config,
            tree: resolved.tree,
            origins: resolved.origins,
        }),
        _ => Err(Faults::new(faults)),
    }
}

fn defaults() -> Table {
    // A test holds that the compiled-in text is TOML, so there is nothing to recover from.
    let (table, _) = DeTable::parse_recoverable(DEFAULTS);
    document::tree(table.get_ref())
}

impl Violation {
    /// The fault at the first of the keys, or of the lists that they stand in, that is not at
    /// its default.
    fn at(self, origins: &BTreeMap<String, Origin>) -> Fault {
        let list = |key: &str| key.split('[').next().unwrap_or(key).to_owned();
        let set = self.keys.iter().find_map(|key| {
            let origin = origins.get(&list(key))?;
            Some((key.clone(), origin.clone()))
        });
        let (key, origin) = set.unwrap_or_else(|| (self.keys.concat(), Origin::Default));
        Fault {
            origin,
            key,
            message: self.message,
        }
    }
}

/// A list's fault is told at the line of the element, not of the list.
fn point_into_list(fault: &mut Fault, document: &Document) {
    if let Origin::File { line, .. } = &mut fault.origin
        && fault.key.contains('[')
        && let Some(element) = document.line_of(&fault.key)
    {
        *line = element;
    }
}

fn read_file(path: &Path) -> Result<String, Unreadable> {
    std::fs::read_to_string(path).map_err(|source| Unreadable {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
