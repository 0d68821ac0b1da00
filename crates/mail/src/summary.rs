//! What the gate must know of a message, read in one pass over its header and one over its
//! octets.
//!
//! Nothing is repaired and nothing refused here: what is odd about a message is told.

use memchr::memchr_iter;
use postbell_model::Address;

use crate::header::{Field, Header, HeaderError};
use crate::mailbox::{self, MailboxError};

/// A subject of more octets is cut, at a character: what is stored of it has a limit.
pub const SUBJECT_MAX: usize = 2_000;

/// The fields of which RFC 5322 §3.6 allows one, but for trace and resent fields.
pub const SINGLETONS: [&str; 11] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
];

/// What a message's header and octets tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The mailboxes of the first From field.
    pub from: Mailboxes,
    /// The mailboxes of the first Sender field.
    pub sender: Mailboxes,
    /// The first Subject field, decoded (RFC 2047), without control characters; empty where
    /// there is none.
    pub subject: String,
    /// The first Message-ID field that is not blank, as it was written but for control
    /// characters.
    pub message_id: Option<String>,
    /// Whether there is a Date field that is not blank.
    pub has_date: bool,
    /// Whether there is a Bcc field.
    pub has_bcc: bool,
    /// Whether there is a Reply-To field.
    pub has_reply_to: bool,
    /// Whether there is a Return-Path field.
    pub has_return_path: bool,
    /// How many hops have left a Received field.
    pub received_count: usize,
    /// Those of [`SINGLETONS`] that occur more than once.
    pub repeated: Vec<&'static str>,
    /// The number, from 1, of the first line of the header that belongs to no field.
    pub stray_line: Option<usize>,
    /// Whether the header has octets over 127 (RFC 6532).
    pub eight_bit_header: bool,
    /// Whether there is an octet over 127 anywhere.
    pub eight_bit: bool,
    /// Whether there is a CR without LF or an LF without CR.
    pub bare_line_end: bool,
    /// Octets of the longest line, without its line end.
    pub longest_line: usize,
}

/// What an address field says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mailboxes {
    /// There is no such field.
    #[default]
    Missing,
    /// It can't be read, or not in one way alone.
    Malformed(MailboxError),
    /// These, at least one.
    Listed(Vec<Address>),
}

impl Mailboxes {
    fn read(field: &Field<'_>) -> Self {
        match mailbox::read_list(&field.unfolded()) {
            Ok(list) => Self::Listed(list),
            Err(error) => Self::Malformed(error),
        }
    }
}

/// Reads what the gate must know of a message.
///
/// # Errors
/// The header is too long to be read.
pub fn summarise(raw: &[u8]) -> Result<Summary, HeaderError> {
    let header = Header::find(raw)?;
    let mut summary = scan_octets(raw, header);
    let mut counts = [0_u32; SINGLETONS.len()];
    for field in header.fields() {
        if let Some(index) = SINGLETONS.iter().position(|name| field.is(name))
            && let Some(count) = counts.get_mut(index)
        {
            *count += 1;
        }
        summary.take(&field, header);
    }
    let seen = SINGLETONS.into_iter().zip(counts);
    summary.repeated = seen
        .filter_map(|(name, count)| (count > 1).then_some(name))
        .collect();
    Ok(summary)
}

impl Summary {
    fn take(&mut self, field: &Field<'_>, header: Header<'_>) {
        if field.name().is_empty() {
            self.stray_line = self
                .stray_line
                .or_else(|| Some(line_number(header, field.span().start)));
        } else if field.is("Received") {
            self.received_count += 1;
        } else if field.is("From") && self.from == Mailboxes::Missing {
            self.from = Mailboxes::read(field);
        } else if field.is("Sender") && self.sender == Mailboxes::Missing {
            self.sender = Mailboxes::read(field);
        } else if field.is("Subject") && self.subject.is_empty() {
            self.subject = decode_subject(field);
        } else if field.is("Message-ID") && self.message_id.is_none() && !field.is_blank() {
            self.message_id = Some(without_controls(&String::from_utf8_lossy(
                &field.unfolded(),
            )));
        } else if field.is("Date") {
            self.has_date |= !field.is_blank();
        } else if field.is("Bcc") {
            self.has_bcc = true;
        } else if field.is("Reply-To") {
            self.has_reply_to = true;
        } else if field.is("Return-Path") {
            self.has_return_path = true;
        }
    }
}

