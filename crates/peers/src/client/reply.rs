//! Replies as they came (RFC 5321 §4.2).

use std::fmt;

use bytes::{Buf, BytesMut};

/// A reply, with its text as the server gave it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawReply {
    /// The three digits.
    pub code: u16,
    /// The lines without code and CRLF, separated by LF; octets that are not UTF-8 replaced.
    pub text: String,
}

/// The octets are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl RawReply {
    /// Whether the code is of class 2.
    pub const fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// The lines.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.split('\n')
    }

    /// Takes a whole reply out of the buffer, if there is one.
    pub(super) fn take(input: &mut BytesMut) -> Result<Option<Self>, Malformed> {
        let mut reply = Self::default();
        let mut start = 0;
        loop {
            let Some(length) = memchr::memchr(b'\n', &input[start..]) else {
                return Ok(None);
            };
            let line = input[start..start + length].strip_suffix(b"\r");
            let (code, is_last, text) = line.and_then(split_line).ok_or(Malformed)?;
            if start > 0 {
                if code != reply.code {
                    return Err(Malformed);
                }
                reply.text.push('\n');
            }
            reply.code = code;
            reply.text.push_str(&String::from_utf8_lossy(text));
            start += length + 1;
            if is_last {
                input.advance(start);
                return Ok(Some(reply));
            }
        }
    }
}

/// Code, whether this is the last line, and text.
fn split_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let digits = line.get(..3)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = digits
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match line.get(3) {
        None => Some((code, true, b"")),
        Some(b' ') => Some((code, true, &line[4..])),
        Some(b'-') => Some((code, false, &line[4..])),
        Some(_) => None,
    }
}

/// As the server sent it, without the last CRLF; lines separated by LF.
impl fmt::Display for RawReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.lines().peekable();
        while let Some(line) = lines.next() {
            if lines.peek().is_some() {
                writeln!(f, "{}-{line}", self.code)?;
            } else {
                write!(f, "{} {line}", self.code)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &str) -> (Result<Option<RawReply>, Malformed>, usize) {
        let mut input = BytesMut::from(text);
        let reply = RawReply::take(&mut input);
        (reply, input.len())
    }

    #[test]
    fn replies_are_taken_one_by_one() {
        let (reply, rest) = take("250-a\r\n250-B c\r\n250 d\r\n354 go\r\n");
        let reply = reply.unwrap().unwrap();
        assert_eq!((reply.code, reply.text.as_str()), (250, "a\nB c\nd"));
        assert_eq!(reply.to_string(), "250-a\n250-B c\n250 d");
        assert_eq!(rest, "354 go\r\n".len());
        assert_eq!(take("250\r\n").0.unwrap().unwrap().text, "");
    }

    #[test]
    fn a_part_stays_in_the_buffer() {
        for part in ["", "250", "250-a\r\n", "250-a\r\n250 b\r"] {
            assert_eq!(take(part), (Ok(None), part.len()), "{part:?}");
        }
    }

    #[test]
    fn nonsense_is_malformed() {
        for text in [
            "hello\r\n",
            "25\r\n",
            "250 a\n",
            "250-a\r\n251 b\r\n",
            "250_a\r\n",
        ] {
            assert_eq!(take(text).0, Err(Malformed), "{text:?}");
        }
    }
}
