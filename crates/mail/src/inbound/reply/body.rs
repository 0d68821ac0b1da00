//! Which parts of a message are its text, and what they say together.
//!
//! Mail programs put pictures and files between the lines, and what follows them is a part of its
//! own: all that stands inline belongs to the text, in its order. Of parts that say the same in
//! different forms (RFC 2046 §5.1.4) one is taken for each form. A part with a name is a file,
//! unless the message has nothing else.

use std::iter::once;
use std::mem::take;

use crate::inbound::html;
use crate::inbound::mime::{Kind, Mail, Part};

/// Octets of all parts of one form that are read.
const TEXT_MAX: usize = 1024 * 1024;

/// The texts as they are.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// Made from HTML where there is no other.
    pub(super) text: String,
    pub(super) html: Option<String>,
}

/// Something that is shown, by the parts that have it as text, and those that have it as HTML.
#[derive(Debug, Default)]
struct Piece {
    plain: Vec<usize>,
    html: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Html,
}

impl Body {
    pub(super) fn of(mail: &Mail<'_>) -> Self {
        let mut pieces = shown(mail, is_inline);
        if pieces.is_empty() {
            pieces = shown(mail, |_, part| !part.is_attachment);
        }
        let mut body = Self::default();
        let (mut of_plain, mut of_html) = (Room::of(mail), Room::of(mail));
        let mut last: Option<(Form, String)> = None;
        for piece in &pieces {
            let plain = of_plain.read(&piece.plain);
            let html = of_html.read(&piece.html);
            let (form, text) = match plain.trim().is_empty() {
                true if !piece.html.is_empty() => (Form::Html, html::to_text(&html)),
                _ => (Form::Plain, plain),
            };
            if !piece.html.is_empty() {
                append(body.html.get_or_insert_default(), &html);
            }
            // Some send both forms one behind the other, and do not say that they are the same.
            let is_repeated = last
                .as_ref()
                .is_some_and(|(before, said)| *before != form && has_same_words(said, &text));
            if !is_repeated {
                append(&mut body.text, &text);
            }
            last = Some((form, text));
        }
        body
    }
}

/// The pieces of the message itself in their order, of the leaves that count.
fn shown(mail: &Mail<'_>, counts: fn(&Mail<'_>, &Part) -> bool) -> Vec<Piece> {
    let parts = mail.parts();
    // What the children of each part show, the last child first: a part stands before its
    // children.
    let mut within: Vec<Vec<Vec<Piece>>> = parts.iter().map(|_| Vec::new()).collect();
    for (index, part) in parts.iter().enumerate().rev() {
        let children = within.get_mut(index).map(take).unwrap_or_default();
        let children = children.into_iter().rev();
        let pieces = match part.kind {
            Kind::Message => Vec::new(),
            Kind::Leaf if counts(mail, part) => Piece::of(index, part).into_iter().collect(),
            Kind::Leaf => Vec::new(),
            Kind::Multipart if part.media.is("multipart", "alternative") => {
                once(alternative(children)).flatten().collect()
            }
            Kind::Multipart => children.flatten().collect(),
        };
        match part.parent.and_then(|parent| within.get_mut(parent)) {
            Some(siblings) => siblings.push(pieces),
            None => return pieces,
        }
    }
    Vec::new()
}

impl Piece {
    fn of(index: usize, part: &Part) -> Option<Self> {
        let mut piece = Self::default();
        match part.media.sub.as_str() {
            "plain" if part.media.main == "text" => piece.plain.push(index),
            "html" if part.media.main == "text" => piece.html.push(index),
            _ => return None,
        }
        Some(piece)
    }
}

/// One piece of all alternatives: each form from the first that has it.
fn alternative(alternatives: impl Iterator<Item = Vec<Piece>>) -> Option<Piece> {
    let mut found = Piece::default();
    for pieces in alternatives {
        let (plain, html): (Vec<_>, Vec<_>) = pieces
            .into_iter()
            .map(|piece| (piece.plain, piece.html))
            .unzip();
        if found.plain.is_empty() {
            found.plain = plain.concat();
        }
        if found.html.is_empty() {
            found.html = html.concat();
        }
    }
    (!found.plain.is_empty() || !found.html.is_empty()).then_some(found)
}

/// Whether a leaf is for reading: it has no name, or is one form of what has several.
fn is_inline(mail: &Mail<'_>, part: &Part) -> bool {
    let parent = part.parent.and_then(|parent| mail.parts().get(parent));
    let is_form = |parent: &Part| {
        parent.media.is("multipart", "alternative") || parent.media.is("multipart", "related")
    };
    !part.is_attachment && (part.filename.is_none() || parent.is_some_and(is_form))
}

/// Reads parts up to the limit of all.
struct Room<'m, 'a> {
    mail: &'m Mail<'a>,
    octets: usize,
}

impl<'m, 'a> Room<'m, 'a> {
    const fn of(mail: &'m Mail<'a>) -> Self {
        Self {
            mail,
            octets: TEXT_MAX,
        }
    }

    fn read(&mut self, parts: &[usize]) -> String {
        let mut text = String::new();
        for index in parts {
            append(&mut text, &self.mail.text(*index, self.octets));
            let len = self.mail.body(*index).len();
            self.octets = self.octets.saturating_sub(len);
        }
        text
    }
}

/// Each begins on a line of its own.
fn append(text: &mut String, more: &str) {
    if text.trim().is_empty() {
        text.clear();
    } else if !more.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(more);
}

fn has_same_words(one: &str, other: &str) -> bool {
    let letters = |text| str::chars(text).filter(|c| c.is_alphanumeric());
    letters(one).eq(letters(other))
}
