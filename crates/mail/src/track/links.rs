//! What there is to be tracked in a part, and where.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;

use crate::inbound::mime::to_text;

use super::html::{self, Page, Tag};
use super::options::{Options, PlainText, Seek};
use super::parts::Language;
use super::spelling::{Placeholder, placeholders};
use super::survey::Survey;
use super::{Form, Note, PLACEHOLDERS_MAX, URL_MAX, charset, entity, pixel, text, url};

/// A link that is tracked.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) form: Form,
    /// Where its address stands.
    pub(super) place: Range<usize>,
    /// Where there may be a line end around it.
    pub(super) gaps: Option<[usize; 2]>,
    /// Where it goes, with additions.
    pub(super) url: String,
}

/// The places of a part. All are in its content.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) links: Vec<Link>,
    pub(super) placeholders: Vec<Placeholder>,
    pub(super) pixel: Option<usize>,
    pub(super) notes: Vec<Note>,
}

/// Finds links that may be tracked.
#[derive(Debug)]
pub(super) struct Finder<'a> {
    pub(super) options: &'a Options,
    /// What List-Unsubscribe has, which is left alone.
    pub(super) listed: Vec<String>,
    /// How many links there may be.
    pub(super) limit: usize,
}

impl Finder<'_> {
    /// What is in a part. Every link that was looked at counts towards the limit.
    pub(super) fn find(
        &mut self,
        octets: &[u8],
        charset: Option<&str>,
        language: Language,
    ) -> Result<Found, Note> {
        let ascii = charset::ascii_of(octets, charset)?;
        if memmem::find(&ascii, b"-----BEGIN PGP ").is_some() {
            return Err(Note::Protected);
        }
        let mut found = match (self.options.seek, language) {
            (Seek::Placeholders, _) => Found::default(),
            (Seek::Everything, Language::Plain) => self.in_text(&ascii)?,
            (Seek::Everything, Language::Body | Language::Page) => {
                self.in_page(octets, &ascii, charset, language)?
            }
        };
        found.placeholders = placeholders(&ascii, language);
        if found.placeholders.len() > PLACEHOLDERS_MAX {
            return Err(Note::TooManyLinks);
        }
        Ok(found)
    }

    fn in_text(&mut self, ascii: &[u8]) -> Result<Found, Note> {
        let mut found = Found::default();
        if self.options.plain_text == PlainText::Leave {
            return Ok(found);
        }
        let places = text::addresses(ascii);
        self.count(places.len())?;
        for place in places {
            let written = String::from_utf8_lossy(ascii.get(place.clone()).unwrap_or_default());
            if let Some(url) = self.target(&written, None, &mut found.notes) {
                found.links.push(Link {
                    form: Form::Text,
                    place,
                    gaps: None,
                    url,
                });
            }
        }
        Ok(found)
    }

    fn in_page(
        &mut self,
        octets: &[u8],
        ascii: &[u8],
        charset: Option<&str>,
        language: Language,
    ) -> Result<Found, Note> {
        let mut found = Found::default();
        let page = match language {
            Language::Body => {
                let (page, pixel) = pixel::read(ascii, self.limit)?;
                found.pixel = pixel;
                if pixel.is_none() {
                    found.notes.push(Note::NoPlaceForPixel);
                }
                page
            }
            Language::Page | Language::Plain => html::read(ascii, &Survey::of(ascii), self.limit)?,
        };
        let says = |place: &Range<usize>| {
            let value = text_of(octets.get(place.clone()).unwrap_or_default(), charset);
            if !value.contains('\0') {
                return entity::decode(&value);
            }
            // WHATWG HTML, 13.2.5.36: a NUL is no character.
            entity::decode(&value.replace('\0', "\u{fffd}"))
        };
        let base = page.base.as_ref().and_then(|base| url::base(&says(base)));
        for tag in self.all(ascii, page)? {
            if let Some(url) = self.target(&says(&tag.value), base.as_deref(), &mut found.notes) {
                found.links.push(Link {
                    form: tag.form,
                    place: tag.value,
                    gaps: Some(tag.gaps),
                    url,
                });
            }
        }
        Ok(found)
    }

    /// The links of a page with those in its conditional comments, in their order.
    fn all(&mut self, ascii: &[u8], page: Page) -> Result<Vec<Tag>, Note> {
        let mut tags = page.links;
        self.count(tags.len())?;
        for inside in page.conditional {
            let text = ascii.get(inside.clone()).unwrap_or_default();
            let nested = html::read(text, &Survey::of(text), self.limit)?.links;
            self.count(nested.len() + 1)?;
            tags.extend(nested.into_iter().map(|tag| tag.behind(inside.start)));
        }
        tags.sort_by_key(|tag| tag.value.start);
        Ok(tags)
    }

    fn count(&mut self, links: usize) -> Result<(), Note> {
        let rest = self.limit.checked_sub(links);
        self.limit = rest.ok_or(Note::TooManyLinks)?;
        Ok(())
    }

    fn target(&self, written: &str, base: Option<&str>, notes: &mut Vec<Note>) -> Option<String> {
        if written.len() > URL_MAX {
            notes.push(Note::LongLink);
            return None;
        }
        let url = url::target(written, base)?;
        if url::is_untracked(&url, &self.listed, &self.options.untracked) {
            return None;
        }
        Some(url::with_additions(&url, self.options))
    }
}

/// What octets of a part say. Those that are ASCII say the same in all sets that are read, but where one
/// of them leads to another alphabet.
fn text_of<'a>(octets: &'a [u8], charset: Option<&str>) -> Cow<'a, str> {
    const ESCAPE: u8 = 0x1b;
    match str::from_utf8(octets) {
        Ok(text) if text.is_ascii() && !octets.contains(&ESCAPE) => Cow::Borrowed(text),
        _ => Cow::Owned(to_text(octets, charset)),
    }
}