fn line_number(header: Header<'_>, at: usize) -> usize {
    let before = header.as_bytes().get(..at).unwrap_or_default();
    memchr_iter(b'\n', before).count() + 1
}

/// What the octets alone tell.
fn scan_octets(raw: &[u8], header: Header<'_>) -> Summary {
    let mut longest_line = 0;
    let mut line_start = 0;
    let mut whole_line_ends = 0;
    let mut bare_lf = false;
    for lf in memchr_iter(b'\n', raw) {
        let line = raw.get(line_start..lf).unwrap_or_default();
        let len = match line.strip_suffix(b"\r") {
            Some(text) => {
                whole_line_ends += 1;
                text.len()
            }
            None => {
                bare_lf = true;
                line.len()
            }
        };
        longest_line = longest_line.max(len);
        line_start = lf + 1;
    }
    Summary {
        from: Mailboxes::Missing,
        sender: Mailboxes::Missing,
        subject: String::new(),
        message_id: None,
        has_date: false,
        has_bcc: false,
        has_reply_to: false,
        has_return_path: false,
        received_count: 0,
        repeated: Vec::new(),
        stray_line: None,
        eight_bit_header: !header.as_bytes().is_ascii(),
        eight_bit: !raw.is_ascii(),
        bare_line_end: bare_lf || memchr_iter(b'\r', raw).count() != whole_line_ends,
        longest_line: longest_line.max(raw.len() - line_start),
    }
}

fn decode_subject(field: &Field<'_>) -> String {
    let mut subject = without_controls(&field.text());
    subject.truncate(subject.floor_char_boundary(SUBJECT_MAX));
    subject
}

