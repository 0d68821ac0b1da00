//! What a site said last.

use std::collections::VecDeque;
use std::net::IpAddr;

use postbell_model::reply::Severity;
use postbell_model::{Domain, HostTry, Phase, Reply, Timestamp};

/// Replies remembered of one site, and how many of them may be of success.
const MOST: usize = 12;
const MOST_TAKEN: usize = 4;
/// Characters of a reply's text that are remembered.
const MAX_TEXT: usize = 300;

/// What a host said, or what was said in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteReply {
    /// When.
    pub at: Timestamp,
    /// The host.
    pub host: Domain,
    /// Its address, where one was dialled.
    pub ip: Option<IpAddr>,
    /// How far the try came.
    pub phase: Phase,
    /// The reply.
    pub reply: Reply,
    /// Whether the host said it.
    pub from_peer: bool,
}

impl SiteReply {
    pub(crate) fn of(tried: &HostTry, at: Timestamp) -> Self {
        let mut reply = tried.reply.clone();
        if let Some((end, _)) = reply.text.char_indices().nth(MAX_TEXT) {
            reply.text.truncate(end);
        }
        Self {
            at,
            host: tried.host.clone(),
            ip: tried.ip,
            phase: tried.phase,
            reply,
            from_peer: tried.from_peer,
        }
    }

    fn is_taken(&self) -> bool {
        self.reply.severity() == Severity::Success
    }
}

/// The last replies of a site, oldest first. What was refused stays longer than what was taken:
/// it is what people look for.
#[derive(Debug, Default)]
pub(super) struct Replies(VecDeque<SiteReply>);

impl Replies {
    pub(super) fn note(&mut self, reply: SiteReply) {
        let taken = self.0.iter().filter(|reply| reply.is_taken()).count();
        if reply.is_taken() && taken >= MOST_TAKEN {
            if let Some(oldest) = self.0.iter().position(SiteReply::is_taken) {
                self.0.remove(oldest);
            }
        } else if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back(reply);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SiteReply> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, text: &str) -> SiteReply {
        let tried = HostTry {
            host: Domain::parse("mx.example").unwrap(),
            ip: None,
            tls: None,
            plaintext: None,
            phase: Phase::Message,
            reply: Reply::plain(code, text),
            from_peer: true,
            dsn: false,
        };
        SiteReply::of(&tried, Timestamp::from_micros(1))
    }

    #[test]
    fn refusals_outlive_what_was_taken() {
        let mut replies = Replies::default();
        replies.note(reply(451, "x"));
        for _ in 0..100 {
            replies.note(reply(250, "ok"));
        }
        let codes: Vec<_> = replies.iter().map(|r| r.reply.code).collect();
        assert_eq!(codes, [451, 250, 250, 250, 250]);
        for _ in 0..100 {
            replies.note(reply(550, "no"));
        }
        assert_eq!(replies.iter().count(), MOST);
    }

    #[test]
    fn long_texts_are_cut() {
        let cut = reply(550, &"ä".repeat(1_000));
        assert_eq!(cut.reply.text.chars().count(), MAX_TEXT);
    }
}
