//! What is asked about reports, as parameters of MAIL and RCPT (RFC 3461 §4), for hosts that
//! offer DSN.
//!
//! Nothing is asked for that the sender did not ask for, but for one: where there is a NOTIFY and
//! no ORCPT, the recipient becomes the ORCPT, so that a host further on that rewrites the address
//! still reports about the one that the sender knows (RFC 3461 §5.2.1).

use std::fmt::Write as _;

use postbell_model::{Address, Notify, OriginalRecipient, Ret};

/// What the sender asked about reports. The default asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DsnRequest {
    /// RET.
    pub ret: Option<Ret>,
    /// ENVID, decoded.
    pub envid: Option<String>,
    /// NOTIFY.
    pub notify: Option<Notify>,
    /// ORCPT.
    pub orcpt: Option<OriginalRecipient>,
}

impl DsnRequest {
    /// The parameters of MAIL, each with a space before it.
    pub(super) fn mail_parameters(&self) -> String {
        let mut parameters = String::new();
        if let Some(ret) = self.ret {
            let _infallible = write!(parameters, " RET={}", ret.name());
        }
        if let Some(envid) = self.envid.as_deref().filter(|envid| !envid.is_empty()) {
            parameters.push_str(" ENVID=");
            push_xtext(&mut parameters, envid);
        }
        parameters
    }

    /// The parameters of RCPT for this recipient, each with a space before it.
    pub(super) fn rcpt_parameters(&self, to: &Address) -> String {
        let mut parameters = String::new();
        if let Some(notify) = self.notify {
            let _infallible = write!(parameters, " NOTIFY={notify}");
        }
        let made = || self.notify.and_then(|_| original(to));
        if let Some(orcpt) = self.orcpt.clone().or_else(made) {
            let _infallible = write!(parameters, " ORCPT={};", orcpt.kind());
            push_address(&mut parameters, &orcpt);
        }
        parameters
    }
}

/// The recipient as an ORCPT. RFC 6533 §3: an address that is not ASCII is of the kind utf-8.
fn original(to: &Address) -> Option<OriginalRecipient> {
    let kind = if to.as_str().is_ascii() {
        "rfc822"
    } else {
        "utf-8"
    };
    OriginalRecipient::new(kind, to.as_str())
}

fn push_address(line: &mut String, orcpt: &OriginalRecipient) {
    if orcpt.kind().eq_ignore_ascii_case("utf-8") {
        push_utf8_xtext(line, orcpt.address());
    } else {
        push_xtext(line, orcpt.address());
    }
}

/// RFC 3461 §4: xtext has `!` to `~` as they are but for `+` and `=`, and the rest in hex.
fn push_xtext(line: &mut String, text: &str) {
    for octet in text.bytes() {
        if octet.is_ascii_graphic() && !b"+=".contains(&octet) {
            line.push(char::from(octet));
        } else {
            let _infallible = write!(line, "+{octet:02X}");
        }
    }
}

/// RFC 6533 §3: utf-8-addr-xtext has characters over ASCII, and what xtext has in hex, as
/// `\x{…}`; it is ASCII, so that it passes with and without SMTPUTF8.
fn push_utf8_xtext(line: &mut String, text: &str) {
    for character in text.chars() {
        if character.is_ascii_graphic() && !"+=\\".contains(character) {
            line.push(character);
        } else {
            let _infallible = write!(line, "\\x{{{:02X}}}", u32::from(character));
        }
    }
}

#[cfg(test)]
mod tests {
    use postbell_model::ReversePath;

    use super::super::transaction::{After, Exchange};
    use super::super::{Extensions, Transaction};
    use super::*;

    fn check(request: &DsnRequest, to: &str, mail: &str, rcpt: &str) {
        assert_eq!(request.mail_parameters(), mail);
        assert_eq!(request.rcpt_parameters(&Address::parse(to).unwrap()), rcpt);
    }

    #[test]
    fn nothing_asked_is_nothing_said() {
        check(&DsnRequest::default(), "ann@example.com", "", "");
    }

    #[test]
    fn what_was_asked_is_encoded() {
        let request = DsnRequest {
            ret: Some(Ret::Headers),
            envid: Some("QQ+314=159 x".to_owned()),
            notify: "SUCCESS,DELAY".parse().ok(),
            orcpt: OriginalRecipient::new("rfc822", "Ann+tag@example.org"),
        };
        check(
            &request,
            "ann@example.com",
            " RET=HDRS ENVID=QQ+2B314+3D159+20x",
            " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Ann+2Btag@example.org",
        );
    }

    #[test]
    fn with_notify_alone_the_recipient_is_the_original_one() {
        let request = DsnRequest {
            notify: Some(Notify::NEVER),
            ..DsnRequest::default()
        };
        let rcpt = " NOTIFY=NEVER ORCPT=rfc822;a+2Bb@example.com";
        check(&request, "a+b@example.com", "", rcpt);
        let rcpt = " NOTIFY=NEVER ORCPT=utf-8;\\x{E9}@example.com";
        check(&request, "é@example.com", "", rcpt);
    }

    #[test]
    fn only_a_host_that_offers_it_is_asked() {
        for dsn in [true, false] {
            let transaction = Transaction {
                from: ReversePath::Null,
                to: Address::parse("a@example.com").unwrap(),
                body: Vec::new(),
                eight_bit: false,
                smtputf8: false,
                dsn: DsnRequest {
                    ret: Some(Ret::Full),
                    notify: "SUCCESS".parse().ok(),
                    ..DsnRequest::default()
                },
            };
            let extensions = Extensions {
                pipelining: true,
                dsn,
                ..Extensions::default()
            };
            let (_, said) = Exchange::begin(transaction, &extensions, After::Clean).unwrap();
            let asked = "MAIL FROM:<> RET=FULL\r\n\
                RCPT TO:<a@example.com> NOTIFY=SUCCESS ORCPT=rfc822;a@example.com\r\nDATA\r\n";
            let unasked = "MAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n";
            assert_eq!(said, if dsn { asked } else { unasked });
        }
    }

    #[test]
    fn no_address_breaks_the_line() {
        let request = DsnRequest {
            orcpt: OriginalRecipient::new("x400", "a b\u{e9}"),
            envid: Some(String::new()),
            ..DsnRequest::default()
        };
        check(&request, "a@example.com", "", " ORCPT=x400;a+20b+C3+A9");
    }
}
