//! The places of a message that are other for each recipient.

use std::ops::Range;

use bytes::Bytes;

use crate::inbound::mime::Mail;

use super::content::{Content, Layout};
use super::links::{Finder, Found, Link};
use super::options::Options;
use super::parts::{self, Language, Target};
use super::quoted::Places;
use super::{LINKS_MAX, Note, Place, listed};

/// A message, with the places of its links, found once for all of its recipients.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) raw: Bytes,
    /// Those that have places, in their order.
    pub(super) parts: Vec<PartPlan>,
    pub(super) notes: Vec<Note>,
}

/// A part, and what is put into it.
#[derive(Debug, Clone)]
pub(super) struct PartPlan {
    /// Its body in the message, or the message's header.
    pub(super) body: Range<usize>,
    pub(super) language: Language,
    pub(super) carrier: Carrier,
    /// In their order; none overlaps another.
    pub(super) edits: Vec<Edit>,
}

/// What the spans of edits are in.
#[derive(Debug, Clone)]
pub(super) enum Carrier {
    /// The body.
    Plain,
    /// The body, as it is encoded.
    Quoted,
    /// The content of base64, which stands in lines of `line` digits at `digits` of the body.
    Base64 {
        content: Vec<u8>,
        line: usize,
        digits: Range<usize>,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Edit {
    pub(super) span: Range<usize>,
    pub(super) with: With,
}

/// What is put somewhere.
#[derive(Debug, Clone)]
pub(super) enum With {
    Link {
        url: String,
        place: Place,
    },
    Pixel,
    Unsubscribe {
        begins_tag: bool,
    },
    /// A line end, where there has to be one.
    Gap,
}

impl Plan {
    /// Finds the places of a message. Costs one look at each of its lines and two to four at its
    /// HTML.
    pub fn of(raw: &Bytes, options: &Options) -> Self {
        let mail = Mail::read(raw);
        let (targets, notes) = parts::targets(&mail);
        let mut finder = Finder {
            options,
            listed: listed::addresses(&mail),
            limit: LINKS_MAX,
        };
        let mut plan = Self {
            raw: raw.clone(),
            parts: Vec::new(),
            notes,
        };
        match listed::places(&mail) {
            Some(Ok(header)) => plan.parts.push(header),
            Some(Err(note)) => plan.notes.push(note),
            None => {}
        }
        let mut links = 0;
        for target in targets {
            match part(&mail, target, &mut finder) {
                Ok((mut part, notes)) => {
                    plan.notes.extend(notes);
                    number(&mut part.edits, &mut links);
                    plan.parts.push(part);
                }
                Err(note) => plan.notes.push(note),
            }
        }
        plan.notes.sort();
        plan.notes.dedup();
        plan
    }

    /// The addresses that a [`super::Tracker`] would be asked for, in their order.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        let edits = self.parts.iter().flat_map(|part| &part.edits);
        edits.filter_map(|edit| match &edit.with {
            With::Link { url, .. } => Some(url.as_str()),
            With::Pixel | With::Unsubscribe { .. } | With::Gap => None,
        })
    }

    /// The octets that it keeps in memory, the message among them.
    pub fn octets(&self) -> usize {
        let of_part = |part: &PartPlan| {
            let content = match &part.carrier {
                Carrier::Plain | Carrier::Quoted => 0,
                Carrier::Base64 { content, .. } => content.capacity(),
            };
            let urls = part.edits.iter().map(|edit| match &edit.with {
                With::Link { url, .. } => url.capacity(),
                With::Pixel | With::Unsubscribe { .. } | With::Gap => 0,
            });
            content + part.edits.capacity() * size_of::<Edit>() + urls.sum::<usize>()
        };
        self.raw.len() + self.parts.iter().map(of_part).sum::<usize>()
    }

    /// What is left alone for every recipient.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }
}

fn part(
    mail: &Mail<'_>,
    target: Target,
    finder: &mut Finder<'_>,
) -> Result<(PartPlan, Vec<Note>), Note> {
    let mut fields = mail.header(target.index).fields();
    let encoding = fields.find(|field| field.is("Content-Transfer-Encoding"));
    let named = encoding.map(|field| field.unfolded()).unwrap_or_default();
    let charset = mail
        .parts()
        .get(target.index)
        .and_then(|part| part.charset.as_deref());
    let body = mail.body(target.index);
    let content = Content::read(body, &named)?;
    let mut found = finder.find(&content.octets, charset, target.language)?;
    let notes = std::mem::take(&mut found.notes);
    let (carrier, edits) = carried(body, content, edits(found));
    let part = PartPlan {
        body: mail.body_place(target.index),
        language: target.language,
        carrier,
        edits,
    };
    Ok((part, notes))
}

/// All that is put into the content, in its order.
fn edits(found: Found) -> Vec<Edit> {
    let at = |span: Range<usize>, with: With| Edit { span, with };
    let mut edits: Vec<Edit> = Vec::with_capacity(3 * found.links.len() + 1);
    let placeholders = found.placeholders.into_iter();
    edits.extend(placeholders.map(|found| {
        let begins_tag = found.begins_tag;
        at(found.place, With::Unsubscribe { begins_tag })
    }));
    edits.extend(found.pixel.map(|place| at(place..place, With::Pixel)));
    for link in found.links {
        let gaps = link.gaps.into_iter().flatten();
        edits.extend(gaps.map(|gap| at(gap..gap, With::Gap)));
        let Link {
            form,
            url,
            place: span,
            ..
        } = link;
        let place = Place { index: 0, form };
        edits.push(at(span, With::Link { url, place }));
    }
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let mut end = 0;
    edits.retain(|edit| {
        let is_free = edit.span.start >= end;
        end = end.max(edit.span.end);
        is_free
    });
    edits
}

/// The edits with the places that they have where the content stands.
fn carried(body: &[u8], content: Content<'_>, mut edits: Vec<Edit>) -> (Carrier, Vec<Edit>) {
    if content.layout != Layout::Plain {
        edits.retain(|edit| !matches!(edit.with, With::Gap));
    }
    match content.layout {
        Layout::Plain => (Carrier::Plain, edits),
        Layout::Quoted => {
            let mut places = Places::of(body);
            for edit in &mut edits {
                edit.span = places.of_span(&edit.span);
            }
            (Carrier::Quoted, edits)
        }
        Layout::Base64 { line, digits } => {
            let content = content.octets.into_owned();
            let carrier = Carrier::Base64 {
                content,
                line,
                digits,
            };
            (carrier, edits)
        }
    }
}

fn number(edits: &mut [Edit], links: &mut usize) {
    for edit in edits {
        if let With::Link { place, .. } = &mut edit.with {
            place.index = *links;
            *links += 1;
        }
    }
}
