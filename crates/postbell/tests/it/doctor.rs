//! `postbell doctor`, as it is typed.

use serde_json::Value;

use crate::kit::Place;

/// Port 9 discards, where anybody listens at all.
const CONFIG: &str = r#"
[server]
hostname = "mx.acme.example"
[dns]
servers = ["127.0.0.1:9"]
timeout = "50ms"
attempts = 1
"#;

fn looked(place: &Place) -> (Option<i32>, Value) {
    let outcome = place.run(&["doctor", "--probe", "127.0.0.1:9", "--json"]);
    let document = serde_json::from_str(&outcome.stdout);
    (
        outcome.code,
        document.unwrap_or_else(|_| panic!("{outcome:?}")),
    )
}

fn mark<'v>(document: &'v Value, name: &str) -> Vec<&'v str> {
    let checks = document["checks"].as_array().unwrap().iter();
    let named = checks.filter(|check| check["name"] == name);
    named.map(|check| check["mark"].as_str().unwrap()).collect()
}

#[test]
fn what_is_not_well_is_told_with_what_to_do() {
    let place = Place::new();
    place.write("postbell.toml", CONFIG);
    let (code, document) = looked(&place);
    assert_eq!(code, Some(1), "{document:#}");
    assert_eq!(document["well"], false);
    assert_eq!(mark(&document, "configuration"), ["ok"]);
    for name in ["data folder", "dns", "hostname", "port 25 out"] {
        assert_eq!(mark(&document, name), ["fault"], "{name}: {document:#}");
    }
    assert!(!place.path().join("data").exists(), "it made something");

    place.ok(&["workspace", "add", "acme"]);
    place.ok(&["domain", "add", "acme.example", "--workspace", "acme"]);
    let url = "https://acme.example/events";
    place.ok(&[
        "destination",
        "add",
        "hook",
        "--workspace",
        "acme",
        "--url",
        url,
    ]);
    let (_, document) = looked(&place);
    assert_eq!(mark(&document, "data folder"), ["ok"]);
    assert_eq!(mark(&document, "database"), ["ok"]);
    assert_eq!(
        mark(&document, "sealing key"),
        ["warning"],
        "it lies in the data folder"
    );
    assert_eq!(
        mark(&document, "domains"),
        ["ok", "warning"],
        "{document:#}"
    );
    assert_eq!(mark(&document, "destinations"), ["ok"]);
    // It has no tracking host, and then its domain is somebody's too.
    assert_eq!(mark(&document, "simulator"), ["warning"]);
    let taken = ["domain", "add", "simulator.mx.acme.example"];
    place.ok(&[&taken[..], &["--workspace", "acme"]].concat());
    let (_, document) = looked(&place);
    assert_eq!(mark(&document, "simulator"), ["warning", "warning"]);
    std::fs::remove_file(place.path().join("data/secret.key")).unwrap();
    let (_, document) = looked(&place);
    assert_eq!(mark(&document, "sealing key"), ["fault"]);
}

#[test]
fn a_line_for_each_check_and_one_for_the_failure() {
    let place = Place::new();
    place.write("postbell.toml", CONFIG);
    let outcome = place.run(&["doctor", "--probe", "127.0.0.1:9"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let begins = |start: &str| outcome.stdout.lines().any(|line| line.starts_with(start));
    assert!(begins("ok    configuration holds"), "{}", outcome.stdout);
    assert!(
        begins("FAULT data folder   data is not there; "),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stderr.contains("checks found a fault"),
        "{outcome:?}"
    );
}

#[test]
fn faults_of_the_configuration_are_told_first() {
    let place = Place::new();
    place.write("postbell.toml", "[server]\nhostnam = \"x\"\n");
    let (code, document) = looked(&place);
    assert_eq!(code, Some(1));
    assert_eq!(mark(&document, "configuration"), ["fault"]);
    let found = document["checks"][0]["found"].as_str().unwrap();
    assert!(found.contains("postbell.toml:2"), "{found}");
}
