//! Laws that hold of any page, in any encoding.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::inbound::mime::{Encoding, Mail};
use crate::track::plan::{Carrier, PartPlan};
use crate::transfer::{LINE_MAX, Need, fit};

/// What pages are made of, good and bad. SVG is closed again: an image ends it, so that a page
/// with two pixels would be another one than with one.
const FRAGMENTS: [&str; 30] = [
    "<a href=\"https://a.example/?b=1&amp;c=2\">x</a>",
    "<a\r\nclass=y href='HTTP://b.example' id=z>",
    "<a href=https://c.example/d>",
    "<a href=\"mailto:a@b.example\">",
    "<a href='{{postbell.unsubscribe_url}}'>",
    "<area href=\" https://e\r\n.example \">",
    "<!--[if mso]><a href=\"https://f.example\">x</a><![endif]-->",
    "<!--[if mso]><v:rect href=https://g.example /></v:rect>",
    "<![if !mso]>",
    "<!--",
    "-->",
    "<script>",
    "</script>",
    "<title>",
    "</title>",
    "<svg><title><a href=https://j.example></title></svg>",
    "</svg>",
    "</body>",
    "</html>",
    "<base href='https://h.example/'>",
    "<a href=i>",
    "\"",
    "'",
    ">",
    "<",
    "é \r\n",
    "= =3D=\r\n",
    "{{ postbell.unsubscribe_url }}",
    "\0",
    "--b\r\n",
];

fn pages() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        8 => select(&FRAGMENTS[..]).prop_map(str::to_owned),
        1 => "[a-z =\"'<>&;/!-]{0,20}",
        1 => (1..1_200_usize).prop_map(|len| "x".repeat(len)),
        1 => (1..60_usize).prop_map(|len| " x=1".repeat(len)),
    ];
    prop::collection::vec(fragment, 0..30).prop_map(|fragments| fragments.concat())
}

/// Pages without placeholders: an address in the middle of a tag makes it another tag, and whoever
/// writes one there gets that.
fn settled() -> impl Strategy<Value = String> {
    pages().prop_map(|page| {
        let page = page.replace("{{ postbell.unsubscribe_url }}", "x");
        page.replace("{{postbell.unsubscribe_url}}", "mailto:x")
    })
}

fn messages() -> impl Strategy<Value = Bytes> {
    messages_of(pages())
}

/// A page as a message: as it is, in quoted-printable with lines of some length, in base64.
fn messages_of(pages: impl Strategy<Value = String>) -> impl Strategy<Value = Bytes> {
    (pages, 0..3_u8, 4..76_usize).prop_map(|(page, encoding, width)| {
        let (name, body) = match encoding {
            0 => ("8bit", page.into_bytes()),
            1 => ("quoted-printable", quoted(page.as_bytes(), width)),
            _ => ("base64", base64(page.as_bytes(), width / 4 * 4)),
        };
        let head = format!("Content-Type: text/html\r\nContent-Transfer-Encoding: {name}\r\n\r\n");
        Bytes::from([head.into_bytes(), body].concat())
    })
}

