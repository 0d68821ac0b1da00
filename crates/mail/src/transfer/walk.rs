//! The parts of a message, and what is to be changed about each.

use std::ops::Range;

use super::apply::Edit;
use super::encode;
use super::head::{Encoding, Head, Kind};
use super::split::split;
use super::{Need, Unfit, has_long_line};

/// Parts within parts.
const DEPTH_MAX: usize = 20;
/// Parts of a message.
const PARTS_MAX: usize = 10_000;

/// What makes a message fit.
pub(super) fn edits(raw: &[u8], need: Need) -> Result<Vec<Edit>, Unfit> {
    let mut walk = Walk {
        raw,
        need,
        edits: Vec::new(),
        parts: 0,
    };
    let whole = Place {
        depth: 0,
        protected: false,
        default: Kind::Text,
        is_message: true,
    };
    walk.entity(0..raw.len(), &whole)?;
    Ok(walk.edits)
}

struct Walk<'a> {
    raw: &'a [u8],
    need: Need,
    edits: Vec<Edit>,
    parts: usize,
}

/// Where a part lies.
#[derive(Debug, Clone)]
struct Place {
    depth: usize,
    /// Whether it is signed or encrypted.
    protected: bool,
    /// What it is where it does not say.
    default: Kind,
    /// Whether it is a message, whole or forwarded, and no part of one.
    is_message: bool,
}

impl Place {
    /// The place of the parts of what is here.
    fn part(&self, protected: bool, default: Kind) -> Self {
        Self {
            depth: self.depth + 1,
            protected: self.protected || protected,
            default,
            is_message: false,
        }
    }

    /// The place of the message in what is here.
    fn message(&self) -> Self {
        Self {
            is_message: true,
            ..self.part(false, Kind::Text)
        }
    }
}

impl Walk<'_> {
    /// A message or a part: header and body.
    fn entity(&mut self, span: Range<usize>, place: &Place) -> Result<(), Unfit> {
        self.parts += 1;
        if place.depth > DEPTH_MAX || self.parts > PARTS_MAX {
            return self.leave(span, Unfit::TooComplex);
        }
        let Some(head) = Head::read(self.raw, &span, place.default.clone()) else {
            return self.leave(span, Unfit::Unclear);
        };
        let is_ascii = if place.depth == 0 {
            head.is_sent_as_ascii
        } else {
            head.is_ascii
        };
        if self.need == Need::SevenBit && !is_ascii {
            return Err(Unfit::Header);
        }
        let before = self.edits.len();
        self.content(&head, place)?;
        if self.edits.len() > before && place.is_message && !head.has_mime_version {
            // RFC 2045 §4: without it the encodings mean nothing.
            self.edits
                .push(Edit::insert(head.end, *b"MIME-Version: 1.0\r\n"));
        }
        Ok(())
    }

    fn content(&mut self, head: &Head, place: &Place) -> Result<(), Unfit> {
        let plain = matches!(head.encoding, Encoding::Plain | Encoding::EightBit);
        match &head.kind {
            // RFC 2045 §6.4: these may not be encoded.
            Kind::Multipart { .. } | Kind::Message if !plain => {
                self.leave(head.body.clone(), Unfit::Unclear)
            }
            Kind::Multipart {
                boundary,
                protected,
                digest,
            } => {
                let default = if *digest { Kind::Message } else { Kind::Text };
                self.multipart(head, boundary, &place.part(*protected, default))
            }
            Kind::Message => {
                self.entity(head.body.clone(), &place.message())?;
                self.relabel(head, place);
                Ok(())
            }
            Kind::Fixed => self.leave(head.body.clone(), Unfit::Fixed),
            Kind::Text | Kind::Other if place.protected => {
                self.leave(head.body.clone(), Unfit::Protected)
            }
            Kind::Text | Kind::Other => self.leaf(head, place),
        }
    }

    fn multipart(&mut self, head: &Head, boundary: &[u8], within: &Place) -> Result<(), Unfit> {
        let Some(split) = split(self.raw, &head.body, boundary) else {
            return self.leave(head.body.clone(), Unfit::Unclear);
        };
        for outside in split.outside {
            self.leave(outside, Unfit::Fixed)?;
        }
        for part in split.parts {
            self.entity(part, within)?;
        }
        self.relabel(head, within);
        Ok(())
    }

    /// Encodes a part that has no parts, where it needs that.
    fn leaf(&mut self, head: &Head, place: &Place) -> Result<(), Unfit> {
        let body = head.body.clone();
        let content = self.raw.get(body.clone()).unwrap_or_default();
        let ascii = self.need == Need::ShortLines || content.is_ascii();
        if ascii && !has_long_line(content) {
            self.relabel(head, place);
            return Ok(());
        }
        let encoded = match (head.encoding, &head.kind) {
            (Encoding::Unknown, _) => return self.leave(body, Unfit::Fixed),
            (Encoding::Base64, _) if !content.is_ascii() => {
                return self.leave(body, Unfit::Unclear);
            }
            (Encoding::Base64, _) => encode::base64_again(content),
            (Encoding::QuotedPrintable, _) if !encode::is_quoted_printable(content) => {
                return self.leave(body, Unfit::Unclear);
            }
            (Encoding::QuotedPrintable, _) => encode::quoted_again(content),
            (_, Kind::Text) => {
                self.label(head, "quoted-printable");
                self.name_type(head, content, place);
                encode::quoted_printable(content)
            }
            _ => {
                self.label(head, "base64");
                encode::base64(content)
            }
        };
        self.edits.push(Edit::replace(body, encoded));
        Ok(())
    }

    /// What stays as it is: no harm, unless it had to become 7-bit.
    fn leave(&self, span: Range<usize>, why: Unfit) -> Result<(), Unfit> {
        let octets = self.raw.get(span).unwrap_or_default();
        if self.need == Need::SevenBit && !octets.is_ascii() {
            return Err(why);
        }
        Ok(())
    }

    /// What was 8-bit is no longer.
    fn relabel(&mut self, head: &Head, place: &Place) {
        let was = self.need == Need::SevenBit && head.encoding == Encoding::EightBit;
        if was && !place.protected {
            self.label(head, "7bit");
        }
    }

    fn label(&mut self, head: &Head, encoding: &str) {
        let field = format!("Content-Transfer-Encoding: {encoding}\r\n");
        self.edits.push(match &head.encoding_field {
            Some(span) => Edit::replace(span.clone(), field),
            None => Edit::insert(head.end, field),
        });
    }

    /// RFC 1428 §3: 8-bit mail from before MIME is given a type, with a character set that says
    /// what is known of it.
    fn name_type(&mut self, head: &Head, content: &[u8], place: &Place) {
        let says_something = head.has_type || head.has_mime_version || !place.is_message;
        if says_something || content.is_ascii() {
            return;
        }
        let charset = match std::str::from_utf8(content) {
            Ok(_) => "utf-8",
            Err(_) => "unknown-8bit",
        };
        let field = format!("Content-Type: text/plain; charset={charset}\r\n");
        self.edits.push(Edit::insert(head.end, field));
    }
}
