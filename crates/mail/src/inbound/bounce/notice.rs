//! The text of a report, without the message that it returns.

use std::cell::OnceCell;

use crate::header::Header;
use crate::inbound::mime::{Kind, Mail};
use crate::inbound::status::{Returned, find_codes};
use crate::inbound::{address, html};

/// Octets of a text that are read.
const TEXT_MAX: usize = 64 * 1024;
/// Octets of a paragraph.
const PARAGRAPH_MAX: usize = 8 * 1024;
/// Leaves that are read.
const LEAVES_MAX: usize = 8;
/// Lines of a returned header.
const HEADER_LINES_MAX: usize = 200;
/// Lines of a diagnostic text.
const LINES_MAX: usize = 25;

/// What a report says to people, and what it returns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notice {
    /// Ends where the returned message begins.
    pub(crate) text: String,
    lower: OnceCell<String>,
    ascii_lower: OnceCell<String>,
    /// What is known of the returned message.
    pub(crate) returned: Returned,
}

impl Notice {
    pub(crate) fn of(mail: &Mail<'_>) -> Self {
        let mut text = String::new();
        let mut is_plain = false;
        for (index, part) in mail.own_leaves().take(LEAVES_MAX) {
            let is_text = part.media.main == "text" || part.media.main == "multipart";
            if part.kind != Kind::Leaf || !is_text || text.len() > TEXT_MAX {
                continue;
            }
            let content = || mail.text(index, TEXT_MAX);
            match part.media.sub.as_str() {
                "rfc822-headers" => continue,
                // The same once more, in most cases.
                "html" if is_plain => continue,
                "html" => text.push_str(&html::to_text(&content())),
                _ => {
                    let content = content();
                    is_plain |= !content.trim().is_empty();
                    text.push_str(&content);
                }
            }
            text.push('\n');
        }
        Self::cut(&with_plain_ends(&text), Returned::within(mail))
    }

    /// One that says this.
    #[cfg(test)]
    pub(crate) fn saying(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            ..Self::default()
        }
    }

    /// The text in lower case.
    pub(crate) fn lower(&self) -> &str {
        self.lower.get_or_init(|| self.text.to_lowercase())
    }

    /// Whether it quotes a message, or has the header of one.
    pub(crate) fn quotes(&self) -> bool {
        let mut lines = self.text.lines();
        !self.returned.is_empty() || lines.any(|line| line.trim_start().starts_with('>'))
    }

    /// The text with ASCII in lower case, so that places are the same.
    fn ascii_lower(&self) -> &str {
        let lower = || self.text.to_ascii_lowercase();
        self.ascii_lower.get_or_init(lower)
    }

    /// The part that is about an address: from the first line that has it to the next one that is
    /// about another; the beginning where no line has it.
    pub(crate) fn paragraph(&self, address: Option<&str>) -> &str {
        let found = address
            .filter(|address| !address.is_empty())
            .and_then(|address| self.ascii_lower().find(&address.to_ascii_lowercase()));
        let Some(found) = found else {
            return head(&self.text, PARAGRAPH_MAX);
        };
        let begin = self
            .text
            .get(..found)
            .and_then(|before| before.rfind('\n'))
            .map_or(0, |lf| lf + 1);
        let rest = head(self.text.get(begin..).unwrap_or_default(), PARAGRAPH_MAX);
        let mut len = 0;
        for (index, line) in rest.split_inclusive('\n').enumerate() {
            let is_other =
                |named: &str| !address.is_some_and(|address| address::same(address, named));
            if index > 0 && begins_with_address(line).is_some_and(is_other) {
                break;
            }
            len += line.len();
        }
        rest.get(..len).unwrap_or(rest)
    }

    fn cut(text: &str, returned: Returned) -> Self {
        let cut = returned_header(text);
        let returned = match (&cut, returned.is_empty()) {
            (Some((_, header)), true) => Returned::read(&Header::of(header.as_bytes())),
            _ => returned,
        };
        let end = cut.map_or(text.len(), |(at, _)| at);
        let text = without_marker(text.get(..end).unwrap_or(text));
        Self {
            text,
            returned,
            ..Self::default()
        }
    }
}

/// The address that a line begins with.
fn begins_with_address(line: &str) -> Option<&str> {
    let bare = line.trim_start_matches(address::BEFORE);
    let found = address::all(bare).next()?;
    if found.start != 0 {
        return None;
    }
    bare.get(..found.end)
}

/// No more octets of a text than these, at a character.
pub(super) fn head(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

/// Without the lines that announce the returned message.
fn without_marker(text: &str) -> String {
    let words = [
        "follow", "copy of", "original", "returned", "below", "included", "header", "unsent",
        "attached",
    ];
    let mut text = text.trim_end();
    for _ in 0..3 {
        let (before, last) = text.rsplit_once('\n').unwrap_or(("", text));
        let lower = last.to_lowercase();
        let is_ruled = lower.trim_start().starts_with(['-', '=', '_', '*']);
        let is_short = lower.chars().count() < 90 && !lower.contains('@');
        let is_marker = is_short
            && (lower.trim().is_empty()
                || is_ruled
                || words.iter().any(|word| lower.contains(word)));
        if !is_marker || before.trim().is_empty() {
            break;
        }
        text = before.trim_end();
    }
    text.trim_matches('\n').to_owned()
}

fn with_plain_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Where the header of a message begins in a text, and that header: lines that are fields, one
/// after the other, as only a header has them.
fn returned_header(text: &str) -> Option<(usize, String)> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let rest = text.get(at..)?;
        let bare = line.trim_start_matches(INDENT);
        if known_field(bare).is_some() {
            let indent = line.get(..line.len() - bare.len())?;
            if let Some(header) = header_in(rest, indent) {
                return Some((at, header));
            }
        }
        at += line.len();
    }
    None
}

