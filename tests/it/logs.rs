//! The fields of the log: those of `docs/operations/logs.md`, and no others, so that a search that
//! works for one line works for all.

use std::collections::BTreeSet;

use crate::sources::{Source, read, sources};

const MACROS: [&str; 5] = ["error!(", "warn!(", "info!(", "debug!(", "trace!("];
const SPANS: [&str; 2] = ["info_span!(", "debug_span!("];

#[test]
fn every_field_is_on_the_list_and_every_one_of_the_list_is_used() {
    let listed = listed();
    let mut used = BTreeSet::new();
    let logging = |source: &&Source| source.krate != "peers";
    for source in sources().iter().filter(logging) {
        let code: String = source.code().flat_map(|(_, line)| [line, "\n"]).collect();
        for field in fields_in(&code) {
            assert!(
                listed.contains(&field),
                "{}: the log's field \"{field}\" is not in docs/operations/logs.md",
                source.path
            );
            used.insert(field);
        }
    }
    let unused: Vec<_> = listed.difference(&used).collect();
    assert!(
        unused.is_empty(),
        "docs/operations/logs.md: nobody logs {unused:?}"
    );
}

#[test]
fn fields_are_found() {
    let code = r#"
        tracing::info!(
            message.id = %message.id,
            smtp.enhanced = reply.enhanced.map(|code| field::display(code)),
            %error,
            attempt,
            "a sentence, with {} and (",
            not.a_field
        );
        warn!("no fields: {}", x.y);
        let span = info_span!("session", session.id = number, peer.ip = field::Empty);
        self.info(1);
    "#;
    let expected = [
        "message.id",
        "smtp.enhanced",
        "error",
        "attempt",
        "session.id",
        "peer.ip",
    ];
    assert_eq!(fields_in(code), expected);
}

/// The names in the first column of the page's tables.
fn listed() -> BTreeSet<String> {
    let page = read("docs/operations/logs.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split_once('`'));
    names.map(|(name, _)| name.to_owned()).collect()
}

fn fields_in(code: &str) -> Vec<String> {
    let mut fields = Vec::new();
    for at in 0..code.len() {
        let Some(rest) = code.get(at..) else { continue };
        // `error!(`, and not `my_error!(`.
        let before = code[..at].chars().next_back().unwrap_or(' ');
        if before.is_alphanumeric() || before == '_' {
            continue;
        }
        let of = |names: &[&str]| names.iter().find_map(|name| rest.strip_prefix(name));
        if let Some(arguments) = of(&MACROS) {
            // What follows on the sentence are its arguments.
            let fields_of = arguments_of(arguments).into_iter();
            let before_sentence = fields_of.take_while(|argument| !argument.starts_with('"'));
            fields.extend(before_sentence.filter_map(|argument| name_of(&argument)));
        } else if let Some(arguments) = of(&SPANS) {
            let fields_of = arguments_of(arguments).into_iter();
            let fields_of = fields_of.filter(|argument| !argument.starts_with('"'));
            fields.extend(fields_of.filter_map(|argument| name_of(&argument)));
        }
    }
    fields
}

/// The arguments of a macro, up to its closing parenthesis.
fn arguments_of(text: &str) -> Vec<String> {
    let (mut depth, mut quoted, mut escaped) = (0_i32, false, false);
    let mut arguments = vec![String::new()];
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(argument) = arguments.last_mut() {
            argument.push(c);
        }
    }
    let trimmed = arguments.iter().map(|argument| argument.trim().to_owned());
    trimmed.filter(|argument| !argument.is_empty()).collect()
}

/// `message.id = %id`, `%error`, `attempt`; not `target: "x"`.
fn name_of(argument: &str) -> Option<String> {
    let name = match argument.split_once(" = ") {
        Some((name, _)) => name,
        None => argument.trim_start_matches(['%', '?']),
    };
    let fine = |c: char| c.is_ascii_lowercase() || c == '_' || c == '.';
    name.chars().all(fine).then(|| name.to_owned())
}
