//! A planned message as one recipient gets it.

use std::ops::Range;

use bytes::Bytes;

use crate::base64;

use super::parts::Language;
use super::plan::{Carrier, Edit, PartPlan, Plan, With};
use super::{Note, Tracker, entity, fold, quoted};

/// A message whose links are tracked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// The octets of the message in their order, none of them empty: slices of what was submitted, and
    /// the parts in which something is tracked. The first has the whole header of the message.
    pub chunks: Vec<Bytes>,
    /// How many of them are no slices: what it takes in memory beside what was submitted.
    pub written: usize,
    /// How many links are tracked.
    pub links: usize,
    /// Whether there is a pixel.
    pub pixel: bool,
    /// What was left alone.
    pub notes: Vec<Note>,
}

impl Tracked {
    /// The message in one piece. Costs a copy of it where something is tracked.
    pub fn whole(&self) -> Bytes {
        match self.chunks.as_slice() {
            [whole] => whole.clone(),
            chunks => Bytes::from(chunks.concat()),
        }
    }
}

impl Plan {
    /// The message with the addresses of one recipient. Costs a copy of the parts in which something
    /// is tracked, and the encoding of those that are base64.
    pub fn render(&self, tracker: &impl Tracker) -> Tracked {
        let mut whole = Whole {
            raw: &self.raw,
            tracked: Tracked {
                chunks: Vec::new(),
                written: 0,
                links: 0,
                pixel: false,
                notes: self.notes.clone(),
            },
            at: 0,
        };
        for part in &self.parts {
            let put = whole.put(part, tracker);
            if put.iter().any(|put| put.text.is_some()) {
                whole.splice(part, put);
            }
        }
        whole.keep(self.raw.len());
        whole.tracked
    }
}

/// What is put somewhere; `None` where there may be a line end.
struct Put {
    span: Range<usize>,
    text: Option<String>,
}

/// A message that is being written.
struct Whole<'p> {
    raw: &'p Bytes,
    tracked: Tracked,
    /// How far the message is among the chunks.
    at: usize,
}

impl Whole<'_> {
    /// What the tracker puts into a part.
    fn put(&mut self, part: &PartPlan, tracker: &impl Tracker) -> Vec<Put> {
        let mut put = Vec::with_capacity(part.edits.len());
        for edit in &part.edits {
            let at = |text: Option<String>| Put {
                span: edit.span.clone(),
                text,
            };
            match (&edit.with, self.text(part.language, edit, tracker)) {
                (With::Gap, _) => put.push(at(None)),
                (With::Pixel, Some(address)) => {
                    put.extend([Some(IMAGE.to_owned()), None, Some(image(&address))].map(at));
                }
                (_, Some(text)) => put.push(at(Some(text))),
                (_, None) => {}
            }
        }
        put
    }

    fn text(&mut self, language: Language, edit: &Edit, tracker: &impl Tracker) -> Option<String> {
        match &edit.with {
            With::Link { url, place } => {
                let text = written(tracker.link(url, *place)?, language)?;
                self.tracked.links += 1;
                Some(text)
            }
            With::Pixel => {
                let address = written(tracker.pixel()?, language)?;
                self.tracked.pixel = true;
                Some(address)
            }
            With::Unsubscribe { begins_tag } => {
                let address = tracker.unsubscribe();
                let text = address.and_then(|address| written(address, language));
                let text = match language {
                    Language::Body | Language::Page if *begins_tag => text.map(no_tag),
                    _ => text,
                };
                if text.is_none() && !self.tracked.notes.contains(&Note::NoUnsubscribeUrl) {
                    self.tracked.notes.push(Note::NoUnsubscribeUrl);
                }
                text
            }
            With::Gap => None,
        }
    }

    fn splice(&mut self, part: &PartPlan, put: Vec<Put>) {
        let body = self.raw.get(part.body.clone()).unwrap_or_default();
        let (place, octets) = match &part.carrier {
            Carrier::Plain => (part.body.clone(), plain(body, &put)),
            Carrier::Quoted => {
                let added = added(&put);
                // What is put there is escaped and makes lines longer than they may be.
                let octets = Vec::with_capacity(body.len() + 2 * added + added / 4);
                let texts = put
                    .into_iter()
                    .filter_map(|put| Some((put.span, put.text?)));
                let texts: Vec<_> = texts.collect();
                (part.body.clone(), quoted::splice(body, &texts, octets))
            }
            Carrier::Base64 {
                content,
                line,
                digits,
            } => {
                let (content, _) = spliced(content, &put);
                let place = part.body.start + digits.start..part.body.start + digits.end;
                (place, base64::encode(&content, *line))
            }
        };
        self.keep(place.start);
        self.push(octets.into());
        self.at = place.end;
    }

    /// Keeps what lies before this place as it is.
    fn keep(&mut self, to: usize) {
        if self.at < to {
            self.tracked.chunks.push(self.raw.slice(self.at..to));
        }
        self.at = to;
    }

    fn push(&mut self, octets: Bytes) {
        self.tracked.written += octets.len();
        if !octets.is_empty() {
            self.tracked.chunks.push(octets);
        }
    }
}

/// An address as it is written in a part. In plain text there is no way to write one that ends
/// within itself.
fn written(address: String, language: Language) -> Option<String> {
    match language {
        Language::Plain => {
            let is_plain = address.bytes().all(|octet| octet.is_ascii_graphic());
            is_plain.then_some(address)
        }
        Language::Body | Language::Page => Some(entity::encode(address)),
    }
}

/// A text that begins no tag behind a `<`: its first character as a reference.
fn no_tag(text: String) -> String {
    let mut rest = text.chars();
    match rest.next() {
        Some(first) if first.is_ascii_alphabetic() => {
            format!("&#{};{}", u32::from(first), rest.as_str())
        }
        _ => text,
    }
}

/// How the tag of a pixel begins.
const IMAGE: &str = "<img";

/// The rest of it. A pixel takes no room in a line of text, which may be centred, and nobody hears of
/// it who listens to the page.
fn image(address: &str) -> String {
    format!(
        " src=\"{address}\" width=\"1\" height=\"1\" alt=\"\" border=\"0\" \
         style=\"display:block!important;width:1px!important;height:1px!important;border:0!important;\
         margin:0!important;padding:0!important\" />"
    )
}

fn plain(body: &[u8], put: &[Put]) -> Vec<u8> {
    let (octets, gaps) = spliced(body, put);
    fold::fold(octets, &gaps)
}

/// The octets with what was put into them, and where they have gaps then.
fn spliced(octets: &[u8], put: &[Put]) -> (Vec<u8>, Vec<usize>) {
    let mut out = Vec::with_capacity(octets.len() + added(put));
    let mut gaps = Vec::new();
    let mut at = 0;
    for Put { span, text } in put {
        out.extend_from_slice(octets.get(at..span.start).unwrap_or_default());
        match text {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => gaps.push(out.len()),
        }
        at = span.end;
    }
    out.extend_from_slice(octets.get(at..).unwrap_or_default());
    (out, gaps)
}

/// Octets of what is put somewhere.
fn added(put: &[Put]) -> usize {
    let texts = put.iter().filter_map(|put| put.text.as_ref());
    texts.map(String::len).sum()
}
