//! The addresses that one recipient's message has in the place of its own: each with a token that says it all.

use std::sync::{Arc, OnceLock};

use postbell_mail::track::{Place, Tracker};
use postbell_model::token::{
    Claim, LINK_URL_MAX, Link, LinkTarget, Purpose, domain_tag, stored_link,
};
use postbell_model::tracking::Tracking;
use postbell_model::{Address, Domain, SendingDomain, TokenKeys};

/// Makes the addresses of one recipient, each when it is asked for.
#[derive(Debug)]
pub(super) struct Addresses {
    /// What they begin with: `https://track.acme.example`.
    base: String,
    tracking: Tracking,
    claim: Claim,
    domain: Domain,
    /// Where mail of unsubscribing comes in.
    mail_host: Domain,
    keys: Arc<TokenKeys>,
    /// Whether there is a store for links that are too long for a token.
    keeps_links: bool,
    /// What links say of the domain.
    domain_tag: OnceLock<u32>,
    /// The page of unsubscribing, which the header and the text may name.
    page: OnceLock<String>,
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
        // The host of answers has an MX record where answers are caught.
        let mail_host = if domain.reply_capture {
            &domain.reply_host
        } else {
            &domain.return_path_host
        };
        Self {
            base,
            tracking,
            claim,
            domain: domain.name.clone(),
            mail_host: mail_host.clone(),
            keys,
            keeps_links,
            domain_tag: OnceLock::new(),
            page: OnceLock::new(),
        }
    }

    /// The page of unsubscribing.
    pub(super) fn page(&self) -> &str {
        self.page.get_or_init(|| {
            let token = self.keys.sign_url(Purpose::UnsubscribePage, self.claim);
            format!("{}/u/{token}", self.base)
        })
    }

    /// The mailbox of unsubscribing.
    pub(super) fn mailbox(&self) -> Option<String> {
        let token = self.keys.sign(Purpose::Unsubscribe, self.claim);
        let address = Address::new(&format!("unsub+{token}"), &self.mail_host).ok()?;
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
            domain_tag: *self.domain_tag.get_or_init(|| domain_tag(&self.domain)),
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
        Some(self.page().to_owned())
    }
}

/// Has no address for anything.
#[derive(Debug)]
pub(super) struct Nowhere;

impl Tracker for Nowhere {
    fn link(&self, _: &str, _: Place) -> Option<String> {
        None
    }

    fn pixel(&self) -> Option<String> {
        None
    }

    fn unsubscribe(&self) -> Option<String> {
        None
    }
}
