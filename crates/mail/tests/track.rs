//! Links that are tracked: our own fixtures, one for each rule, and other projects' newsletters
//! where they lie beside the repository.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

#[path = "tracked/outside.rs"]
mod outside;
mod tracked;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use memchr::memmem;
use postbell_mail::track::{LINKS_MAX, Note, Options, Pattern, PlainText, Plan, Seek};
use postbell_mail::transfer::{LINE_MAX, Need, fit};

use outside::differences;
use tracked::{Reversible, files, root};

/// Files in which other links are tracked than Python's parser and our rules make one expect,
/// and why.
const REASONS: [(&str, &str, &str); 2] = [
    (
        "html/links/links.html",
        "https://example.com/textarea",
        "what stands in a textarea is text",
    ),
    (
        "html/links/links.html",
        "https://example.com/second",
        "of two attributes of a name browsers take the first",
    ),
];

#[test]
fn newsletters_of_others_are_tracked() {
    let root = root();
    let Some(files) = files(&root) else {
        println!("SKIPPED: {} is not there", root.display());
        return;
    };
    let (mut links, mut conditional) = (0, 0);
    let mut wrong = String::new();
    for file in &files {
        for (encoding, raw) in &file.messages {
            let plan = Plan::of(raw, &Options::default());
            let rendered = plan.render(&Reversible);
            for difference in differences(raw, &rendered.whole()) {
                writeln!(wrong, "{} as {encoding}: {difference}", file.name).unwrap();
            }
            let mut found: Vec<&str> = plan.links().collect();
            assert_eq!(found.len(), rendered.links);
            links += found.len();
            for href in file.hrefs.iter().filter_map(|href| expected(href)) {
                match found.iter().position(|found| **found == href) {
                    Some(at) => drop(found.remove(at)),
                    None if is_known(&file.name, &href) => {}
                    None => writeln!(wrong, "{} as {encoding}: not {href}", file.name).unwrap(),
                }
            }
            if !file.hrefs.is_empty() {
                conditional += found.len();
                for link in found.iter().filter(|link| !is_known(&file.name, link)) {
                    let has_conditions =
                        memmem::find(raw, b"<!--[if").is_some() || *encoding != "8bit";
                    if !has_conditions {
                        writeln!(wrong, "{} as {encoding}: also {link}", file.name).unwrap();
                    }
                }
            }
        }
    }
    println!(
        "{} files, {links} links, {conditional} in conditional comments",
        files.len()
    );
    assert!(wrong.is_empty(), "{wrong}");
}

/// What our rules make of a link that another parser found.
fn expected(href: &str) -> Option<String> {
    let trimmed = href
        .trim_matches(|c| c <= ' ')
        .replace(['\t', '\r', '\n'], "");
    let lower = trimmed.to_ascii_lowercase();
    let is_web = ["http://", "https://"].iter().any(|scheme| {
        lower
            .strip_prefix(scheme)
            .is_some_and(|host| !host.is_empty() && !host.starts_with('/'))
    });
    let leftovers = ["{{", "{%", "%%", "[[", "*|", "<%", "%7b%7b"];
    let is_leftover = leftovers.iter().any(|mark| lower.contains(mark));
    (is_web && !is_leftover).then_some(trimmed)
}

fn is_known(file: &str, link: &str) -> bool {
    let mut known = REASONS.iter().map(|(name, link, _)| (*name, *link));
    known.any(|known| known == (file, link))
}

