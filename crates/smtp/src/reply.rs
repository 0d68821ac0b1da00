//! Replies on the wire (RFC 5321 §4.2): how ours are written, how a peer's are read.
//!
//! The reader honours the code alone (RFC 5321 §4.2.1): a text in another encoding does not make
//! a 250 a failure, it is shown with its octets escaped. What has no valid code, changes its code
//! between lines, holds a NUL or never ends is no reply.

use std::fmt::Write as _;

use bytes::BytesMut;
use memchr::memchr;
use postbell_model::Reply;

// RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets: this many, codes and CRLF.
const TEXT_MAX: usize = 480;

// How much of something that is no reply is shown.
const SHOWN_MAX: usize = 200;

/// Appends a reply, a line for each line of its text, the enhanced code on each (RFC 2034 §4).
pub fn write(reply: &Reply, out: &mut BytesMut) {
    let mut lines = reply.text.split('\n').flat_map(wrap).peekable();
    while let Some(line) = lines.next() {
        let mark = if lines.peek().is_some() { '-' } else { ' ' };
        // Writing to memory can't fail.
        let _ = write!(out, "{}{mark}", reply.code);
        let marked = out.len();
        if let Some(enhanced) = reply.enhanced {
            let _ = write!(out, "{enhanced} ");
        }
        if line.bytes().all(is_printable) {
            out.extend_from_slice(line.as_bytes());
        } else {
            let printable = |c: char| u8::try_from(c).ok().filter(|octet| is_printable(*octet));
            out.extend(line.chars().map(|c| printable(c).unwrap_or(b'?')));
        }
        // RFC 4954 §4: a challenge without octets is "334 ", its space included.
        out.truncate(out.trim_ascii_end().len().max(marked));
        out.extend_from_slice(b"\r\n");
    }
}

/// A line in pieces that fit a reply line; one empty piece for an empty line.
fn wrap(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest.take()?;
        let (piece, more) = line.split_at(line.floor_char_boundary(TEXT_MAX));
        rest = (!more.is_empty()).then_some(more);
        Some(piece)
    })
}

// RFC 5321 §4.2: textstring. RFC 6531 §3.7.4.2 allows UTF-8 only where the client asked for it.
const fn is_printable(octet: u8) -> bool {
    octet == b' ' || octet.is_ascii_graphic()
}

/// Why what a peer said is no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line does not begin with a code from 200 to 599, or holds a NUL.
    #[error("not an SMTP reply: {0}")]
    NotAReply(String),
    /// The lines of one reply have different codes.
    #[error("reply with different codes: {0}")]
    MixedCodes(String),
    /// The reply has more octets than are read.
    #[error("reply longer than {0} octets")]
    TooLong(usize),
}

/// Reads replies as their octets come.
#[derive(Debug)]
pub struct ReplyReader {
    line: Vec<u8>,
    code: Option<u16>,
    text: String,
    size: usize,
    max: usize,
}

impl ReplyReader {
    /// A reader of replies of at most `max` octets, all lines together.
    pub const fn new(max: usize) -> Self {
        Self {
            line: Vec::new(),
            code: None,
            text: String::new(),
            size: 0,
            max,
        }
    }

    /// Takes octets up to the end of a reply; gives the reply, once it is whole, and the octets
    /// after it.
    ///
    /// # Errors
    /// What came is no reply; nothing that follows on the connection can be trusted.
    pub fn read<'a>(
        &mut self,
        mut bytes: &'a [u8],
    ) -> Result<(Option<Reply>, &'a [u8]), ReplyError> {
        while let Some(end) = memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at_checked(end + 1).unwrap_or((bytes, b""));
            self.keep(line)?;
            bytes = rest;
            if let Some(reply) = self.end_line()? {
                return Ok((Some(reply), bytes));
            }
        }
        self.keep(bytes)?;
        Ok((None, b""))
    }

    fn keep(&mut self, octets: &[u8]) -> Result<(), ReplyError> {
        self.size = self.size.saturating_add(octets.len());
        if self.size > self.max {
            return Err(ReplyError::TooLong(self.max));
        }
        self.line.extend_from_slice(octets);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<Reply>, ReplyError> {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some((code, last, text)) = split_line(line) else {
            return Err(ReplyError::NotAReply(excerpt(line)));
        };
        match self.code {
            None => self.code = Some(code),
            Some(first) if first == code => self.text.push('\n'),
            Some(_) => return Err(ReplyError::MixedCodes(excerpt(line))),
        }
        escape(text, &mut self.text);
        self.line.clear();
        if !last {
            return Ok(None);
        }
        let reply = Reply::received(code, &self.text);
        *self = Self::new(self.max);
        Ok(Some(reply))
    }
}

