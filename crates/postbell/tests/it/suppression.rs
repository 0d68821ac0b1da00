//! `postbell suppression`: by hand, and by files.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::kit::Place;

const IN_ACME: [&str; 2] = ["--workspace", "acme"];

fn with_workspaces() -> Place {
    let place = Place::new();
    place.ok(&["workspace", "add", "acme"]);
    place.ok(&["workspace", "add", "other"]);
    place
}

fn words<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["suppression"], arguments, &IN_ACME].concat()
}

fn read(place: &Place, arguments: &[&str]) -> Value {
    place.json(&words(arguments))
}

fn addresses(listed: &Value) -> Vec<&str> {
    let entries = listed.as_array().unwrap().iter();
    entries.map(|e| e["address"].as_str().unwrap()).collect()
}

#[test]
fn an_address_is_put_on_the_list_and_taken_off() {
    let place = with_workspaces();
    let said = place.ok(&words(&["add", "Ann@Example.org", "--note", "by phone"]));
    assert_eq!(said, "workspace acme sends no mail to Ann@example.org\n");
    let again = place.ok(&words(&["add", "ann@example.org"]));
    assert!(
        again
            .starts_with("Ann@example.org was on the list of workspace acme already: MANUAL since"),
        "{again}"
    );
    let shown = read(&place, &["show", "ANN@example.org"]);
    assert_eq!(shown["suppressed"], true);
    let entry = &shown["entries"][0];
    assert_eq!(entry["note"], "by phone");
    assert_eq!(
        (
            &entry["cause"],
            &entry["stream"],
            &entry["event"],
            &entry["expiresAt"]
        ),
        (&json!("MANUAL"), &Value::Null, &Value::Null, &Value::Null)
    );
    let elsewhere = [
        "suppression",
        "show",
        "ann@example.org",
        "--workspace",
        "other",
    ];
    let elsewhere = place.ok(&elsewhere);
    assert_eq!(
        elsewhere,
        "ann@example.org is not on the list of workspace other\n"
    );

    let said = place.ok(&words(&["remove", "ann@example.org"]));
    assert!(
        said.starts_with("took Ann@example.org for mail (MANUAL since"),
        "{said}"
    );
    let again = place.fails(&words(&["remove", "ann@example.org"]));
    assert_eq!(
        again,
        "postbell: ann@example.org is not on the list of workspace acme\n"
    );
}

#[test]
fn who_unsubscribed_from_a_stream_gets_the_others() {
    let place = with_workspaces();
    let news = ["--stream", "news", "--cause", "unsubscribe"];
    let said = place.ok(&words(&[&["add", "ann@example.org"], &news[..]].concat()));
    assert_eq!(
        said,
        "workspace acme sends no mail of stream news to ann@example.org\n"
    );
    let shown = read(&place, &["show", "ann@example.org"]);
    assert_eq!(shown["suppressed"], false);
    assert_eq!(shown["entries"][0]["stream"], "news");
    assert_eq!(shown["entries"][0]["cause"], "UNSUBSCRIBE");

    let other = place.fails(&words(&["remove", "ann@example.org"]));
    assert!(other.contains("but for mail of stream news"), "{other}");
    place.ok(&words(&["add", "ann@example.org", "--expires", "30d"]));
    let removed = read(&place, &["remove", "ann@example.org", "--stream", "news"]);
    assert_eq!(removed["removed"][0]["stream"], "news");
    assert_eq!(removed["left"][0]["stream"], Value::Null);
    place.ok(&words(&["remove", "ann@example.org", "--all"]));
    assert_eq!(read(&place, &["list"]), json!([]));
}

#[test]
fn an_address_is_found_in_other_spellings() {
    let place = with_workspaces();
    place.ok(&words(&["add", "ann@example.org"]));
    let shown = read(&place, &["show", "Ann+Shop@example.org"]);
    assert_eq!(shown["entries"], json!([]));
    assert_eq!(shown["others"][0]["address"], "ann@example.org");
    assert_eq!(shown["others"].as_array().unwrap().len(), 1);
}

