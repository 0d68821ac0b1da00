//! Reading a table of rules from TOML: `[[rule]]` upon `[[rule]]`, in the order in which they
//! are tried. All that is wrong is told at once, each fault with its line.

use std::fmt;

use postbell_model::{BounceClass, Phase};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::rule::{CodePattern, EnhancedPattern, Phrase, Rule};

/// Phrases in one table, all rules together.
pub const MAX_PHRASES: usize = 10_000;

/// Octets of one phrase.
const MAX_PHRASE: usize = 200;

const STANDARD: &str = include_str!("../../../../config/bounces.toml");

const KEYS: &str = "class, phases, codes, enhanced, any, and, unless";

/// Rules in the order in which they are tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table(Vec<Rule>);

/// One thing that is wrong in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFault {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// All that is wrong in a table, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFaults(pub Vec<TableFault>);

impl Table {
    /// The rules of `config/bounces.toml`.
    pub fn standard() -> Self {
        Self::parse(STANDARD).expect("invariant: a test holds that the standard table is sound")
    }

    /// The rules of a text.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, TableFaults> {
        let mut reader = Reader {
            text,
            rules: Vec::new(),
            phrases: 0,
            faults: Vec::new(),
        };
        reader.read();
        let mut faults = reader.faults;
        if faults.is_empty() {
            return Ok(Self(reader.rules));
        }
        faults.sort_by(|a, b| (a.line, &a.message).cmp(&(b.line, &b.message)));
        faults.dedup();
        Err(TableFaults(faults))
    }

    /// These rules, and behind them those of `other`.
    #[must_use]
    pub fn before(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }

    pub(super) fn into_rules(self) -> Vec<Rule> {
        self.0
    }
}

struct Reader<'a> {
    text: &'a str,
    rules: Vec<Rule>,
    phrases: usize,
    faults: Vec<TableFault>,
}

type Value<'a> = Spanned<DeValue<'a>>;

impl Reader<'_> {
    fn read(&mut self) {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            self.fault(at, error.message().replace('\n', ", "));
        }
        for (key, value) in root.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("rule", DeValue::Array(rules)) => self.read_rules(rules),
                ("rule", _) => self.fault(value.span().start, "write [[rule]]"),
                (key, _) => {
                    let message = format!("{key}: unknown key; a table is a list of [[rule]]");
                    self.fault(value.span().start, message);
                }
            }
        }
        if self.phrases > MAX_PHRASES {
            self.fault(0, format!("more than {MAX_PHRASES} phrases"));
        }
    }

    fn read_rules(&mut self, rules: &[Value<'_>]) {
        for rule in rules {
            match rule.get_ref() {
                DeValue::Table(table) => self.read_rule(rule.span().start, table),
                _ => self.fault(rule.span().start, "write [[rule]]"),
            }
        }
    }

    fn read_rule(&mut self, at: usize, table: &DeTable<'_>) {
        let mut rule = Rule::always(BounceClass::Other);
        let mut class = None;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "class" => class = self.one(value, "a bounce class", |text| text.parse().ok()),
                "phases" => rule.phases = self.list(value, "a phase", parse_phase),
                "codes" => {
                    let expected = "a reply code such as \"550\" or \"55*\"";
                    rule.codes = self.list(value, expected, CodePattern::parse);
                }
                "enhanced" => {
                    let expected = "a status code such as \"5.1.1\" or \"*.2.2\"";
                    rule.enhanced = self.list(value, expected, EnhancedPattern::parse);
                }
                "any" => rule.any = self.read_phrases(value),
                "and" => rule.and = self.read_phrases(value),
                "unless" => rule.unless = self.read_phrases(value),
                key => {
                    let message = format!("{key}: unknown key; known here: {KEYS}");
                    self.fault(value.span().start, message);
                }
            }
        }
        match class {
            Some(class) => self.rules.push(Rule { class, ..rule }),
            None if table.contains_key("class") => {}
            None => self.fault(at, "the key \"class\" is missing"),
        }
        if table.keys().all(|key| key.get_ref().as_ref() == "class") {
            let message = "a rule without a condition would take every reply";
            self.fault(at, message);
        }
    }

    fn read_phrases(&mut self, value: &Value<'_>) -> Vec<Phrase> {
        let expected = "words of at most 200 octets";
        let phrases = self.list(value, expected, |text| {
            Phrase::parse(text).filter(|_| text.len() <= MAX_PHRASE)
        });
        self.phrases += phrases.len();
        phrases
    }

    fn list<T>(
        &mut self,
        value: &Value<'_>,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        match value.get_ref() {
            DeValue::Array(values) if !values.is_empty() => values
                .iter()
                .filter_map(|value| self.one(value, expected, &parse))
                .collect(),
            _ => {
                let message = format!("must be a list, each of it {expected}");
                self.fault(value.span().start, message);
                Vec::new()
            }
        }
    }

    fn one<T>(
        &mut self,
        value: &Value<'_>,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let found = match value.get_ref() {
            DeValue::String(text) => match parse(text) {
                Some(value) => return Some(value),
                None => format!("\"{text}\""),
            },
            _ => "a value that is not in quotes".to_owned(),
        };
        self.fault(
            value.span().start,
            format!("must be {expected}, not {found}"),
        );
        None
    }

    fn fault(&mut self, at: usize, message: impl Into<String>) {
        let before = self.text.as_bytes().iter().take(at);
        self.faults.push(TableFault {
            line: 1 + before.filter(|octet| **octet == b'\n').count(),
            message: message.into(),
        });
    }
}

