//! House rules that no lint knows.

use std::fs;

use crate::sources::{read, root, sources};

const LONGEST_FILE: usize = 500;

#[test]
fn no_file_is_long() {
    for source in sources() {
        let lines = source.without_tests().lines().count();
        assert!(
            lines <= LONGEST_FILE,
            "{} has {lines} lines without its tests; {LONGEST_FILE} are the most",
            source.path
        );
    }
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    for source in sources() {
        let tests = source.without_tests().is_empty();
        assert!(
            tests || source.text().starts_with("//!"),
            "{} has no `//!` on its first line",
            source.path
        );
    }
}

#[test]
fn no_file_is_named_after_nothing() {
    for source in sources() {
        for name in ["util", "utils", "common", "helper", "helpers", "manager"] {
            let named = source.path.ends_with(&format!("/{name}.rs"))
                || source.path.contains(&format!("/{name}/"));
            assert!(!named, "{}: say what is in it", source.path);
        }
    }
}

#[test]
fn nothing_is_left_for_later_and_no_test_is_switched_off() {
    for source in sources() {
        for (at, line) in source.text().lines().enumerate() {
            for mark in ["TODO", "FIXME", "XXX", "#[ignore", "unimplemented!("] {
                assert!(!line.contains(mark), "{}:{} {mark}", source.path, at + 1);
            }
        }
    }
}

#[test]
fn every_key_of_the_default_configuration_has_a_comment() {
    let text = read("config/default.toml");
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let mut keys = 0;
    for (at, line) in lines.iter().enumerate() {
        let first = line.chars().next().unwrap_or(' ');
        if !(first.is_ascii_lowercase() && line.contains(" = ")) {
            continue;
        }
        keys += 1;
        let above = at.checked_sub(1).map_or("", |above| lines[above]);
        assert!(
            above.starts_with('#') || line.contains(" # "),
            "config/default.toml:{} has no comment: {line}",
            at + 1
        );
    }
    assert!(keys > 0, "no key was found");
}

#[test]
fn every_decision_says_when_to_revisit_it() {
    let folder = root().join("docs/decisions");
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).expect("there are decisions") {
        let name = entry.expect("it can be listed").file_name();
        let name = name.to_string_lossy().into_owned();
        let text = read(&format!("docs/decisions/{name}"));
        for section in ["## Context", "## Choice", "## Cost", "## When to revisit"] {
            assert!(
                text.contains(section),
                "{name} has no section \"{section}\""
            );
        }
        numbers.push(name[..4].parse::<usize>().expect("a number comes first"));
    }
    numbers.sort_unstable();
    let expected: Vec<_> = (1..=numbers.len()).collect();
    assert_eq!(numbers, expected, "decisions are numbered without gaps");
}
