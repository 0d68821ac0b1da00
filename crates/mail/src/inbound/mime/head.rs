//! What a part's header says about its content (RFC 2045, RFC 2183).

use crate::header::{self, Header};

use super::decode::Encoding;
use super::parameters::Parameters;

/// A media type, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// `text`
    pub main: String,
    /// `plain`
    pub sub: String,
}

impl Media {
    pub(super) fn plain() -> Self {
        Self::new("text", "plain")
    }

    pub(super) fn message() -> Self {
        Self::new("message", "rfc822")
    }

    fn new(main: &str, sub: &str) -> Self {
        Self {
            main: main.to_owned(),
            sub: sub.to_owned(),
        }
    }

    /// Whether it is this one, given in lower case.
    pub fn is(&self, main: &str, sub: &str) -> bool {
        self.main == main && self.sub == sub
    }

    /// Whether there is a message within. A report about one is none (RFC 3464, RFC 5965).
    pub(super) fn is_message(&self) -> bool {
        let within = ["rfc822", "global", "news", "partial", "external-body"];
        self.main == "message" && within.contains(&self.sub.as_str())
    }

    /// RFC 2045 §5.2: what can't be understood is plain text.
    fn read(value: &str, default: &Self) -> Self {
        let mut words = value.split_ascii_whitespace();
        let value = words.next().unwrap_or_default().to_ascii_lowercase();
        match value.split_once('/') {
            Some((main, sub)) if !main.is_empty() && !sub.is_empty() && !sub.contains('/') => {
                Self::new(main, sub)
            }
            _ if value.is_empty() => default.clone(),
            _ => Self::plain(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Head {
    pub(super) media: Media,
    pub(super) boundary: Option<Vec<u8>>,
    pub(super) charset: Option<String>,
    pub(super) encoding: Encoding,
    pub(super) is_attachment: bool,
    pub(super) filename: Option<String>,
    pub(super) content_id: Option<String>,
    pub(super) report_type: Option<String>,
}

impl Head {
    pub(super) fn read(fields: &[u8], default: &Media) -> Self {
        let mut found: [Option<Vec<u8>>; 4] = Default::default();
        let names = [
            "Content-Type",
            "Content-Transfer-Encoding",
            "Content-Disposition",
            "Content-ID",
        ];
        for field in Header::of(fields).fields() {
            for (name, value) in names.iter().zip(&mut found) {
                // Where a field stands twice, the first holds.
                if value.is_none() && field.is(name) {
                    *value = Some(field.unfolded().into_owned());
                }
            }
        }
        let [content_type, encoding, disposition, id] = found;
        let mut content = Parameters::read(&content_type.unwrap_or_default());
        let mut disposition = Parameters::read(&disposition.unwrap_or_default());
        let filename = disposition
            .take("filename")
            .or_else(|| content.take("name"))
            .and_then(|name| last_component(&header::decoded(name.as_bytes(), None)));
        let boundary = content.take("boundary").map(|boundary| {
            // RFC 2046 §5.1.1: it does not end with white space.
            boundary.trim_end().as_bytes().to_vec()
        });
        Self {
            media: Media::read(&content.value, default),
            boundary: boundary.filter(|boundary| !boundary.is_empty()),
            charset: content.take("charset").map(|set| set.trim().to_owned()),
            encoding: Encoding::read(&encoding.unwrap_or_default()),
            is_attachment: disposition.value.eq_ignore_ascii_case("attachment"),
            filename,
            content_id: id.map(|id| bracketed(&id)).filter(|id| !id.is_empty()),
            report_type: content
                .take("report-type")
                .map(|kind| kind.trim().to_ascii_lowercase()),
        }
    }
}

/// A file name without the folders before it, and without control characters.
// RFC 2183 §2.3: a receiver is not to follow a path that a sender wrote.
fn last_component(name: &str) -> Option<String> {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let mut components = name.split(['/', '\\']).map(str::trim);
    let last = components.rfind(|component| !component.is_empty())?;
    (!matches!(last, "." | "..")).then(|| last.to_owned())
}

fn bracketed(id: &[u8]) -> String {
    let id = String::from_utf8_lossy(id);
    id.trim().trim_matches(['<', '>']).to_owned()
}
