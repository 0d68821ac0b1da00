//! Mail from outside: a domain that takes it, signed messages that are ready before the clock
//! starts, and what the store has of them afterwards.

use std::fmt::Write as _;
use std::iter;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use data_encoding::BASE64;
use postbell_mail::dkim::key::{NewKey, SigningKey};
use postbell_mail::dkim::{Signer, record, sign};
use postbell_model::authentication::{Authentication, Verdict};
use postbell_model::{Domain, EventKind, KeyAlgorithm, Timestamp, WorkspaceFact};
use postbell_peers::client::Mail;
use postbell_peers::dns::{Entry, Table};
use postbell_store::{EventFilter, From, Inspect, Logged, Position, SqliteInspector};
use postbell_tests::installation::{Installation, SENDER_DOMAIN};

/// Who writes.
const AUTHOR_DOMAIN: &str = "outside.test";
const SELECTOR: &str = "load";
/// Different messages, which are sent in turn.
const POOL: usize = 300;
/// Octets of all of them; fewer where they are long.
const POOL_OCTETS: usize = 64 * 1024 * 1024;
/// Mailboxes that they go to.
const MAILBOXES: u64 = 1_000;
/// Records stay in the cache for the whole run.
const TTL: Duration = Duration::from_secs(3_600);
/// Events that are looked at in one go.
const PAGE: usize = 500;

/// What one network may do is not what is measured.
pub(crate) const LIMITS: [(&str, &str); 5] = [
    ("inbound.limits.max_connections", "5000"),
    ("inbound.limits.max_connections_per_host", "5000"),
    ("inbound.limits.max_connections_per_network", "5000"),
    ("inbound.limits.max_messages_per_minute", "10000000"),
    ("inbound.limits.max_recipients_per_minute", "10000000"),
];

const WORDS: [&str; 48] = [
    "the",
    "meeting",
    "we",
    "have",
    "moved",
    "to",
    "Thursday",
    "and",
    "I",
    "would",
    "like",
    "you",
    "all",
    "look",
    "at",
    "figures",
    "for",
    "last",
    "quarter",
    "before",
    "that",
    "because",
    "some",
    "of",
    "them",
    "changed",
    "when",
    "office",
    "in",
    "Lyon",
    "sent",
    "its",
    "report",
    "order",
    "number",
    "will",
    "be",
    "delivered",
    "by",
    "Monday",
    "please",
    "check",
    "address",
    "with",
    "your",
    "team",
    "thank",
    "again",
];

/// Messages that are signed.
pub(crate) struct Pool(Vec<Bytes>);

impl Pool {
    /// Makes them and publishes the records that they pass by.
    pub(crate) fn make(size: usize, dns: &Table) -> anyhow::Result<Self> {
        let at = Timestamp::from_micros(1_795_305_600_000_000);
        let key = NewKey::generate(KeyAlgorithm::Rsa)?;
        let signer = Signer {
            domain: Domain::parse(AUTHOR_DOMAIN)?,
            selector: SELECTOR.to_owned(),
            key: SigningKey::from_pkcs8(key.algorithm, &key.secret)?,
        };
        publish(dns, &record::text(key.algorithm, &key.public));
        let count = POOL.min(POOL_OCTETS / size).max(1);
        let messages = (0..count).map(|number| {
            let text = Bytes::from(message(number, size));
            let fields = sign(std::slice::from_ref(&text), [&signer], at)?;
            Ok(Bytes::from([fields, text].concat()))
        });
        let messages: anyhow::Result<_> = messages.collect();
        Ok(Self(messages?))
    }

    /// The message of this number.
    pub(crate) fn mail(&self, number: u64) -> Mail {
        let index = usize::try_from(number).unwrap_or_default() % self.0.len();
        Mail {
            from: format!("bounces@{AUTHOR_DOMAIN}"),
            to: vec![format!("user{}@{SENDER_DOMAIN}", number % MAILBOXES)],
            parameters: String::new(),
            body: self.0[index].clone(),
        }
    }
}

/// Has the domain take mail.
pub(crate) async fn let_in(installation: &Installation) -> anyhow::Result<()> {
    let on = ["domain", "update", SENDER_DOMAIN, "--inbound", "on"];
    installation.run(&on).await?;
    Ok(())
}

/// Looks for the event of each message, and whether its sender was believed.
pub(crate) async fn check(folder: &Path, accepted: u64) -> anyhow::Result<()> {
    let store = SqliteInspector::open(&folder.join("data")).await?;
    let filter = EventFilter {
        kinds: vec![EventKind::Received],
        ..EventFilter::default()
    };
    let (mut after, mut received, mut believed) = (Position(0), 0, 0);
    loop {
        let found = store.events(&filter, From::After(after), PAGE).await?;
        for logged in &found.events {
            received += 1;
            believed += u64::from(is_believed(logged));
        }
        if found.events.is_empty() && found.read_to == after {
            break;
        }
        after = found.read_to;
    }
    store.close().await;
    ensure!(
        (received, believed) == (accepted, accepted),
        "of {accepted} messages {received} are told of, and of {believed} the sender was believed"
    );
    Ok(())
}

fn is_believed(logged: &Logged) -> bool {
    let Logged::Workspace(logged) = logged else {
        return false;
    };
    let WorkspaceFact::Received(mail) = &logged.event.fact else {
        return false;
    };
    let Authentication {
        spf, dkim, dmarc, ..
    } = &mail.content.authentication;
    let mut verdicts = iter::once(spf.verdict)
        .chain(iter::once(dmarc.verdict))
        .chain(dkim.iter().map(|dkim| dkim.verdict));
    dkim.len() == 1 && verdicts.all(|verdict| verdict == Verdict::Pass)
}

