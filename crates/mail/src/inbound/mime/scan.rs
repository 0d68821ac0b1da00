//! One pass over the lines of a message, which finds the parts.

use std::ops::Range;

use memchr::memchr;

use super::head::{Head, Media};
use super::{DEPTH_MAX, HEADER_MAX, Kind, PARTS_MAX, Part};

/// RFC 2046 §5.1.1 allows 70; more are in use.
const BOUNDARY_MAX: usize = 1_000;

/// The parts of a message, and whether a limit kept some from being found.
pub(super) fn scan(raw: &[u8]) -> (Vec<Part>, bool) {
    let mut scan = Scan {
        raw,
        parts: Vec::new(),
        open: Vec::new(),
        frames: Vec::new(),
        header: Some(Entity {
            start: 0,
            parent: None,
            default: Media::plain(),
        }),
        is_limited: false,
    };
    let mut at = 0;
    while let Some(line) = line_at(raw, at) {
        at = line.end;
        if !scan.line(&line) {
            scan.is_limited = true;
            break;
        }
    }
    scan.end();
    (scan.parts, scan.is_limited)
}

struct Scan<'a> {
    raw: &'a [u8],
    parts: Vec<Part>,
    /// The parts that have begun and not ended, each in the one before it.
    open: Vec<usize>,
    /// The multiparts among them that wait for their boundary.
    frames: Vec<Frame>,
    /// The header that is being read.
    header: Option<Entity>,
    is_limited: bool,
}

struct Frame {
    /// How many parts are open when the multipart itself is the last of them.
    open: usize,
    boundary: Vec<u8>,
}

struct Entity {
    start: usize,
    parent: Option<usize>,
    /// What it is where it does not say.
    default: Media,
}

