use bytes::Bytes;
use postbell_mail::inbound::Mail;
use postbell_mail::track::{Options, Pattern, Place, PlainText, Plan, Seek, Tracker};

const LINK: &str = "https://t.test/c/";
const PIXEL: &str = "https://t.test/o";
const UNSUBSCRIBE: &str = "https://t.test/u";

/// Addresses that are told from all others.
struct Numbers;

impl Tracker for Numbers {
    fn link(&self, _: &str, place: Place) -> Option<String> {
        Some(format!("{LINK}{}", place.index))
    }

    fn pixel(&self) -> Option<String> {
        Some(PIXEL.to_owned())
    }

    fn unsubscribe(&self) -> Option<String> {
        Some(UNSUBSCRIBE.to_owned())
    }
}

/// Nothing at all.
struct Silence;

impl Tracker for Silence {
    fn link(&self, _: &str, _: Place) -> Option<String> {
        None
    }

    fn pixel(&self) -> Option<String> {
        None
    }

    fn unsubscribe(&self) -> Option<String> {
        None
    }
}

/// Where nothing is tracked, nothing is changed; where something is, the parts and their headers
/// stay, every link that was found is there again and is the only one, and there is one pixel.
pub fn html_rewrite(data: &[u8]) {
    let raw = Bytes::copy_from_slice(data);
    let options = Options {
        seek: Seek::default(),
        plain_text: PlainText::Rewrite,
        additions: vec![("s".to_owned(), "a b".to_owned())],
        untracked: vec![Pattern::new("*.left.*/*")],
    };
    let plan = Plan::of(&raw, &options);
    assert_eq!(plan.render(&Silence).whole(), raw);
    let links: Vec<&str> = plan.links().collect();
    assert!(links.iter().all(|link| is_web(link)), "{links:?}");
    let tracked = plan.render(&Numbers);
    assert_eq!(tracked.links, links.len());
    check_parts(&raw, &tracked.whole());
    if is_foreign(&raw) {
        return;
    }
    let again = Plan::of(&tracked.whole(), &options);
    let found = again.links().filter(|link| link.starts_with(LINK)).count();
    assert_eq!(found, links.len());
    assert_eq!(again.render(&Numbers).pixel, tracked.pixel);
}

/// Whether there may be SVG or `MathML`. Each image ends one, so that a page with two pixels is
/// another one than with one.
fn is_foreign(raw: &[u8]) -> bool {
    let mail = Mail::read(raw);
    let has = |octets: &[u8]| {
        let mut names = octets.windows(4);
        names.any(|name| name.eq_ignore_ascii_case(b"<svg") || name.eq_ignore_ascii_case(b"<mat"))
    };
    mail.leaves().any(|(leaf, _)| has(&mail.octets(leaf)))
}

fn is_web(link: &str) -> bool {
    let link = link.to_ascii_lowercase();
    link.starts_with("http://") || link.starts_with("https://")
}

fn check_parts(before: &[u8], after: &[u8]) {
    let (before, after) = (Mail::read(before), Mail::read(after));
    assert_eq!(before.parts().len(), after.parts().len());
    for (index, (old, new)) in before.parts().iter().zip(after.parts()).enumerate() {
        assert_eq!(
            (old.kind, old.parent, &old.media),
            (new.kind, new.parent, &new.media)
        );
        let header = before.header(index);
        assert_eq!(header.as_bytes(), after.header(index).as_bytes());
        if old.is_attachment || old.media.main != "text" || before.is_enclosed(index) {
            let is_leaf = before.leaves().any(|(leaf, _)| leaf == index);
            assert!(!is_leaf || before.body(index) == after.body(index));
        }
    }
}
