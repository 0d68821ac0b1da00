#![expect(clippy::indexing_slicing, reason = "a test fails where it stands")]

use mail_parser::{Message, MessageParser, PartType};
use proptest::prelude::*;

use super::*;

fn seven_bit(raw: &str) -> Result<String, Unfit> {
    let fitted = fit(&Bytes::copy_from_slice(raw.as_bytes()), Need::SevenBit)?;
    assert!(fitted.is_ascii(), "{fitted:?}");
    Ok(String::from_utf8(fitted.to_vec()).unwrap())
}

fn short(raw: &str) -> String {
    let fitted = fit(&Bytes::copy_from_slice(raw.as_bytes()), Need::ShortLines).unwrap();
    String::from_utf8(fitted.to_vec()).unwrap()
}

/// What the parts of a message are, decoded, by another reader.
pub(crate) fn leaves(raw: &[u8]) -> Vec<Vec<u8>> {
    fn collect(message: &Message<'_>, into: &mut Vec<Vec<u8>>) {
        for part in &message.parts {
            match &part.body {
                PartType::Text(text) | PartType::Html(text) => into.push(text.as_bytes().to_vec()),
                PartType::Binary(octets) | PartType::InlineBinary(octets) => {
                    into.push(octets.to_vec());
                }
                PartType::Message(message) => collect(message, into),
                PartType::Multipart(_) => {}
            }
        }
    }
    let mut leaves = Vec::new();
    if let Some(message) = MessageParser::default().parse(raw) {
        collect(&message, &mut leaves);
    }
    leaves
}

#[test]
fn text_is_quoted_and_the_rest_is_base64() {
    let raw = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\
        Content-Transfer-Encoding: 8bit\r\n\r\nPreamble\r\n--x\r\n\
        Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
        Gr\u{fc}\u{df}e = 1 \r\n\r\n--x \r\n\r\nASCII\t\r\n--x\r\nContent-Type: image/png\r\n\r\n\
        \u{89}PNG\r\n--x--\r\nEpilogue\r\n";
    let wanted = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\
        Content-Transfer-Encoding: 7bit\r\n\r\nPreamble\r\n--x\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\n\
        Gr=C3=BC=C3=9Fe =3D 1=20\r\n\r\n--x \r\n\r\nASCII\t\r\n--x\r\nContent-Type: image/png\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nwolQTkc=\r\n--x--\r\nEpilogue\r\n";
    assert_eq!(seven_bit(raw).unwrap(), wanted);
    assert_eq!(leaves(wanted.as_bytes()), leaves(raw.as_bytes()));
}

#[test]
fn chunks_that_fit_are_not_touched() {
    let raw = Bytes::from("Subject: a\r\n\r\nASCII\r\n".repeat(100));
    let chunks: Vec<_> = (0..10).map(|at| raw.slice(at * 70..at * 70 + 70)).collect();
    for need in [Need::SevenBit, Need::ShortLines] {
        let fitted = fit_chunks(chunks.clone(), need).unwrap();
        assert_eq!(fitted, chunks);
        assert_eq!(fitted[9].as_ptr(), chunks[9].as_ptr());
    }
}

#[test]
fn what_fits_is_not_touched() {
    let raw = Bytes::from("Content-Transfer-Encoding: 8bit\r\n\r\nASCII\r\n");
    for need in [Need::SevenBit, Need::ShortLines] {
        let fitted = fit(&raw, need).unwrap();
        assert_eq!(fitted.as_ptr(), raw.as_ptr());
    }
    let eight_bit = Bytes::from("Subject: \u{e9}\r\n\r\n\u{e9}\r\n");
    assert_eq!(fit(&eight_bit, Need::ShortLines), Ok(eight_bit));
}

// RFC 1428 §3
#[test]
fn mail_from_before_mime_becomes_mime() {
    let fitted = seven_bit("From: a@example.com\r\n\r\n\u{e9}\r\n").unwrap();
    let wanted = "From: a@example.com\r\nContent-Transfer-Encoding: quoted-printable\r\n\
        Content-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\n\r\n=C3=A9\r\n";
    assert_eq!(fitted, wanted);
    let latin = Bytes::from_static(b"A: b\r\n\r\n\xe9\r\n");
    let fitted = fit(&latin, Need::SevenBit).unwrap();
    assert!(fitted.starts_with(
        b"A: b\r\nContent-Transfer-Encoding: quoted-printable\r\n\
        Content-Type: text/plain; charset=unknown-8bit\r\nMIME-Version: 1.0\r\n\r\n=E9\r\n"
    ));
}

