//! Whether somebody has passed a message on.

use crate::inbound::mime::Mail;

/// What mail programs put before the subject of what they forward, in lower case, without the
/// colon. `re` and what it is called elsewhere stand before an answer, and what was forwarded
/// before that does not count.
const MARKS: [&str; 20] = [
    "fw",
    "fwd",
    "fwd.",
    "wg",
    "tr",
    "rv",
    "enc",
    "vs",
    "vl",
    "vb",
    "i",
    "doorst",
    "pd",
    "vidarebefordrat",
    "továbbítás",
    "πρθ",
    "fs",
    "转发",
    "轉寄",
    "轉發",
];

/// Whether its fields or its subject say that it was forwarded.
pub fn is_forwarded(mail: &Mail<'_>) -> bool {
    let tells = |name: &[u8]| {
        let begins = |with: &str| {
            let head = name.get(..with.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(with.as_bytes()))
        };
        // RFC 5322 §3.6.6; the others are what providers write.
        begins("Resent-") || begins("X-Forwarded-")
    };
    let header = mail.header(0);
    if header.fields().any(|field| tells(field.name())) {
        return true;
    }
    let subject = mail.field("Subject").map(|field| field.text());
    subject.is_some_and(|subject| says_so(&subject.to_lowercase()))
}

fn says_so(subject: &str) -> bool {
    let subject = subject.trim_start();
    let Some((mark, _)) = subject.split_once([':', '：']) else {
        return subject.starts_with("[fwd:");
    };
    let mark = mark.trim_end().trim_start_matches(['[', '(']);
    // Some count: `Fwd[2]:`.
    let mark = mark.split(['[', '(']).next().unwrap_or(mark).trim_end();
    MARKS.contains(&mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_mail_says_so() {
        let check = |header: &str, expected| {
            let raw = format!("{header}\r\n\r\ntext\r\n");
            assert_eq!(
                is_forwarded(&Mail::read(raw.as_bytes())),
                expected,
                "{header}"
            );
        };
        for subject in [
            "Fwd: offer",
            "FW: offer",
            "WG: Angebot",
            "TR : offre",
            "RV: oferta",
            "Fwd[2]: x",
            "[Fwd: offer]",
            "=?utf-8?q?Fwd=3A?= x",
            "转发：你好",
        ] {
            check(&format!("Subject: {subject}"), true);
        }
        for subject in [
            "Re: Fwd: offer",
            "offer",
            "Forward: march",
            "Note: fwd: x",
            "",
        ] {
            check(&format!("Subject: {subject}"), false);
        }
        check("Resent-From: a@example.com", true);
        check("X-Forwarded-To: a@example.com", true);
        check("Subject: Re: x\r\nX-Forwarded-For: a@example.com", true);
        check("X-Forward: a", false);
    }
}
