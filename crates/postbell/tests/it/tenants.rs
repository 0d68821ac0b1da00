//! `postbell workspace`, `domain`, `config-set` and `destination`.

use serde_json::Value;

use crate::kit::Place;

fn with_workspace() -> Place {
    let place = Place::new();
    place.ok(&["workspace", "add", "acme"]);
    place
}

#[test]
fn a_workspace_comes_with_its_default_configuration_set() {
    let place = Place::new();
    let made = place.json(&["workspace", "add", "acme"]);
    assert_eq!(made["name"], "acme");
    assert_eq!(
        place.json(&["workspace", "list"]),
        serde_json::json!([made])
    );
    let sets = place.json(&["config-set", "list", "--workspace", "acme"]);
    assert_eq!(sets[0]["name"], "default");
    assert_eq!(sets[0]["maxRetries"], Value::Null);
}

#[test]
fn a_table_for_people() {
    let place = with_workspace();
    let urgent = ["config-set", "add", "urgent", "--workspace", "acme"];
    place.ok(&[
        &urgent[..],
        &["--max-retries", "3", "--expire-after", "1h30m"],
        &["--reports", "off"],
    ]
    .concat());
    insta::assert_snapshot!(place.ok(&["config-set", "list"]), @r#"
    NAME     WORKSPACE  RETRIES        EXPIRY         REPORTS
    default  acme       as configured  as configured  on for SMTP
    urgent   acme       3              1h30m          off
    "#);
}

#[test]
fn a_configuration_set_can_be_changed() {
    let place = with_workspace();
    let add = ["config-set", "add", "quiet", "--workspace", "acme"];
    let made = place.json(&[&add[..], &["--reports", "off"]].concat());
    assert_eq!(made["reports"], false);
    let set = |more: &[&'static str]| {
        let words = ["config-set", "update", "quiet", "--workspace", "acme"];
        [&words[..], more].concat()
    };
    let changed = place.json(&set(&["--reports", "on", "--max-retries", "0"]));
    assert_eq!(
        (&changed["reports"], &changed["maxRetries"]),
        (&true.into(), &0.into())
    );
    let said = place.ok(&set(&["--reports", "default", "--expire-after", "1h"]));
    insta::assert_snapshot!(said, @"changed configuration set quiet of workspace acme: retries 0, expiry 1h, reports on for SMTP, mail leaves as configured");
    let listed = place.json(&["config-set", "list"]);
    assert_eq!(listed[1]["reports"], Value::Null);
    assert_eq!(listed[1]["maxRetries"], 0);
    assert_eq!(listed[1]["expireAfterSeconds"], 3_600);

    for (options, said) in [
        (&[][..], "--reports"),
        (&["--reports", "maybe"], "write it as on or off, or default"),
    ] {
        let outcome = place.run(&set(options));
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains(said), "{outcome:?}");
    }
    let unknown = [
        "config-set",
        "update",
        "loud",
        "--workspace",
        "acme",
        "--reports",
        "on",
    ];
    let unknown = place.fails(&unknown);
    assert!(unknown.contains("there are: default, quiet"), "{unknown}");
}

