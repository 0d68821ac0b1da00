use std::collections::BTreeSet;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::select;
use toml::de::DeTable;

use super::*;

fn sources(file: &str, environment: &[(&str, &str)]) -> Sources {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Sources::of(
        Some((PathBuf::from("postbell.toml"), file.to_owned())),
        environment.iter().map(owned).collect(),
    )
}

/// The faults of a file and an environment, one a line.
fn faults(file: &str, environment: &[(&str, &str)]) -> Vec<String> {
    match load(&sources(file, environment)) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

fn config(file: &str, environment: &[(&str, &str)]) -> Config {
    match load(&sources(file, environment)) {
        Ok(loaded) => loaded.config,
        Err(faults) => panic!("{faults}"),
    }
}

#[test]
fn the_defaults_are_toml_and_hold() {
    DeTable::parse(DEFAULTS).unwrap();
    let loaded = load(&Sources::default()).unwrap();
    assert_eq!(loaded.settings(), 0);
    assert_eq!(loaded.config.deliver.smtp_port, 25);
    assert_eq!(loaded.config.deliver.retry.max_retries, None);
}

#[test]
fn every_key_has_a_comment_right_above_it() {
    let lines: Vec<_> = DEFAULTS.lines().collect();
    let keys = lines.iter().enumerate().filter(|(_, line)| {
        let first = line.chars().next();
        first.is_some_and(char::is_alphabetic)
    });
    let mut count = 0;
    for (index, line) in keys {
        assert!(lines[index - 1].starts_with("# "), "no comment: {line}");
        count += 1;
    }
    assert_eq!(count, resolve::leaf_keys(&defaults()).len());
}

#[test]
fn all_faults_are_told_at_once_with_their_lines() {
    let file = r#"
dns = 5

[server]
hostnam = "mx.acme.example"
grace = 30
data_dir = ""

[deliver]
max_connections = "many"
smtp_port = 70000
claim_batch = true
timeouts.dot = "ten minutes"

[deliver.retry]
longest = "1m"
max_retries = -1

[guard]
allow_deliver = [
    "10.0.0.0/8",
    "10.0.0.0/99",
]

[log]
level = "info"
format = "xml"

[tls]
cert = "a.pem"
"#;
    let environment = [
        ("POSTBELL_HTTP__LISTEN", "127.0.0.1:0, localhost"),
        ("POSTBELL_SERVER_HOSTNAME", "x"),
        ("POSTBELL_DNS__ATEMPTS", "3"),
        ("POSTBELL_PORT_25_TCP", "tcp://10.0.0.1:25"),
        ("HOME", "/root"),
    ];
    insta::assert_snapshot!(faults(file, &environment).join("\n"), @r#"
    postbell.toml:2: dns: is a section, not a value; write [dns] and its keys below
    postbell.toml:5: server.hostnam: unknown key; did you mean server.hostname?
    postbell.toml:6: server.grace: must be a duration such as "30s", "5m", "1h30m" or "5d", not the number 30
    postbell.toml:7: server.data_dir: must name a folder
    postbell.toml:10: deliver.max_connections: must be a whole number, or a size such as "25 MiB", not "many"
    postbell.toml:11: deliver.smtp_port: must be 65535 or less, not 70000
    postbell.toml:12: deliver.claim_batch: must be a whole number, or a size such as "25 MiB", not true
    postbell.toml:13: deliver.timeouts.dot: must be a duration such as "30s", "5m", "1h30m" or "5d", not "ten minutes"
    postbell.toml:16: deliver.retry.longest: deliver.retry.first (5m) must not be longer than deliver.retry.longest (1m)
    postbell.toml:17: deliver.retry.max_retries: must be a whole number, not the number -1
    postbell.toml:22: guard.allow_deliver[1]: invalid IP address syntax
    postbell.toml:27: log.format: must be one of "text", "json", not "xml"
    postbell.toml:30: tls.cert: unknown key; `postbell config show` lists all keys
    environment variable POSTBELL_DNS__ATEMPTS: dns.atempts: unknown key; did you mean dns.attempts?
    environment variable POSTBELL_HTTP__LISTEN: http.listen[1]: invalid socket address syntax
    environment variable POSTBELL_SERVER_HOSTNAME: is not a setting; write POSTBELL_SERVER__HOSTNAME with two underscores for the dot
    "#);
}

#[test]
fn what_is_not_toml_is_a_fault_and_hides_no_other() {
    let file = "[server]\nhostname = \n[http]\nmax_connections = \"x\"\n";
    insta::assert_snapshot!(faults(file, &[]).join("\n"), @r#"
    postbell.toml:2: string values must be quoted, expected literal string
    postbell.toml:4: http.max_connections: must be a whole number, or a size such as "25 MiB", not "x"
    "#);
}

#[test]
fn a_fault_is_one_line_whatever_a_key_is_made_of() {
    let faults = faults("\"a\\nb\" = 1\n", &[("POSTBELL_SERVER__HOST\rNAME", "x")]);
    assert_eq!(faults.len(), 2);
    assert!(faults.iter().all(|fault| !fault.contains(['\r', '\n'])));
}

#[test]
fn a_key_set_twice_is_a_fault() {
    let file = "[http]\nmax_connections = 1\nmax_connections = 2\n";
    insta::assert_snapshot!(faults(file, &[]).join("\n"), @r#"
    postbell.toml:3: duplicate key
    "#);
}

#[test]
fn a_shared_value_is_told_at_the_key_where_it_is_set() {
    let file = "server.grace = \"soon\"\nserver.hostname = \"-\"";
    insta::assert_snapshot!(faults(file, &[]).join("\n"), @r#"
    postbell.toml:1: server.grace: must be a duration such as "30s", "5m", "1h30m" or "5d", not "soon"
    postbell.toml:2: server.hostname: the domain is not a host name
    "#);
}

#[test]
fn what_would_stop_the_program_from_working_is_a_fault() {
    let file = r#"
[submission]
limits.max_connections = 0
limits.max_message_size = "0 MiB"
timeouts.command = "0s"

[[submission.trusted]]
network = "10.0.0.0/8"
workspace = "acme"

[[submission.trusted]]
network = "0.0.0.0/0"
workspace = "acme"

[server]
grace = "0s"

[log]
level = "verbose"
"#;
    insta::assert_snapshot!(faults(file, &[]).join("\n"), @r#"
    postbell.toml:3: submission.limits.max_connections: must be 1 or more
    postbell.toml:4: submission.limits.max_message_size: must be 1 or more
    postbell.toml:5: submission.timeouts.command: must be longer than 0s
    postbell.toml:12: submission.trusted[1].network: trusts the whole Internet, which makes an open relay
    postbell.toml:19: log.level: must be "error", "warn", "info", "debug", "trace" or "off", or a list such as "info,postbell_deliver=debug", not "verbose"
    "#);
}

#[test]
fn proxies_are_named_one_by_one() {
    let file = "[submission]\nproxy_from = [\"10.0.0.5/32\", \"::/0\"]\nlimits.min_data_rate = 0\n";
    insta::assert_snapshot!(faults(file, &[]).join("\n"), @"postbell.toml:2: submission.proxy_from[1]: lets everybody choose the address to come from");
}

#[test]
fn more_than_a_machine_could_hold_is_a_fault() {
    let file = r#"
[submission.limits]
max_connections = 10000001
max_message_size = "2 GiB"

[store]
fresh_deliveries = 9223372036854775807
"#;
    insta::assert_snapshot!(faults(file, &[]).join("\n"), @r#"
    postbell.toml:3: submission.limits.max_connections: must be 10000000 or less
    postbell.toml:4: submission.limits.max_message_size: must be 1 GiB or less
    postbell.toml:7: store.fresh_deliveries: must be 10000000 or less
    "#);
}

#[test]
fn a_certificate_and_its_key_come_together_and_are_read() {
    let file = "[submission]\nlisten_tls = [\"127.0.0.1:465\"]\n";
    insta::assert_snapshot!(faults(file, &[]).join("\n"), @r#"
    postbell.toml:2: submission.listen_tls: needs a certificate; set tls.certificate and tls.key
    "#);
    insta::assert_snapshot!(faults("[tls]\nkey = \"a.pem\"\n", &[]).join("\n"), @r#"
    postbell.toml:2: tls.key: needs its certificate; set tls.certificate
    "#);
    insta::assert_snapshot!(faults("[tls]\ncertificate = \"a.pem\"\n", &[]).join("\n"), @r#"
    postbell.toml:2: tls.certificate: needs its key; set tls.key
    "#);

    let certs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../certs");
    let check = |certificate: &str, key: &str| {
        let file =
            format!("[tls]\ncertificate = \"{certs}/{certificate}\"\nkey = \"{certs}/{key}\"\n");
        let checked = load(&sources(&file, &[])).unwrap().check_files();
        checked.map_err(|faults| faults.to_string().replace(certs, "certs"))
    };
    assert!(check("dev.pem", "dev-key.pem").is_ok());
    insta::assert_snapshot!(check("dev.pem", "ca-key.pem").unwrap_err(), @r#"
    postbell.toml:3: tls.key: certs/ca-key.pem: the key can't be used: keys may not be consistent: KeyMismatch
    "#);
    insta::assert_snapshot!(check("none.pem", "ca-key.pem").unwrap_err(), @r#"
    postbell.toml:2: tls.certificate: certs/none.pem: I/O error: No such file or directory (os error 2)
    "#);
    insta::assert_snapshot!(check("dev.pem", "dev.pem").unwrap_err(), @r#"
    postbell.toml:3: tls.key: certs/dev.pem: no items found
    "#);
}

#[test]
fn certificates_are_asked_for_where_they_can_be_shown_and_proved() {
    let file = "\
        [tracking]\n\
        listen_tls = [\"127.0.0.1:443\"]\n\
        [tracking.acme]\n\
        directory = \"http://ca.example/\"\n\
        contact = [\"postmaster@acme.example\"]\n\
        challenges = [\"http-01\"]\n\
        first_retry = \"2d\"\n";
    insta::assert_snapshot!(faults(file, &[]).join("\n"), @r#"
    postbell.toml:4: tracking.acme.directory: must begin with "https://"
    postbell.toml:5: tracking.acme.contact[0]: must begin with "mailto:"
    postbell.toml:6: tracking.acme.challenges: must have one with a listener: "http-01" needs tracking.listen, "tls-alpn-01" needs tracking.listen_tls
    postbell.toml:7: tracking.acme.first_retry: tracking.acme.first_retry (2d) must not be longer than tracking.acme.longest_retry (1d)
    defaults: tracking.acme.accept_terms: must be true before a certificate is asked for: read the authority's terms
    "#);
    let file = "[tracking.acme]\ndirectory = \"https://ca.example/\"\naccept_terms = true\n";
    insta::assert_snapshot!(faults(file, &[]).join("\n"), @r#"
    postbell.toml:2: tracking.acme.directory: gives certificates that nobody sees; set tracking.listen_tls
    "#);
    let file = format!("{file}ca_file = \"none.pem\"\n[tracking]\nlisten_tls = [\"[::]:443\"]\n");
    let loaded = load(&sources(&file, &[])).unwrap();
    let fault = loaded.check_files().unwrap_err().to_string();
    assert!(
        fault.contains("tracking.acme.ca_file: none.pem: "),
        "{fault}"
    );
}

#[test]
fn faults_of_the_inbound_door() {
    let file = r#"
[inbound]
proxy_from = ["10.0.0.1/32", "::/0"]
dnsbl = ["list.example", "no name"]

[inbound.limits]
max_connections_per_host = 0
max_receiving = "1 MiB"
max_checks = 0
"#;
    let told = faults(file, &[]);
    let lines: Vec<_> = told
        .iter()
        .map(|told| {
            let (place, message) = told.split_at(told.find(": ").unwrap());
            (place, message.contains("inbound."))
        })
        .collect();
    let expected = [3, 4, 7, 8, 9].map(|line| (format!("postbell.toml:{line}"), true));
    for (place, named) in expected {
        assert!(
            lines.contains(&(place.as_str(), named)),
            "{place}: {told:?}"
        );
    }
    assert_eq!(told.len(), 5, "{told:?}");

    let closed = config("[inbound]\nlisten = []\nlimits.max_checks = 3\n", &[]);
    assert!(closed.inbound.listen.is_empty());
    assert_eq!(closed.inbound.limits.max_checks, Some(3));
}

#[test]
fn the_defaults_are_those_of_the_crates_that_have_some() {
    let config = config("", &[]);
    let same = |ours: &dyn std::fmt::Debug, theirs: &dyn std::fmt::Debug| {
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    };
    same(&config.dns, &postbell_net::DnsOptions::default());
    same(&config.http_client, &postbell_net::HttpOptions::default());
}

#[test]
fn environment_over_file_over_defaults() {
    let file = "[server]\nhostname = \"a.example\"\ngrace = \"1m\"\n[http]\nlisten = []\n";
    let environment = [
        ("POSTBELL_SERVER__HOSTNAME", "b.example"),
        ("POSTBELL_HTTP__LISTEN", "127.0.0.1:1,[::1]:2"),
        ("POSTBELL_HTTP__MAX_CONNECTIONS", "7"),
        ("POSTBELL_DELIVER__RETRY__MAX_RETRIES", "3"),
        ("POSTBELL_DELIVER__MAX_BODY_OCTETS", "1 MiB"),
        ("POSTBELL_GUARD__ALLOW_DELIVER", r#"["10.0.0.0/8"]"#),
    ];
    let config = config(file, &environment);
    assert_eq!(config.server.hostname, "b.example");
    assert_eq!(config.deliver.hostname, "b.example");
    assert_eq!(config.server.grace.as_secs(), 60);
    assert_eq!(config.http.listen.len(), 2);
    assert_eq!(config.http.max_connections, 7);
    assert_eq!(config.deliver.retry.max_retries, Some(3));
    assert_eq!(config.deliver.max_body_octets, 1 << 20);
    assert_eq!(config.guard.allow_deliver.len(), 1);
}

#[test]
fn show_tells_every_key_and_where_its_value_comes_from() {
    let file = "[server]\nhostname = \"a.example\"\n";
    let environment = [("POSTBELL_HTTP__MAX_CONNECTIONS", "7")];
    let shown = load(&sources(file, &environment)).unwrap().show();
    assert!(
        shown.contains("hostname = \"a.example\"  # postbell.toml:2\n"),
        "{shown}"
    );
    assert!(
        shown.contains(
            "max_connections = 7  # environment variable POSTBELL_HTTP__MAX_CONNECTIONS\n"
        ),
        "{shown}"
    );
    assert!(
        shown.contains("\n[deliver.retry]\nfirst = \"5m\"\n"),
        "{shown}"
    );

    // What is shown is a configuration, and the same one.
    let again = load(&sources(&shown, &[])).unwrap();
    let keys = resolve::leaf_keys(&defaults());
    assert_eq!(again.settings(), keys.len());
    assert_eq!(
        format!("{:?}", again.config),
        format!("{:?}", config(file, &environment))
    );
    let unique: BTreeSet<_> = keys.iter().collect();
    assert_eq!(unique.len(), keys.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_it_panic(text in "(\\PC|\n|\\[|\\]|=|\"){0,80}", variable in "\\PC{0,20}") {
        let _ = load(&sources(&text, &[("POSTBELL_HTTP__LISTEN", &variable)]));
    }

    #[test]
    fn no_value_makes_it_panic(
        key in select(resolve::leaf_keys(&defaults())),
        value in "[-0-9a-z.,:/\"\\[\\]{}= ]{0,24}",
    ) {
        let _ = load(&sources(&format!("{key} = {value}"), &[]));
        let variable = format!("POSTBELL_{}", key.replace('.', "__").to_uppercase());
        let _ = load(&sources("", &[(&variable, &value)]));
    }
}

#[test]
fn relays_and_sites_are_read_and_looked_at() {
    let text = r#"
[[deliver.relay]]
host = "smtp.provider.example"
username = "acme"
password_env = "RELAY_PASSWORD"
domains = ["example.org", "*.example.net"]

[[deliver.relay]]
host = "10.0.0.7"
port = 25
tls = "none"
preference = 20

[[deliver.site]]
match = ["*.google.com"]
rate = "600/m"
"#;
    let loaded = load(&sources(text, &[])).unwrap();
    let deliver = &loaded.config.deliver;
    let relay = &deliver.relay[0];
    assert_eq!(
        (relay.port, relay.preference, relay.tls.name()),
        (587, 10, "starttls")
    );
    assert_eq!(deliver.site[0].rate.unwrap().to_string(), "600/m");
    let shown = loaded.show();
    assert!(
        shown.contains("RELAY_PASSWORD"),
        "the reference is no secret: {shown}"
    );
    let missing = loaded.check_files().unwrap_err().to_string();
    assert!(
        missing.contains("deliver.relay[0].password_env"),
        "{missing}"
    );
}

#[test]
fn faults_of_relays_and_sites_have_their_lines() {
    let text = r#"[[deliver.relay]]
host = "smtp.provider.example"
username = "acme"
password = "hunter2"

[[deliver.site]]
match = []
rate = "fast"
"#;
    let faults = load(&sources(text, &[])).unwrap_err().to_string();
    assert!(faults.contains("deliver.relay[0].password"), "{faults}");
    assert!(
        !faults.contains("hunter2"),
        "a password is never printed: {faults}"
    );
    assert!(faults.contains("must be a rate such as"), "{faults}");
    let text = "[[deliver.relay]]\nhost = \"smtp.provider.example\"\nusername = \"acme\"\n\
        [[deliver.site]]\nmatch = []\n";
    let faults = load(&sources(text, &[])).unwrap_err().to_string();
    assert!(faults.contains(":3"), "{faults}");
    assert!(faults.contains("deliver.site[0].match"), "{faults}");
}

#[test]
fn a_signing_domain_is_a_domain_and_the_secret_key_has_a_place() {
    let file = "[dkim]\noperator_domain = \"two words\"\n[secrets]\nkey = \"vault:x\"\n";
    let faults = faults(file, &[]);
    let [domain, key] = faults.as_slice() else {
        panic!("{faults:?}");
    };
    assert!(domain.starts_with("postbell.toml:2: dkim.operator_domain: "));
    assert!(
        key.starts_with("postbell.toml:4: secrets.key: must be "),
        "{key}"
    );
}

#[test]
fn the_name_of_the_server_is_written_as_others_are() {
    let config = config("server.hostname = \"MX.Bücher.example\"\n", &[]);
    assert_eq!(config.server.hostname, "mx.xn--bcher-kva.example");
    assert_eq!(config.deliver.hostname, config.server.hostname);
}