impl Scan<'_> {
    /// False when there are too many parts.
    fn line(&mut self, line: &Range<usize>) -> bool {
        let octets = self.raw.get(line.clone()).unwrap_or_default();
        if let Some((frame, closes)) = self.boundary(octets) {
            return self.at_boundary(line, frame, closes);
        }
        let Some(entity) = &mut self.header else {
            return true;
        };
        if line.start == entity.start && is_mbox_line(octets) {
            entity.start = line.end;
            return true;
        }
        if matches!(octets, b"\n" | b"\r\n") {
            self.end_header(line.start, line.end);
        } else if !is_field_line(octets) {
            // The empty line was forgotten.
            self.end_header(line.start, line.start);
        }
        true
    }

    /// The multipart whose boundary the line is, and whether it is the last one.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let dashed = line.strip_prefix(b"--")?;
        // Where one within has the same boundary, it belongs to the one without.
        let frames = self.frames.iter().enumerate();
        frames.into_iter().find_map(|(index, frame)| {
            let rest = dashed.strip_prefix(frame.boundary.as_slice())?;
            let rest = rest.trim_ascii_end();
            match rest {
                b"" => Some((index, false)),
                b"--" => Some((index, true)),
                _ => None,
            }
        })
    }

    fn at_boundary(&mut self, line: &Range<usize>, frame: usize, closes: bool) -> bool {
        if !closes && self.repeats(line, frame) {
            self.header = self.header.take().map(|entity| Entity {
                start: line.end,
                ..entity
            });
            return true;
        }
        let end = self.before_line_end(line.start);
        self.cut_header(end);
        // What has no parts is no content whose last line end could be the boundary's.
        let end = if self.is_bare() { line.start } else { end };
        let open = self.frames.get(frame).map_or(0, |frame| frame.open);
        for index in self.open.drain(open..) {
            if let Some(part) = self.parts.get_mut(index) {
                part.body.end = end.max(part.body.start);
            }
        }
        if closes {
            self.frames.truncate(frame);
            self.close_bare(line.start);
            return true;
        }
        self.frames.truncate(frame + 1);
        let parent = self.open.last().copied();
        let default = match parent.and_then(|index| self.parts.get(index)) {
            // RFC 2046 §5.1.5
            Some(part) if part.media.is("multipart", "digest") => Media::message(),
            _ => Media::plain(),
        };
        self.header = Some(Entity {
            start: line.end,
            parent,
            default,
        });
        self.parts.len() < PARTS_MAX
    }

    /// Whether the innermost of what is open is a multipart that had no part yet.
    fn is_bare(&self) -> bool {
        let last = self.parts.len().checked_sub(1);
        last.is_some()
            && self.open.last().copied() == last
            && (self.parts.last()).is_some_and(|part| part.kind == Kind::Multipart)
    }

    /// A multipart that ends before it had a part is content up to here.
    fn close_bare(&mut self, end: usize) {
        let last = self.parts.len().checked_sub(1);
        if last.is_some() && self.open.last().copied() == last {
            self.open.pop();
            if let Some(part) = self.parts.last_mut() {
                part.body.end = end.max(part.body.start);
            }
        }
    }

    fn end(&mut self) {
        self.cut_header(self.raw.len());
        // RFC 2046 §5.1.2: the last boundary was lost, and the line end before it stayed.
        if let Some(frame) = self.frames.first()
            && !self.is_bare()
        {
            let end = self.before_line_end(self.raw.len());
            for index in self.open.get(frame.open..).unwrap_or_default() {
                if let Some(part) = self.parts.get_mut(*index) {
                    part.body.end = end.max(part.body.start);
                }
            }
        }
        let mut has_parts = vec![false; self.parts.len()];
        for parent in self.parts.iter().filter_map(|part| part.parent) {
            if let Some(has_parts) = has_parts.get_mut(parent) {
                *has_parts = true;
            }
        }
        for (part, has_parts) in self.parts.iter_mut().zip(has_parts) {
            if !has_parts {
                part.kind = Kind::Leaf;
            }
        }
    }

    /// Whether this boundary stands directly behind the same one.
    fn repeats(&self, line: &Range<usize>, frame: usize) -> bool {
        let starts_here = |entity: &Entity| entity.start == line.start;
        let frame = self.frames.get(frame);
        self.header.as_ref().is_some_and(starts_here)
            && frame.is_some_and(|frame| frame.open == self.open.len())
    }

    /// The line end before a boundary belongs to the boundary (RFC 2046 §5.1.1).
    fn before_line_end(&self, at: usize) -> usize {
        let before = self.raw.get(..at).unwrap_or_default();
        let text = before.strip_suffix(b"\n").unwrap_or(before);
        text.strip_suffix(b"\r").unwrap_or(text).len()
    }

    /// The header that is being read ends at `end`; the body begins at `body`.
    fn end_header(&mut self, end: usize, body: usize) {
        let Some(entity) = self.header.take() else {
            return;
        };
        if self.parts.len() >= PARTS_MAX {
            self.is_limited = true;
            return;
        }
        let start = entity.start.min(body);
        self.begin(&entity, start..end.max(start), body);
    }

    /// Nothing more comes, neither of the header nor of what would follow it.
    fn cut_header(&mut self, end: usize) {
        while self.header.is_some() {
            self.end_header(end, end);
        }
    }

    fn begin(&mut self, entity: &Entity, header: Range<usize>, body: usize) {
        let octets = self.raw.get(header.clone()).unwrap_or_default();
        self.is_limited |= octets.len() > HEADER_MAX;
        let octets = octets.get(..HEADER_MAX).unwrap_or(octets);
        let head = Head::read(octets, &entity.default);
        let depth = self.open.len();
        let kind = self.kind(&head, depth);
        let index = self.parts.len();
        self.parts.push(Part {
            parent: entity.parent,
            depth,
            kind,
            media: head.media,
            charset: head.charset,
            encoding: head.encoding,
            is_attachment: head.is_attachment,
            filename: head.filename,
            content_id: head.content_id,
            report_type: head.report_type,
            header,
            body: body..self.raw.len().max(body),
        });
        self.open.push(index);
        match (kind, head.boundary) {
            (Kind::Multipart, Some(boundary)) => self.frames.push(Frame {
                open: self.open.len(),
                boundary,
            }),
            (Kind::Message, _) => {
                self.header = Some(Entity {
                    start: body,
                    parent: Some(index),
                    default: Media::plain(),
                });
            }
            _ => {}
        }
    }

    fn kind(&mut self, head: &Head, depth: usize) -> Kind {
        let may_have_parts = match &head.boundary {
            Some(boundary) if head.media.main == "multipart" => boundary.len() <= BOUNDARY_MAX,
            _ => false,
        };
        let has_message = head.media.is_message() && head.encoding.is_identity();
        if !may_have_parts && !has_message {
            return Kind::Leaf;
        }
        if depth >= DEPTH_MAX {
            self.is_limited = true;
            return Kind::Leaf;
        }
        if may_have_parts {
            Kind::Multipart
        } else {
            Kind::Message
        }
    }
}

fn line_at(raw: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = raw.get(at..).filter(|rest| !rest.is_empty())?;
    Some(at..at + memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1))
}

/// What mailbox files put before a message.
fn is_mbox_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

/// A field's first line or one that continues it (RFC 5322 §2.2).
fn is_field_line(line: &[u8]) -> bool {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return true;
    }
    let name = memchr(b':', line).and_then(|colon| line.get(..colon));
    name.is_some_and(|name| name.trim_ascii_end().iter().all(u8::is_ascii_graphic))
}
