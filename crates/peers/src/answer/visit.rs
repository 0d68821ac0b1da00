//! Somebody opens the mail, follows a link in it, or unsubscribes with one click (RFC 8058).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::original::{field, header_of};

/// Addresses of one kind that are tried: what looks like one of ours may be the sender's own.
const URLS_MAX: usize = 8;
/// Octets of a message in which addresses are looked for.
const LOOKED_AT: usize = 4 << 20;

/// What is asked for at the tracking host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// To see it.
    Get,
    /// To unsubscribe, with one click.
    OneClick,
}

/// Something that a recipient asks the tracking host for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// How.
    pub ask: Ask,
    /// The addresses, of which the first is asked that is one.
    pub urls: Vec<String>,
}

impl Visit {
    /// Opens a mail: gets its pixel. `None`: it has none.
    pub fn opening(message: &Bytes) -> Option<Self> {
        Self::of(Ask::Get, urls(message, "o"))
    }

    /// Follows the first link of a mail that is tracked. `None`: it has none.
    pub fn clicking(message: &Bytes) -> Option<Self> {
        Self::of(Ask::Get, urls(message, "c"))
    }

    /// Unsubscribes as mail programs do (RFC 8058 §3.2). `None`: the mail does not say how.
    pub fn unsubscribing(message: &Bytes) -> Option<Self> {
        let header = header_of(message);
        field(&header, "List-Unsubscribe-Post")?;
        let field = field(&header, "List-Unsubscribe")?;
        let parts = field.split(['<', '>']).map(str::trim);
        let urls = parts.filter(|part| part.starts_with("http"));
        Self::of(
            Ask::OneClick,
            urls.map(|url| url.replace(' ', "")).collect(),
        )
    }

    fn of(ask: Ask, mut urls: Vec<String>) -> Option<Self> {
        urls.truncate(URLS_MAX);
        (!urls.is_empty()).then_some(Self { ask, urls })
    }
}

/// The addresses in a message whose path begins with this.
fn urls(message: &Bytes, kind: &str) -> Vec<String> {
    let message = &message[..message.len().min(LOOKED_AT)];
    let text = String::from_utf8_lossy(message);
    let plain = text.replace("=\r\n", "").replace("=3D", "=");
    let mut found = urls_of(&plain, kind);
    for part in text.split("\r\n\r\n").filter_map(decoded) {
        found.extend(urls_of(&part, kind));
    }
    found
}

/// The text of a part in base64.
fn decoded(part: &str) -> Option<String> {
    let lines = part.lines().take_while(|line| !line.starts_with("--"));
    let joined: String = lines.map(str::trim_end).collect();
    let octets = STANDARD.decode(joined).ok()?;
    (!octets.is_empty()).then(|| String::from_utf8_lossy(&octets).into_owned())
}

fn urls_of(text: &str, kind: &str) -> Vec<String> {
    let starts = text.match_indices("http").map(|(at, _)| &text[at..]);
    let found = starts.filter_map(|rest| {
        let is_end = |c: char| c.is_whitespace() || c.is_control() || "\"'<>()".contains(c);
        let url = &rest[..rest.find(is_end).unwrap_or(rest.len())];
        let (_, behind) = url.split_once("://")?;
        let (_, path) = behind.split_once('/')?;
        let token = path.strip_prefix(kind)?.strip_prefix('/')?;
        (!token.is_empty()).then(|| url.replace("&amp;", "&").replace("&#45;", "-"))
    });
    found.take(URLS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_however_the_text_is_written() {
        let quoted = "\r\n<a href=3D\"https://t.example/c/to=\r\nken\">x</a> <img src=\"https://t.example/o/pix\">";
        assert_eq!(
            urls(&Bytes::from(quoted), "c"),
            ["https://t.example/c/token"]
        );
        assert_eq!(urls(&Bytes::from(quoted), "o"), ["https://t.example/o/pix"]);
        let html = STANDARD.encode("<a href='https://t.example/c/to&#45;-ken&#45;?a&amp;b'>x</a>");
        let (one, two) = html.split_at(20);
        let message = format!("A: b\r\n\r\n{one}\r\n{two}\r\n--b--\r\n");
        assert_eq!(
            urls(&Bytes::from(message), "c"),
            ["https://t.example/c/to--ken-?a&b"]
        );
        assert_eq!(
            urls(
                &Bytes::from("https://t.example/company/x http://o/ https"),
                "c"
            ),
            [""; 0]
        );
    }
}
