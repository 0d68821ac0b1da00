//! What comes back of the message (RFC 6522 §3, RFC 3461 §4.3).
//!
//! | | asked RET=FULL | asked nothing | asked RET=HDRS |
//! |---|---|---|---|
//! | it failed | all of it, up to the limit | all of it, up to the limit, where it is 7-bit | its header |
//! | anything else | its header | its header | its header |
//!
//! RFC 2046 §5.2.1: a message within a message is never encoded, so that 8-bit content would make
//! a report that some hosts can't take. It is returned where it was asked for.

use postbell_model::{ReportKind, Ret};

use super::text::quoted_printable;
use super::{Part, Report};
use crate::header::Header;

/// The part; `None` where there is nothing that can be returned.
pub(super) fn part(report: &Report<'_>) -> Option<Part> {
    let original = report.original?;
    let header = Header::find(original).ok()?.as_bytes();
    Some(if returns_all(report, original) {
        whole(original, header)
    } else {
        header_alone(header)
    })
}

fn returns_all(report: &Report<'_>, original: &[u8]) -> bool {
    let wanted = match report.message.instructions.ret {
        Some(Ret::Full) => true,
        Some(Ret::Headers) => false,
        None => original.is_ascii(),
    };
    let fits = u64::try_from(original.len()).is_ok_and(|len| len <= report.max_returned);
    // RFC 3461 §4.3: RET is about reports of failure, others bring the header back.
    report.kind == ReportKind::Failed && wanted && fits
}

fn whole(original: &[u8], header: &[u8]) -> Part {
    let eight_bit = !original.is_ascii();
    // RFC 6532 §3.7: message/global is for headers that are not ASCII.
    let kind = if header.is_ascii() {
        "message/rfc822"
    } else {
        "message/global"
    };
    let encoding = if eight_bit {
        "Content-Transfer-Encoding: 8bit\r\n"
    } else {
        ""
    };
    Part {
        header: format!("Content-Type: {kind}\r\n{encoding}"),
        content: original.to_vec(),
        eight_bit,
    }
}

fn header_alone(header: &[u8]) -> Part {
    let (kind, content) = if header.is_ascii() {
        ("text/rfc822-headers\r\n", header.to_vec())
    } else {
        // RFC 6533 §4.3
        let kind = "message/global-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n";
        (kind, quoted_printable(header))
    };
    Part {
        header: format!("Content-Type: {kind}"),
        content,
        eight_bit: false,
    }
}
