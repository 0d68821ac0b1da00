//! A configuration file, taken apart into settings that remember their lines.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::fault::{Fault, Origin};

/// One key and the value that somebody gave it.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// `["submission", "max_recipients"]`
    pub(super) path: Vec<String>,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl Setting {
    pub(super) fn key(&self) -> String {
        self.path.join(".")
    }
}

/// What stands in a file.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) settings: Vec<Setting>,
    /// What is not TOML.
    pub(super) faults: Vec<Fault>,
    /// The line of each key, also of those within lists: `submission.trusted[1].network`.
    pub(super) lines: BTreeMap<String, usize>,
}

impl Document {
    /// The line of a key, or of the nearest thing around it.
    pub(super) fn line_of(&self, key: &str) -> Option<usize> {
        let mut key = key;
        loop {
            if let Some(line) = self.lines.get(key) {
                return Some(*line);
            }
            key = &key[..key.rfind(['.', '['])?];
        }
    }
}

/// Takes `text` apart. Where a line is not TOML, that is a fault, and the others still count.
pub(super) fn read(path: &Path, text: &str) -> Document {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut reader = DocumentReader {
        path,
        line_starts: line_starts(text),
        document: Document::default(),
    };
    for error in errors {
        reader.add_syntax_fault(&error);
    }
    reader.add_table(&[], root.get_ref());
    reader.drop_settings_on_faulty_lines();
    reader.document
}

/// A document as one tree, without lines.
pub(super) fn tree(table: &DeTable<'_>) -> Table {
    table
        .iter()
        .map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref())))
        .collect()
}

struct DocumentReader<'a> {
    path: &'a Path,
    line_starts: Vec<usize>,
    document: Document,
}

impl DocumentReader<'_> {
    fn line_at(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    fn origin(&self, line: usize) -> Origin {
        Origin::File {
            path: self.path.to_owned(),
            line,
        }
    }

    fn add_syntax_fault(&mut self, error: &toml::de::Error) {
        let line = error.span().map_or(1, |span| self.line_at(span.start));
        self.document.faults.push(Fault {
            origin: self.origin(line),
            key: String::new(),
            message: error.message().replace('\n', ", "),
        });
    }

    fn add_table(&mut self, path: &[String], table: &DeTable<'_>) {
        for (key, value) in table {
            let mut path = path.to_vec();
            path.push(key.get_ref().to_string());
            let line = self.line_at(key.span().start);
            self.document.lines.insert(path.join("."), line);
            if let DeValue::Table(inner) = value.get_ref() {
                self.add_table(&path, inner);
                continue;
            }
            self.note_lines_within(&path.join("."), value);
            self.document.settings.push(Setting {
                path,
                value: plain(value.get_ref()),
                origin: self.origin(line),
            });
        }
    }

    fn note_lines_within(&mut self, key: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    let key = format!("{key}[{index}]");
                    let line = self.line_at(element.span().start);
                    self.document.lines.insert(key.clone(), line);
                    self.note_lines_within(&key, element);
                }
            }
            DeValue::Table(table) => {
                for (name, inner) in table {
                    let key = format!("{key}.{}", name.get_ref());
                    let line = self.line_at(name.span().start);
                    self.document.lines.insert(key.clone(), line);
                    self.note_lines_within(&key, inner);
                }
            }
            _ => {}
        }
    }

    /// What the parser guessed on a line that it could not read is no setting of the user's.
    fn drop_settings_on_faulty_lines(&mut self) {
        let faults = &self.document.faults;
        self.document
            .settings
            .retain(|setting| !faults.iter().any(|fault| fault.origin == setting.origin));
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(after_newlines).collect()
}

fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        // A number beyond 64 bits stays text, and is refused as such where a number is wanted.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.to_string()), Value::Integer),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or_else(|_| Value::String(number.to_string()), Value::Float),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(date) => Value::Datetime(*date),
        DeValue::Array(elements) => {
            Value::Array(elements.iter().map(|e| plain(e.get_ref())).collect())
        }
        DeValue::Table(table) => Value::Table(tree(table)),
    }
}
