//! What servers say in plain words.
//!
//! Rules are tried in order, so the ones that others would swallow stand first: a block list's
//! name before "spam", want of TLS before the rate limit that punishes it, what is said about
//! the sender before what is said about a mailbox.

use postbell_model::BounceClass;

/// No more of a text is looked at.
const TEXT_MAX: usize = 2_000;

/// The class that the words of a reply leave no doubt about.
pub(super) fn class(text: &str) -> Option<BounceClass> {
    let text = plain(text);
    let told = RULES.iter().find(|rule| rule.holds(&text));
    told.map(|rule| rule.class)
}

/// Whether a reply has the words of RFC 5321 §4.2.3 for 450 and 550, said for many causes.
pub(super) fn say_mailbox_unavailable(text: &str) -> bool {
    plain(text).contains("mailbox unavailable")
}

struct Rule {
    class: BounceClass,
    any: &'static [&'static str],
    /// One of these too, unless there are none.
    and: &'static [&'static str],
}

impl Rule {
    fn holds(&self, text: &str) -> bool {
        holds_any(text, self.any) && (self.and.is_empty() || holds_any(text, self.and))
    }
}

fn holds_any(text: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| text.contains(phrase))
}

const fn either(class: BounceClass, any: &'static [&'static str]) -> Rule {
    both(class, any, &[])
}

const fn both(
    class: BounceClass,
    any: &'static [&'static str],
    and: &'static [&'static str],
) -> Rule {
    Rule { class, any, and }
}

