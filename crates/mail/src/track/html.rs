//! One pass over a page: where its links are.

use std::cell::RefCell;
use std::ops::Range;

use lol_html::errors::RewritingError;
use lol_html::html_content::{Attribute, Element};
use lol_html::{HtmlRewriter, MemorySettings, Settings, doc_comments, element};

use super::survey::{Survey, conditional};
use super::{Form, Note};

/// What the reader may hold: the tags that are open, and a last one that does not end.
const MEMORY_MAX: usize = 16 * 1024 * 1024;
/// Shapes of VML that link somewhere.
const SHAPES: &str = ",v\\:arc[href],v\\:curve[href],v\\:group[href],v\\:image[href],\
    v\\:line[href],v\\:oval[href],v\\:polyline[href],v\\:rect[href],v\\:roundrect[href],\
    v\\:shape[href]";
/// Keeps a link from being tracked.
const NO_TRACK: &str = "data-postbell-no-track";
/// What is put at a place to see whether an image would be one there.
pub(super) const PROBE: &[u8] = b"<img postbell-probe>";

/// What there is on a page. All places are in its octets.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Those that may be tracked, in their order.
    pub(super) links: Vec<Tag>,
    /// The address of the first `<base href>`.
    pub(super) base: Option<Range<usize>>,
    /// The HTML in conditional comments that have links.
    pub(super) conditional: Vec<Range<usize>>,
    /// Where [`PROBE`] is a tag.
    pub(super) probes: Vec<usize>,
}

/// A tag that links somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) form: Form,
    /// The value of its `href`.
    pub(super) value: Range<usize>,
    /// Before and behind the attribute, where there may be a line end.
    pub(super) gaps: [usize; 2],
}

impl Tag {
    /// The same in a page that has `len` octets before.
    pub(super) fn behind(self, len: usize) -> Self {
        Self {
            form: self.form,
            value: self.value.start + len..self.value.end + len,
            gaps: self.gaps.map(|gap| gap + len),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("there are too many links")]
struct TooMany;

/// Reads a page as browsers do, for what a survey says that there may be. A page of more than `limit` links is
/// not read.
pub(super) fn read(html: &[u8], survey: &Survey, limit: usize) -> Result<Page, Note> {
    let page = RefCell::new(Page::default());
    let mut settings = Settings::new()
        .append_element_content_handler(element!(links(survey), |tag| {
            page.borrow_mut().tag(html, tag);
            within(limit, &page.borrow())
        }))
        .append_element_content_handler(element!("img[postbell-probe]", |tag| {
            page.borrow_mut()
                .probes
                .push(tag.source_location().bytes().start);
            Ok(())
        }))
        .with_strict(false)
        .with_memory_settings(MemorySettings::new().with_max_allowed_memory_usage(MEMORY_MAX));
    // For comments all of a page is read, without them little more than its tags.
    if survey.has_conditions {
        settings = settings.append_document_content_handler(doc_comments!(|comment| {
            page.borrow_mut()
                .comment(html, comment.source_location().bytes());
            within(limit, &page.borrow())
        }));
    }
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
    let read = rewriter.write(html);
    read.and_then(|()| rewriter.end())
        .map_err(|error| match error {
            RewritingError::ContentHandlerError(_) => Note::TooManyLinks,
            _ => Note::TooComplex,
        })?;
    Ok(page.into_inner())
}

/// The tags that link somewhere. Each that is named costs a step at each tag of the page.
fn links(survey: &Survey) -> String {
    let mut links = "a[href]".to_owned();
    for (is_there, names) in [
        (survey.has_areas, ",area[href]"),
        (survey.has_bases, ",base[href]"),
        (survey.has_shapes, SHAPES),
    ] {
        links.push_str(if is_there { names } else { "" });
    }
    links
}

fn within(limit: usize, page: &Page) -> lol_html::HandlerResult {
    if page.links.len() + page.conditional.len() > limit {
        return Err(TooMany.into());
    }
    Ok(())
}

impl Page {
    fn tag(&mut self, html: &[u8], tag: &Element<'_, '_>) {
        let named = |name: &'static str| {
            let is_named = move |attribute: &&Attribute<'_>| {
                let place = attribute.name_source_location();
                let written = place.and_then(|place| html.get(place.bytes()));
                written.is_some_and(|written| written.eq_ignore_ascii_case(name.as_bytes()))
            };
            tag.attributes().iter().find(is_named)
        };
        let places = |href: &Attribute<'_>| {
            let value = href.value_source_location()?.bytes();
            Some((href.name_source_location()?.bytes().start, value))
        };
        // Of several attributes of a name the first counts.
        let Some((name_start, value)) = named("href").and_then(places) else {
            return;
        };
        let name = tag_name(html, tag.source_location().bytes().start);
        let form = match name.to_ascii_lowercase().as_slice() {
            b"a" => Form::Anchor,
            b"area" => Form::Area,
            name if name.starts_with(b"v:") => Form::Shape,
            b"base" => {
                self.base.get_or_insert(value);
                return;
            }
            _ => return,
        };
        if named(NO_TRACK).is_some() {
            return;
        }
        let is_quoted = matches!(html.get(value.end), Some(b'"' | b'\''));
        let gaps = [name_start, value.end + usize::from(is_quoted)];
        self.links.push(Tag { form, value, gaps });
    }

    fn comment(&mut self, html: &[u8], place: Range<usize>) {
        let text = html.get(place.clone()).unwrap_or_default();
        if let Some(inside) = conditional(text) {
            let inside = place.start + inside.start..place.start + inside.end;
            self.conditional.push(inside);
        }
    }
}

fn tag_name(html: &[u8], start: usize) -> &[u8] {
    let name = html.get(start + 1..).unwrap_or_default();
    let end = name
        .iter()
        .position(|octet| octet.is_ascii_whitespace() || matches!(octet, b'/' | b'>'));
    name.get(..end.unwrap_or(name.len())).unwrap_or_default()
}