#[test]
fn a_list_has_pages_and_filters() {
    let place = with_workspaces();
    let file = "address,cause,stream\n\
        a@x.example,bounce,\nb@y.example,complaint,\nb@y.example,unsubscribe,news\nc@x.example,,\n";
    place.write("list.csv", file);
    place.ok(&words(&["import", "list.csv"]));
    let outcome = place.run(&words(&["list", "--limit", "2"]));
    assert_eq!(outcome.stdout.lines().count(), 3, "{outcome:?}");
    assert_eq!(outcome.stderr, "there are more: --after='b@y.example'\n");
    let rest = read(&place, &["list", "--after", "b@y.example"]);
    assert_eq!(addresses(&rest), ["b@y.example", "c@x.example"]);
    let rest = read(&place, &["list", "--after", "b@y.example/news"]);
    assert_eq!(addresses(&rest), ["c@x.example"]);
    for (filter, found) in [
        (&["--cause", "complaint"][..], &["b@y.example"][..]),
        (&["--stream", "news"], &["b@y.example"]),
        (
            &["--all-mail", "--domain", "x.example"],
            &["a@x.example", "c@x.example"],
        ),
        (&["--since", "1h", "--cause", "bounce"], &["a@x.example"]),
    ] {
        let listed = read(&place, &[&["list"], filter].concat());
        assert_eq!(addresses(&listed), found, "{filter:?}");
    }
}

#[test]
fn the_next_page_is_asked_for_in_the_words_of_a_shell() {
    let place = with_workspaces();
    place.write("list.csv", "-o'brien@x.example\nzoe@x.example\n");
    place.ok(&words(&["import", "list.csv"]));
    let outcome = place.run(&words(&["list", "--limit", "1"]));
    let told = outcome.stderr.trim_end();
    assert_eq!(told, r"there are more: --after='-o'\''brien@x.example'");
    let mut shell = std::process::Command::new("sh");
    let said = told.trim_start_matches("there are more: ");
    let shell = shell.args(["-c", &format!("printf %s {said}")]).output();
    let typed = String::from_utf8(shell.unwrap().stdout).unwrap();
    let rest = read(&place, &["list", &typed]);
    assert_eq!(addresses(&rest), ["zoe@x.example"]);
}

#[test]
fn a_file_goes_in_but_for_its_faults() {
    let place = with_workspaces();
    let file = "note,address,expires,cause\r\n\
        =1+1,ann@example.org,,\r\n\
        \"two\nlines\",bob@example.org,2100-01-01,bounce\r\n\
        ,not an address,,\r\n\
        ,eve@example.org,soon,\r\n\
        ,ann@example.org,,\r\n\
        ,old@example.org,2001-01-01,\r\n\
        later,bob@example.org,2101-01-01,manual\r\n\
        \"open,zoe@example.org,,\r\n";
    place.write("list.csv", file);
    let checked = place.run(&words(&["import", "list.csv", "--check"]));
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(
        checked.stdout.starts_with(
            "list.csv: 8 rows, of which 4 could be taken; 0 are on the list already; 1 have expired"
        ),
        "{checked:?}"
    );
    assert_eq!(read(&place, &["list"]), json!([]));

    let import = words(&["import", "list.csv", "--faults", "faults.csv"]);
    let outcome = place.run(&import);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let counts = "list.csv: 8 rows; 2 were added, 1 changed, 1 were there already";
    assert!(outcome.stdout.starts_with(counts), "{outcome:?}");
    let told: Vec<_> = outcome.stderr.lines().collect();
    assert!(
        told[0].starts_with("line 5: \"not an address\" is no address"),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("line 6: \"soon\" is no time"),
        "{told:?}"
    );
    assert!(
        told[2].starts_with("line 10: a quote is opened"),
        "{told:?}"
    );
    assert_eq!(told[3], "postbell: list.csv: 3 rows were not taken");
    let faults = std::fs::read_to_string(place.path().join("faults.csv")).unwrap();
    assert!(faults.starts_with("line,fault\n5,"), "{faults}");

    let checked = place.run(&words(&["import", "list.csv", "--check", "--json"]));
    let checked: Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!(
        (&checked["good"], &checked["known"]),
        (&json!(4), &json!(4))
    );
    assert_eq!(checked["firstFaults"][1]["line"], 6);
    let listed = read(&place, &["list"]);
    assert_eq!(listed[0]["note"], "=1+1");
    let bob = &listed[1];
    assert_eq!(
        (&bob["note"], &bob["cause"]),
        (&json!("later"), &json!("BOUNCE"))
    );
    assert!(
        bob["expiresAt"].as_str().unwrap().starts_with("2101-01-01"),
        "{bob}"
    );
}

