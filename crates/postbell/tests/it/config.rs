//! `postbell config`.

use crate::kit::Place;

#[test]
fn check_prints_all_faults_one_a_line() {
    let place = Place::new();
    place.write(
        "postbell.toml",
        "[server]\nhostnam = \"mx.acme.example\"\ngrace = 30\n\n[log]\nformat = \"xml\"\n",
    );
    let mut command = place.command(&["config", "check"]);
    let outcome = command
        .env("POSTBELL_DNS__ATTEMPTS", "often")
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8(outcome.stderr).unwrap(), @r#"
    postbell.toml:2: server.hostnam: unknown key; did you mean server.hostname?
    postbell.toml:3: server.grace: must be a duration such as "30s", "5m", "1h30m" or "5d", not the number 30
    postbell.toml:6: log.format: must be one of "text", "json", not "xml"
    environment variable POSTBELL_DNS__ATTEMPTS: dns.attempts: must be a whole number, or a size such as "25 MiB", not "often"
    "#);
}

#[test]
fn check_says_ok() {
    let place = Place::new();
    let nothing = place.ok(&["config", "check"]);
    assert!(
        nothing.starts_with("no configuration file: ok; 0 keys"),
        "{nothing}"
    );
    place.write("other.toml", "[server]\nhostname = \"mx.acme.example\"\n");
    let named = place.ok(&["config", "check", "other.toml"]);
    assert!(named.starts_with("other.toml: ok; 1 keys"), "{named}");
}

#[test]
fn machines_read_what_holds_and_what_is_wrong() {
    let place = Place::new();
    place.write(
        "postbell.toml",
        "[server]\nhostname = \"mx.acme.example\"\n",
    );
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let shown = read(&place.ok(&["config", "show", "--json"]));
    let hostname = &shown["server.hostname"];
    assert_eq!(hostname["value"], "mx.acme.example");
    assert_eq!(hostname["origin"], "postbell.toml:2");
    assert!(shown["deliver.retry.first"]["origin"].is_null(), "{shown}");
    let checked = read(&place.ok(&["config", "check", "--json"]));
    assert_eq!(
        (&checked["ok"], &checked["keysSet"]),
        (&true.into(), &1.into())
    );

    place.write("postbell.toml", "[server]\nhostnam = \"mx.acme.example\"\n");
    let outcome = place.run(&["config", "check", "--json"]);
    assert_eq!(outcome.code, Some(1));
    let checked = read(&outcome.stdout);
    assert_eq!(checked["ok"], false);
    assert_eq!(checked["faults"][0]["origin"], "postbell.toml:2");
    assert_eq!(checked["faults"][0]["key"], "server.hostnam");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let failure = Place::new().fails(&["config", "show", "--config", "nowhere.toml"]);
    assert!(
        failure.starts_with("postbell: the configuration file nowhere.toml can't be read: "),
        "{failure}"
    );
}

#[test]
fn serve_refuses_a_wrong_configuration() {
    let place = Place::new();
    place.write("postbell.toml", "server.grace = 1\n");
    let failure = place.fails(&["serve"]);
    assert!(
        failure.starts_with("postbell.toml:1: server.grace: "),
        "{failure}"
    );
    assert!(!place.path().join("data").exists());
}

#[test]
fn show_is_a_configuration_itself() {
    let place = Place::new();
    place.write(
        "postbell.toml",
        "[server]\nhostname = \"mx.acme.example\"\n",
    );
    let shown = place.ok(&["config", "show"]);
    assert!(
        shown.contains("hostname = \"mx.acme.example\"  # postbell.toml:2\n"),
        "{shown}"
    );
    place.write("shown.toml", &shown);
    place.ok(&["config", "check", "shown.toml"]);
}
