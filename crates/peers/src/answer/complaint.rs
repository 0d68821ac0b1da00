//! A provider tells that somebody has called the mail unwanted (RFC 5965).

use bytes::Bytes;

use super::BOUNDARY;
use super::original::Original;
use crate::client::Mail;

/// The complaint, to the mailbox for complaints of the sender's servers.
pub fn complaint(original: &Original) -> Mail {
    let Original {
        return_path,
        recipient,
        host,
        header,
        peer,
        ..
    } = original;
    let (from, to) = (
        format!("feedback@{host}"),
        format!("fbl@{}", return_path.domain()),
    );
    let heading = original.heading(
        &format!("Feedback Loop <{from}>"),
        &format!("<{to}>"),
        "Complaint about a message from you",
    );
    let arrival = original.now.to_rfc5322();
    let body = format!(
        "{heading}MIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=feedback-report;\r\n\tboundary=\"{BOUNDARY}\"\r\n\
         \r\n--{BOUNDARY}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
         Somebody has marked the message below as unwanted.\r\n\r\n\
         --{BOUNDARY}\r\nContent-Type: message/feedback-report\r\n\r\n\
         Feedback-Type: abuse\r\nUser-Agent: FarSide/1.0\r\nVersion: 1\r\n\
         Original-Mail-From: <{return_path}>\r\nOriginal-Rcpt-To: <{recipient}>\r\n\
         Arrival-Date: {arrival}\r\nSource-IP: {peer}\r\nReporting-MTA: dns; {host}\r\n\r\n\
         --{BOUNDARY}\r\nContent-Type: text/rfc822-headers\r\n\r\n{header}\r\n\r\n--{BOUNDARY}--\r\n"
    );
    Mail {
        from,
        to: vec![to],
        parameters: String::new(),
        body: Bytes::from(body),
    }
}