#[test]
fn what_is_never_sent_need_not_be_ascii() {
    let raw = Bytes::from("Bcc: \u{e9}\r\nX-Postbell-Tags: \u{e9}\r\nA: b\r\n\r\n\u{e9}\r\n");
    let fitted = fit(&raw, Need::SevenBit).unwrap();
    assert!(fitted.ends_with(b"\r\n\r\n=C3=A9\r\n"));
    let forwarded = format!(
        "Content-Type: message/rfc822\r\n\r\n{}",
        String::from_utf8_lossy(&raw)
    );
    assert_eq!(seven_bit(&forwarded), Err(Unfit::Header));
}

// RFC 2046 §5.2.1
#[test]
fn a_forwarded_message_is_encoded_within() {
    let inner = "MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>\u{e9}</p>";
    let raw = format!(
        "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=\"a b\"\r\n\r\n--a b\r\n\
         Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\n{inner}\r\n\
         --a b\r\n\r\n{inner}\r\n--a b--\r\n"
    );
    let fitted = seven_bit(&raw).unwrap();
    assert_eq!(
        fitted
            .matches("Content-Transfer-Encoding: quoted-printable")
            .count(),
        2
    );
    assert_eq!(fitted.matches("Content-Transfer-Encoding: 7bit").count(), 1);
    assert_eq!(fitted.matches("<p>=C3=A9</p>").count(), 2);
    assert_eq!(leaves(fitted.as_bytes()), leaves(raw.as_bytes()));
}

#[test]
fn what_can_not_be_made_seven_bit_is_told_apart() {
    let multipart = |kind: &str, part: &str| {
        format!("Content-Type: multipart/{kind}; boundary=x\r\n\r\n--x\r\n{part}\r\n--x--\r\n")
    };
    for (raw, why) in [
        ("Subject: \u{e9}\r\n\r\nx".to_owned(), Unfit::Header),
        (multipart("mixed", "X-A: \u{e9}\r\n\r\nx"), Unfit::Header),
        (multipart("signed", "\r\n\u{e9}"), Unfit::Protected),
        (multipart("Encrypted", "\r\n\u{e9}"), Unfit::Protected),
        (
            multipart(
                "mixed",
                "Content-Type: message/delivery-status\r\n\r\n\u{e9}",
            ),
            Unfit::Fixed,
        ),
        (
            "Content-Transfer-Encoding: x-uuencode\r\n\r\n\u{e9}".to_owned(),
            Unfit::Fixed,
        ),
        (
            "Content-Type: multipart/mixed; boundary=x\r\n\r\n\u{e9}\r\n--x\r\n\r\n\r\n--x--"
                .to_owned(),
            Unfit::Fixed,
        ),
        (
            "Content-Transfer-Encoding: base64\r\n\r\n\u{e9}".to_owned(),
            Unfit::Unclear,
        ),
        (
            "Content-Type: multipart/mixed\r\n\r\n\u{e9}".to_owned(),
            Unfit::Unclear,
        ),
        (
            multipart("mixed", "\r\n\u{e9}\r\n--xy\r\n\r\n"),
            Unfit::Unclear,
        ),
        (
            "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n\u{e9}".to_owned(),
            Unfit::Unclear,
        ),
        (
            "Content-Type: nonsense\r\n\r\n\u{e9}".to_owned(),
            Unfit::Unclear,
        ),
    ] {
        assert_eq!(seven_bit(&raw), Err(why), "{raw}");
    }
}

#[test]
fn parts_in_parts_have_a_limit() {
    let deep = |levels: usize| {
        let forward = "Content-Type: message/rfc822\r\n\r\n".repeat(levels);
        seven_bit(&format!("{forward}A: b\r\n\r\n\u{e9}\r\n"))
    };
    assert!(deep(20).is_ok());
    assert_eq!(deep(21), Err(Unfit::TooComplex));
    assert_eq!(deep(100_000), Err(Unfit::TooComplex));
    let wide = "--x\r\n\r\na\r\n".repeat(10_001);
    let wide =
        format!("Content-Type: multipart/mixed; boundary=x\r\n\r\n{wide}--x\r\n\r\n\u{e9}\r\n");
    assert_eq!(seven_bit(&wide), Err(Unfit::TooComplex));
}

