//! `postbell explain`, against a DNS server of our own.

use std::net::IpAddr;
use std::time::Duration;

use postbell_peers::dns::{Answer, DnsOptions, DnsServer, Entry};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::kit::Place;

/// What the command says about each of these, with this DNS.
fn explained(fill: impl FnOnce(&DnsServer), commands: &[&[&str]]) -> Vec<String> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stop = CancellationToken::new();
    let dns = runtime.block_on(async {
        let tasks = TaskTracker::new();
        // Longer than anything is remembered, so that no second more or less is seen.
        let options = DnsOptions {
            ttl: Duration::from_hours(1),
            ..DnsOptions::default()
        };
        let starting = DnsServer::start(options, &tasks, stop.clone());
        starting.await.unwrap()
    });
    fill(&dns);
    let place = Place::new();
    let settings = format!("[dns]\nservers = [\"{}\"]\n", dns.addr());
    place.write("postbell.toml", &settings);
    let told = commands.iter().map(|arguments| place.ok(arguments));
    let told = told.collect();
    stop.cancel();
    told
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn hosts_are_told_with_what_is_not_dialled() {
    let fill = |dns: &DnsServer| {
        let table = dns.table();
        let hosts = [
            (10, "mx1.example.org"),
            (20, "mx2.example.org"),
            (30, "gone.example.org"),
        ];
        table.set("example.org", Entry::mx(hosts));
        table.set(
            "mx1.example.org",
            Entry::addresses([ip("8.8.4.4"), ip("10.0.0.1")]),
        );
        table.set("mx2.example.org", Entry::addresses([ip("8.8.8.8")]));
        table.set("gone.example.org", Entry::new(Answer::NoSuchDomain));
        table.set("none.example", Entry::null_mx());
        table.set("dead.example", Entry::new(Answer::NoSuchDomain));
        table.set("alone.example", Entry::addresses([ip("127.0.0.1")]));
    };
    let told = explained(
        fill,
        &[
            &["explain", "bob@example.org"],
            &["explain", "none.example"],
            &["explain", "dead.example"],
            &["explain", "alone.example"],
        ],
    );
    insta::assert_snapshot!(told.join("\n"), @r#"
    example.org has MX records:
      10 mx1.example.org
        8.8.4.4
        10.0.0.1  not dialled: it is a private address
      20 mx2.example.org
        8.8.8.8
      30 gone.example.org
        no address: the domain does not exist

    A delivery would dial, until one takes it:
      1. mx1.example.org  8.8.4.4  port 25
      2. mx2.example.org  8.8.8.8  port 25
    Hosts of equal preference take turns. TLS is used where a host offers it.
    At most 20 connections, 100 messages on each, as fast as they are taken.
    This holds for 300 s, as long as the DNS says the same.

    Of what is queued nothing is known: there is no data folder data
    Of connections nothing is known: no server runs on this data folder (data/control.sock)

    none.example has a null MX: it takes no mail

    A delivery would bounce: 556 5.1.10 none.example takes no mail (null MX) (no_such_domain)
    This holds for 60 s, as long as the DNS says the same.

    Of what is queued nothing is known: there is no data folder data
    Of connections nothing is known: no server runs on this data folder (data/control.sock)

    dead.example: the domain does not exist

    A delivery would bounce: 550 5.1.2 dead.example does not exist (no_such_domain)
    This holds for 60 s, as long as the DNS says the same.

    Of what is queued nothing is known: there is no data folder data
    Of connections nothing is known: no server runs on this data folder (data/control.sock)

    alone.example has no MX records and is its own mail host:
      alone.example
        127.0.0.1  not dialled: it is a loopback address

    A delivery would bounce: 550 5.4.4 alone.example can't be reached: alone.example is a loopback address (network_error)
    This holds for 60 s, as long as the DNS says the same.

    Of what is queued nothing is known: there is no data folder data
    Of connections nothing is known: no server runs on this data folder (data/control.sock)
    "#);
}

#[test]
fn machines_read_json() {
    let fill = |dns: &DnsServer| {
        dns.table()
            .set("example.org", Entry::mx([(10, "mx.example.org")]));
        let mixed = Entry::addresses([ip("8.8.8.8"), ip("192.168.0.1")]);
        dns.table().set("mx.example.org", mixed);
    };
    let told = explained(fill, &[&["explain", "example.org", "--json"]]);
    let told: serde_json::Value = serde_json::from_str(&told[0]).unwrap();
    insta::assert_snapshot!(format!("{told:#}"), @r#"
    {
      "domain": "example.org",
      "error": null,
      "hosts": [
        {
          "addresses": [
            {
              "dialled": true,
              "ip": "8.8.8.8",
              "refused": null
            },
            {
              "dialled": false,
              "ip": "192.168.0.1",
              "refused": "a private address"
            }
          ],
          "error": null,
          "host": "mx.example.org",
          "preference": 10
        }
      ],
      "limits": {
        "maxConnections": 20,
        "maxMessagesPerConnection": 100,
        "rate": null
      },
      "maxSessions": 2,
      "plan": {
        "outcome": "dial",
        "targets": [
          {
            "host": "mx.example.org",
            "ip": "8.8.8.8",
            "port": 25,
            "relay": null
          }
        ]
      },
      "queued": null,
      "server": {
        "error": "no server runs on this data folder (data/control.sock)",
        "running": false
      },
      "source": "mx",
      "tls": "opportunistic",
      "validForSeconds": 300
    }
    "#);
}

#[test]
fn of_the_simulator_nobody_is_asked() {
    let place = Place::new();
    // Nobody answers there, and nobody has to.
    let settings = "server.hostname = \"mx.acme.example\"\ndns.servers = [\"127.0.0.1:9\"]\n\
        [[deliver.relay]]\nhost = \"10.0.0.7\"\n";
    place.write("postbell.toml", &format!("inbound.listen = []\n{settings}"));
    let explain = ["explain", "bounce@Simulator.MX.acme.example"];
    let told = place.ok(&explain);
    insta::assert_snapshot!(told, @r"
    simulator.mx.acme.example is simulated: mail to it stays on this machine, and no DNS or relay is asked.
    Addresses: success, bounce, softbounce, delay, complaint, bounce-later, suppressed, open, click, reply, vacation, unsubscribe.
    Nothing can come back: inbound.listen is empty, or what it names can't be reached from this machine.
    Nobody can open, click or unsubscribe here: tracking.listen is empty, or what it names can't be reached from this machine.

    Of what is queued nothing is known: there is no data folder data
    Of connections nothing is known: no server runs on this data folder (data/control.sock)
    ");
    let doors = "inbound.listen = [\"0.0.0.0:25\"]\ntracking.listen = [\"0.0.0.0:80\"]\n";
    place.write("postbell.toml", &format!("{doors}{settings}"));
    let told = place.ok(&[&explain[..], &["--json"]].concat());
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&told["source"], &told["hosts"], &told["queued"]),
        (&json!("simulator"), &json!([]), &json!(null))
    );
    assert_eq!(told["plan"]["simulated"][1], "bounce");
    assert_eq!(told["plan"]["missing"], json!([]));
    place.write(
        "postbell.toml",
        &format!("simulator.enabled = false\n{settings}"),
    );
    let told = place.ok(&explain);
    assert!(told.contains("goes by relays (deliver.relay)"), "{told}");
}

#[test]
fn what_is_no_domain_is_refused() {
    let failure = Place::new().fails(&["explain", "a b"]);
    assert!(failure.contains("\"a b\" is no domain"), "{failure}");
}

#[test]
fn relays_stand_in_the_place_of_mx_hosts() {
    let place = Place::new();
    let settings = "[[deliver.relay]]\nhost = \"10.0.0.7\"\nusername = \"acme\"\n\
        password_env = \"NOWHERE\"\ndomains = [\"*.example.org\"]\n";
    place.write("postbell.toml", settings);
    let told = place.ok(&["explain", "lists.example.org"]);
    assert!(
        told.contains("goes by relays (deliver.relay); no MX counts"),
        "{told}"
    );
    assert!(
        told.contains("1. [10.0.0.7]  10.0.0.7  port 587  TLS: starttls"),
        "{told}"
    );
    let shown = place.ok(&["config", "show"]);
    assert!(shown.contains("NOWHERE"), "{shown}");
}
