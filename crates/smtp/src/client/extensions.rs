//! What a host can do beside RFC 5321's minimum: its reply to EHLO.

use postbell_model::Reply;

/// The extensions that a host announced. All off after HELO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions {
    /// Commands may be sent in groups (RFC 2920).
    pub pipelining: bool,
    /// SIZE (RFC 1870), and the largest message in octets where the host says one.
    pub size: Option<Option<u64>>,
    /// Octets over 127 may be sent (RFC 6152).
    pub eight_bit_mime: bool,
    /// Addresses and headers may be UTF-8 (RFC 6531).
    pub smtputf8: bool,
    /// Replies have enhanced codes (RFC 2034).
    pub enhanced: bool,
    /// RET, ENVID, NOTIFY and ORCPT are understood (RFC 3461).
    pub dsn: bool,
    /// The connection can be secured (RFC 3207).
    pub starttls: bool,
    /// AUTH PLAIN is taken (RFC 4954, RFC 4616).
    pub auth_plain: bool,
    /// AUTH LOGIN is taken.
    pub auth_login: bool,
}

impl Extensions {
    /// Reads the reply to EHLO (RFC 5321 §4.1.1.1). The first line is the host's name; keywords
    /// that mean nothing to us are passed over.
    pub fn parse(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.text.lines().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "PIPELINING" => found.pipelining = true,
                "SIZE" => found.size = Some(size_limit(words.next())),
                "8BITMIME" => found.eight_bit_mime = true,
                "SMTPUTF8" => found.smtputf8 = true,
                "ENHANCEDSTATUSCODES" => found.enhanced = true,
                "DSN" => found.dsn = true,
                "STARTTLS" => found.starttls = true,
                "AUTH" => found.add_mechanisms(words),
                // Deviation: servers of the last century wrote it thus, and some do both.
                "AUTH=PLAIN" => found.auth_plain = true,
                "AUTH=LOGIN" => found.auth_login = true,
                _ => {}
            }
        }
        found
    }

    fn add_mechanisms<'a>(&mut self, mechanisms: impl Iterator<Item = &'a str>) {
        for mechanism in mechanisms {
            self.auth_plain |= mechanism.eq_ignore_ascii_case("PLAIN");
            self.auth_login |= mechanism.eq_ignore_ascii_case("LOGIN");
        }
    }
}

// RFC 1870 §4: zero means that there is no fixed limit.
fn size_limit(word: Option<&str>) -> Option<u64> {
    word?.parse().ok().filter(|limit| *limit > 0)
}
