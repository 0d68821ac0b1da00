//! `postbell certificate`: what is told of hosts, and when another certificate can be wanted.

use postbell_model::{Domain, Timestamp};
use postbell_store::{Certificates, KeptCertificate, SqliteTenants};
use serde_json::{Value, json};

use crate::kit::Place;

const ACME: &str = "\
[tracking]
listen_tls = [\"127.0.0.1:0\"]
[tracking.acme]
directory = \"https://ca.example/directory\"
accept_terms = true
";

fn with_domain() -> Place {
    let place = Place::new();
    place.ok(&["workspace", "add", "acme"]);
    place.ok(&["domain", "add", "acme.example", "--workspace", "acme"]);
    place
}

fn list(place: &Place, more: &[&str]) -> Value {
    let arguments = [&["certificate", "list", "--json"], more].concat();
    serde_json::from_str(&place.ok(&arguments)).unwrap()
}

#[test]
fn a_host_without_a_certificate_is_told_and_one_can_be_wanted() {
    let place = with_domain();
    let renew = ["certificate", "renew", "track.acme.example"];
    let refused = place.fails(&renew);
    assert!(refused.contains("set tracking.acme.directory"), "{refused}");
    assert_eq!(list(&place, &[])[0]["from"], "none");

    let data = place.path().join("data");
    let settings = format!("server.data_dir = \"{}\"\n{ACME}", data.display());
    let file = place.write("acme.toml", &settings);
    let config = ["--config", file.to_str().unwrap()];
    let hosts = list(&place, &config);
    assert_eq!(hosts.as_array().unwrap().len(), 1);
    assert_eq!(hosts[0]["host"], "track.acme.example");
    assert_eq!(hosts[0]["from"], "acme");
    assert_eq!(hosts[0]["state"], "missing");
    let said = place.ok(&[&renew[..], &config].concat());
    assert!(said.contains("asks for a certificate"), "{said}");
    let stranger = ["certificate", "renew", "stranger.example"];
    let refused = place.fails(&[&stranger[..], &config].concat());
    assert!(refused.contains("is no tracking host"), "{refused}");
    let table = place.ok(&[&["certificate", "list"], &config[..]].concat());
    insta::assert_snapshot!(table, @r"
    HOST                FROM  STATE    ENDS  RENEWED  LAST FAULT
    track.acme.example  acme  missing
    ");
}

/// Puts a certificate of the host into the database of a place, good for decades.
fn keep_certificate(place: &Place, host: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let data = place.path().join("data");
        let tenants = SqliteTenants::open(&data).await.unwrap();
        let kept = KeptCertificate {
            authority: "https://ca.example/directory".to_owned(),
            chain: String::new(),
            sealed: Vec::new(),
            issued_at: Timestamp::from_micros(1_700_000_000_000_000),
            expires_at: Timestamp::from_micros(4_000_000_000_000_000),
        };
        let host = Domain::parse(host).unwrap();
        tenants.keep_certificate(&host, kept).await.unwrap();
        tenants.close().await;
    });
}

#[test]
fn the_host_that_a_domain_had_is_told_as_retired() {
    let place = with_domain();
    keep_certificate(&place, "track.acme.example");
    let update = ["domain", "update", "acme.example"];
    let said = place.ok(&[&update[..], &["--tracking-host", "links.acme.example"]].concat());
    let told = "links in mail that was sent lead to track.acme.example: keep its record";
    assert!(said.contains(told), "{said}");
    let said = place.ok(&[&update[..], &["--track-clicks", "on"]].concat());
    assert!(!said.contains("links in mail that was sent"), "{said}");

    let data = place.path().join("data");
    let settings = format!("server.data_dir = \"{}\"\n{ACME}", data.display());
    let file = place.write("acme.toml", &settings);
    let config = ["--config", file.to_str().unwrap()];
    let hosts = list(&place, &config);
    let told = |at: usize| {
        (
            &hosts[at]["host"],
            &hosts[at]["state"],
            &hosts[at]["retired"],
        )
    };
    let links = (
        &json!("links.acme.example"),
        &json!("missing"),
        &json!(false),
    );
    assert_eq!(told(0), links);
    let track = (&json!("track.acme.example"), &json!("valid"), &json!(true));
    assert_eq!(told(1), track);
    let table = place.ok(&[&["certificate", "list"], &config[..]].concat());
    assert!(table.contains("acme  valid, retired"), "{table}");
    let renew = ["certificate", "renew", "track.acme.example"];
    place.ok(&[&renew[..], &config].concat());
}

#[test]
fn a_host_with_a_file_is_told_from_it_and_not_asked_for() {
    let place = with_domain();
    let certs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../certs");
    let settings = format!(
        "server.data_dir = \"{}\"\n{ACME}\
         [[tracking.certificate]]\nhosts = [\"*.acme.example\"]\n\
         certificate = \"{certs}/dev.pem\"\nkey = \"{certs}/dev-key.pem\"\n",
        place.path().join("data").display()
    );
    let file = place.write("acme.toml", &settings);
    let config = ["--config", file.to_str().unwrap()];
    let hosts = list(&place, &config);
    assert_eq!(hosts[0]["from"], "file");
    assert_eq!(hosts[0]["state"], "valid");
    assert!(hosts[0]["expiresAt"].is_string());
    let renew = ["certificate", "renew", "track.acme.example"];
    let refused = place.fails(&[&renew[..], &config].concat());
    assert!(refused.contains("in a file"), "{refused}");
}
