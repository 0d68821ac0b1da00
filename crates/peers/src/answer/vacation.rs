//! Somebody is away, and their mail program says so (RFC 3834).

use bytes::Bytes;

use super::original::Original;
use crate::client::Mail;

/// The note, from `<>` to the return path (RFC 3834 §3.3, §4).
pub fn vacation(original: &Original) -> Mail {
    let Original {
        return_path,
        recipient,
        ..
    } = original;
    let subject = format!("Out of office: {}", original.subject());
    let from = format!("Val Vacation <{recipient}>");
    let mut body = original.heading(&from, &format!("<{return_path}>"), &subject);
    body.push_str(&original.thread());
    body.push_str(
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\r\n\
         I am away until Monday and read no mail. In urgent cases ask the front desk.\r\n",
    );
    Mail {
        from: String::new(),
        to: vec![return_path.to_string()],
        parameters: String::new(),
        body: Bytes::from(body),
    }
}