/// What may stand before every line of a returned message.
const INDENT: [char; 3] = ['>', ' ', '\t'];

/// The header that a text begins with, if it does, without what stands before its lines.
fn header_in(text: &str, indent: &str) -> Option<String> {
    let mut header = String::new();
    let (mut trace, mut known, mut fields) = (0, 0, 0);
    for line in text.split_inclusive('\n').take(HEADER_LINES_MAX) {
        let Some(line) = line.strip_prefix(indent) else {
            break;
        };
        let plain = line.trim_end();
        if plain.is_empty() {
            break;
        }
        let is_continued = line.starts_with([' ', '\t']) && fields > 0;
        let has_name = plain.split_once(':').is_some_and(|(name, _)| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
        });
        let is_mbox = plain.starts_with("From ") || plain.starts_with(">From ");
        if !is_continued && !has_name && !is_mbox {
            break;
        }
        if !is_continued {
            fields += 1;
            match known_field(line) {
                Some(Known::Trace) => trace += 1,
                Some(Known::Common) => known += 1,
                None => {}
            }
        }
        header.push_str(line);
    }
    // What is set in may be a summary for people: `To`, `Subject`, `Sent`.
    let is_plain = indent.is_empty() && known >= 3;
    let is_header = (trace >= 1 && trace + known >= 2) || is_plain;
    is_header.then_some(header)
}

enum Known {
    /// Nobody but a mail program writes it.
    Trace,
    /// It stands in letters as well.
    Common,
}

/// None of the names below is longer.
const NAME_MAX: usize = 30;

fn known_field(line: &str) -> Option<Known> {
    let (name, _) = line.split_once(':')?;
    if name.len() > NAME_MAX {
        return None;
    }
    match name.to_ascii_lowercase().as_str() {
        "received"
        | "return-path"
        | "message-id"
        | "mime-version"
        | "dkim-signature"
        | "content-type"
        | "content-transfer-encoding"
        | "domainkey-signature"
        | "delivered-to"
        | "authentication-results"
        | "x-mailer"
        | "references"
        | "in-reply-to"
        | "x-received"
        | "arc-seal"
        | "x-google-dkim-signature"
        | "received-spf"
        | "x-originating-ip" => Some(Known::Trace),
        "from" | "to" | "cc" | "subject" | "date" | "reply-to" | "sender" | "precedence" => {
            Some(Known::Common)
        }
        _ => None,
    }
}

/// What was said about a recipient: the lines of its paragraph from the first that has a reply
/// or a status code on, else what follows the address.
pub(super) fn diagnostic(paragraph: &str, recipient: Option<&str>) -> String {
    let lines: Vec<_> = paragraph.lines().map(str::trim).collect();
    let has_reply = |line: &&str| find_codes(line).reply.is_some() && line.len() > 3;
    let has_status = |line: &&str| {
        find_codes(line)
            .enhanced
            .is_some_and(|code| code.class != 2)
    };
    let said = lines.iter().position(has_reply);
    if let Some(begin) = said.or_else(|| lines.iter().position(has_status)) {
        return without_farewell(&block(lines.get(begin..).unwrap_or_default()));
    }
    let wanted = recipient.unwrap_or_default();
    let begin = lines
        .iter()
        .position(|line| address::all(line).any(|found| address::same(&found.address, wanted)));
    let Some((begin, first)) = begin.and_then(|begin| Some((begin, lines.get(begin)?))) else {
        return String::new();
    };
    let is_alone = first.len() <= wanted.len() + 6;
    let behind = lines.get(begin + 1..).unwrap_or_default();
    let behind = match behind.iter().position(|line| !line.is_empty()) {
        Some(next) if is_alone => block(behind.get(next..).unwrap_or_default()),
        _ => block(behind),
    };
    without_farewell(&format!("{first}\n{behind}"))
}

/// The lines up to an empty one or a rule.
fn block(lines: &[&str]) -> String {
    let said = lines.iter().take(LINES_MAX);
    let said = said.take_while(|line| !line.is_empty() && !line.starts_with("---"));
    said.copied().collect::<Vec<_>>().join("\n")
}

/// Without what the reporting server says of itself behind a reply that it quotes.
fn without_farewell(said: &str) -> String {
    let farewells = [
        "i'm not going to try again",
        "giving up on ",
        "i will keep trying",
        "it will be retried",
    ];
    let lower = said.to_ascii_lowercase();
    let cut = farewells.iter().filter_map(|words| lower.find(words)).min();
    match cut.and_then(|at| said.get(..at)) {
        Some(before)
            if find_codes(before).reply.is_some() || find_codes(before).enhanced.is_some() =>
        {
            before.trim().to_owned()
        }
        _ => said.to_owned(),
    }
}