#[test]
fn what_was_quoted_stays_quoted() {
    let long = "=3D".repeat(400);
    let raw = format!(
        "MIME-Version: 1.0\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n\
         soft=\r\n \u{e9}=C3=A9\r\n{long}\r\nend=\r\n"
    );
    let fitted = seven_bit(&raw).unwrap();
    assert!(
        fitted.contains("\r\n\r\nsoft=\r\n =C3=A9=C3=A9\r\n=3D"),
        "{fitted}"
    );
    assert!(fitted.ends_with("\r\nend=\r\n"));
    assert!(!has_long_line(fitted.as_bytes()));
    assert_eq!(leaves(fitted.as_bytes()), leaves(raw.as_bytes()));
}

#[test]
fn long_lines_are_shortened() {
    let long = "word ".repeat(300);
    let text = short(&format!("MIME-Version: 1.0\r\n\r\n{long}\r\n"));
    assert!(text.starts_with(
        "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nword word"
    ));
    assert!(text.lines().all(|line| line.len() <= 76), "{text}");
    let base64 = format!(
        "MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        "AAAA".repeat(300)
    );
    let again = short(&base64);
    assert!(again.lines().all(|line| line.len() <= 76), "{again}");
    assert_eq!(leaves(again.as_bytes()), leaves(base64.as_bytes()));
    let signed =
        format!("Content-Type: multipart/signed; boundary=x\r\n\r\n--x\r\n\r\n{long}\r\n--x--\r\n");
    assert_eq!(short(&signed), signed);
    let left = long_lines(&Bytes::from(signed));
    assert_eq!((left.field, left.body), (None, 1_500));
}

#[test]
fn long_fields_are_folded_where_they_have_white_space() {
    let to = format!("To: {}\r\n", "ann@example.com, ".repeat(150));
    let raw = format!("{to}Subject: x\r\n\r\nbody\r\n");
    let fitted = short(&raw);
    assert!(!has_long_line(fitted.as_bytes()), "{fitted}");
    assert_eq!(fitted.replace("\r\n ", " "), raw);
    assert_eq!(fitted.matches("\r\n ").count(), 2);
    let field = |value: &str| long_lines(&Bytes::from(format!("X-A: {value}\r\n\r\n"))).field;
    let word = "x".repeat(998);
    assert_eq!(field(&word), Some(("X-A".to_owned(), 999)));
    assert_eq!(field(&format!("{} {}", "y".repeat(500), &word[1..])), None);
    let control = format!("X-Postbell-Metadata: {}\r\n\r\n", "x".repeat(3_000));
    assert_eq!(long_lines(&Bytes::from(control)).field, None);
}

/// A line end that no boundary can be mistaken for.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[a-z =.]{0,20}".prop_map(String::into_bytes),
        Just("\u{e9}\u{20ac}".as_bytes().to_vec()),
        Just(b" \r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        Just(vec![b'x'; 1_200]),
        Just(b"=C3=\r\n=A9".to_vec()),
        prop::collection::vec(0x80_u8.., 1..5),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn leaf() -> impl Strategy<Value = Vec<u8>> {
    let head = prop::sample::select(vec![
        "",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n",
        "Content-Transfer-Encoding: 7bit\r\nContent-Type: text/plain\r\n",
        "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n",
        "Content-Type: image/png;\r\n name=\"a.png\"\r\n",
        "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n",
    ]);
    (head, text()).prop_map(|(head, text)| [head.as_bytes(), b"\r\n", &text].concat())
}

/// A forwarded message has no parts here: the other reader loses its way in some that do.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let forwarded = leaf().prop_map(|leaf| {
        let head = b"Content-Type: message/rfc822\r\n\r\nFrom: a@example.com\r\n";
        [&head[..], &leaf].concat()
    });
    prop_oneof![3 => leaf(), 1 => forwarded]
}

fn multipart(parts: Vec<Vec<u8>>, boundary: &str, label: &str) -> Vec<u8> {
    let head = format!("Content-Type: multipart/mixed; boundary={boundary}\r\n{label}\r\n");
    let open = format!("--{boundary}\r\n");
    let mut whole = head.into_bytes();
    for part in parts {
        whole.extend_from_slice(open.as_bytes());
        whole.extend(part);
        whole.extend_from_slice(b"\r\n");
    }
    whole.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    whole
}

fn entity() -> impl Strategy<Value = Vec<u8>> {
    part().prop_recursive(3, 12, 4, |inner| {
        let parts = prop::collection::vec(inner, 1..4);
        let label = prop::sample::select(vec!["", "Content-Transfer-Encoding: 8bit\r\n"]);
        (parts, "[A-Z]{12}", label)
            .prop_map(|(parts, boundary, label)| multipart(parts, &boundary, label))
    })
}

