//! What a server says, without what it quotes.
//!
//! Lower case, one space between words, one before and one after. Addresses are left out, and of
//! a URL all but the host: they hold words that the server does not say. An IP address becomes
//! `{ip}`. A host name and a status code stay one word; everything else is split at what is no
//! letter and no digit, but for apostrophes, which are left out (`doesnt`).

use std::net::{IpAddr, Ipv4Addr};

/// No more of a reply is looked at.
const TEXT_MAX: usize = 2_000;

const IP: &str = "{ip}";

/// The words of a reply.
pub(super) fn reply(text: &str) -> String {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    phrase(text.get(..end).unwrap_or(text))
}

/// The words of a phrase, of any length.
pub(super) fn phrase(text: &str) -> String {
    let mut words = Words::new(text.len());
    for token in text.split_whitespace() {
        words.add_token(token);
    }
    words.0
}

struct Words(String);

impl Words {
    fn new(length: usize) -> Self {
        let mut text = String::with_capacity(length + 2);
        text.push(' ');
        Self(text)
    }

    fn add_token(&mut self, token: &str) {
        if let Some((before, url)) = token.split_once("://") {
            self.add_url(before, url);
            return;
        }
        let bare = token.trim_matches(|c: char| "[]()<>.,;'\"".contains(c));
        let bare = bare.strip_prefix("IPv6:").unwrap_or(bare);
        if bare == IP || bare.parse::<IpAddr>().is_ok() {
            self.add_word(IP);
            return;
        }
        for piece in token.split(|c: char| "<>()[]{},;:\"`|=".contains(c)) {
            self.add_piece(piece);
        }
    }

    /// The scheme's name ends what stands before the URL: `see:http`.
    fn add_url(&mut self, before: &str, url: &str) {
        let scheme = before.rfind(|c: char| !c.is_ascii_alphanumeric());
        if let Some(said) = scheme.and_then(|end| before.get(..end)) {
            self.add_token(said);
        }
        let authority = url.split(['/', '?', '#']).next().unwrap_or(url);
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let host = host.split([':', '>', ')', ']', '"', '\'', ',']).next();
        self.add_piece(host.unwrap_or(authority));
    }

    fn add_piece(&mut self, piece: &str) {
        let piece = piece.trim_matches(|c: char| c != '#' && !c.is_alphanumeric() && c != '@');
        if piece.is_empty() || piece.contains('@') {
            return;
        }
        let piece = piece.trim_start_matches('#');
        if piece.parse::<Ipv4Addr>().is_ok() {
            self.add_word(IP);
        } else if is_dotted(piece) {
            self.add_word(piece);
        } else {
            // One word, in whichever way it is written.
            let rest = match piece.get(..2) {
                Some("e-" | "E-") => {
                    self.0.push('e');
                    piece.get(2..).unwrap_or_default()
                }
                _ => piece,
            };
            for word in rest.split(|c: char| !c.is_alphanumeric() && !is_apostrophe(c)) {
                self.add_word(word);
            }
        }
    }

    fn add_word(&mut self, word: &str) {
        let before = self.0.len();
        for c in word.chars().filter(|c| !is_apostrophe(*c)) {
            if c.is_ascii() {
                self.0.push(c.to_ascii_lowercase());
            } else {
                self.0.extend(c.to_lowercase());
            }
        }
        if self.0.len() > before {
            self.0.push(' ');
        }
    }
}

/// A host name, a status code, a version: labels with dots between them.
fn is_dotted(piece: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
    };
    piece.contains('.') && piece.split('.').all(is_label)
}

const fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, plain: &str) {
        assert_eq!(reply(text), plain, "{text}");
    }

    #[test]
    fn words_are_lower_case_with_one_space_between() {
        check("", " ");
        check("  Mailbox\tFULL!\nSorry. ", " mailbox full sorry ");
        check("BAD_RECIPIENT over-quota", " bad recipient over quota ");
        check("It doesn't, it doesn\u{2019}t", " it doesnt it doesnt ");
        check("Your E-Mail: e-mail", " your email email ");
        check("Ung\u{dc}ltig", " ung\u{fc}ltig ");
    }

    #[test]
    fn addresses_are_left_out() {
        check("<spam@x.example>... User unknown", " user unknown ");
        check("RCPT TO:<a@b.example>: no", " rcpt to no ");
        check("(user@example.com:blocked)", " blocked ");
    }

    #[test]
    fn of_a_url_the_host_is_kept() {
        check(
            "see:http://www.Spam.example/dmarc?p=spam#quota now",
            " see www.spam.example now ",
        );
        check("<https://u:p@h.example:8/x>", " h.example ");
        check("://", " ");
    }

    #[test]
    fn dotted_words_stay_whole() {
        check("(#5.1.1) zen.spamhaus.org.", " 5.1.1 zen.spamhaus.org ");
        check(
            "RESOLVER.ADR.RecipNotFound;",
            " resolver.adr.recipnotfound ",
        );
    }

    #[test]
    fn ip_addresses_are_one_word() {
        for text in [
            "192.0.2.1",
            "[192.0.2.1]",
            "(192.0.2.1).",
            "2001:db8::1",
            "[IPv6:2001:db8::1]",
            "{ip}",
        ] {
            check(text, " {ip} ");
        }
        check(
            "host[192.0.2.1]:49309 IP=192.0.2.1",
            " host {ip} 49309 ip {ip} ",
        );
    }
}