fn publish(dns: &Table, key: &str) {
    let own = |name: &str| format!("{name}.{AUTHOR_DOMAIN}");
    for (name, text) in [
        (
            AUTHOR_DOMAIN.to_owned(),
            "v=spf1 include:_spf.outside.test -all",
        ),
        (own("_spf"), "v=spf1 ip4:192.0.2.0/24 ip4:127.0.0.0/8 ~all"),
        (
            own("_dmarc"),
            "v=DMARC1; p=reject; rua=mailto:dmarc@outside.test",
        ),
        (own(&format!("{SELECTOR}._domainkey")), key),
    ] {
        dns.set(&name, Entry::txt([text]).valid_for(TTL));
    }
}

/// Text and HTML that say the same, a third of the octets the one and the rest the other; of
/// every fourth message in base64. Every third one answers another, and quotes it.
fn message(number: usize, size: usize) -> String {
    let mut words = Words(number);
    let is_answer = number.is_multiple_of(3);
    let is_encoded = number.is_multiple_of(4);
    let encoding = if is_encoded { "base64" } else { "7bit" };
    let mut message = format!(
        "Received: from app.{AUTHOR_DOMAIN} (app.{AUTHOR_DOMAIN} [192.0.2.7])\r\n\tby \
         mx.{AUTHOR_DOMAIN} with ESMTPS id 4Vq{number};\r\n\tSun, 22 Nov 2026 08:00:00 +0000\r\n\
         From: Ann Author <ann@{AUTHOR_DOMAIN}>\r\nTo: Support <support@{SENDER_DOMAIN}>\r\n\
         Subject: {}The order of this week, number {number}\r\n\
         Date: Sun, 22 Nov 2026 08:00:00 +0000\r\nMessage-ID: <{number}@{AUTHOR_DOMAIN}>\r\n\
         {}MIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=\"=_{number}\"\r\n\r\n",
        if is_answer { "Re: " } else { "" },
        if is_answer {
            "In-Reply-To: <1@sender.test>\r\n"
        } else {
            ""
        },
    );
    // Base64 has four octets for three, and its line ends.
    let size = size.saturating_sub(message.len() + 900);
    let size = if is_encoded { size * 72 / 100 } else { size };
    for (sub, text) in [
        ("plain", words.text(size / 3, is_answer)),
        ("html", words.html(size - size / 3)),
    ] {
        let _infallible = write!(
            message,
            "--=_{number}\r\nContent-Type: text/{sub}; charset=utf-8\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n"
        );
        if is_encoded {
            push_encoded(&mut message, &text);
        } else {
            message.push_str(&text);
        }
        message.push_str("\r\n");
    }
    let _infallible = write!(message, "--=_{number}--\r\n");
    message
}

fn push_encoded(message: &mut String, text: &str) {
    for line in text.as_bytes().chunks(57) {
        BASE64.encode_append(line, message);
        message.push_str("\r\n");
    }
}

/// Words, other ones for each message, the same ones in each run.
struct Words(usize);

impl Words {
    fn next(&mut self) -> &'static str {
        self.0 = self.0.wrapping_mul(25).wrapping_add(self.0 >> 7) + 13;
        WORDS[self.0 % WORDS.len()]
    }

    /// Of at least so many octets, a line of some 70.
    fn lines(&mut self, size: usize, begin: &str) -> String {
        let (mut text, mut column) = (begin.to_owned(), begin.len());
        while text.len() < size {
            let word = self.next();
            if column + word.len() > 70 {
                text.push_str("\r\n");
                text.push_str(begin);
                column = begin.len();
            }
            text.push_str(word);
            text.push(' ');
            column += word.len() + 1;
        }
        text.push_str("\r\n");
        text
    }

    fn text(&mut self, size: usize, is_answer: bool) -> String {
        let mut text = String::from("Hello Bob,\r\n\r\n");
        let own = if is_answer { size / 2 } else { size };
        while text.len() < own {
            text.push_str(&self.lines(400.min(own - text.len()), ""));
            text.push_str("\r\n");
        }
        text.push_str("Kind regards\r\nAnn\r\n");
        if is_answer {
            text.push_str(
                "\r\nOn Fri, 20 Nov 2026 at 10:12, Bob <bob@sender.test> wrote:\r\n>\r\n",
            );
            text.push_str(&self.lines(size.saturating_sub(text.len()), "> "));
        }
        text.push_str("\r\n-- \r\nAnn Author, Sales\r\n+33 1 23 45 67 89\r\n");
        text
    }

    fn html(&mut self, size: usize) -> String {
        let mut html = String::from(
            "<!DOCTYPE html>\r\n<html><head><style>p { margin: 0 0 1em }</style></head>\r\n\
             <body><div class=\"x\"><p>Hello Bob,</p>\r\n",
        );
        while html.len() < size {
            let text = self.lines(400, "");
            let _infallible = write!(
                html,
                "<p style=\"color:#333333;font-family:Arial,sans-serif\">{text}<br>\
                 <a href=\"https://outside.test/orders/{}\">{} &amp; {}</a></p>\r\n",
                html.len(),
                self.next(),
                self.next(),
            );
        }
        html.push_str("</div></body></html>\r\n");
        html
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_long_as_asked() {
        for number in 0..12 {
            let message = message(number, 10_240);
            assert!(
                (9_500..=11_000).contains(&message.len()),
                "{}",
                message.len()
            );
            assert!(message.lines().all(|line| line.len() < 900));
        }
    }
}