/// What the oracle reads, where it does: mail-parser overflows on some quoted-printable text, which
/// a build with checks makes a panic.
fn read(raw: &[u8]) -> Option<Vec<Vec<u8>>> {
    std::panic::catch_unwind(|| leaves(raw)).ok()
}

proptest! {
    #[test]
    fn the_parts_are_the_same_when_decoded(entity in entity()) {
        let raw = Bytes::from([&b"From: a@example.com\r\nMIME-Version: 1.0\r\n"[..], &entity].concat());
        let Some(before) = read(&raw) else { return Ok(()) };
        let same = |octets: &[u8]| read(octets).is_none_or(|after| after == before);
        let seven_bit = fit(&raw, Need::SevenBit);
        if let Ok(fitted) = &seven_bit {
            prop_assert!(fitted.is_ascii());
            prop_assert!(same(fitted), "{fitted:?}");
            prop_assert!(fit(fitted, Need::SevenBit).as_ref() == Ok(fitted), "{fitted:?}");
        }
        let short = fit(&raw, Need::ShortLines).unwrap();
        prop_assert!(same(&short), "{short:?}");
        if !raw.windows(17).any(|w| w.eq_ignore_ascii_case(b"quoted-printable\r")) {
            prop_assert!(seven_bit.is_ok_and(|fitted| !has_long_line(&fitted)));
            prop_assert!(!has_long_line(&short));
        }
    }

    #[test]
    fn any_octets_fit_or_do_not(pieces in prop::collection::vec(prop_oneof![
        prop::sample::select(vec![
            &b"Content-Type: multipart/mixed; boundary=x\r\n"[..],
            b"Content-Type: message/rfc822\r\n",
            b"Content-Transfer-Encoding: 8bit\r\n",
            b"Content-Transfer-Encoding: base64\r\n",
            b"\r\n", b"\n", b"--x", b"--x\r\n", b"--x--\r\n", b"--", b"=", b" ", b"\xc3\xa9",
        ]).prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..6),
        Just(vec![b'y'; 999]),
    ], 0..30)) {
        let raw = Bytes::from(pieces.concat());
        if let Ok(fitted) = fit(&raw, Need::SevenBit) {
            prop_assert!(fitted.is_ascii() || raw.is_ascii());
        }
        prop_assert!(fit(&raw, Need::ShortLines).is_ok());
        long_lines(&raw);
    }

    #[test]
    fn long_lines_are_seen(lens in prop::collection::vec(
        prop_oneof![0..1_100_usize, 990..1_005_usize],
        0..6,
    ), ended in any::<bool>()) {
        let lines: Vec<_> = lens.iter().map(|&len| "x".repeat(len)).collect();
        let mut text = lines.join("\r\n");
        if ended {
            text.push_str("\r\n");
        }
        let long = lens.iter().any(|&len| len > LINE_MAX);
        prop_assert_eq!(has_long_line(text.as_bytes()), long);
    }

    #[test]
    fn chunks_fit_as_the_whole_does(
        lines in prop::collection::vec(
            (prop_oneof![0..20_usize, 990..1_005_usize], prop::sample::select(&["x", "\u{e9}"][..])),
            0..6,
        ),
        cuts in prop::collection::vec(0..4_000_usize, 0..6),
        need in prop::sample::select(&[Need::ShortLines, Need::SevenBit][..]),
    ) {
        let lines = lines.iter().map(|(len, letter)| letter.repeat(*len));
        let raw = ["Subject: a\r\n\r\n".to_owned(), lines.collect::<Vec<_>>().join("\r\n")];
        let raw = Bytes::from(raw.concat());
        let mut places: Vec<_> = cuts.iter().map(|cut| *cut.min(&raw.len())).collect();
        places.extend([0, raw.len()]);
        places.sort_unstable();
        let chunks = places.windows(2).map(|pair| raw.slice(pair[0]..pair[1]));
        let chunks: Vec<_> = chunks.filter(|chunk| !chunk.is_empty()).collect();
        prop_assert!(may_have_long_line(&chunks) || !has_long_line(&raw));
        let whole = fit(&raw, need);
        let fitted = fit_chunks(chunks, need).map(|chunks| Bytes::from(chunks.concat()));
        prop_assert_eq!(fitted, whole);
    }
}
