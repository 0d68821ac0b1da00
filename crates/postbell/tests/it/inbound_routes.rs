//! What an operator sets about mail that comes in: settings of a domain, and its routes.

use serde_json::{Value, json};

use crate::kit::Place;

fn names_of(records: &Value, kind: &str) -> Vec<String> {
    let records = records.as_array().unwrap().iter();
    let of_kind = records.filter(|record| record["type"] == kind);
    of_kind
        .map(|record| record["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_domain_catches_answers_and_takes_mail_when_told_to() {
    let place = Place::with_domain();
    let show = ["domain", "show", "acme.example"];
    let before = place.json(&show);
    assert_eq!(before["replyCapture"], true);
    assert_eq!(before["inbound"], false);
    assert_eq!(before["dmarc"], "mark");
    assert_eq!(
        names_of(&before["records"], "MX"),
        ["bounce.acme.example", "reply.acme.example"]
    );

    let words = ["domain", "update", "acme.example", "--inbound", "on"];
    let more = ["--reply-capture", "off", "--dmarc", "enforce"];
    let said = place.ok(&[&words[..], &more].concat());
    for change in [
        "replyCapture from on to off",
        "inbound from off to on",
        "dmarc from mark to enforce",
    ] {
        assert!(said.contains(change), "{said}");
    }
    let after = place.json(&show);
    assert_eq!(after["replyCapture"], false);
    assert_eq!(
        names_of(&after["records"], "MX"),
        ["bounce.acme.example", "acme.example"]
    );
    let zone = place.ok(&show);
    assert!(
        zone.starts_with("; acme.example: reply capture off, inbound on, dmarc enforce\n"),
        "{zone}"
    );
    assert!(zone.contains("\nacme.example. 3600 IN MX 10 "), "{zone}");

    for (options, said) in [
        (["--inbound", "maybe"], "write it as on or off"),
        (["--dmarc", "on"], "write it as off, mark or enforce"),
    ] {
        let outcome = place.run(&[&words[..3], &options].concat());
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains(said), "{outcome:?}");
    }
}

#[test]
fn routes_are_set_listed_and_removed() {
    let place = Place::with_domain();
    let set = |more: &[&'static str]| {
        let words = ["inbound", "route", "set", "acme.example"];
        [&words[..], more].concat()
    };
    let said = place.ok(&set(&["Support"]));
    assert_eq!(
        said,
        "mail to support@acme.example is told in an event, once acme.example takes mail: \
         `postbell domain update acme.example --inbound on`\n"
    );
    place.ok(&["domain", "update", "acme.example", "--inbound", "on"]);
    let team = ["sales-*", "--forward-to", "team@other.example"];
    let made = place.json(&set(&team));
    assert_eq!(
        made,
        json!({"domain": "acme.example", "workspace": "acme", "pattern": "sales-*", "event": true,
               "forwardTo": "team@other.example", "forwardHost": null})
    );
    let rest = ["*", "--no-event", "--forward-host", "192.0.2.7:2525"];
    let said = place.ok(&set(&rest));
    assert_eq!(
        said,
        "mail to *@acme.example is forwarded to smtp://[192.0.2.7]:2525\n"
    );

    let list = ["inbound", "route", "list"];
    insta::assert_snapshot!(place.ok(&list), @"
    DOMAIN        WORKSPACE  ADDRESSES             EVENT  FORWARDED TO
    acme.example  acme       *@acme.example        no     smtp://[192.0.2.7]:2525
    acme.example  acme       sales-*@acme.example  yes    team@other.example
    acme.example  acme       support@acme.example  yes    nowhere
    ");
    let listed = place.json(&list);
    assert_eq!(
        listed[0]["forwardHost"],
        json!({"host": "[192.0.2.7]", "port": 2525})
    );

    let remove = ["inbound", "route", "remove", "acme.example", "sales-*"];
    let said = place.ok(&remove);
    assert!(
        said.contains("refuses what none of its other 2 names"),
        "{said}"
    );
    let again = place.fails(&remove);
    assert!(
        again.contains("acme.example has no inbound route sales-*"),
        "{again}"
    );
}

#[test]
fn routes_that_lead_nowhere_are_refused() {
    let place = Place::with_domain();
    let set = |domain: &'static str, more: &[&'static str]| {
        [&["inbound", "route", "set", domain][..], more].concat()
    };
    for (more, said) in [
        (
            &["*", "--forward-to", "x@acme.example"][..],
            "would come back to this route",
        ),
        (&["x", "--no-event"], "nobody would hear of it"),
        (
            &["x", "--forward-host", "bounce.acme.example:25"],
            "is this server",
        ),
    ] {
        let told = place.fails(&set("acme.example", more));
        assert!(told.contains(said), "{told}");
    }
    let unknown = place.fails(&set("other.example", &["x"]));
    assert!(
        unknown.contains("there is no domain other.example"),
        "{unknown}"
    );
    for (more, said) in [
        (&["a b"][..], "not a pattern of local parts"),
        (&["x", "--forward-to", "nobody"], "invalid value"),
        (
            &["x", "--forward-host", "a.example"],
            "write it as mailbox.example:25",
        ),
        (
            &[
                "x",
                "--forward-to",
                "a@b.example",
                "--forward-host",
                "c.example:25",
            ],
            "cannot be used with",
        ),
    ] {
        let outcome = place.run(&set("acme.example", more));
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains(said), "{outcome:?}");
    }
    assert_eq!(place.json(&["inbound", "route", "list"]), json!([]));
}
