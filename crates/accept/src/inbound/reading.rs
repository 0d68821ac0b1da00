//! A message as it is read once, for all of its recipients.

use std::sync::OnceLock;

use postbell_mail::inbound::mime::Kind;
use postbell_mail::inbound::{
    Envelope, Inbound, Mail, Person, Reader, Thread, is_forwarded, people, people_in, reply_text,
    thread,
};
use postbell_mail::mailbox;
use postbell_mail::summary::SUBJECT_MAX;
use postbell_model::inbound::{
    ATTACHMENTS_MAX, Attachment, AutoReplyClass, Content, Excerpt, HTML_MAX, TEXT_MAX,
};
use postbell_model::{Authentication, ReversePath};

use super::plain::{legible, one_line, one_line_of};

/// An address has at most so many octets (RFC 5321 §4.5.3.1.3), and some more as it is written.
pub(super) const ADDRESS_MAX: usize = 512;
/// Octets of a name, of a person or of a file.
const NAME_MAX: usize = 1_000;
/// Octets of a Message-ID (RFC 5322 §2.1.1).
const ID_MAX: usize = 998;
/// Mailboxes of To and Cc.
const TO_MAX: usize = 100;
/// Header fields that are told, and octets of each.
const HEADERS_MAX: usize = 200;
const HEADER_MAX: usize = 2_000;
const HEADER_NAME_MAX: usize = 200;

/// A message that was read.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) mail: Mail<'a>,
    /// What it is.
    pub(super) says: Inbound,
    pub(super) from: Person,
    pub(super) subject: String,
    pub(super) thread: Thread,
    authentication: &'a Authentication,
    content: OnceLock<Content>,
}

impl<'a> Reading<'a> {
    /// Reads it; `mail_from` is whom the client named.
    pub(super) fn of(
        raw: &'a [u8],
        mail_from: &ReversePath,
        authentication: &'a Authentication,
        reader: &Reader,
    ) -> Self {
        let mail = Mail::read(raw);
        let subject = mail.field("Subject");
        let subject = subject.map(|field| field.text_in(mail.charset()));
        Self {
            says: reader.read(&mail, Envelope::Said(mail_from)),
            from: author(&mail),
            subject: one_line(&subject.unwrap_or_default(), SUBJECT_MAX),
            thread: lines(thread(&mail)),
            mail,
            authentication,
            content: OnceLock::new(),
        }
    }

    /// What it says, as events carry it: found out when it is asked for, once.
    pub(super) fn content(&self) -> Content {
        self.content.get_or_init(|| self.find_content()).clone()
    }

    /// The class of a program's answer.
    pub(super) const fn auto_reply(&self) -> Option<AutoReplyClass> {
        match &self.says {
            Inbound::Automatic(answer) => Some(answer.class),
            _ => None,
        }
    }

    pub(super) fn is_forwarded(&self) -> bool {
        is_forwarded(&self.mail)
    }

    /// Whether a program says that it has made this of its own accord, not as an answer.
    // RFC 3834 §5: auto-generated is nobody's answer to mail; auto-replied is.
    pub(super) fn is_generated(&self) -> bool {
        let field = self.mail.field("Auto-Submitted");
        field.is_some_and(|field| {
            let value = field.unfolded().to_ascii_lowercase();
            value.starts_with(b"auto-generated")
        })
    }

    /// Its header fields, decoded and unfolded.
    pub(super) fn headers(&self) -> Vec<(String, String)> {
        let header = self.mail.header(0);
        let charset = self.mail.charset();
        let fields = header.fields().filter(|field| !field.name().is_empty());
        let told = fields.take(HEADERS_MAX).map(|field| {
            let name = String::from_utf8_lossy(field.name());
            let value = one_line(&field.text_in(charset), HEADER_MAX);
            (one_line(&name, HEADER_NAME_MAX), value)
        });
        told.collect()
    }

    fn find_content(&self) -> Content {
        let texts = reply_text(&self.mail);
        let html = texts.html.map(legible);
        Content {
            from: self.from.address.clone(),
            from_name: self.from.name.clone(),
            to: self.recipients(),
            subject: self.subject.clone(),
            message_id: self.thread.message_id.clone(),
            in_reply_to: self.thread.in_reply_to.first().cloned(),
            references: self.thread.references.clone(),
            text: Excerpt::of(legible(texts.text), TEXT_MAX),
            html: html.map(|html| Excerpt::of(html, HTML_MAX)),
            stripped_text: Excerpt::of(legible(texts.stripped), TEXT_MAX),
            attachments: attachments(&self.mail),
            auto_reply: self.auto_reply(),
            authentication: self.authentication.clone(),
        }
    }

    fn recipients(&self) -> Vec<String> {
        let header = self.mail.header(0);
        let fields = header
            .fields()
            .filter(|field| field.is("To") || field.is("Cc"));
        let named = fields.flat_map(|field| people(&field, TO_MAX));
        named
            .take(TO_MAX)
            .map(|person| one_line(&person.address, ADDRESS_MAX))
            .collect()
    }
}

/// Who it is from. Where From can be read in one way alone, that is whose it is; otherwise it is
/// the first who stands there.
fn author(mail: &Mail<'_>) -> Person {
    let Some(field) = mail.field("From") else {
        return Person::default();
    };
    let first = people(&field, 1).pop().unwrap_or_default();
    let strict = mailbox::read_list(&field.unfolded()).ok();
    let strict = strict.and_then(|list| list.into_iter().next());
    let address = match &strict {
        Some(address) => address.as_str(),
        None => &first.address,
    };
    let named = people_in(&field, mail.charset(), 1).pop();
    let name = named.map(|person| person.name).unwrap_or_default();
    Person {
        address: one_line(address, ADDRESS_MAX),
        name: one_line(&name, NAME_MAX),
    }
}

fn lines(thread: Thread) -> Thread {
    let plain = |ids: Vec<String>| ids.iter().map(|id| one_line(id, ID_MAX)).collect();
    Thread {
        message_id: one_line_of(thread.message_id.as_deref(), ID_MAX),
        in_reply_to: plain(thread.in_reply_to),
        references: plain(thread.references),
    }
}

/// What is attached: all but the texts. A message within this one is attached as a whole.
fn attachments(mail: &Mail<'_>) -> Vec<Attachment> {
    let parts = mail.parts().iter().enumerate();
    let own = parts.filter(|(index, part)| {
        let is_text = part.media.is("text", "plain") || part.media.is("text", "html");
        let is_attached = part.is_attachment || part.filename.is_some() || !is_text;
        part.kind != Kind::Multipart && is_attached && !mail.is_enclosed(*index)
    });
    let attached = own.take(ATTACHMENTS_MAX).map(|(index, part)| Attachment {
        part: u32::try_from(index).unwrap_or(u32::MAX),
        name: one_line_of(part.filename.as_deref(), NAME_MAX),
        media_type: one_line(&format!("{}/{}", part.media.main, part.media.sub), 200),
        size: match part.kind {
            Kind::Message => mail.body(index).len() as u64,
            Kind::Multipart | Kind::Leaf => mail.size(index) as u64,
        },
        content_id: one_line_of(part.content_id.as_deref(), ID_MAX),
    });
    attached.collect()
}
