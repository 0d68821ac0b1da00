use proptest::prelude::*;

use super::*;

const NOON: Timestamp = Timestamp::from_micros(1_777_809_600_000_000);

fn asked(fields: &str) -> Result<Asked, String> {
    let raw = format!("From: a@example.com\r\n{fields}\r\n\r\nX-Postbell-Nonsense: body\r\n");
    read(raw.as_bytes()).map_err(|unread| match unread {
        Unread::Header(error) => error.to_string(),
        Unread::Control(fault) => fault.to_string(),
    })
}

fn wrong(name: &str, value: &str) -> String {
    let said = asked(&format!("X-Postbell-{name}: {value}")).unwrap_err();
    let start = format!("The header X-Postbell-{name} can't be followed: ");
    let reason = said.strip_prefix(&start);
    reason.unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[test]
fn everything_can_be_asked_for() {
    let asked = asked(
        "X-Postbell-Configuration-Set: urgent\r\nX-POSTBELL-STREAM:news.eu\r\n\
         X-Postbell-Tags: welcome, =?utf-8?q?sch=C3=B6n?=\r\n ,welcome\r\n\
         X-Postbell-Metadata: {\"order\": \"42\", \"count\": 7, \"paid\": true,\r\n \"say\": \"\\u00e9\"}\r\n\
         X-Postbell-Track-Opens: Yes\r\nX-Postbell-Track-Clicks: off\r\n\
         X-Postbell-Unsubscribe: 1\r\nX-Postbell-Send-At: 2026-05-03T14:00:00+02:00\r\n\
         X-Postbell-Expire-After: 1h30m\r\nX-Postbell-Idempotency-Key: order 42/welcome",
    );
    let asked = asked.unwrap();
    assert_eq!(asked.configuration_set.as_deref(), Some("urgent"));
    assert_eq!(asked.send_at, Some(NOON));
    assert_eq!(asked.expire_after, Some(Duration::from_secs(5_400)));
    assert_eq!(asked.idempotency_key.as_deref(), Some("order 42/welcome"));
    let kept = asked.instructions;
    assert_eq!(kept.stream.as_deref(), Some("news.eu"));
    assert_eq!(kept.tags, ["welcome", "sch\u{f6}n"]);
    let metadata: Vec<_> = kept.metadata.iter().map(|(k, v)| (&**k, &**v)).collect();
    let wanted = [
        ("count", "7"),
        ("order", "42"),
        ("paid", "true"),
        ("say", "\u{e9}"),
    ];
    assert_eq!(metadata, wanted);
    assert_eq!(
        (kept.track_opens, kept.track_clicks, kept.unsubscribe),
        (Some(true), Some(false), Some(true))
    );
}

#[test]
fn a_message_that_asks_for_nothing_gets_nothing() {
    assert_eq!(asked("X-Other: y"), Ok(Asked::default()));
    // From the time when the message went through a server like this one.
    let relayed = "X-Postbell-Delivery: abc\r\nx-postbell-delivery: def";
    assert_eq!(asked(relayed), Ok(Asked::default()));
}

#[test]
fn a_slip_of_the_pen_is_not_lost() {
    assert_eq!(
        asked("X-Postbell-Tag: a").unwrap_err(),
        "There is no header X-Postbell-Tag; there are X-Postbell-Configuration-Set, -Stream, \
         -Tags, -Metadata, -Track-Opens, -Track-Clicks, -Unsubscribe, -Send-At, -Expire-After, \
         -Idempotency-Key"
    );
    assert_eq!(
        asked("X-Postbell-Stream: a\r\nx-postbell-stream: a").unwrap_err(),
        "The header X-Postbell-Stream stands there more than once"
    );
    for name in ControlName::ALL {
        assert_eq!(wrong(name.name(), " "), "it is empty");
    }
}

#[test]
fn names_words_and_keys_are_held_to_their_form() {
    let name = "write a name of 1 to 64 letters, digits, \"-\", \"_\" and \".\"";
    for bad in [
        "two words",
        "a/b",
        "\u{e9}",
        &"x".repeat(65),
        "=?utf-8?q?a=0D=0Ab?=",
    ] {
        assert_eq!(wrong("Stream", bad), name, "{bad}");
        assert_eq!(wrong("Configuration-Set", bad), name, "{bad}");
    }
    for field in ["Track-Opens", "Track-Clicks", "Unsubscribe"] {
        assert_eq!(wrong(field, "maybe"), "write yes or no");
    }
    for bad in ["\u{e9}", "a\tb", &"x".repeat(256), "=?utf-8?q?=C3=A9?="] {
        let key = "write 1 to 255 printable ASCII characters";
        assert_eq!(wrong("Idempotency-Key", bad), key, "{bad}");
    }
}

#[test]
fn tags_have_limits() {
    let tag = "write tags of 1 to 128 characters with commas between them";
    for bad in ["a,,b", "a,", &"x".repeat(129), "=?utf-8?q?a=0D=0Ab?="] {
        assert_eq!(wrong("Tags", bad), tag, "{bad}");
    }
    let many = vec!["a"; 21].join(",");
    assert_eq!(
        wrong("Tags", &many),
        "it has 21 tags, and at most 20 are taken"
    );
}

#[test]
fn metadata_has_one_reading() {
    let form = "write a JSON object of strings, as {\"order\": \"42\"}";
    for bad in [
        "order=42",
        "[]",
        "\"a\"",
        "{\"a\": }",
        "{} {}",
        "{'a': 'b'}",
    ] {
        assert_eq!(wrong("Metadata", bad), form, "{bad}");
    }
    for bad in ["null", "[]", "{}", "1.5", "1e3", "123456789012345678901"] {
        let said = wrong("Metadata", &format!("{{\"a\": {bad}}}"));
        let wanted = "the value of \"a\" is no string, whole number, true or false";
        assert_eq!(said, wanted, "{bad}");
    }
    let twice = wrong("Metadata", "{\"a\": \"1\", \"a\": \"2\"}");
    assert_eq!(twice, "\"a\" stands there more than once");
    let names = "its names must have 1 to 64 characters, none of them a control character";
    for bad in ["", "\\n", &"x".repeat(65)] {
        assert_eq!(wrong("Metadata", &format!("{{\"{bad}\": \"1\"}}")), names);
    }
    for bad in ["a\\r\\nBcc: x@example.org", &"x".repeat(1_001)] {
        let said = wrong("Metadata", &format!("{{\"a\": \"{bad}\"}}"));
        assert!(
            said.starts_with("the value of \"a\" has a control character"),
            "{said}"
        );
    }
    let object = |count: usize, value: &str| {
        let members = (0..count).map(|n| format!("\"{n}\": \"{value}\""));
        format!("{{{}}}", members.collect::<Vec<_>>().join(",\r\n "))
    };
    assert_eq!(
        wrong("Metadata", &object(51, "")),
        "it has more than 50 members"
    );
    let large = wrong("Metadata", &object(10, &"x".repeat(900)));
    assert_eq!(large, "its names and values have more than 8192 octets");
    assert_eq!(
        wrong("Metadata", &format!("{{\"a\": {}1", "[".repeat(500))),
        form
    );
}

#[test]
fn times_are_points_in_time() {
    for text in ["2026-05-03T12:00:00Z", "Sun, 3 May 2026 12:00:00 +0000"] {
        let asked = asked(&format!("X-Postbell-Send-At: {text}")).unwrap();
        assert_eq!(asked.send_at, Some(NOON));
    }
    for bad in ["tomorrow", "2026-05-03T12:00:00", "1777809600"] {
        assert!(
            wrong("Send-At", bad).starts_with("write a time with its zone, as "),
            "{bad}"
        );
    }
    let seconds = |text: &str| {
        let asked = asked(&format!("X-Postbell-Expire-After: {text}")).unwrap();
        asked.expire_after.unwrap().as_secs()
    };
    assert_eq!(
        (seconds("90"), seconds("2h"), seconds("1d 1s")),
        (90, 7_200, 86_401)
    );
    for bad in ["0", "0s", "-1", "1.5h", "soon", "99999999999999999999"] {
        assert!(
            wrong("Expire-After", bad).starts_with("write a time such as 2h"),
            "{bad}"
        );
    }
}

/// Values that are more like those of control fields than most.
fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\r\n ".to_owned()),
        Just("=?utf-8?q?=0D=0ABcc:_x?=".to_owned()),
        Just("=?utf-8?b?AAE=?=".to_owned()),
        Just("{\"a\": \"".to_owned()),
        Just("\\r\\n\\u0000".to_owned()),
        Just("\"}".to_owned()),
        Just("yes".to_owned()),
        Just("2026-05-03T12:00:00Z".to_owned()),
        Just(",".to_owned()),
        "[ -~\u{80}-\u{ff}]{0,12}",
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Whatever a client writes, what is kept of it can end no line, and what is said about it is
    /// a line of ASCII.
    #[test]
    fn nothing_that_is_kept_can_break_a_line(
        name in prop::sample::select(ControlName::ALL.to_vec()),
        value in value(),
    ) {
        match asked(&format!("{name}: {value}")) {
            Ok(asked) => {
                let kept = &asked.instructions;
                let metadata = kept.metadata.iter().flat_map(|(name, value)| [name, value]);
                let texts = metadata.chain(&kept.tags).chain(&kept.stream);
                let all = texts.chain(&asked.configuration_set).chain(&asked.idempotency_key);
                for text in all {
                    prop_assert!(!text.is_empty() || !kept.metadata.is_empty());
                    prop_assert!(!text.contains(char::is_control), "{text:?}");
                }
            }
            Err(said) => {
                let line = said.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
                prop_assert!(line && said.len() < 450, "{said:?}");
                prop_assert!(said.contains("X-Postbell-"), "{said}");
            }
        }
    }
}
