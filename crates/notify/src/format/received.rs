//! Mail to an address of a domain that takes mail, in our own words.

use std::borrow::Cow;

use postbell_model::Timestamp;
use postbell_model::inbound::MailFact;
use serde::Serialize;

use super::incoming::{Details, Written, one_line};
use super::moment::Micros;

#[derive(Serialize)]
pub(super) struct Received<'a> {
    recipient: &'a str,
    tag: Option<Cow<'a, str>>,
    #[serde(rename = "mailFrom")]
    mail_from: Cow<'a, str>,
    #[serde(flatten)]
    written: Written<'a>,
    received_at: Micros,
    #[serde(flatten)]
    details: Details<'a>,
    suspicious: bool,
    headers: Vec<HeaderField<'a>>,
}

#[derive(Serialize)]
struct HeaderField<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
}

impl<'a> Received<'a> {
    pub(super) fn new(at: Timestamp, mail: &'a MailFact) -> Self {
        let headers = mail.headers.iter().map(|(name, value)| HeaderField {
            name: one_line(name),
            value: one_line(value),
        });
        Self {
            recipient: mail.recipient.as_str(),
            tag: mail.tag.as_deref().map(one_line),
            mail_from: one_line(&mail.mail_from),
            written: Written::new(&mail.content),
            received_at: Micros(at),
            details: Details::new(mail.inbound, &mail.content),
            suspicious: mail.is_suspicious,
            headers: headers.collect(),
        }
    }
}