/// In lower case, with one space between words.
const RULES: &[Rule] = &[
    either(
        BounceClass::AuthenticationFailed,
        &[
            "dmarc",
            " spf ",
            "dkim",
            "unauthenticated",
            "not authenticated",
            "authentication checks failed",
        ],
    ),
    either(
        BounceClass::IpBlocked,
        &[
            "spamhaus",
            "spamcop",
            "sorbs",
            "barracuda",
            "invaluement",
            "dnsbl",
            "drbl",
            "blocked using",
            "blacklist",
            "black list",
            "blocklist",
            "block list",
            "banned sending ip",
            "poor reputation",
            "ip reputation",
            "low reputation",
            "reputation of the sending",
            "ptr record",
            "pointer (ptr)",
            "reverse dns",
            "rdns",
            "client host blocked",
        ],
    ),
    both(
        BounceClass::IpBlocked,
        &[
            "your ip",
            "the ip",
            "sending ip",
            "ip address",
            "ip blocked",
            " ip:",
        ],
        &[
            "blocked",
            "listed",
            "banned",
            "rejected",
            "denied",
            "not match",
        ],
    ),
    either(
        BounceClass::TlsRequired,
        &[
            "starttls",
            "tls required",
            "requires tls",
            "over a tls connection",
            "encryption required",
        ],
    ),
    either(
        BounceClass::RateLimited,
        &[
            "too many connections",
            "too many messages",
            "too many recipients",
            "too many concurrent",
            "too quickly",
            "too fast",
            "too much mail",
            "rate limit",
            "rate that prevents",
            "unusual rate",
            "excessive volume",
            "unexpected volume",
            "exceeded the rate",
            "sending limit",
            "sending quota",
            "daily quota",
            "frequency limited",
            "connection limit",
            "per connection",
            "throttl",
            "slow down",
            "greylist",
            "graylist",
            "grey list",
        ],
    ),
    either(
        BounceClass::MailboxFull,
        &[
            "quota",
            "mailbox full",
            "mailbox is full",
            "inbox is full",
            "mailbox has exceeded",
            "exceeded storage",
            "out of storage",
        ],
    ),
    either(
        BounceClass::MessageTooLarge,
        &[
            "message too large",
            "message is too large",
            "message too big",
            "message is too big",
            "message size exceeds",
            "size of your message",
            "maximum message size",
            "message size limit",
            "line limit exceeded",
        ],
    ),
    either(
        BounceClass::RelayDenied,
        &[
            "relay access denied",
            "relay denied",
            "relaying denied",
            "relay not permitted",
            "relaying not permitted",
            "relaying not allowed",
            "relaying prohibited",
            "not permitted to relay",
            "not configured to relay",
            "unable to relay",
            "do not relay",
            "allowed rcpthosts",
        ],
    ),
    both(
        BounceClass::PolicyRejected,
        &[
            "sender address",
            "sender account",
            "sender domain",
            "sender rejected",
            "from: ",
        ],
        &[
            "rejected",
            "does not exist",
            "disabled",
            "invalid",
            "not found",
            "unknown",
            "blocked",
        ],
    ),
    either(
        BounceClass::ContentRejected,
        &[
            "virus",
            "malware",
            "infected",
            "attachment",
            "security issue",
            "header:",
            "message header",
            "headers too large",
            "rfc 5322",
            "duplicate header",
        ],
    ),
    either(
        BounceClass::SpamRejected,
        &[
            "spam",
            "unsolicited",
            "junk mail",
            "bulk mail",
            " ube",
            "likely suspicious",
        ],
    ),
    both(
        BounceClass::MailboxDisabled,
        &["account", "mailbox", "user", "recipient"],
        &[
            "disabled",
            "inactive",
            "not active",
            "suspended",
            "deactivated",
            "frozen",
            " locked",
            "account is blocked",
            " closed",
        ],
    ),
    either(
        BounceClass::NoSuchUser,
        &[
            "user unknown",
            "unknown user",
            "user not found",
            "no such user",
            "not a known user",
            "not our user",
            "unknown recipient",
            "recipient unknown",
            "no such recipient",
            "recipient not found",
            "recipnotfound",
            "recipientnotfound",
            "invalid recipient",
            "recipient no longer",
            "unknown mailbox",
            "mailbox unknown",
            "mailbox not found",
            "no such mailbox",
            "no mailbox",
            "invalid mailbox",
            "invalid address",
            "address unknown",
            "unknown address",
            "no such address",
            "address does not exist",
            "unknown or illegal",
            "no such account",
            "unknown local",
        ],
    ),
    either(
        BounceClass::NoSuchDomain,
        &[
            "host unknown",
            "unknown host",
            "host not found",
            "no such domain",
            "unknown domain",
            "domain not found",
            "domain does not exist",
            "domain is not reachable",
            "unrouteable",
            "unroutable",
            "no mx ",
            "null mx",
            "does not accept mail",
            "mail exchanger",
        ],
    ),
    both(
        BounceClass::NoSuchUser,
        &["user", "account", "mailbox", "recipient", "rcpt"],
        &[
            "does not exist",
            "doesn't exist",
            "doesn't have a",
            "not exist",
        ],
    ),
    either(
        BounceClass::NetworkError,
        &[
            "too many hops",
            "hop count",
            "routing loop",
            "mail loop",
            "timed out",
            "timeout",
            "connection refused",
            "connection reset",
        ],
    ),
    either(
        BounceClass::PolicyRejected,
        &[
            "policy",
            "policies",
            "access denied",
            "not authorized",
            "not authorised",
            "not allowed",
            "prohibited",
            "client host rejected",
            "authentication required",
        ],
    ),
];

/// A text in lower case, without addresses, and without what follows `?` or `#` in a URL: they
/// hold words that the server does not say. One space stands between words, before and after.
fn plain(text: &str) -> String {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut plain = String::with_capacity(end + 2);
    plain.push(' ');
    for word in text.get(..end).unwrap_or(text).split_ascii_whitespace() {
        let said = match word {
            url if url.contains("://") => url.split(['?', '#']).next().unwrap_or(url),
            address if address.contains('@') => continue,
            word => word,
        };
        plain.push_str(said);
        plain.push(' ');
    }
    plain.make_ascii_lowercase();
    plain
}