#[test]
fn each_rule_holds() {
    let folder = fixtures();
    let mut told = String::new();
    for (name, raw) in messages(&folder) {
        let plan = Plan::of(&raw, &options(&name));
        let rendered = plan.render(&Reversible);
        let pixel = if rendered.pixel {
            "a pixel"
        } else {
            "no pixel"
        };
        writeln!(told, "{name}: {} links, {pixel}", rendered.links).unwrap();
        for link in plan.links() {
            writeln!(told, "    {link}").unwrap();
        }
        for note in &rendered.notes {
            writeln!(told, "    ({note})").unwrap();
        }
        assert_eq!(
            differences(&raw, &rendered.whole()),
            Vec::<String>::new(),
            "{name}"
        );
        // What was rendered has the same links.
        let options = Options {
            untracked: ["https://t.example/u/*", "https://legal.example/*"]
                .map(Pattern::new)
                .into(),
            plain_text: options(&name).plain_text,
            ..Options::default()
        };
        let plan = Plan::of(&rendered.whole(), &options);
        assert!(
            plan.links().all(|link| link.starts_with(tracked::LINK)),
            "{name}"
        );
        let again = plan.render(&Reversible);
        assert_eq!(
            (again.links, again.pixel),
            (rendered.links, rendered.pixel),
            "{name}"
        );
        assert_eq!(
            differences(&raw, &again.whole()),
            Vec::<String>::new(),
            "{name}"
        );
        if rendered.links == 0 && !rendered.pixel && name != "flowed" {
            assert_eq!(rendered.whole(), raw, "{name}");
        }
    }
    let expected = std::fs::read_to_string(folder.join("expected.txt")).unwrap_or_default();
    assert!(told == expected, "expected.txt should be:\n{told}");
}

#[test]
fn lines_stay_short() {
    for (name, raw) in messages(&fixtures()) {
        let rendered = Plan::of(&raw, &options(&name)).render(&Reversible);
        assert_eq!(
            fit(&rendered.whole(), Need::ShortLines).unwrap(),
            rendered.whole(),
            "{name}"
        );
        let whole = rendered.whole();
        let mut lines = whole.split(|octet| *octet == b'\n');
        assert!(lines.all(|line| line.len() <= LINE_MAX + 1), "{name}");
    }
}

#[test]
fn nothing_panics_on_broken_fixtures() {
    for (name, raw) in messages(&fixtures()) {
        let options = options(&name);
        for cut in (0..raw.len()).step_by(61) {
            let mut broken = raw.slice(..cut).to_vec();
            Plan::of(&Bytes::from(broken.clone()), &options).render(&Reversible);
            broken.extend(raw.iter().skip(cut + 1));
            Plan::of(&Bytes::from(broken), &options).render(&Reversible);
        }
    }
}

#[test]
fn many_links_are_tracked() {
    let links: String = (0..LINKS_MAX)
        .map(|link| format!("<a href=\"https://sender.example/{link}\">x</a>\r\n"))
        .collect();
    for (encoding, raw) in tracked::wrapped(links.as_bytes()) {
        let plan = Plan::of(&raw, &Options::default());
        assert_eq!(plan.links().count(), LINKS_MAX, "{encoding}");
        assert!(
            differences(&raw, &plan.render(&Reversible).whole()).is_empty(),
            "{encoding}"
        );
    }
    let long = format!(
        "<a href=\"https://sender.example/{}\">x</a>",
        "x".repeat(16_000)
    );
    for (encoding, raw) in tracked::wrapped(long.as_bytes()) {
        let plan = Plan::of(&raw, &Options::default());
        assert_eq!(plan.render(&Reversible).links, 1, "{encoding}");
        assert_eq!(plan.notes(), &[] as &[Note], "{encoding}");
    }
}

fn options(name: &str) -> Options {
    let plain_text = match name {
        "flowed" | "pgp-inline" => PlainText::Rewrite,
        _ => PlainText::Leave,
    };
    let additions = match name {
        "additions" => vec![
            ("utm_source".to_owned(), "news".to_owned()),
            ("utm_campaign".to_owned(), "May 2026".to_owned()),
        ],
        _ => Vec::new(),
    };
    Options {
        seek: Seek::Everything,
        plain_text,
        additions,
        untracked: vec![Pattern::new("https://legal.example/*")],
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/track")
}

fn messages(folder: &Path) -> Vec<(String, Bytes)> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "eml"));
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        (
            name,
            Bytes::from(tracked::with_crlf(&std::fs::read(file).unwrap())),
        )
    };
    files.iter().map(read).collect()
}
