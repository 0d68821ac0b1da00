//! `postbell link`: what a link is, and which lead nowhere.

use postbell_model::token::{Claim, Link, LinkTarget, Purpose, domain_tag};
use postbell_model::{DeliveryId, Domain, TokenKeys, WorkspaceId};
use postbell_store::{SqliteTenants, Tenants};
use serde_json::{Value, json};

use crate::kit::Place;

fn read(place: &Place, arguments: &[&str]) -> Value {
    place.json(&[&["link"], arguments].concat())
}

/// The keys of a place's tokens.
fn keys(place: &Place) -> TokenKeys {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let keys = runtime.block_on(async {
        let tenants = SqliteTenants::open(&place.path().join("data"))
            .await
            .unwrap();
        let keys = tenants.token_keys();
        tenants.close().await;
        keys
    });
    TokenKeys::new(keys.iter().map(|(id, secret)| (*id, secret))).unwrap()
}

/// Always the same.
fn claim() -> Claim {
    Claim {
        workspace: WorkspaceId(1),
        delivery: DeliveryId::from_bytes([7; 16]),
    }
}

fn link_to(url: &str) -> Link {
    Link {
        index: 3,
        domain_tag: domain_tag(&Domain::parse("acme.example").unwrap()),
        target: LinkTarget::Url(url.to_owned()),
    }
}

#[test]
fn a_link_says_whose_it_is() {
    let place = Place::with_domain();
    let keys = keys(&place);
    let token = keys.sign_link(claim(), &link_to("https://shop.example/a?b=c"));
    let link = format!("https://track.acme.example/c/{token}");
    let shown = read(&place, &["show", &link]);
    let delivery = claim().delivery.to_string();
    assert_eq!(
        shown,
        json!({"kind": "link", "workspace": "acme", "delivery": delivery,
               "domain": "acme.example", "index": 3, "url": "https://shop.example/a?b=c",
               "blocked": false, "blocks": []})
    );
    assert_eq!(read(&place, &["show", &token]), shown);
    for (purpose, kind) in [
        (Purpose::Open, "pixel"),
        (Purpose::UnsubscribePage, "unsubscribe"),
    ] {
        let token = keys.sign_url(purpose, claim());
        let shown = read(&place, &["show", &token]);
        assert_eq!(
            (&shown["kind"], &shown["url"]),
            (&json!(kind), &Value::Null)
        );
    }
    let cut = &link[..link.len() - 1];
    for wrong in [cut, "https://shop.example/", ""] {
        let told = place.fails(&["link", "show", wrong]);
        assert!(told.contains("is no link of this server"), "{told}");
    }
}

#[test]
fn links_are_blocked_and_lead_on_again() {
    let place = Place::with_domain();
    let url = "https://shop.example/stolen";
    let token = keys(&place).sign_link(claim(), &link_to(url));
    let said = place.ok(&["link", "block", "--url", &token, "--reason", "phishing"]);
    assert_eq!(
        said,
        "links to https://shop.example/stolen lead nowhere from now on\n"
    );
    let again = place.ok(&["link", "block", "--url", url]);
    assert!(again.contains("were blocked already"), "{again}");
    let other = "HTTPS://Shop.Example.:443/stolen";
    for which in ["block", "unblock"] {
        let again = place.ok(&["link", which, "--url", other]);
        assert!(again.starts_with(&format!("links to {url} ")), "{again}");
    }
    place.ok(&["link", "block", "--url", &token, "--reason", "phishing"]);
    place.ok(&["link", "block", "--domain", "example"]);
    place.ok(&["link", "block", "--domain", "acme.example"]);
    place.ok(&["link", "block", "--workspace", "acme"]);

    let listed = read(&place, &["list"]);
    let listed: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|b| &b["value"])
        .collect();
    assert_eq!(listed, [url, "example", "acme.example", "acme"]);
    let shown = read(&place, &["show", &token]);
    assert_eq!(shown["blocked"], true);
    let kinds: Vec<_> = shown["blocks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| &b["kind"])
        .collect();
    assert_eq!(kinds, ["url", "domain", "domain", "workspace"]);
    assert_eq!(shown["blocks"][0]["reason"], "phishing");

    place.ok(&["link", "unblock", "--url", &token]);
    place.ok(&["link", "unblock", "--domain", "example"]);
    place.ok(&["link", "unblock", "--domain", "acme.example"]);
    place.ok(&["link", "unblock", "--workspace", "acme"]);
    assert_eq!(read(&place, &["show", &token])["blocked"], false);
    let told = place.fails(&["link", "unblock", "--url", url]);
    assert!(told.contains("are not blocked"), "{told}");
    for wrong in ["javascript:alert(1)", "shop.example", ""] {
        let told = place.fails(&["link", "block", "--url", wrong]);
        assert!(told.contains("is no web address"), "{told}");
    }
    let both = ["link", "block", "--url", url, "--workspace", "acme"];
    assert_eq!(place.run(&both).code, Some(2));
}

#[test]
fn addresses_of_ours_that_lead_nowhere_else_are_not_blocked() {
    let place = Place::with_domain();
    place.write(
        "postbell.toml",
        "tracking.base_url = \"http://127.0.0.1:8080\"\n",
    );
    let keys = keys(&place);
    for (purpose, noun) in [
        (Purpose::Open, "a pixel"),
        (Purpose::UnsubscribePage, "a page of unsubscribing"),
    ] {
        let token = keys.sign_url(purpose, claim());
        for url in [&format!("https://track.acme.example/o/{token}"), &token] {
            let told = place.fails(&["link", "block", "--url", url]);
            let said = format!("postbell: that is {noun}, and leads nowhere else\n");
            assert_eq!(told, said);
        }
    }
    let token = keys.sign_link(claim(), &link_to("https://shop.example/"));
    let cut = &token[..token.len() - 1];
    for ours in [
        format!("https://track.acme.example/c/{cut}"),
        format!("HTTPS://Track.Acme.Example.:443/c/{cut}"),
        format!("http://127.0.0.1:8080/c/{cut}"),
        "https://track.acme.example".to_owned(),
    ] {
        let told = place.fails(&["link", "block", "--url", &ours]);
        assert!(told.contains("is no link of this server"), "{told}");
    }
    assert_eq!(read(&place, &["list"]), json!([]));
}