#[test]
fn a_domain_has_its_return_path_within_it() {
    let place = with_workspace();
    fn add<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
        [&["domain", "add", "--workspace", "acme"], arguments].concat()
    }
    let made = place.json(&add(&["Acme.Example"]));
    assert_eq!(made["name"], "acme.example");
    assert_eq!(made["returnPathHost"], "bounce.acme.example");
    assert_eq!(made["configurationSet"], "default");

    let taken = place.fails(&add(&["acme.example"]));
    assert!(taken.contains("belongs to workspace"), "{taken}");
    let elsewhere = place.fails(&add(&["b.example", "--return-path", "c.test"]));
    assert!(elsewhere.contains("SPF would not align"), "{elsewhere}");
    let no_domain = place.fails(&add(&["not a domain"]));
    assert!(no_domain.contains("\"not a domain\""), "{no_domain}");
    assert_eq!(place.json(&["domain", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_destination_gets_a_secret_that_is_shown_once() {
    let place = with_workspace();
    let add = |name, url| {
        [
            "destination",
            "add",
            name,
            "--workspace",
            "acme",
            "--url",
            url,
        ]
    };
    let made = place.json(&add("hook", "https://acme.example/events"));
    assert!(
        made["secret"].as_str().unwrap().starts_with("whsec_"),
        "{made}"
    );
    assert_eq!(made["format"], "postbell");

    let listed = place.json(&["destination", "list"]);
    assert_eq!(listed[0]["name"], "hook");
    assert_eq!(listed[0]["secret"], Value::Null);
    let own_secret = [
        &add("own", "https://acme.example/")[..],
        &["--secret", "plain-but-mine"],
    ];
    let told = place.ok(&own_secret.concat());
    assert!(!told.contains("plain-but-mine"), "{told}");
}

#[test]
fn limits_are_set_changed_and_shown() {
    let place = Place::new();
    place.ok(&["workspace", "add", "acme", "--rate", "600"]);
    let add = ["credential", "add", "shop", "--workspace", "acme"];
    let made = place.json(&[&add[..], &["--quota", "5000"]].concat());
    assert_eq!(
        (&made["rate"], &made["quota"]),
        (&Value::Null, &5000.into())
    );
    assert_eq!(made["scram"], true);
    let set = [
        "credential",
        "update",
        "shop",
        "--rate",
        "60",
        "--quota",
        "none",
    ];
    place.json(&set);
    place.json(&["workspace", "update", "acme", "--quota", "9"]);
    let listed = &place.json(&["credential", "list"])[0];
    assert_eq!(
        (&listed["rate"], &listed["quota"]),
        (&60.into(), &Value::Null)
    );
    let listed = &place.json(&["workspace", "list"])[0];
    assert_eq!(
        (&listed["rate"], &listed["quota"]),
        (&600.into(), &9.into())
    );
    let table = place.ok(&["workspace", "list"]);
    assert!(table.contains("RATE/MIN  QUOTA/DAY"), "{table}");
    let unknown = place.fails(&["credential", "update", "shops", "--rate", "1"]);
    assert!(unknown.contains("no credential \"shops\""), "{unknown}");
    let unknown = place.fails(&["workspace", "update", "acne", "--rate", "1"]);
    assert!(unknown.contains("no workspace \"acne\""), "{unknown}");
}

#[test]
fn a_credential_gets_a_password_that_is_shown_once() {
    let place = Place::new();
    place.ok(&["workspace", "add", "acme"]);
    let add = ["credential", "add", "shop", "--workspace", "acme"];
    let made = place.json(&add);
    assert_eq!(made["password"].as_str().map(str::len), Some(32));
    let taken = place.fails(&add);
    assert!(
        taken.contains("credential \"shop\" exists already"),
        "{taken}"
    );
    let chosen = [
        "credential",
        "add",
        "b",
        "--workspace",
        "acme",
        "--password",
        "x",
    ];
    assert_eq!(place.json(&chosen).get("password"), None);

    let revoked = place.json(&["credential", "revoke", "shop", "--yes"]);
    assert!(revoked["revokedAt"].is_string());
    let unknown = place.fails(&["credential", "revoke", "shops"]);
    assert!(
        unknown.contains("there is no credential \"shops\""),
        "{unknown}"
    );
    let listed = place.json(&["credential", "list"]);
    let text = listed.to_string();
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    assert!(
        !text.contains("password") && !text.contains("argon2"),
        "{text}"
    );
}

#[test]
fn a_destination_is_checked_before_it_is_made() {
    let place = with_workspace();
    let add = |url, more: &[&str]| {
        let add = [
            "destination",
            "add",
            "hook",
            "--workspace",
            "acme",
            "--url",
            url,
        ];
        place.fails(&[&add[..], more].concat())
    };
    let good = "https://acme.example/";
    assert!(add("ftp://acme.example/", &[]).contains("neither http nor https"));
    let unknown = add(good, &["--events", "Send,Bouncy"]);
    assert!(
        unknown.contains("Bouncy") && unknown.contains("Bounce"),
        "{unknown}"
    );
    assert!(add(good, &["--format", "morse"]).contains("morse"));
    assert!(add(good, &["--secret", "whsec_!"]).contains("base64"));
    assert_eq!(place.json(&["destination", "list"]), serde_json::json!([]));
}

#[test]
fn names_that_are_not_there_are_told_with_those_that_are() {
    let place = with_workspace();
    let workspace = place.fails(&["domain", "list", "--workspace", "acne"]);
    assert_eq!(
        workspace,
        "postbell: there is no workspace \"acne\"; there are: acme\n"
    );
    let add = ["domain", "add", "a.example", "--workspace", "acme"];
    let set = place.fails(&[&add[..], &["--config-set", "x"]].concat());
    assert!(
        set.contains("no configuration set \"x\"; there are: default"),
        "{set}"
    );
    let twice = place.fails(&["workspace", "add", "acme"]);
    assert!(twice.contains("exists already"), "{twice}");
    let awkward = place.fails(&["workspace", "add", "a/b"]);
    assert!(awkward.contains("can't be a name"), "{awkward}");
}

#[test]
fn a_removed_domain_can_be_added_by_another_workspace() {
    let place = with_workspace();
    let add = ["domain", "add", "acme.example", "--workspace"];
    let made = place.json(&[&add[..], &["acme"]].concat());
    assert_eq!(made["replyHost"], "reply.acme.example");
    assert_eq!(made["trackingHost"], "track.acme.example");
    let counted = place.ok(&["domain", "remove", "acme.example"]);
    insta::assert_snapshot!(counted, @"acme.example would be removed with its 2 keys, and 0 deliveries that wait would be rejected; say --yes to do it");
    assert_eq!(place.json(&["domain", "list"])[0]["verified"], false);
    let removed = place.json(&["domain", "remove", "acme.example", "--yes"]);
    assert_eq!(
        (&removed["done"], &removed["keys"]),
        (&true.into(), &2.into())
    );
    assert_eq!(place.json(&["domain", "list"]), serde_json::json!([]));
    let gone = place.fails(&["domain", "remove", "acme.example", "--yes"]);
    assert!(gone.contains("there is no domain acme.example"), "{gone}");

    place.ok(&["workspace", "add", "other"]);
    let anew = place.json(&[&add[..], &["other"]].concat());
    assert_ne!(made["keys"][0]["selector"], anew["keys"][0]["selector"]);
    let told = place.ok(&["events", "list", "--kind", "DomainCreated,DomainDeleted"]);
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[test]
fn a_change_of_a_domain_needs_something_to_change() {
    let place = with_workspace();
    place.ok(&["domain", "add", "acme.example", "--workspace", "acme"]);
    let nothing = place.run(&["domain", "update", "acme.example"]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    let set = place.fails(&["domain", "update", "acme.example", "--config-set", "x"]);
    assert!(
        set.contains("no configuration set \"x\"; there are: default"),
        "{set}"
    );
    place.ok(&["config-set", "add", "urgent", "--workspace", "acme"]);
    let hosts = ["--reply-host", "in.acme.example", "--config-set", "urgent"];
    let changed = place.json(&[&["domain", "update", "acme.example"], &hosts[..]].concat());
    assert_eq!(changed["replyHost"], "in.acme.example");
    assert_eq!(changed["configurationSet"], "urgent");
}

#[test]
fn only_a_workspace_makes_the_database() {
    let place = Place::new();
    let add = ["domain", "add", "acme.example", "--workspace", "acme"];
    for arguments in [&["workspace", "list"][..], &add] {
        let failure = place.fails(arguments);
        assert!(
            failure.contains("there is no data folder data"),
            "{failure}"
        );
        assert!(!place.path().join("data").exists());
    }
}

#[test]
fn the_data_folder_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let place = with_workspace();
    let data = std::fs::metadata(place.path().join("data")).unwrap();
    assert_eq!(data.permissions().mode() & 0o777, 0o700);
}

#[test]
fn an_api_key_is_shown_once_and_told_by_how_it_begins() {
    let place = with_workspace();
    let add = ["api-key", "add", "app", "--workspace", "acme"];
    let made = place.json(&[&add[..], &["--expires-in", "30d"]].concat());
    let (key, prefix) = (
        made["key"].as_str().unwrap(),
        made["prefix"].as_str().unwrap(),
    );
    assert!(key.starts_with("sk_") && key.starts_with(prefix) && key.len() == 43);
    assert!(place.fails(&add).contains("API key \"app\" exists already"));
    let site = ["api-key", "add", "site", "--workspace", "acme", "--public"];
    assert!(place.ok(&site).contains("key, shown this once: pk_"));

    let listed = place.json(&["api-key", "list", "--workspace", "acme"]);
    assert_eq!(
        (&listed[1]["kind"], &listed[0]["name"]),
        (&"public".into(), &"app".into())
    );
    assert!(!listed.to_string().contains(key));
    let update = ["api-key", "update", "app", "--name", "backend"];
    let changed = place.json(&[&update[..], &["--expires-in", "never"]].concat());
    assert_eq!(
        (&changed["name"], &changed["expiresAt"]),
        (&"backend".into(), &Value::Null)
    );
    let shown = place.ok(&["api-key", "show", prefix]);
    assert!(
        shown.contains("backend") && shown.contains("last used      never"),
        "{shown}"
    );
    assert_eq!(place.run(&["api-key", "update", "backend"]).code, Some(2));

    let would = place.ok(&["api-key", "remove", "backend"]);
    assert!(would.contains("say --yes to do it"), "{would}");
    assert_eq!(
        place.json(&["api-key", "remove", prefix, "--yes"])["done"],
        true
    );
    let gone = place.fails(&["api-key", "show", prefix]);
    assert!(gone.contains("there is no API key"), "{gone}");
}

#[test]
fn a_workspace_is_removed_when_nothing_depends_on_it() {
    let place = with_workspace();
    place.ok(&["domain", "add", "acme.example", "--workspace", "acme"]);
    place.ok(&["credential", "add", "shop", "--workspace", "acme"]);
    let shown = place.ok(&["workspace", "show", "acme"]);
    for line in [
        "sending        active",
        "waiting        0 deliveries",
        "domains        acme.example",
        "sets           default",
        "credentials    shop",
        "API keys       none",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    for yes in [&[][..], &["--yes"]] {
        let refused = place.fails(&[&["workspace", "remove", "acme"][..], yes].concat());
        assert!(
            refused.contains("it has 1 domain (acme.example); remove them first"),
            "{refused}"
        );
    }
    place.ok(&["workspace", "add", "other"]);
    place.ok(&["credential", "add", "batch", "--workspace", "other"]);
    let would = place.ok(&["workspace", "remove", "other"]);
    assert_eq!(
        would,
        "workspace other would be removed, with 1 configuration sets, 0 destinations, \
         1 credentials and 0 API keys; say --yes to do it\n"
    );
    let removed = place.json(&["workspace", "remove", "other", "--yes"]);
    assert_eq!(
        (&removed["done"], &removed["name"]),
        (&true.into(), &"other".into())
    );
    assert!(
        place
            .fails(&["workspace", "show", "other"])
            .contains("there are: acme")
    );
    let again = place.json(&["workspace", "add", "other"]);
    assert_ne!(again["id"], removed["id"]);
    let taken = place.fails(&["credential", "add", "batch", "--workspace", "other"]);
    assert!(taken.contains("exists already"), "{taken}");

    let trusted = "submission.trusted = [{ network = \"127.0.0.0/8\", workspace = \"other\" }]";
    std::fs::write(place.path().join("postbell.toml"), trusted).unwrap();
    let refused = place.fails(&["workspace", "remove", "other", "--yes"]);
    assert!(refused.contains("submission.trusted[0]"), "{refused}");
}

#[test]
fn a_configuration_set_is_removed_when_nothing_uses_it() {
    let place = with_workspace();
    let of_acme = ["--workspace", "acme"];
    let set = |words: &[&'static str]| [&["config-set"], words, &of_acme].concat();
    place.ok(&set(&["add", "quiet"]));
    let domain = ["domain", "add", "acme.example", "--config-set", "quiet"];
    place.ok(&[&domain[..], &of_acme].concat());
    let shown = place.ok(&set(&["show", "quiet"]));
    assert!(
        shown.contains("domains        acme.example") && shown.contains("destinations   none"),
        "{shown}"
    );
    let used = place.fails(&set(&["remove", "quiet", "--yes"]));
    assert!(
        used.contains("it is that of 1 domain (acme.example)"),
        "{used}"
    );
    let default = place.fails(&set(&["remove", "default", "--yes"]));
    assert!(default.contains("name no other are of it"), "{default}");
    place.ok(&set(&["add", "spare"]));
    assert!(
        place
            .ok(&set(&["remove", "spare"]))
            .contains("would be removed")
    );
    assert_eq!(
        place.json(&set(&["remove", "spare", "--yes"]))["done"],
        true
    );
    assert!(
        place
            .fails(&set(&["show", "spare"]))
            .contains("no configuration set")
    );
}

#[test]
fn a_credential_is_counted_before_it_is_revoked() {
    let place = with_workspace();
    place.ok(&["credential", "add", "shop", "--workspace", "acme"]);
    let would = place.ok(&["credential", "revoke", "shop", "--queue", "hold"]);
    assert_eq!(
        would,
        "shop would be refused from then on; 0 deliveries of it would be held; say --yes to do it\n"
    );
    let shown = place.ok(&["credential", "show", "shop"]);
    assert!(shown.contains("state          in use"), "{shown}");
    let done = place.ok(&["credential", "remove", "shop", "--queue", "hold", "--yes"]);
    assert!(done.ends_with("; 0 deliveries were held\n"), "{done}");
    let shown = place.ok(&["credential", "show", "shop"]);
    assert!(shown.contains("state          revoked"), "{shown}");
}

#[test]
fn a_pause_has_a_reason_and_can_be_ended_twice() {
    let place = with_workspace();
    let long = "x".repeat(201);
    let wordy = place.run(&["workspace", "pause", "acme", "--reason", &long]);
    assert_eq!(wordy.code, Some(2), "{wordy:?}");
    let paused = place.ok(&["workspace", "pause", "acme", "--reason", "fraud"]);
    assert!(paused.starts_with("paused workspace acme; "), "{paused}");
    let again = place.json(&["workspace", "pause", "acme", "--new-mail", "refuse"]);
    assert_eq!(again["sending"]["newMail"], "refuse");
    assert_eq!(again["sending"]["reason"], Value::Null);
    assert!(place.ok(&["workspace", "list"]).contains("paused"));
    let shown = place.ok(&["workspace", "show", "acme"]);
    assert!(shown.contains("new mail is refused"), "{shown}");
    for said in ["resumed workspace acme", "workspace acme was not paused"] {
        assert!(place.ok(&["workspace", "resume", "acme"]).starts_with(said));
    }
    let events = place.ok(&["events", "list", "--kind", "SendingPaused,SendingResumed"]);
    assert_eq!(events.lines().count(), 2, "{events}");
    let unknown = place.fails(&["domain", "pause", "nowhere.example"]);
    assert!(
        unknown.contains("there is no domain nowhere.example"),
        "{unknown}"
    );
}