/// Code, whether the line is the last one of its reply, text.
fn split_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_first_chunk::<3>()?;
    // RFC 5321 §4.2: the first digit is 2 to 5; 1 is not used.
    let digit = |d: u8| d.is_ascii_digit().then(|| u16::from(d - b'0'));
    let [a, b, c] = *digits;
    let code = digit(a)? * 100 + digit(b)? * 10 + digit(c)?;
    if !(200..600).contains(&code) || memchr(0, line).is_some() {
        return None;
    }
    match rest {
        // RFC 5321 §4.2: the code alone is a reply, too.
        [] => Some((code, true, b"")),
        [b' ', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}

fn excerpt(line: &[u8]) -> String {
    let mut shown = String::new();
    escape(line.get(..SHOWN_MAX).unwrap_or(line), &mut shown);
    shown
}

/// UTF-8 as it is; controls and other octets as `\x00`.
fn escape(octets: &[u8], out: &mut String) {
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_ascii_control() && c != '\t' {
                // Writing to memory can't fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            } else {
                out.push(c);
            }
        }
        for octet in chunk.invalid() {
            let _ = write!(out, "\\x{octet:02x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn written(reply: &Reply) -> String {
        let mut out = BytesMut::from("250 before\r\n");
        write(reply, &mut out);
        let text = String::from_utf8(out.to_vec()).unwrap();
        text.strip_prefix("250 before\r\n").unwrap().to_owned()
    }

    #[test]
    fn replies_are_written_line_by_line() {
        let check = |reply: Reply, expected: &str| assert_eq!(written(&reply), expected);
        check(Reply::new(250, 1, 0, "OK"), "250 2.1.0 OK\r\n");
        check(Reply::plain(250, "mx\nSIZE 1"), "250-mx\r\n250 SIZE 1\r\n");
        check(
            Reply::new(550, 1, 1, "a\nb"),
            "550-5.1.1 a\r\n550 5.1.1 b\r\n",
        );
        check(Reply::plain(250, ""), "250 \r\n");
        check(Reply::new(550, 1, 1, "jörg\tx"), "550 5.1.1 j?rg x\r\n");
    }

    #[test]
    fn no_line_is_longer_than_512_octets() {
        let text = written(&Reply::new(550, 1, 1, "ä".repeat(700)));
        assert_eq!(text.lines().count(), 3);
        assert!(text.split_inclusive('\n').all(|line| line.len() <= 512));
        assert!(text.starts_with("550-5.1.1 ?") && text.contains("\r\n550 5.1.1 ?"));
    }

    #[test]
    fn replies_are_read_over_all_cuts() {
        let said = b"250-2.1.0 a\r\n250 2.1.0 b\r\n354\r\n";
        for at in 0..said.len() {
            let (head, tail) = said.split_at(at);
            let mut reader = ReplyReader::new(1000);
            let mut replies = Vec::new();
            for mut part in [head, tail] {
                while !part.is_empty() {
                    let (reply, rest) = reader.read(part).unwrap();
                    replies.extend(reply.map(|reply| reply.to_string()));
                    part = rest;
                }
            }
            assert_eq!(replies, ["250 2.1.0 a b", "354"], "cut at {at}");
        }
    }

    #[test]
    fn real_replies_keep_their_codes() {
        let path = "../../../shared/corpora/smtp/replies.jsonl";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let Ok(text) = std::fs::read_to_string(path) else {
            println!("skipped: the corpus is not there");
            return;
        };
        let mut read = 0;
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let (reply, code) = (value["reply"].as_str(), value["replycode"].as_str());
            let (Some(reply), Some(code)) = (reply, code) else {
                continue;
            };
            if !reply.starts_with(&format!("{code} ")) || reply.contains(['\r', '\n', '\0']) {
                continue;
            }
            let mut reader = ReplyReader::new(64 * 1024);
            let got = reader.read(format!("{reply}\r\n").as_bytes()).unwrap().0;
            assert_eq!(got.unwrap().code.to_string(), code);
            read += 1;
        }
        assert!(read > 100, "only {read} replies could be checked");
    }
}
