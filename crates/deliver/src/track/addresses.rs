//! The addresses that one recipient's message has in the place of its own: each with a token that says it all.

use std::sync::Arc;

use postbell_mail::track::{Place, Tracker};
use postbell_model::token::{
    Claim, LINK_URL_MAX, Link, LinkTarget, Purpose, domain_tag, stored_link,
};
use postbell_model::tracking::Tracking;
use postbell_model::{Address, SendingDomain, TokenKeys};

/// Makes the addresses of one recipient.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// What they begin with: `https://track.acme.example`.
    base: String,
    tracking: Tracking,
    claim: Claim,
    domain_tag: u32,
    keys: Arc<TokenKeys>,
    /// Whether there is a store for links that are too long for a token.
    keeps_links: bool,
}

impl Addresses {
    pub(super) fn new(
        base_url: Option<&str>,
        (domain, tracking, claim): (&SendingDomain, Tracking, Claim),
        keys: Arc<TokenKeys>,
        keeps_links: bool,
    ) -> Self {
        let base = match base_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("https://{}", domain.tracking_host),
        };
        Self {
            base,
            tracking,
            claim,
            domain_tag: domain_tag(&domain.name),
            keys,
            keeps_links,
        }
    }

    /// The page of unsubscribing.
    pub(super) fn page(&self) -> String {
        let token = self.keys.sign_url(Purpose::UnsubscribePage, self.claim);
        format!("{}/u/{token}", self.base)
    }

    /// The mailbox of unsubscribing: at the host of answers, which has an MX record where answers are caught.
    pub(super) fn mailbox(&self, domain: &SendingDomain) -> Option<String> {
        let host = if domain.reply_capture {
            &domain.reply_host
        } else {
            &domain.return_path_host
        };
        let token = self.keys.sign(Purpose::Unsubscribe, self.claim);
        let address = Address::new(&format!("unsub+{token}"), host).ok()?;
        Some(address.as_str().to_owned())
    }
}

impl Tracker for Addresses {
    fn link(&self, url: &str, place: Place) -> Option<String> {
        let index = u16::try_from(place.index).ok();
        let index = index.filter(|_| self.tracking.clicks)?;
        let target = if url.len() <= LINK_URL_MAX {
            LinkTarget::Url(url.to_owned())
        } else if self.keeps_links {
            LinkTarget::Stored(stored_link(url))
        } else {
            return None;
        };
        let link = Link {
            index,
            domain_tag: self.domain_tag,
            target,
        };
        let token = self.keys.sign_link(self.claim, &link);
        Some(format!("{}/c/{token}", self.base))
    }

    fn pixel(&self) -> Option<String> {
        let token = || self.keys.sign_url(Purpose::Open, self.claim);
        self.tracking
            .opens
            .then(|| format!("{}/o/{}", self.base, token()))
    }

    fn unsubscribe(&self) -> Option<String> {
        Some(self.page())
    }
}