#[test]
fn a_file_that_is_given_again_takes_the_later_expiry_and_the_note() {
    let place = with_workspaces();
    let entry = |expires: &str, note: &str| {
        let file = format!("address,expires,note\nann@example.org,{expires},{note}\n");
        place.write("list.csv", &file);
        let told = read(&place, &["import", "list.csv"]);
        let counts = ["added", "changed", "known"].map(|name| told[name].as_u64().unwrap());
        let ann = read(&place, &["list"])[0].take();
        let expires = ann["expiresAt"].as_str().map(|at| at[..4].to_owned());
        (counts, expires, ann["note"].as_str().map(str::to_owned))
    };
    let stands = |year: &str, note: &str| (Some(year.to_owned()), Some(note.to_owned()));
    for (expires, note, counts, (year, said)) in [
        ("2100-01-01", "a", [1, 0, 0], stands("2100", "a")),
        ("2100-01-01", "a", [0, 0, 1], stands("2100", "a")),
        ("2090-01-01", "", [0, 0, 1], stands("2100", "a")),
        ("2110-01-01", "b", [0, 1, 0], stands("2110", "b")),
        ("", "", [0, 1, 0], (None, Some("b".to_owned()))),
        ("2110-01-01", "", [0, 0, 1], (None, Some("b".to_owned()))),
    ] {
        assert_eq!(
            entry(expires, note),
            (counts, year, said),
            "{expires} {note}"
        );
    }
}

