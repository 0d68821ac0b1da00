//! As much of YAML as the SPF suite is written in: maps by indentation, lists of records, texts
//! with or without quotes, and blocks, which are passed over.

use std::collections::BTreeMap;

/// A kind of record and its values.
pub(crate) type Entry = (String, Vec<String>);

/// The tests of a file, and the zone that they are about.
#[derive(Debug, Default)]
pub(crate) struct Suite {
    pub(crate) tests: Vec<(String, BTreeMap<String, Vec<String>>)>,
    pub(crate) zone: Vec<(String, Vec<Entry>)>,
}

impl Suite {
    pub(crate) fn read(text: &str) -> Self {
        let mut suite = Self::default();
        let mut section = "";
        for line in joined(text) {
            let indent = line.len() - line.trim_start().len();
            let content = line.trim();
            match (indent, section) {
                (0, _) if content == "tests:" => section = "tests",
                (0, _) if content == "zonedata:" => section = "zone",
                (0, _) => section = "",
                (2, "tests") => suite.tests.push((key(content), BTreeMap::new())),
                (4, "tests") => {
                    let (key, value) = content.split_once(':').unwrap();
                    let (_, test) = suite.tests.last_mut().unwrap();
                    test.insert(key.to_owned(), values(value.trim()));
                }
                (2, "zone") => suite.zone.push((key(content), Vec::new())),
                (_, "zone") => {
                    let item = content.strip_prefix("- ").unwrap_or(content);
                    let (kind, value) = item.split_once(':').unwrap_or((item, ""));
                    let (_, records) = suite.zone.last_mut().unwrap();
                    records.push((kind.to_owned(), values(value.trim())));
                }
                _ => {}
            }
        }
        suite
    }
}

/// Lines with those that continue them; blocks of text end up in one line.
fn joined(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let is_new = indent <= 2 || (indent == 4 && !line.trim().is_empty());
        match lines.last_mut() {
            _ if line.trim().is_empty() || line == "---" => {}
            Some(last) if !is_new => {
                let item = line.trim().strip_prefix("- ");
                match item {
                    // A list below its key.
                    Some(item) if last.ends_with(':') => last.push_str(&format!(" [{item}]")),
                    Some(item) if last.ends_with(']') => {
                        last.pop();
                        last.push_str(&format!(", {item}]"));
                    }
                    _ => {
                        last.push(' ');
                        last.push_str(line.trim());
                    }
                }
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

fn key(content: &str) -> String {
    let key = content.strip_suffix(':').unwrap_or(content);
    values(key).concat()
}

/// A value, or the values of a list in brackets.
fn values(text: &str) -> Vec<String> {
    let Some(mut rest) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    else {
        return vec![scalar(text).0];
    };
    let mut found = Vec::new();
    while !rest.trim().is_empty() {
        let text = rest.trim_start();
        let (value, len) = if text.starts_with(['"', '\'']) {
            scalar(text)
        } else {
            let len = text.find(',').unwrap_or(text.len());
            (text[..len].trim().to_owned(), len)
        };
        found.push(value);
        rest = text[len..].trim_start().strip_prefix(',').unwrap_or("");
    }
    found
}

/// A text, and how much of what was written it took.
fn scalar(text: &str) -> (String, usize) {
    if let Some(quoted) = text.strip_prefix('\'') {
        let end = quoted.find('\'').unwrap();
        return (quoted[..end].to_owned(), end + 2);
    }
    let Some(quoted) = text.strip_prefix('"') else {
        return (text.to_owned(), text.len());
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, at + 2),
            '\\' => match chars.next().unwrap().1 {
                '0' => value.push('\0'),
                't' => value.push('\t'),
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                'x' => {
                    let digits: String = chars.by_ref().take(2).map(|(_, c)| c).collect();
                    value.push(char::from(u8::from_str_radix(&digits, 16).unwrap()));
                }
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    panic!("a text does not end: {text}");
}

#[test]
fn what_the_suite_is_written_in_is_read() {
    let suite = Suite::read(
        "---\ndescription: x\ntests:\n  one:\n    description: >-\n      two: lines\n      more\n    \
         host: ::1\n    mailfrom: \"a b@c\"\n    result: [fail, pass]\nzonedata:\n  a:b.example:\n    \
         - MX: [0, \"x\"]\n    - TIMEOUT\n    - TXT: v=spf1\n      -all\n    - SPF:\n      - \"a\\0\"\n      - b\n",
    );
    let (name, test) = &suite.tests[0];
    assert_eq!(name, "one");
    assert_eq!(test["host"], ["::1"]);
    assert_eq!(test["mailfrom"], ["a b@c"]);
    assert_eq!(test["result"], ["fail", "pass"]);
    let (name, records) = &suite.zone[0];
    assert_eq!(name, "a:b.example");
    let records: Vec<_> = records
        .iter()
        .map(|(k, v)| (k.as_str(), v.join("|")))
        .collect();
    let expected = [
        ("MX", "0|x"),
        ("TIMEOUT", ""),
        ("TXT", "v=spf1 -all"),
        ("SPF", "a\0|b"),
    ];
    assert_eq!(records, expected.map(|(k, v)| (k, v.to_owned())));
}
