//! `postbell dev`, from the sample to the last event.

use std::net::TcpListener;

use serde_json::Value;

use crate::kit::Place;

const ANY_PORT: [&str; 11] = [
    "dev",
    "--smtp-port",
    "0",
    "--smtps-port",
    "0",
    "--tracking-port",
    "0",
    "--inbound-port",
    "0",
    "--http-port",
    "0",
];

#[test]
fn once_shows_every_event_of_the_sample_and_ends() {
    let place = Place::new();
    let data = ["--data", "try", "--once", "--deadline", "100s"];
    let shown = place.ok(&[&ANY_PORT[..], &data].concat());
    let lines: Vec<_> = shown
        .lines()
        .filter(|line| line.contains("  signed"))
        .collect();
    let count = |kind: &str| lines.iter().filter(|line| line.contains(kind)).count();
    assert_eq!(count("→ Send"), 11, "{shown}");
    assert_eq!(count("✓ Delivery "), 9, "{shown}");
    assert_eq!(count("… DeliveryDelay"), 1, "{shown}");
    assert_eq!(count("✗ Bounce"), 3, "{shown}");
    assert_eq!(count("✗ Complaint"), 1, "{shown}");
    assert_eq!(count("← Reply"), 2, "{shown}");
    for kind in ["• Open", "• Click", "· Unsubscribe"] {
        assert_eq!(count(kind), 1, "{kind}: {shown}");
    }
    // What comes back by mail, of each recipient that answers.
    let of = |to: &str| lines.iter().rfind(|line| line.contains(to)).unwrap();
    for (to, parts) in [
        (
            "reply@",
            ["← Reply", "answered by reply@simulator.localhost"],
        ),
        ("vacation@", ["← Reply", "a program's answer (vacation)"]),
        (
            "bounce-later@",
            ["✗ Bounce", "mx.peer.test reports: 550 5.1.1"],
        ),
        ("complaint@", ["✗ Complaint", "reported as abuse"]),
    ] {
        let line = of(to);
        assert!(
            parts.iter().all(|part| line.contains(part)),
            "{to}: {shown}"
        );
    }
    assert!(
        !shown.contains('\u{1b}'),
        "colours without a terminal: {shown}"
    );

    let to = "vacation@simulator.localhost";
    place.write("look.toml", "server.data_dir = \"try/data\"\n");
    let list = ["events", "list", "--recipient", to, "--json"];
    let printed = place.ok(&[&list[..], &["--config", "look.toml"]].concat());
    let events = printed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut replies = events.filter(|event| event["eventType"] == "Reply");
    let reply = replies.next().unwrap();
    assert_eq!(reply["reply"]["via"], "returnPath");

    let mails = std::fs::read_dir(place.path().join("try/mail")).unwrap();
    let names = mails.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let (recipients, sender): (Vec<_>, Vec<_>) =
        names.partition(|name| name.contains("@simulator.localhost"));
    assert_eq!(recipients.len(), 9, "{recipients:?}");
    // The sender is told of the two bounces; the end does not wait for it.
    assert!(sender.len() <= 2, "{sender:?}");

    // The data is kept, and so is the receiver's address: the next run goes on with both.
    place.ok(&[&ANY_PORT[..], &data].concat());
}

#[test]
fn a_port_that_is_taken_is_told_with_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let failure =
        Place::new().fails(&[&ANY_PORT[..1], &["--smtp-port", &port], &ANY_PORT[3..]].concat());
    assert!(failure.contains(&format!("127.0.0.1:{port}")), "{failure}");
    assert!(failure.contains("--smtp-port PORT"), "{failure}");
}
