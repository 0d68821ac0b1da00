//! Where the pixel goes: where a tag is a tag, at the end of the page.

use std::ops::Range;

use memchr::memrchr_iter;

use super::Note;
use super::charset::MASK;
use super::html::{self, PROBE, Page, Tag};
use super::survey::{ENDS_MAX, Survey, is_end_tag};

/// Tags that are looked at where the page ends within something.
const TAGS_MAX: usize = 8;

/// A page and the place for its pixel.
///
/// `</body>` may stand in a script, a comment, a title or a value, and the page may end in one of
/// these, or never say `</body>`. So a tag of our own is put at each place that could be the end,
/// and the page is read with them: a place where it was read as a tag is one. Nearly always all
/// are; where some are not, the page is read again without these, as they may have changed what
/// stands behind them.
pub(super) fn read(page: &[u8], limit: usize) -> Result<(Page, Option<usize>), Note> {
    let survey = Survey::of(page);
    let (mut places, mut are_ends) = (ends(page, &survey), true);
    loop {
        if places.is_empty() && are_ends {
            (places, are_ends) = (last_tags(page), false);
        }
        let probed = Probed::new(page, &places);
        let read = html::read(&probed.page, &survey, limit)?;
        let seen = probed.seen(&read);
        if seen.len() == places.len() {
            let place = best(page, &places);
            // An image within `<svg>` or `<math>` ends it, and what stands behind is read in another
            // way, so that no more of our tags may be there than in the end.
            if places.len() > 1 && survey.is_foreign {
                places = place.into_iter().collect();
                continue;
            }
            return Ok((probed.original(read), place));
        }
        places = seen;
        if !are_ends {
            places = places.split_off(places.len().saturating_sub(1));
        }
    }
}

/// Before `</body>`, else before `</html>`, else at the end; each the last one.
fn best(page: &[u8], places: &[usize]) -> Option<usize> {
    let at_tag = |name: &'static str| {
        let mut places = places.iter().rev().copied();
        places.find(|place| is_end_tag(page.get(*place..).unwrap_or_default(), name))
    };
    at_tag("body")
        .or_else(|| at_tag("html"))
        .or_else(|| places.last().copied())
}

/// Places that may be the end, in their order.
fn ends(page: &[u8], survey: &Survey) -> Vec<usize> {
    let first = survey.bodies.first().copied().unwrap_or_default();
    let is_behind = |html: &usize| survey.bodies.len() < ENDS_MAX || *html > first;
    let end = page.trim_ascii_end().len();
    // Behind half a character there is no place.
    let is_masked = end.checked_sub(1).and_then(|last| page.get(last)) == Some(&MASK);
    let end = (!is_masked).then_some(end);
    let bodies = survey.bodies.iter().copied();
    let others = survey.html.filter(is_behind).into_iter().chain(end);
    let mut places: Vec<usize> = bodies.chain(others).collect();
    places.sort_unstable();
    places.dedup();
    places
}

fn last_tags(page: &[u8]) -> Vec<usize> {
    let mut places: Vec<usize> = memrchr_iter(b'<', page).take(TAGS_MAX).collect();
    places.reverse();
    places
}

/// A page with [`PROBE`] at some places.
struct Probed<'a> {
    page: Vec<u8>,
    places: &'a [usize],
}

impl<'a> Probed<'a> {
    fn new(original: &[u8], places: &'a [usize]) -> Self {
        let mut page = Vec::with_capacity(original.len() + places.len() * PROBE.len());
        let mut at = 0;
        for place in places {
            page.extend_from_slice(original.get(at..*place).unwrap_or_default());
            page.extend_from_slice(PROBE);
            at = *place;
        }
        page.extend_from_slice(original.get(at..).unwrap_or_default());
        Self { page, places }
    }

    /// The places at which the probe was a tag.
    fn seen(&self, read: &Page) -> Vec<usize> {
        let places = self.places.iter().enumerate();
        let seen =
            places.filter(|(index, place)| read.probes.contains(&(*place + index * PROBE.len())));
        seen.map(|(_, place)| *place).collect()
    }

    /// What was read, with the places that it has in the original.
    fn original(&self, read: Page) -> Page {
        let range = |range: Range<usize>| self.place(range.start)..self.place(range.end);
        let tag = |tag: Tag| Tag {
            form: tag.form,
            value: range(tag.value),
            gaps: tag.gaps.map(|gap| self.place(gap)),
        };
        Page {
            links: read.links.into_iter().map(tag).collect(),
            base: read.base.map(range),
            conditional: read.conditional.into_iter().map(range).collect(),
            probes: Vec::new(),
        }
    }

    fn place(&self, at: usize) -> usize {
        let ahead = self.places.iter().enumerate();
        let ahead = ahead.filter(|(index, place)| *place + index * PROBE.len() < at);
        at - ahead.count() * PROBE.len()
    }
}
