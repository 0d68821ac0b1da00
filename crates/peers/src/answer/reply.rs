//! A person answers: above the thread, as most do.

use bytes::Bytes;

use super::original::Original;
use crate::client::Mail;

/// The answer, to the Reply-To or else to From.
pub fn reply(original: &Original) -> Option<Mail> {
    let to = original
        .mailbox("Reply-To")
        .or_else(|| original.mailbox("From"))?;
    let author = original
        .field("From")
        .unwrap_or_else(|| "somebody".to_owned());
    let date = original
        .field("Date")
        .unwrap_or_else(|| "some day".to_owned());
    let from = &original.recipient;
    let subject = original.subject();
    let subject = match subject.get(..3) {
        Some(re) if re.eq_ignore_ascii_case("re:") => subject,
        _ => format!("Re: {subject}"),
    };
    let to_field = original
        .field("Reply-To")
        .unwrap_or_else(|| format!("<{to}>"));
    let mut body = original.heading(&format!("Robin Reply <{from}>"), &to_field, &subject);
    body.push_str(&original.thread());
    body.push_str(
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n\
         Thank you, that is all that I needed to know.\r\n\r\nRobin\r\n\r\n",
    );
    body.push_str(&format!("On {date}, {author} wrote:\r\n"));
    for line in &original.text {
        let space = if line.is_empty() { "" } else { " " };
        body.push_str(&format!(">{space}{line}\r\n"));
    }
    Some(Mail {
        from: from.to_string(),
        to: vec![to.to_string()],
        parameters: String::new(),
        body: Bytes::from(body),
    })
}