fn without_controls(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(raw: &str) -> Summary {
        summarise(raw.as_bytes()).unwrap()
    }

    #[test]
    fn a_plain_message_is_summarised() {
        let summary = read(
            "Received: from a by b; date\r\nReceived: from c by d; date\r\n\
             Return-Path: <x@example.com>\r\nFrom: Ann <ann@example.com>\r\n\
             Sender: bot@example.com\r\nReply-To: r@example.com\r\nBcc: b@example.org\r\n\
             Subject: Hello\r\n there\r\nMessage-ID:\r\n <1@example.com>\r\n\
             Date: Sun, 3 May 2026 12:34:57 +0000\r\n\r\nText of one line\r\n",
        );
        let from = vec![Address::parse("ann@example.com").unwrap()];
        let sender = vec![Address::parse("bot@example.com").unwrap()];
        assert_eq!(summary.from, Mailboxes::Listed(from));
        assert_eq!(summary.sender, Mailboxes::Listed(sender));
        assert_eq!(summary.subject, "Hello there");
        assert_eq!(summary.message_id.as_deref(), Some("<1@example.com>"));
        assert_eq!(summary.received_count, 2);
        assert!(summary.has_date && summary.has_bcc && summary.has_reply_to);
        assert!(summary.has_return_path);
        assert!(!summary.eight_bit && !summary.eight_bit_header && !summary.bare_line_end);
        assert_eq!(
            summary.longest_line,
            "Date: Sun, 3 May 2026 12:34:57 +0000".len()
        );
        assert_eq!(summary.stray_line, None);
        assert!(summary.repeated.is_empty());
    }

    #[test]
    fn nothing_is_missing_from_an_empty_message_but_fields() {
        let summary = read("");
        assert_eq!(summary.from, Mailboxes::Missing);
        assert_eq!(summary.sender, Mailboxes::Missing);
        assert_eq!(summary.message_id, None);
        assert!(!summary.has_date);
    }

    #[test]
    fn oddities_are_told() {
        let repeated = read("From: a@b.example\r\nfrom: c@d.example\r\nTO: x\r\nTo: y\r\n");
        assert_eq!(repeated.repeated, ["From", "To"]);
        assert_eq!(read("A: b\r\n\tc\r\nstray\r\nD: e\r\n").stray_line, Some(3));
        assert!(read("A: b\r\n\r\nx\ny\r\n").bare_line_end);
        assert!(read("A: b\r\n\r\nx\ry\r\n").bare_line_end);
        assert!(read("A: b\r\n\r\nx\r").bare_line_end);
        assert!(read("A: b\r\n\r\nx\r\r\ny\r\n").bare_line_end);
        assert!(!read("A: b\r\n\r\nx").bare_line_end);
        assert_eq!(read("A: b\r\n\r\nlast line").longest_line, 9);
        let body = read("A: b\r\n\r\né\r\n");
        assert!(body.eight_bit && !body.eight_bit_header);
        let header = read("A: é\r\n\r\n");
        assert!(header.eight_bit && header.eight_bit_header);
        let blank = read("Date: \r\nMessage-ID:\t\r\n\r\n");
        assert!(!blank.has_date && blank.message_id.is_none());
    }

    #[test]
    fn subjects_are_decoded() {
        for (field, subject) in [
            ("plain", "plain"),
            ("=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
            ("=?iso-8859-1?Q?Gr=FC=DFe_an?= Sie", "Grüße an Sie"),
            ("=?utf-8?q?Gr=C3=BC?=\r\n =?utf-8?q?=C3=9Fe?=", "Grüße"),
            ("=?windows-1252?Q?=80_5?=", "€ 5"),
            // Characters that are cut between two words.
            (
                "=?utf-8?q?Gr=C3?=\r\n =?UTF-8?Q?=BC=C3=9Fe_an?=",
                "Grüße an",
            ),
            ("a =?utf-8?b?R3LDvMM=?= =?utf-8?b?n2U=?= b", "a Grüße b"),
            ("=?utf-8*de?q?Gr=C3?= =?utf-8?q?=BC?= =?utf-8?q?n?=", "Grün"),
            ("=?gbk?b?xA==?= =?gbk?b?48Q=?= =?gbk?b?4w==?=", "你你"),
            // Others do not belong together.
            ("=?utf-8?q?=C3?= =?iso-8859-1?q?=BC?=", "\u{fffd}¼"),
            ("=?utf-8?q?=C3?= x =?utf-8?q?=BC?=", "\u{fffd} x \u{fffd}"),
            ("=?iso-2022-jp?b?GyRCJCI=?= =?iso-2022-jp?b?YQ==?=", "あa"),
            ("=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
            ("a =? b", "a =? b"),
            ("Grüße", "Grüße"),
            ("=?utf-8?q?a=0D=0Ab=00?=", "ab"),
            ("", ""),
        ] {
            let raw = format!("Subject: {field}\r\n\r\n");
            assert_eq!(read(&raw).subject, subject, "{field}");
        }
        let raw = |octets: &[u8]| {
            summarise(&[b"Subject: ", octets, b"\r\n"].concat())
                .unwrap()
                .subject
        };
        assert_eq!(raw(b"Gr\xfc\xdfe"), "Grüße");
        assert_eq!(raw(b"Gr\xc3\xbc\xc3"), "Grü\u{fffd}", "it was cut");
        let long = format!("Subject: {}\r\n\r\n", "é".repeat(3_000));
        assert_eq!(read(&long).subject.len(), SUBJECT_MAX);
    }

    /// Octets that are more like a message than most.
    fn octets() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "From:",
                "Sender: ",
                "Subject: ",
                "Message-ID: ",
                "\r\n",
                "\n",
                "\r",
                " ",
                "\t",
                "a@example.com",
                "<",
                ">",
                "\"",
                "(",
                ")",
                ",",
                ":",
                ";",
                "\\",
                "=?utf-8?q?=C3?=",
                "=?",
                "?=",
                "=?x?b?",
                "\r\n\r\n",
                "Bcc: x\r\n",
                "é",
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..8),
        ];
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(raw in octets()) {
            let summary = summarise(&raw).unwrap();
            prop_assert!(summary.subject.len() <= SUBJECT_MAX);
            prop_assert!(!summary.subject.chars().any(char::is_control));
            prop_assert!(summary.longest_line <= raw.len());
            if let Mailboxes::Listed(list) = summary.from {
                prop_assert!(!list.is_empty());
            }
        }

        #[test]
        fn fields_are_the_header(raw in octets()) {
            let header = Header::find(&raw).unwrap();
            let mut at = 0;
            for field in header.fields() {
                prop_assert_eq!(field.span().start, at);
                prop_assert!(field.span().end > at);
                at = field.span().end;
            }
            prop_assert_eq!(at, header.as_bytes().len());
            prop_assert!(raw.starts_with(header.as_bytes()));
        }
    }
}