#[test]
fn faults_are_written_to_a_file_of_their_own() {
    let place = with_workspaces();
    let list = "ann@example.org\nnot an address\n";
    place.write("list.csv", list);
    let import = |faults| words(&["import", "list.csv", "--faults", faults]);
    let told = place.fails(&import("list.csv"));
    assert_eq!(
        told,
        "postbell: list.csv is there already: name another file\n"
    );
    let read = |name| std::fs::read_to_string(place.path().join(name)).unwrap();
    assert_eq!(read("list.csv"), list);
    place.run(&import("faults.csv"));
    assert!(read("faults.csv").starts_with("line,fault\n2,"));
    let about = std::fs::metadata(place.path().join("faults.csv")).unwrap();
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_of_something_else_is_refused() {
    let place = with_workspaces();
    for (file, said) in [
        ("who,reason\na@x.example,b\n", "names no column \"address\""),
        (
            "address,reason\na@x.example,b\n",
            "there is no column \"reason\"",
        ),
        ("address,note,Note\n", "column \"note\" stands there twice"),
    ] {
        place.write("list.csv", file);
        let told = place.fails(&words(&["import", "list.csv"]));
        assert!(told.contains(said) && told.contains("line 1"), "{told}");
    }
    let missing = place.fails(&words(&["import", "nowhere.csv"]));
    assert!(missing.contains("nowhere.csv can't be read"), "{missing}");
    for empty in ["", "\n \r\n"] {
        place.write("list.csv", empty);
        let told = place.fails(&words(&["import", "list.csv"]));
        assert!(told.contains("there is nothing in the file"), "{told}");
    }
    place.write("list.csv", "address\n");
    let none = place.ok(&words(&["import", "list.csv"]));
    assert!(none.starts_with("list.csv: 0 rows"), "{none}");
}

#[test]
fn lists_from_elsewhere_call_it_email() {
    let place = with_workspaces();
    for (name, address) in [("Email", "a@x.example"), ("EMAIL ADDRESS", "b@x.example")] {
        place.write("list.csv", &format!("{name},cause\n{address},bounce\n"));
        let told = place.ok(&words(&["import", "list.csv"]));
        assert!(told.starts_with("list.csv: 1 rows; 1 were added"), "{told}");
    }
    assert_eq!(
        addresses(&read(&place, &["list", "--cause", "bounce"])),
        ["a@x.example", "b@x.example"]
    );
}

#[test]
fn a_wish_in_a_file_takes_the_place_of_a_bounce() {
    let place = with_workspaces();
    place.ok(&words(&["add", "ann@x.example", "--cause", "bounce"]));
    place.write(
        "list.csv",
        "address,cause,since\nann@x.example,unsubscribe,2026-01-31\n",
    );
    let told = read(&place, &["import", "list.csv"]);
    assert_eq!(told["changed"], 1);
    let wished = read(&place, &["list", "--cause", "unsubscribe"]);
    let since = wished[0]["since"].as_str().unwrap();
    assert!(since.starts_with("2026-01-31"), "{wished}");
    let again = place.ok(&words(&["add", "ann@x.example", "--cause", "bounce"]));
    assert!(again.contains("already: UNSUBSCRIBE since"), "{again}");
}

#[test]
fn what_is_exported_is_read_back_exactly() {
    let place = with_workspaces();
    let notes = [
        "=HYPERLINK(\"http://evil.example\")",
        "+1",
        "-1",
        "@x",
        "'=x",
        "''=x",
        "'tis",
        "a,b;c\td",
        "\"",
        "line\nline",
        "line\r\nline",
        "\r",
        "\t",
        " ",
        "ä\u{ff1d}",
        "\u{ff1d}1",
        "x",
    ];
    for (number, note) in notes.iter().enumerate() {
        let address = format!("'+{number}@example.org");
        place.ok(&words(&["add", &address, &format!("--note={note}")]));
    }
    let more = ["--stream=-news", "--cause", "complaint", "--expires", "30d"];
    place.ok(&words(&[&["add", "=x@example.org"], &more[..]].concat()));
    let said = place.ok(&words(&["export", "list.csv"]));
    assert_eq!(said, format!("list.csv: {} entries\n", notes.len() + 1));
    let there = place.fails(&words(&["export", "list.csv"]));
    assert!(there.contains("is there already"), "{there}");

    let other = |arguments: &[&'static str]| {
        let words = [&["suppression"], arguments, &["--workspace", "other"]];
        place.ok(&words.concat())
    };
    other(&["import", "list.csv"]);
    let exported = std::fs::read_to_string(place.path().join("list.csv")).unwrap();
    assert_eq!(other(&["export", "-"]), exported);
    for cell in exported
        .lines()
        .flat_map(|line| line.split([',', ';', '\t']))
    {
        let cell = cell.trim_start_matches('"');
        assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
    }
    let of = |workspace| {
        let words = ["suppression", "list", "--json", "--workspace", workspace];
        let listed: Value = serde_json::from_str(&place.ok(&words)).unwrap();
        listed.to_string().replace("\"other\"", "\"acme\"")
    };
    assert_eq!(of("other"), of("acme"));
}

#[test]
fn a_reader_of_the_list_may_go_away() {
    let place = with_workspaces();
    place.write("list.csv", &rows(10_000));
    place.ok(&words(&["import", "list.csv"]));
    let mut command = place.command(&words(&["export", "-"]));
    let mut export = command.spawn().unwrap();
    let mut first = [0; 8];
    let mut output = export.stdout.take().unwrap();
    output.read_exact(&mut first).unwrap();
    drop(output);
    let outcome = export.wait_with_output().unwrap();
    assert_eq!(&first, b"address,");
    assert_eq!(outcome.status.code(), Some(0));
    assert_eq!(String::from_utf8(outcome.stderr).unwrap(), "");
}

/// A bare list, by address.
fn rows(count: usize) -> String {
    let rows = (0..count).map(|n| format!("user{n:06}@d{}.example\n", n % 997));
    rows.collect()
}

#[test]
fn a_long_list_goes_in_and_out() {
    const ROWS: usize = 100_000;
    let place = with_workspaces();
    let rows = rows(ROWS);
    place.write("list.csv", &rows);
    let said = place.ok(&words(&["import", "list.csv"]));
    assert!(
        said.starts_with("list.csv: 100000 rows; 100000 were added"),
        "{said}"
    );
    place.ok(&words(&["export", "out.csv"]));
    let exported = std::fs::read_to_string(place.path().join("out.csv")).unwrap();
    let mut lines = exported.lines();
    assert_eq!(
        lines.next(),
        Some("address,stream,cause,since,expires,note,event")
    );
    let exported = lines.map(|line| line.split(',').next().unwrap());
    assert!(exported.eq(rows.lines()));
}
