//! `model`, `smtp` and `mail` do no I/O: their code names no runtime, socket, file, clock or SQL.

use crate::sources::sources;

const PURE: &[&str] = &["model", "smtp", "mail"];

const FORBIDDEN: &[&str] = &[
    "tokio",
    "async_std",
    "hyper",
    "axum",
    "sqlx",
    "hickory_resolver",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "ToSocketAddrs",
    "SystemTime",
    "Instant",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "static mut",
];

#[test]
fn pure_crates_name_nothing_that_does_io() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|s| PURE.contains(&&*s.krate)) {
        for (number, line) in source.code() {
            for word in FORBIDDEN.iter().filter(|word| names(line, word)) {
                found.push(format!("{}:{number} names {word}", source.path));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_word_is_found_only_as_a_whole() {
    assert!(names("use tokio::net;", "tokio"));
    assert!(names("let at = Instant::now();", "Instant"));
    assert!(!names("let instantly = 1; // InstantReply", "Instant"));
}

/// Whether `word` stands in `line`, not as a part of a longer name.
fn names(line: &str, word: &str) -> bool {
    let part_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(part_of_a_name)
            && !line[at + word.len()..].starts_with(part_of_a_name)
    })
}
