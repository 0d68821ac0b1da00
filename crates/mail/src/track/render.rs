//! A planned message as one recipient gets it.

use std::ops::Range;

use bytes::Bytes;
use data_encoding::BASE64;

use super::parts::Language;
use super::plan::{Carrier, Edit, PartPlan, Plan, With};
use super::{Note, Tracker, entity, fold, quoted};

/// A message whose links are tracked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// The message; the octets that were submitted where nothing was tracked.
    pub raw: Bytes,
    /// How many links are tracked.
    pub links: usize,
    /// Whether there is a pixel.
    pub pixel: bool,
    /// What was left alone.
    pub notes: Vec<Note>,
}

impl Plan {
    /// The message with the addresses of one recipient. Costs a copy of the message, and the
    /// encoding of parts that are base64.
    pub fn render(&self, tracker: &impl Tracker) -> Tracked {
        let mut whole = Whole {
            tracked: Tracked {
                raw: self.raw.clone(),
                links: 0,
                pixel: false,
                notes: self.notes.clone(),
            },
            octets: Vec::new(),
            at: 0,
        };
        for part in &self.parts {
            let put = whole.put(part, tracker);
            if put.iter().any(|put| put.text.is_some()) {
                whole.splice(self, part, put);
            }
        }
        whole.finish(&self.raw)
    }
}

/// What is put somewhere; `None` where there may be a line end.
struct Put {
    span: Range<usize>,
    text: Option<String>,
}

/// A message that is being written.
struct Whole {
    tracked: Tracked,
    octets: Vec<u8>,
    /// How far the message was copied.
    at: usize,
}

impl Whole {
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
                let text = written(&tracker.link(url, *place)?, language)?;
                self.tracked.links += 1;
                Some(text)
            }
            With::Pixel => {
                let address = written(&tracker.pixel()?, language)?;
                self.tracked.pixel = true;
                Some(address)
            }
            With::Unsubscribe { begins_tag } => {
                let address = tracker.unsubscribe();
                let text = address.and_then(|address| written(&address, language));
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

    fn splice(&mut self, plan: &Plan, part: &PartPlan, put: Vec<Put>) {
        let raw = &plan.raw;
        if self.octets.is_empty() {
            let added: usize = put
                .iter()
                .filter_map(|put| Some(put.text.as_ref()?.len()))
                .sum();
            self.octets.reserve(raw.len() + 2 * added + added / 4);
        }
        self.copy(raw, part.body.start);
        let body = raw.get(part.body.clone()).unwrap_or_default();
        match &part.carrier {
            Carrier::Plain => self.octets.extend(plain(body, &put)),
            Carrier::Quoted => {
                let texts = put
                    .into_iter()
                    .filter_map(|put| Some((put.span, put.text?)));
                let texts: Vec<_> = texts.collect();
                let octets = std::mem::take(&mut self.octets);
                self.octets = quoted::splice(body, &texts, octets);
            }
            Carrier::Base64 {
                content,
                line,
                digits,
            } => {
                let (content, _) = spliced(content, &put);
                let around = |span| body.get(span).unwrap_or_default();
                self.octets.extend_from_slice(around(0..digits.start));
                base64(&content, *line, &mut self.octets);
                self.octets
                    .extend_from_slice(around(digits.end..body.len()));
            }
        }
        self.at = part.body.end;
    }

    fn copy(&mut self, raw: &[u8], to: usize) {
        self.octets
            .extend_from_slice(raw.get(self.at..to).unwrap_or_default());
        self.at = to;
    }

    fn finish(mut self, raw: &Bytes) -> Tracked {
        if !self.octets.is_empty() || self.at > 0 {
            self.copy(raw, raw.len());
            self.tracked.raw = Bytes::from(self.octets);
        }
        self.tracked
    }
}

/// An address as it is written in a part. In plain text there is no way to write one that ends
/// within itself.
fn written(address: &str, language: Language) -> Option<String> {
    match language {
        Language::Plain => {
            let is_plain = address.bytes().all(|octet| octet.is_ascii_graphic());
            is_plain.then(|| address.to_owned())
        }
        Language::Body | Language::Page => {
            let mut text = String::with_capacity(address.len() + 16);
            entity::encode(address, &mut text);
            Some(text)
        }
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
    let added: usize = put
        .iter()
        .filter_map(|put| Some(put.text.as_ref()?.len()))
        .sum();
    let mut out = Vec::with_capacity(octets.len() + added);
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

fn base64(content: &[u8], line: usize, octets: &mut Vec<u8>) {
    let mut digits = String::with_capacity(content.len() / 3 * 4 + content.len() / 24 + 8);
    for chunk in content.chunks(line / 4 * 3) {
        if !digits.is_empty() {
            digits.push_str("\r\n");
        }
        BASE64.encode_append(chunk, &mut digits);
    }
    octets.extend_from_slice(digits.as_bytes());
}
