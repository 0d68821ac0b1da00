//! What an operator sets about tracking: of a domain, and of a configuration set.

use serde_json::{Value, json};

use crate::kit::Place;

fn tracking_record(domain: &Value) -> &Value {
    let records = domain["records"].as_array().unwrap();
    let mut found = records
        .iter()
        .filter(|record| record["name"] == domain["trackingHost"]);
    found.next().unwrap()
}

#[test]
fn a_domain_tracks_when_told_to_and_needs_its_host_then() {
    let place = Place::with_domain();
    let show = ["domain", "show", "acme.example"];
    let before = place.json(&show);
    assert_eq!(before["trackOpens"], false);
    assert_eq!(before["brandName"], Value::Null);
    assert_eq!(tracking_record(&before)["required"], false);

    let update = ["domain", "update", "acme.example"];
    let tracks = ["--track-opens", "on", "--track-clicks", "on"];
    let brand = ["--brand-name", "Acme & Söhne", "--brand-colour", "#1A7F37"];
    let said = place.ok(&[&update[..], &tracks, &brand].concat());
    for change in [
        "trackOpens from off to on",
        "trackClicks from off to on",
        "brandName from nothing to Acme & Söhne",
        "brandColour from nothing to #1a7f37",
    ] {
        assert!(said.contains(change), "{said}");
    }
    let after = place.json(&show);
    assert_eq!(after["brandName"], "Acme & Söhne");
    assert_eq!(after["brandColour"], "#1a7f37");
    assert_eq!(tracking_record(&after)["required"], true);
    assert_eq!(tracking_record(&after)["type"], "CNAME");
    let zone = place.ok(&show);
    let line = "\n; tracked at track.acme.example: opens on, clicks on; its page of unsubscribing \
                says Acme & Söhne, #1a7f37\n";
    assert!(zone.contains(line), "{zone}");
    assert!(
        zone.contains("\ntrack.acme.example. 3600 IN CNAME "),
        "{zone}"
    );

    let unset = ["--brand-name", "", "--brand-colour", ""];
    let said = place.ok(&[&update[..], &unset].concat());
    assert!(
        said.contains("brandColour from #1a7f37 to nothing"),
        "{said}"
    );
    assert_eq!(place.json(&show)["brandName"], Value::Null);
    for (options, said) in [
        (["--track-opens", "maybe"], "write it as on or off"),
        (["--brand-colour", "green"], "write it as '#1a7f37'"),
        (["--brand-name", "a\nb"], "on one line"),
    ] {
        let outcome = place.run(&[&update[..], &options].concat());
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains(said), "{outcome:?}");
    }
}

#[test]
fn a_domain_is_added_with_what_it_tracks() {
    let place = Place::with_domain();
    let words = ["domain", "add", "b.example", "--workspace", "acme"];
    let more = ["--track-clicks", "on", "--tracking-host", "b.example"];
    let made = place.json(&[&words[..], &more].concat());
    assert_eq!(made["trackClicks"], true);
    assert_eq!(made["trackOpens"], false);
    let record = tracking_record(&json!({
        "trackingHost": "b.example",
        "records": [made["records"].as_array().unwrap().last().unwrap()],
    }))
    .clone();
    assert_eq!(record["type"], "A/AAAA", "beside an alias there is no MX");
    assert_eq!(record["required"], true);
}

#[test]
fn a_configuration_set_says_what_is_tracked() {
    let place = Place::with_domain();
    let words = ["config-set", "add", "news", "--workspace", "acme"];
    let tracks = ["--track-clicks", "on", "--unsubscribe", "on"];
    let links = [
        "--add-parameter",
        "utm_source=news & more",
        "--add-parameter",
        "utm_medium=mail",
        "--untracked",
        "*/legal/*",
    ];
    let made = place.json(&[&words[..], &tracks, &links].concat());
    assert_eq!(made["trackOpens"], Value::Null);
    assert_eq!(made["trackClicks"], true);
    assert_eq!(
        made["parameters"],
        json!({"utm_source": "news & more", "utm_medium": "mail"})
    );
    assert_eq!(made["untracked"], json!(["*/legal/*"]));

    let update = |more: &[&'static str]| {
        let words = ["config-set", "update", "news", "--workspace", "acme"];
        [&words[..], more].concat()
    };
    let said = place.ok(&update(&[
        "--track-opens",
        "off",
        "--track-clicks",
        "domain",
        "--track-plain-text",
        "on",
        "--remove-parameter",
        "all",
        "--add-parameter",
        "utm_source=other",
        "--no-untracked",
        "*/legal/*",
    ]));
    assert!(
        said.contains("tracking: opens off, clicks as its domain, plain text on; unsubscribe on"),
        "{said}"
    );
    let show = ["config-set", "show", "news", "--workspace", "acme"];
    let shown = place.ok(&show);
    let shown: Vec<_> = shown.lines().skip(6).take(4).collect();
    assert_eq!(
        shown,
        [
            "  tracking       opens off, clicks as its domain, plain text on",
            "  parameters     utm_source=other",
            "  untracked      none",
            "  unsubscribe    on",
        ]
    );
    let after = place.json(&show);
    assert_eq!(after["trackClicks"], Value::Null);
    assert_eq!(after["parameters"], json!({"utm_source": "other"}));

    let unknown = place.fails(&update(&["--remove-parameter", "utm_term"]));
    assert!(
        unknown.contains("no parameter \"utm_term\" is added"),
        "{unknown}"
    );
    let wrong = place.run(&update(&["--add-parameter", "utm_source"]));
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(
        wrong.stderr.contains("write it as utm_source=news"),
        "{wrong:?}"
    );
}

#[test]
fn a_set_that_tracks_has_its_domains_need_their_host() {
    let place = Place::with_domain();
    let show = ["domain", "show", "acme.example"];
    assert_eq!(tracking_record(&place.json(&show))["required"], false);
    let update = ["config-set", "update", "default", "--workspace", "acme"];
    place.ok(&[&update[..], &["--unsubscribe", "on"]].concat());
    assert_eq!(tracking_record(&place.json(&show))["required"], true);
}
