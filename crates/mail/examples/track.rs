//! What tracking links costs: `track`, and `track FOLDER` for another collection than the one
//! beside the repository. `track --write OUT` writes what is made of fixtures and collection
//! there, each file before and after, for `tests/outside/track_verify.py`.

mod cost;
#[path = "cost/newsletter.rs"]
mod newsletter;
#[path = "../tests/tracked/mod.rs"]
mod tracked;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, io};

use bytes::Bytes;
use postbell_mail::track::{Options, Place, Placeholders, Plan, Tracker};
use postbell_model::token::{Claim, Link, LinkTarget, Purpose};
use postbell_model::{DeliveryId, Secret, Timestamp, TokenKeys, WorkspaceId};

use cost::processor;
use newsletter::LINKS;
use tracked::Reversible;

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
    figures()?;
    collection(&root)?;
    worst()
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn figures() -> io::Result<()> {
    let (page, tokens) = (newsletter::page(), Tokens::new());
    println!(
        "a newsletter of {} octets with {LINKS} links, each recipient with tokens",
        page.len()
    );
    for (encoding, raw) in tracked::wrapped(&page) {
        let options = Options::default();
        let plan = Plan::of(&raw, &options);
        assert_eq!(plan.render(&tokens).links, LINKS);
        let both = rate(|| {
            black_box(Plan::of(black_box(&raw), &options).render(&tokens));
        })?;
        let planned = rate(|| {
            black_box(Plan::of(black_box(&raw), &options));
        })?;
        let rendered = rate(|| {
            black_box(black_box(&plan).render(&tokens));
        })?;
        println!(
            "  {encoding:17} plan and render {both:>7.0}/s, plan {planned:>7.0}/s, render {rendered:>7.0}/s"
        );
    }
    search(&page)
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn search(page: &[u8]) -> io::Result<()> {
    let placeholders = Placeholders::default();
    for (encoding, raw) in tracked::wrapped(page) {
        let searched = rate(|| {
            black_box(placeholders.may_be_in(black_box(&raw)));
        })?;
        let speed = searched * raw.len() as f64 / 1e9;
        println!("  {encoding:17} searched for a placeholder: {speed:.1} GB/s");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn collection(root: &Path) -> io::Result<()> {
    let Some(files) = tracked::files(root) else {
        println!("SKIPPED: {} is not there", root.display());
        return Ok(());
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
    })?;
    let count = messages.len();
    let hrefs: usize = files.iter().map(|file| file.hrefs.len()).sum();
    println!(
        "{count} messages of {} files with {hrefs} addresses, {links} links, {} octets each: {:.0}/s",
        files.len(),
        octets / count,
        rate * count as f64
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn worst() -> io::Result<()> {
    println!("pages of {WORST} octets");
    for (name, make) in CASES {
        let head = b"Content-Type: text/html\r\n\r\n".to_vec();
        let raw = Bytes::from([head, make()].concat());
        let begin = processor()?;
        let plan = Plan::of(&raw, &Options::default());
        let tracked = plan.render(&Reversible);
        let took = processor()?.saturating_sub(begin);
        println!(
            "  {name:30} {took:>8.1?}, {} links, {:?}",
            tracked.links, tracked.notes
        );
    }
    Ok(())
}

/// The addresses that a recipient gets from us, with tokens as delivery makes them.
struct Tokens {
    keys: TokenKeys,
    claim: Claim,
}

impl Tokens {
    fn new() -> Self {
        let keys = TokenKeys::new([(0, &Secret::new([7; 32]))]);
        Self {
            keys: keys.expect("invariant: there is a key, and its id is 0"),
            claim: Claim {
                workspace: WorkspaceId(1),
                delivery: DeliveryId::new(Timestamp::from_micros(1_790_000_000_000_000)),
            },
        }
    }
}

impl Tracker for Tokens {
    fn link(&self, url: &str, place: Place) -> Option<String> {
        let link = Link {
            index: u16::try_from(place.index).ok()?,
            domain_tag: 7,
            target: LinkTarget::Url(url.to_owned()),
        };
        let token = self.keys.sign_link(self.claim, &link);
        Some(format!("https://track.sender.example/c/{token}"))
    }

    fn pixel(&self) -> Option<String> {
        let token = self.keys.sign_url(Purpose::Open, self.claim);
        Some(format!("https://track.sender.example/o/{token}"))
    }

    fn unsubscribe(&self) -> Option<String> {
        let token = self.keys.sign_url(Purpose::UnsubscribePage, self.claim);
        Some(format!("https://track.sender.example/u/{token}"))
    }
}

/// How often in a second of a processor something can be done, the best of five tries.
fn rate(mut act: impl FnMut()) -> io::Result<f64> {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let begin = processor()?;
        let mut count = 0_u32;
        let mut took = Duration::ZERO;
        while took < Duration::from_millis(200) {
            for _ in 0..10 {
                act();
            }
            count += 10;
            took = processor()?.saturating_sub(begin);
        }
        best = best.min(took.as_secs_f64() / f64::from(count));
    }
    Ok(1.0 / best)
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
        fs::write(out.join(format!("{name}.after")), tracked.whole())
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
