//! One look at what may be the tags of a page, before it is read: what there is to look for.

use std::ops::Range;

use memchr::memmem::Finder;
use memchr::{memchr_iter, memchr2_iter, memrchr_iter};

/// Ends of the body that are remembered, the last ones.
pub(super) const ENDS_MAX: usize = 3;

/// What there may be on a page. It may say more than there is, and never less.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Where the last `</body>` stand, in their order.
    pub(super) bodies: Vec<usize>,
    /// Where the last `</html>` stands.
    pub(super) html: Option<usize>,
    /// `<svg>` or `<math>`
    pub(super) is_foreign: bool,
    /// `<area>`
    pub(super) has_areas: bool,
    /// `<base>`
    pub(super) has_bases: bool,
    /// `<v:…>`
    pub(super) has_shapes: bool,
    /// Conditional comments that have links.
    pub(super) has_conditions: bool,
}

impl Survey {
    /// Costs a step for each `<`, and one look at each conditional comment.
    pub(super) fn of(page: &[u8]) -> Self {
        let mut survey = Self::default();
        let end = Finder::new(b"-->");
        let mut behind_comment = 0;
        for at in memchr_iter(b'<', page) {
            let tag = page.get(at..).unwrap_or_default();
            match tag.get(1).map(u8::to_ascii_lowercase) {
                Some(b'/') => survey.end_tag(tag, at),
                Some(b'a') => survey.has_areas |= begins(tag, b"area"),
                Some(b'b') => survey.has_bases |= begins(tag, b"base"),
                Some(b'v') => survey.has_shapes |= begins(tag, b"v:"),
                Some(b's') => survey.is_foreign |= begins(tag, b"svg"),
                Some(b'm') => survey.is_foreign |= begins(tag, b"mat"),
                Some(b'!') if at >= behind_comment && !survey.has_conditions && is_if(tag) => {
                    let len = end.find(tag).map_or(tag.len(), |end| end + 3);
                    survey.has_conditions = conditional(tag.get(..len).unwrap_or(tag)).is_some();
                    behind_comment = at + len;
                }
                _ => {}
            }
        }
        survey
    }

    fn end_tag(&mut self, tag: &[u8], at: usize) {
        if is_end_tag(tag, "body") {
            if self.bodies.len() == ENDS_MAX {
                self.bodies.remove(0);
            }
            self.bodies.push(at);
        } else if is_end_tag(tag, "html") {
            self.html = Some(at);
        }
    }
}

fn begins(tag: &[u8], name: &[u8]) -> bool {
    let written = tag.get(1..1 + name.len());
    written.is_some_and(|written| written.eq_ignore_ascii_case(name))
}

/// Whether it is `</name` as a whole.
pub(super) fn is_end_tag(tag: &[u8], name: &str) -> bool {
    let Some((written, behind)) = tag
        .get(2..)
        .and_then(|tag| tag.split_at_checked(name.len()))
    else {
        return false;
    };
    let ends = behind
        .first()
        .is_none_or(|octet| octet.is_ascii_whitespace() || b"/>".contains(octet));
    tag.starts_with(b"</") && written.eq_ignore_ascii_case(name.as_bytes()) && ends
}

/// What is behind the beginning of a conditional comment: `[if mso]>…`.
fn condition(comment: &[u8]) -> Option<&[u8]> {
    let behind = comment.strip_prefix(b"<!--")?.trim_ascii_start();
    let word = behind.get(..3)?;
    word.eq_ignore_ascii_case(b"[if").then_some(behind)
}

fn is_if(comment: &[u8]) -> bool {
    condition(comment).is_some()
}

/// The HTML in `<!--[if mso]>…<![endif]-->`, if there may be a link in it.
pub(super) fn conditional(comment: &[u8]) -> Option<Range<usize>> {
    let behind = condition(comment)?;
    let close = memchr_iter(b']', behind).find(|at| behind.get(at + 1) == Some(&b'>'))?;
    let begin = comment.len() - behind.len() + close + 2;
    let inside = comment.get(begin..)?;
    let text = inside.strip_suffix(b"-->").unwrap_or(inside);
    let is_close = |at: &usize| text.get(*at..).is_some_and(|tag| tag.starts_with(b"<!["));
    let end = memrchr_iter(b'<', text).find(is_close);
    let end = end.unwrap_or(text.len());
    let mut letters = memchr2_iter(b'h', b'H', inside.get(..end)?);
    let is_href = |at| {
        inside
            .get(at..at + 4)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"href"))
    };
    letters.any(is_href).then_some(begin..begin + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_there_may_be() {
        let page = "<AREA><Base x><V:rect><svg><!-- <![endif]--><!--[if mso]><p><![endif]--></a>";
        let survey = Survey::of(page.as_bytes());
        assert!(survey.has_areas && survey.has_bases && survey.has_shapes && survey.is_foreign);
        assert!(!survey.has_conditions);
        let nothing = Survey::of(b"<a><article><body><v><style><strong><main> <!doctype html>");
        assert!(!nothing.has_areas && !nothing.has_bases && !nothing.has_shapes);
        assert!(!nothing.is_foreign && !nothing.has_conditions);
    }

    #[test]
    fn conditional_comments_count_where_they_have_links() {
        for (page, has_conditions) in [
            ("<!-- [IF mso]><a HREF=x><![endif]-->", true),
            ("<!--[if mso]><a href=x>", true),
            ("<!--[if mso]><p><![endif]--> href", false),
            (
                "<!--[if mso]><p><![endif]--><!--[if mso]><a href=x>-->",
                true,
            ),
            ("<!--[if href]-->", false),
            ("<!-- <!--[if mso]><p>--> <a href=x>", false),
            ("<!--", false),
        ] {
            let survey = Survey::of(page.as_bytes());
            assert_eq!(survey.has_conditions, has_conditions, "{page}");
        }
    }

    #[test]
    fn the_last_ends_of_the_body_are_known() {
        let page = b"</body></BODY ></body/></bodyx></html></body><b></html></body";
        let survey = Survey::of(page);
        assert_eq!(survey.bodies, [15, 38, 55]);
        assert_eq!(survey.html, Some(48));
    }
}
