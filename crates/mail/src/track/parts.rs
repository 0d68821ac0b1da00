//! The parts of a message that its recipient reads as its text.

use crate::inbound::mime::{Kind, Mail, Part};

use super::Note;

/// A part that may have links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// Its place in [`Mail::parts`].
    pub(super) index: usize,
    pub(super) language: Language,
}

/// What a part is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// The page that is shown, which ends with the pixel.
    Body,
    /// Another page: of a kind that may have no pixel, or shown beside the first.
    Page,
    Plain,
}

/// The parts to look into, and why some are left alone.
pub(super) fn targets(mail: &Mail<'_>) -> (Vec<Target>, Vec<Note>) {
    if mail.is_limited() {
        return (Vec::new(), vec![Note::TooComplex]);
    }
    let (mut targets, mut notes) = (Vec::new(), Vec::new());
    if mail.parts().first().is_some_and(is_opaque) {
        notes.push(Note::Protected);
    }
    for (index, part) in mail.own_leaves() {
        let Some(language) = language(part) else {
            continue;
        };
        match fault(mail, index) {
            Some(note) => notes.push(note),
            None if is_shown(mail, index, part) => targets.push(Target { index, language }),
            None => {}
        }
    }
    if let Some(body) = body(mail, &targets) {
        let body = targets.iter_mut().filter(|target| target.index == body);
        body.for_each(|target| target.language = Language::Body);
    }
    (targets, notes)
}

fn language(part: &Part) -> Option<Language> {
    match part.media.sub.as_str() {
        _ if part.media.main != "text" => None,
        "html" | "x-amp-html" => Some(Language::Page),
        "plain" => Some(Language::Plain),
        _ => None,
    }
}

/// S/MIME that hides what it has (RFC 8551 §3.5.2, §3.3).
fn is_opaque(part: &Part) -> bool {
    let kinds = ["pkcs7-mime", "x-pkcs7-mime"];
    part.media.main == "application" && kinds.contains(&part.media.sub.as_str())
}

/// What forbids to change a part, in its own header or that of one which it is in.
fn fault(mail: &Mail<'_>, index: usize) -> Option<Note> {
    let mut at = Some(index);
    while let Some((index, part)) = at.and_then(|index| Some((index, mail.parts().get(index)?))) {
        // RFC 1847 §2.1, §2.2
        if part.media.is("multipart", "signed") || part.media.is("multipart", "encrypted") {
            return Some(Note::Protected);
        }
        if is_unclear(mail, index) {
            return Some(Note::Unclear);
        }
        at = part.parent;
    }
    None
}

/// Whether readers may differ about where the header of a part ends, or what it says.
fn is_unclear(mail: &Mail<'_>, index: usize) -> bool {
    // RFC 2045 §5.1, §6.1 and RFC 2183 §2 have them once.
    const ONCE: [&str; 3] = [
        "Content-Type",
        "Content-Transfer-Encoding",
        "Content-Disposition",
    ];
    let fields = || mail.header(index).fields();
    let is_twice = |name: &str| fields().filter(|field| field.is(name)).nth(1).is_some();
    !mail.has_empty_line(index)
        || fields().any(|field| field.name().is_empty())
        || ONCE.into_iter().any(is_twice)
}

/// Whether it is text of the message, and no file.
fn is_shown(mail: &Mail<'_>, index: usize, part: &Part) -> bool {
    let mut fields = mail.header(index).fields();
    let disposition = fields.find(|field| field.is("Content-Disposition"));
    // RFC 2183 §2.8: what is not known is an attachment.
    let is_inline = disposition.is_none_or(|field| {
        let value = field.unfolded();
        let word = value
            .split(|&octet| octet == b';')
            .next()
            .unwrap_or_default();
        let word = word.trim_ascii();
        word.is_empty() || word.eq_ignore_ascii_case(b"inline")
    });
    // An empty body has no line end of its own, and a boundary behind it needs one before it.
    let is_nothing = part.parent.is_some() && mail.body(index).is_empty();
    is_inline && part.filename.is_none() && !is_nothing
}

/// The HTML that is shown: of alternatives the last (RFC 2046 §5.1.4), of others the first.
fn body(mail: &Mail<'_>, targets: &[Target]) -> Option<usize> {
    let is_page = |target: &&Target| {
        let part = mail.parts().get(target.index);
        part.is_some_and(|part| part.media.is("text", "html"))
    };
    let pages: Vec<usize> = targets
        .iter()
        .filter(is_page)
        .map(|page| page.index)
        .collect();
    let mut whole = 0..mail.parts().len();
    // A part's own parts follow it directly, so each step is into a smaller range.
    while let Some(part) = mail.parts().get(whole.start) {
        if part.kind != Kind::Multipart {
            return pages.contains(&whole.start).then_some(whole.start);
        }
        let mut pages = pages.iter().filter(|page| whole.contains(page));
        let page = match part.media.sub.as_str() {
            "alternative" => pages.next_back(),
            _ => pages.next(),
        };
        let page = *page?;
        let is_child = |index: &usize| {
            mail.parts().get(*index).and_then(|part| part.parent) == Some(whole.start)
        };
        let child = (whole.start + 1..=page).rev().find(is_child)?;
        let end = (page + 1..whole.end).find(is_child).unwrap_or(whole.end);
        whole = child..end;
    }
    None
}