fn quoted(page: &[u8], width: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut column = 0;
    for (at, octet) in page.iter().enumerate() {
        if page.get(at..at + 2) == Some(b"\r\n") {
            continue;
        }
        let written = match octet {
            b'\n' if at > 0 && page.get(at - 1) == Some(&b'\r') => "\r\n".to_owned(),
            b'!'..=b'<' | b'>'..=b'~' => char::from(*octet).to_string(),
            _ => format!("={octet:02x}"),
        };
        if column + written.len() > width && written != "\r\n" {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        column = if written == "\r\n" {
            0
        } else {
            column + written.len()
        };
        out.extend_from_slice(written.as_bytes());
    }
    out
}

fn base64(page: &[u8], width: usize) -> Vec<u8> {
    let digits = data_encoding::BASE64.encode(page).into_bytes();
    let lines: Vec<&[u8]> = digits.chunks(width).collect();
    lines.join(&b"\r\n"[..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_is_changed_around_the_places(raw in messages()) {
        let plan = Plan::of(&raw, &Options::default());
        let tracked = plan.render(&Plain);
        prop_assert_eq!(tracked.links, plan.links().count());
        let is_kept = |chunk: &&Bytes| raw.as_ptr_range().contains(&chunk.as_ptr());
        let kept: usize = tracked.chunks.iter().filter(is_kept).map(Bytes::len).sum();
        prop_assert_eq!(kept + tracked.written, tracked.whole().len());
        prop_assert!(tracked.chunks.iter().all(|chunk| !chunk.is_empty()));
        match plan.parts.first() {
            Some(part) => check_around(&raw, &tracked.whole(), part)?,
            None => prop_assert_eq!(&raw, &tracked.whole()),
        }
        let lines = |raw: &Bytes| raw.split(|octet| *octet == b'\n').map(<[u8]>::len).max();
        if !raw.starts_with(b"Content-Type: text/html\r\nContent-Transfer-Encoding: 8bit") {
            prop_assert!(lines(&tracked.whole()) <= lines(&raw).max(Some(77)));
        }
    }

    #[test]
    fn links_are_found_again(raw in messages_of(settled())) {
        let plan = Plan::of(&raw, &Options::default());
        let tracked = plan.render(&Again);
        let again = Plan::of(&tracked.whole(), &Options::default());
        let wanted: Vec<String> = (0..tracked.links).map(|index| format!("{LINK}{index}?a&b")).collect();
        let found: Vec<&str> = again.links().filter(|link| link.starts_with(LINK)).collect();
        prop_assert_eq!(found, wanted);
        prop_assert_eq!(again.render(&Again).pixel, tracked.pixel);
    }

    #[test]
    fn lines_are_short_enough_in_the_end(raw in messages()) {
        let tracked = Plan::of(&raw, &Options::default()).render(&Plain);
        let whole = tracked.whole();
        let fitted = fit(&whole, Need::ShortLines).unwrap();
        let mut lines = fitted.split(|octet| *octet == b'\n');
        prop_assert!(lines.all(|line| line.len() <= LINE_MAX + 1));
        let (before, after) = (Mail::read(&whole), Mail::read(&fitted));
        prop_assert_eq!(before.octets(0), after.octets(0));
    }
}

const LINK: &str = "https://t.example/";

/// Addresses that are links themselves.
struct Again;

impl Tracker for Again {
    fn link(&self, _: &str, place: Place) -> Option<String> {
        Some(format!("{LINK}{}?a&b", place.index))
    }

    fn pixel(&self) -> Option<String> {
        Some(LINK.to_owned())
    }

    fn unsubscribe(&self) -> Option<String> {
        Some("mailto:u@b.example".to_owned())
    }
}

/// What lies between places is there again: decoded, and in the very octets as far as it makes up
/// whole lines.
fn check_around(raw: &Bytes, tracked: &Bytes, part: &PartPlan) -> Result<(), TestCaseError> {
    let (before, after) = (Mail::read(raw), Mail::read(tracked));
    let encoding = before
        .parts()
        .first()
        .map_or(Encoding::Identity, |part| part.encoding);
    let (body, new_body) = (before.body(0), after.body(0));
    let (source, decode) = match &part.carrier {
        Carrier::Base64 { content, .. } => (content.as_slice(), Encoding::Identity),
        Carrier::Plain | Carrier::Quoted => (body, encoding),
    };
    let mut spans: Vec<_> = part.edits.iter().map(|edit| edit.span.clone()).collect();
    spans.push(source.len()..source.len());
    let decoded = without_line_ends(&encoding.decode(new_body));
    let (mut at, mut decoded_at, mut line_at) = (0, 0, 0);
    for span in spans {
        let piece = source.get(at..span.start).unwrap_or_default();
        at = span.end;
        let text = without_line_ends(&decode.decode(piece));
        decoded_at = behind(&decoded, decoded_at, &text)?;
        if matches!(part.carrier, Carrier::Quoted) {
            let lines = whole_lines(piece);
            line_at = behind(new_body, line_at, lines)?;
        }
    }
    prop_assert!(decoded_at <= decoded.len());
    Ok(())
}

/// Where `piece` ends, which begins at `at` or behind it.
fn behind(text: &[u8], at: usize, piece: &[u8]) -> Result<usize, TestCaseError> {
    let rest = text.get(at..).unwrap_or_default();
    let found = memchr::memmem::find(rest, piece);
    prop_assert!(found.is_some(), "{:?}", String::from_utf8_lossy(piece));
    Ok(at + found.unwrap_or_default() + piece.len())
}

/// The lines of a piece that begin and end within it.
fn whole_lines(piece: &[u8]) -> &[u8] {
    let first = memchr::memchr(b'\n', piece).map_or(piece.len(), |lf| lf + 1);
    let last = memchr::memrchr(b'\n', piece).map_or(0, |lf| lf + 1);
    piece.get(first..last).unwrap_or_default()
}

/// Line ends may have been added in tags.
fn without_line_ends(text: &[u8]) -> Vec<u8> {
    let kept = text.iter().copied();
    kept.filter(|octet| !matches!(octet, b'\r' | b'\n'))
        .collect()
}
