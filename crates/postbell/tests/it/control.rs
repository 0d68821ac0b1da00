//! Commands that ask a running server, where none runs, and how mail of a set leaves.

use crate::kit::Place;

#[test]
fn without_a_server_trace_says_so() {
    let place = Place::new();
    let failure = place.fails(&["trace", "--all"]);
    assert!(
        failure.contains("no server runs on this data folder"),
        "{failure}"
    );
    let which = place.run(&["trace"]);
    assert_eq!(which.code, Some(2), "{which:?}");
    let both = place.run(&["trace", "--all", "--domain", "example.org"]);
    assert_eq!(both.code, Some(2), "{both:?}");
}

#[test]
fn a_set_has_addresses_and_a_name_of_its_own() {
    let place = Place::new();
    place.ok(&["workspace", "add", "acme"]);
    let set = |arguments: &[&str]| {
        let command = ["config-set", "update", "default", "--workspace", "acme"];
        place.ok(&[&command, arguments].concat())
    };
    let told = set(&["--source-address", "192.0.2.7,2001:db8::7"]);
    assert!(
        told.contains("mail leaves from 192.0.2.7 and 2001:db8::7"),
        "{told}"
    );
    let told = set(&["--ehlo-name", "out7.acme.example"]);
    assert!(told.contains("2001:db8::7 as out7.acme.example"), "{told}");
    set(&["--source-address", "default"]);
    let list = place.ok(&["config-set", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let egress = &list[0]["egress"];
    assert_eq!(egress["ehloName"], "out7.acme.example");
    assert!(egress["sourceIpv4"].is_null());
    let nothing = place.run(&["config-set", "update", "default", "--workspace", "acme"]);
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.stderr.contains("--ehlo-name"), "{nothing:?}");
}
