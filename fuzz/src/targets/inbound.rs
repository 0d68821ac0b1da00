use std::sync::LazyLock;

use postbell_mail::Classifier;
use postbell_mail::inbound::mime::{DEPTH_MAX, PARTS_MAX};
use postbell_mail::inbound::status::RECIPIENTS_MAX;
use postbell_mail::inbound::{Envelope, Inbound, Mail, Reader, ReplyText, reply_text, thread};

static READER: LazyLock<Reader> = LazyLock::new(|| Reader::new(Classifier::standard()));

/// Longer lines are not repeated: it is to stay quick.
const LINE_MAX: usize = 40;

/// What came in is understood within bounds: of parts, of their depth, of recipients. Each part
/// lies where it should, decoding never makes more of a leaf, and the text of a reply is made of
/// lines of its text. The input is read as it is, and with its last line repeated past every bound.
pub fn inbound(data: &[u8]) {
    check(data);
    let begin = data.iter().rposition(|octet| *octet == b'\n');
    let line = data.get(begin.map_or(0, |lf| lf + 1)..).unwrap_or_default();
    if !line.is_empty() && line.len() <= LINE_MAX {
        let mut longer = data.to_vec();
        longer.extend_from_slice(b"\r\n");
        longer.extend([line, b"\r\n"].concat().repeat(PARTS_MAX + 100));
        check(&longer);
    }
}

fn check(raw: &[u8]) {
    let mail = Mail::read(raw);
    check_parts(&mail);
    match READER.read(&mail, Envelope::Noted) {
        Inbound::Status(report) => {
            let count = report.recipients.len();
            assert!((1..=RECIPIENTS_MAX).contains(&count), "{count} recipients");
        }
        Inbound::Complaint(complaint) => {
            let count = complaint.original_recipients.len();
            assert!(count <= RECIPIENTS_MAX, "{count} recipients");
        }
        Inbound::Automatic(_) | Inbound::Mail => {}
    }
    check_reply(&reply_text(&mail));
    let _ = thread(&mail);
}

fn check_parts(mail: &Mail<'_>) {
    let parts = mail.parts();
    assert!((1..=PARTS_MAX).contains(&parts.len()));
    for (index, part) in parts.iter().enumerate() {
        assert!(part.depth <= DEPTH_MAX);
        let outer = match part.parent {
            Some(parent) => {
                assert!(parent < index && parts[parent].depth + 1 == part.depth);
                mail.body(parent)
            }
            None => mail.raw(),
        };
        assert!(lies_within(mail.header(index).as_bytes(), outer));
        assert!(lies_within(mail.body(index), outer));
    }
    for (index, _) in mail.leaves() {
        assert!(mail.octets(index).len() <= mail.body(index).len());
        let _ = mail.text(index, mail.raw().len());
    }
}

fn lies_within(inner: &[u8], outer: &[u8]) -> bool {
    let (inner, outer) = (inner.as_ptr_range(), outer.as_ptr_range());
    inner.is_empty() || (outer.start <= inner.start && inner.end <= outer.end)
}

fn check_reply(reply: &ReplyText) {
    let text = reply.text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = text.lines().map(str::trim_end);
    for line in reply.stripped.lines() {
        assert!(lines.any(|known| known == line), "{line:?}");
    }
}
