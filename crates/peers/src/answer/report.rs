//! A server that took the mail finds later that it can't deliver it (RFC 3464).

use bytes::Bytes;

use super::BOUNDARY;
use super::original::Original;
use crate::client::Mail;

const SAID: &str = "550 5.1.1 User unknown";

/// The report, from `<>` to the return path.
pub fn report(original: &Original) -> Mail {
    let Original {
        return_path,
        recipient,
        host,
        header,
        ..
    } = original;
    let from = format!("Mail Delivery System <MAILER-DAEMON@{host}>");
    let subject = "Undelivered Mail Returned to Sender";
    let heading = original.heading(&from, &format!("<{return_path}>"), subject);
    let arrival = original.now.to_rfc5322();
    let body = format!(
        "{heading}Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{BOUNDARY}\"\r\n\
         \r\n--{BOUNDARY}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
         This is the mail system at {host}.\r\n\r\n\
         Your message was taken, and could then not be delivered:\r\n\r\n\
         <{recipient}>: {SAID}\r\n\r\n\
         --{BOUNDARY}\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; {host}\r\nArrival-Date: {arrival}\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; {SAID}\r\n\r\n\
         --{BOUNDARY}\r\nContent-Type: text/rfc822-headers\r\n\r\n{header}\r\n\r\n--{BOUNDARY}--\r\n"
    );
    Mail {
        from: String::new(),
        to: vec![return_path.to_string()],
        parameters: String::new(),
        body: Bytes::from(body),
    }
}
