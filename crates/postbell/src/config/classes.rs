//! The operator's own table of what replies mean, and what is wrong with it.

use std::io;
use std::path::PathBuf;

use postbell_mail::classify::{Table, TableFaults};
use serde::Deserialize;

use super::fault::{Fault, Origin};

/// The key that names the table.
pub(super) const TABLE: &str = "classify.table";

/// The `[classify]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifyOptions {
    /// Rules that are tried before the standard ones; empty: none.
    pub table: PathBuf,
}

/// Why a table is not used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableTable {
    /// It can't be read.
    #[error("the table of classes {} can't be read", path.display())]
    Unreadable {
        /// As it is named.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has faults.
    #[error("the table of classes {} has faults", path.display())]
    Faulty {
        /// As it is named.
        path: PathBuf,
        /// All of them.
        source: TableFaults,
    },
}

impl ClassifyOptions {
    /// The operator's rules; none where no table is named.
    ///
    /// # Errors
    /// The file can't be read, or has faults.
    pub fn read(&self) -> Result<Table, UnusableTable> {
        let path = self.table.clone();
        if path.as_os_str().is_empty() {
            return Ok(Table::default());
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(UnusableTable::Unreadable { path, source }),
        };
        Table::parse(&text).map_err(|source| UnusableTable::Faulty { path, source })
    }
}

impl UnusableTable {
    /// What is wrong: each fault at its line of the table, a file that can't be read at the key
    /// that names it.
    pub(super) fn faults(self, named_at: Option<&Origin>) -> Vec<Fault> {
        match self {
            Self::Unreadable { path, source } => vec![Fault {
                origin: named_at.cloned().unwrap_or(Origin::Default),
                key: TABLE.to_owned(),
                message: format!("{} can't be read: {source}", path.display()),
            }],
            Self::Faulty { path, source } => {
                let fault = |wrong: postbell_mail::classify::TableFault| Fault {
                    origin: Origin::File {
                        path: path.clone(),
                        line: wrong.line,
                    },
                    key: String::new(),
                    message: wrong.message,
                };
                source.0.into_iter().map(fault).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(table: PathBuf) -> Vec<String> {
        let named_at = Origin::Environment("POSTBELL_CLASSIFY__TABLE".to_owned());
        match (ClassifyOptions { table }).read() {
            Ok(_) => Vec::new(),
            Err(wrong) => {
                let faults = wrong.faults(Some(&named_at));
                faults.iter().map(ToString::to_string).collect()
            }
        }
    }

    #[test]
    fn no_table_has_no_rules() {
        let options = ClassifyOptions {
            table: PathBuf::new(),
        };
        assert_eq!(options.read().unwrap(), Table::default());
    }

    #[test]
    fn faults_are_told_at_the_lines_of_the_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.toml");
        std::fs::write(&path, "[[rule]]\nclass = \"gone\"\nany = []\n").unwrap();
        let name = path.display();
        assert_eq!(
            faults(path.clone()),
            [
                format!("{name}:2: must be a bounce class, not \"gone\""),
                format!("{name}:3: must be a list, each of it words of at most 200 octets"),
            ]
        );
    }

    #[test]
    fn a_table_that_is_not_there_is_told_where_it_is_named() {
        let told = faults(PathBuf::from("no/such/table.toml")).concat();
        let start = "environment variable POSTBELL_CLASSIFY__TABLE: classify.table: no/such";
        assert!(told.starts_with(start), "{told}");
    }
}
