//! What tracking links costs: `track`, and `track FOLDER` for another collection than the one
//! beside the repository. `track --write OUT` writes what is made of fixtures and collection
//! there, each file before and after, for `tests/outside/track_verify.py`.

#[path = "../tests/tracked/mod.rs"]
mod tracked;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs, io};

use bytes::Bytes;
use postbell_mail::track::{Options, Plan};

use tracked::Reversible;

/// The newsletter that the figures are about.
const SIZE: usize = 50 * 1024;
const LINKS: usize = 60;
/// Octets of the worst pages.
const WORST: usize = 10 * 1024 * 1024;

type Make = fn() -> Vec<u8>;

const CASES: [(&str, Make); 12] = [
    ("nothing but text", || again("", "words and words\r\n")),
    ("tags that are never closed", || again("", "<div>")),
    ("tags within one another", || nested("<b>", "</b>")),
    ("tables within one another", || {
        nested("<table><tr><td>", "</td></tr></table>")
    }),
    ("end tags of nothing", || again("<i><b>", "</u>")),
    ("links that are none", || again("", "<a href=x>")),
    ("conditional comments", || {
        again(
            "",
            "<!--[if mso]><a href=http://a.example>x</a><![endif]-->",
        )
    }),
    ("a comment without an end", || {
        again("<!--[if mso]>", "<a href=http://a.example>")
    }),
    ("a value without an end", || {
        again("<a href=\"http://a.example/", "x")
    }),
    ("ends of the body in scripts", || {
        again("", "<script></body></script>")
    }),
    ("ends of the body in values", || {
        again("", "<p title='</body>'>")
    }),
    ("NULs", || again("<a href=http://a.example/\0>", "\0<")),
];

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [flag, out, rest @ ..] = arguments.as_slice()
        && flag == "--write"
    {
        let root = rest.first().map_or_else(tracked::root, PathBuf::from);
        return write(Path::new(out), &root);
    }
    let root = arguments.first().map_or_else(tracked::root, PathBuf::from);
    newsletter();
    collection(&root);
    worst();
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn newsletter() {
    let page = page();
    println!("a newsletter of {} octets with {LINKS} links", page.len());
    for (encoding, raw) in tracked::wrapped(&page) {
        let options = Options::default();
        let plan = Plan::of(&raw, &options);
        assert_eq!(plan.render(&Reversible).links, LINKS);
        let both = rate(|| {
            black_box(Plan::of(black_box(&raw), &options).render(&Reversible));
        });
        let planned = rate(|| {
            black_box(Plan::of(black_box(&raw), &options));
        });
        let rendered = rate(|| {
            black_box(black_box(&plan).render(&Reversible));
        });
        println!(
            "  {encoding:17} plan and render {both:>7.0}/s, plan {planned:>7.0}/s, render {rendered:>7.0}/s"
        );
    }
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn collection(root: &Path) {
    let Some(files) = tracked::files(root) else {
        println!("SKIPPED: {} is not there", root.display());
        return;
    };
    let messages: Vec<&Bytes> = files
        .iter()
        .flat_map(|file| file.messages.iter().map(|(_, raw)| raw))
        .collect();
    let octets: usize = messages.iter().map(|raw| raw.len()).sum();
    let mut links = 0;
    let rate = rate(|| {
        let options = Options::default();
        let rendered = messages
            .iter()
            .map(|raw| Plan::of(raw, &options).render(&Reversible));
        links = rendered.map(|tracked| tracked.links).sum();
    });
    let count = messages.len();
    let hrefs: usize = files.iter().map(|file| file.hrefs.len()).sum();
    println!(
        "{count} messages of {} files with {hrefs} addresses, {links} links, {} octets each: {:.0}/s",
        files.len(),
        octets / count,
        rate * count as f64
    );
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn worst() {
    println!("pages of {WORST} octets");
    for (name, make) in CASES {
        let head = b"Content-Type: text/html\r\n\r\n".to_vec();
        let raw = Bytes::from([head, make()].concat());
        let begin = Instant::now();
        let plan = Plan::of(&raw, &Options::default());
        let tracked = plan.render(&Reversible);
        let took = begin.elapsed();
        println!(
            "  {name:30} {took:>8.1?}, {} links, {:?}",
            tracked.links, tracked.notes
        );
    }
}

/// How often a second something can be done, the best of five tries.
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn rate(mut act: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let begin = Instant::now();
        let mut count = 0_u32;
        while begin.elapsed().as_millis() < 300 {
            act();
            count += 1;
        }
        best = best.min(begin.elapsed().as_secs_f64() / f64::from(count));
    }
    1.0 / best
}

/// A page as newsletters are: tables, styles in tags, and Outlook's comments.
fn page() -> Vec<u8> {
    let block = |link: usize| {
        format!(
            "<!--[if mso | IE]><table role=\"presentation\" width=\"600\"><tr><td><![endif]-->\r\n\
             <table role=\"presentation\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\" width=\"100%\">\r\n\
             <tr><td align=\"center\" style=\"padding:12px 24px;font-family:Helvetica,Arial,sans-serif;color:#222222\">\r\n\
             <h2 style=\"margin:0\">Offer {link}</h2><p>Words about it, as many as there have to be.</p>\r\n\
             <a href=\"https://shop.sender.example/offers/{link}?campaign=may&amp;place={link}\" target=\"_blank\" \
             style=\"background:#0055aa;color:#ffffff;text-decoration:none\">See it</a>\r\n</td></tr>\r\n</table>\r\n\
             <!--[if mso | IE]></td></tr></table><![endif]-->\r\n"
        )
    };
    let blocks: String = (0..LINKS).map(block).collect();
    let mut page = format!(
        "<!DOCTYPE html>\r\n<html>\r\n<head><title>News</title></head>\r\n<body>\r\n{blocks}"
    );
    while page.len() < SIZE {
        page.push_str("<p>More words, which no link is in.</p>\r\n");
    }
    page.push_str("</body>\r\n</html>\r\n");
    page.into_bytes()
}

fn again(begin: &str, again: &str) -> Vec<u8> {
    let mut page = begin.as_bytes().to_vec();
    while page.len() + again.len() < WORST {
        page.extend_from_slice(again.as_bytes());
    }
    page
}

fn nested(open: &str, close: &str) -> Vec<u8> {
    let depth = WORST / (open.len() + close.len());
    [open.repeat(depth), close.repeat(depth)]
        .concat()
        .into_bytes()
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn write(out: &Path, root: &Path) -> io::Result<()> {
    fs::create_dir_all(out)?;
    let mut count = 0;
    let mut put = |name: &str, raw: &Bytes| {
        let tracked = Plan::of(raw, &Options::default()).render(&Reversible);
        let name = name.replace(['/', ' '], "_");
        count += 1;
        fs::write(out.join(format!("{name}.before")), raw)?;
        fs::write(out.join(format!("{name}.after")), tracked.raw)
    };
    for file in tracked::files(root).unwrap_or_default() {
        for (encoding, raw) in &file.messages {
            put(&format!("{} {encoding}", file.name), raw)?;
        }
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/track");
    for entry in fs::read_dir(fixtures)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "eml") {
            let raw = Bytes::from(tracked::with_crlf(&fs::read(&path)?));
            put(
                &format!("fixture {}", path.file_stem().unwrap_or_default().display()),
                &raw,
            )?;
        }
    }
    println!("{count} messages are in {}", out.display());
    Ok(())
}