fn parse_phase(name: &str) -> Option<Phase> {
    name.parse().ok()
}

/// `12: must be …`
impl fmt::Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

/// One line each.
impl fmt::Display for TableFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(fault, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for TableFaults {}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> String {
        Table::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_standard_table_is_sound() {
        Table::parse(STANDARD)
            .map_err(|faults| panic!("{faults}"))
            .unwrap();
    }

    #[test]
    fn an_empty_table_has_no_rules() {
        assert_eq!(Table::parse("# nothing\n"), Ok(Table::default()));
    }

    #[test]
    fn all_faults_are_told_at_once_with_their_lines() {
        let text = r#"
[[rule]]
class = "no_such_usr"
any = ["gone"]

[[rule]]
phases = ["rcpt", "later"]
codes = ["55"]

[[rule]]
class = "other"

[[rule]]
class = "other"
enhanced = "5.1.1"
any = [
    "fine",
    "!",
    7,
]
words = []

[more]
"#;
        assert_eq!(
            faults(text),
            "3: must be a bounce class, not \"no_such_usr\"\n\
             6: the key \"class\" is missing\n\
             7: must be a phase, not \"later\"\n\
             8: must be a reply code such as \"550\" or \"55*\", not \"55\"\n\
             10: a rule without a condition would take every reply\n\
             15: must be a list, each of it a status code such as \"5.1.1\" or \"*.2.2\"\n\
             18: must be words of at most 200 octets, not \"!\"\n\
             19: must be words of at most 200 octets, not a value that is not in quotes\n\
             21: words: unknown key; known here: class, phases, codes, enhanced, any, and, unless\n\
             23: more: unknown key; a table is a list of [[rule]]"
        );
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_line() {
        assert!(faults("\n\n[[rule]\n").starts_with("3: "));
        assert_eq!(faults("rule = 1"), "1: write [[rule]]");
        assert_eq!(faults("rule = [1]"), "1: write [[rule]]");
    }

    #[test]
    fn phrases_are_bounded() {
        let many = "\"gone\",".repeat(MAX_PHRASES + 1);
        let told = faults(&format!("[[rule]]\nclass = \"other\"\nany = [{many}]"));
        assert_eq!(told, "1: more than 10000 phrases");
    }
}
