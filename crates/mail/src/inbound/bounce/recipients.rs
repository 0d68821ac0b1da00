//! The recipients that a bounce in prose names.
//!
//! Ways of naming one are tried in the order of how sure they are: a field of the header; an
//! address that begins a line; one behind a word for recipients; a command or reply of SMTP; a
//! sentence. Where the text names nobody, the returned message may.

use super::notice::Notice;
use super::phrases::LABELS;
use super::signs::Signs;
use crate::inbound::address::{self, Found};
use crate::inbound::mime::Mail;
use crate::inbound::status::RECIPIENTS_MAX;

/// The addresses, each once; empty where there is none.
pub(super) fn find(mail: &Mail<'_>, notice: &Notice, signs: &Signs<'_>) -> Vec<Option<String>> {
    let stranger = Stranger::of(mail, signs);
    let ways: [&dyn Fn() -> Vec<String>; 6] = [
        &|| in_field(mail),
        &|| at_line_begin(&notice.text),
        &|| labelled(&notice.text),
        &|| in_session(&notice.text),
        &|| in_sentence(&notice.text),
        &|| notice.returned.recipients_of(),
    ];
    for (index, way) in ways.iter().enumerate() {
        let mut named = Vec::<String>::new();
        for address in way() {
            if !named.iter().any(|known| address::same(known, &address))
                && named.len() < RECIPIENTS_MAX
            {
                named.push(address);
            }
        }
        // A field leaves no doubt; an address in a text may be whom to ask.
        if index > 0 {
            let others: Vec<_> = named
                .iter()
                .filter(|address| !stranger.is(address))
                .cloned()
                .collect();
            if others.is_empty() && index < 3 && named.len() == 1 {
                return named.into_iter().map(Some).collect();
            }
            named = others;
        }
        if !named.is_empty() {
            return named.into_iter().map(Some).collect();
        }
    }
    without_domain(&notice.text, signs)
        .into_iter()
        .map(Some)
        .collect()
}

/// Who is not a recipient of the message: its sender, whom the report goes to, and its author.
struct Stranger(Vec<String>);

impl Stranger {
    fn of(mail: &Mail<'_>, signs: &Signs<'_>) -> Self {
        let mut known: Vec<String> = signs.from().map(str::to_owned).into_iter().collect();
        for name in ["To", "Delivered-To", "X-Original-To", "Reply-To"] {
            if let Some(field) = mail.field(name) {
                known.extend(address::all(&field.text()).map(|found| found.address));
            }
        }
        Self(known)
    }

    fn is(&self, address: &str) -> bool {
        let local = address
            .split('@')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let is_post = [
            "postmaster",
            "mailer-daemon",
            "abuse",
            "helpdesk",
            "support",
            "hostmaster",
        ];
        self.0.iter().any(|known| address::same(known, address))
            || is_post.contains(&local.as_str())
    }
}

/// `X-Failed-Recipients`, as Exim and Gmail write it.
fn in_field(mail: &Mail<'_>) -> Vec<String> {
    let fields = mail
        .header(0)
        .fields()
        .filter(|field| field.is("X-Failed-Recipients"));
    fields
        .flat_map(|field| {
            let text = field.text();
            address::all(&text)
                .map(|found| found.address)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Lines that an address begins, or nearly.
fn at_line_begin(text: &str) -> Vec<String> {
    text.lines().filter_map(begins_line).collect()
}

fn begins_line(line: &str) -> Option<String> {
    let bare = line.trim_start_matches(address::BEFORE);
    if line.trim_start().starts_with('>') {
        return None;
    }
    let bare = bare.strip_prefix("mailto:").unwrap_or(bare);
    let found = address::all(bare).next()?;
    (found.start == 0 && !is_list(bare, &found)).then_some(found.address)
}

/// A line with several addresses is somebody's To field.
fn is_list(line: &str, found: &Found) -> bool {
    let rest = line.get(found.end..).unwrap_or_default();
    rest.trim_start_matches(['>', '"']).starts_with(';')
}

/// An address behind a word for recipients, at the end of its line or nearly.
fn labelled(text: &str) -> Vec<String> {
    let lines: Vec<_> = text.lines().collect();
    let mut named = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| lines.get(index));
        for found in address::all(line) {
            let label = line.get(..found.start).unwrap_or_default().to_lowercase();
            let near = label.trim_end_matches(['<', '"', '\'', ' ', '\t', '(', '[']);
            let is_labelled = if near.is_empty() {
                before.is_some_and(|line| LABELS.are_in(&line.to_lowercase()))
            } else {
                LABELS.are_in(&label) && !is_contact(&label)
            };
            if is_labelled {
                named.push(found.address);
            }
        }
    }
    named
}

/// Whom to write to about it.
fn is_contact(label: &str) -> bool {
    [
        "contact",
        "please",
        "assistance",
        "help",
        "from:",
        "from ",
        "postmaster",
        "reply",
        "questions",
        "sender",
    ]
    .iter()
    .any(|word| label.contains(word))
}

/// Commands and replies of SMTP.
fn in_session(text: &str) -> Vec<String> {
    let is_session = |line: &str| {
        let lower = line.to_ascii_lowercase();
        lower.contains("rcpt to") || is_reply(line)
    };
    let lines = text.lines().filter(|line| is_session(line));
    lines.filter_map(address::first).collect()
}

/// `550 5.1.1 <address>... User unknown`
fn is_reply(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t', '<', '>']);
    let code = line
        .get(..3)
        .is_some_and(|code| code.bytes().all(|octet| octet.is_ascii_digit()));
    code && line.starts_with(['4', '5'])
}

/// Any address, but for those of whom to write to.
fn in_sentence(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .filter(|line| !is_contact(&line.to_lowercase()));
    lines
        .flat_map(|line| {
            address::all(line)
                .map(|found| found.address)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// A lone word on an indented line below a line about recipients is the local part of an address
/// of the host that reports.
fn without_domain(text: &str, signs: &Signs<'_>) -> Vec<String> {
    let Some(host) = signs.reporting_mta() else {
        return Vec::new();
    };
    let lines: Vec<_> = text.lines().collect();
    let Some(begin) = lines
        .iter()
        .position(|line| line.to_lowercase().contains("recipient"))
    else {
        return Vec::new();
    };
    let words = lines
        .iter()
        .skip(begin + 1)
        .filter(|line| line.starts_with([' ', '\t']));
    let words = words.map(|line| line.trim()).filter(|word| {
        !word.is_empty()
            && word
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b"._-+".contains(&octet))
    });
    words.map(|word| format!("{word}@{host}")).collect()
}

impl crate::inbound::status::Returned {
    /// Whom the returned message was sent to, as far as its header knows.
    fn recipients_of(&self) -> Vec<String> {
        let to: Vec<_> = address::all(self.to.as_deref().unwrap_or_default())
            .map(|found| found.address)
            .collect();
        match to.as_slice() {
            [one] => vec![one.clone()],
            _ => self.recipients.first().cloned().into_iter().collect(),
        }
    }
}
