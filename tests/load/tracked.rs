//! Newsletters that are tracked: what is submitted, and how many arrive with links and a pixel of ours.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use postbell_peers::mx::{Ledger, Moment};

#[path = "../../crates/mail/examples/cost/newsletter.rs"]
mod newsletter;

/// Octets of a tracked link beyond those of its address, at least: the token's claim and its MAC.
const TOKEN: usize = 60;
/// The pixel stands so near to the end.
const END: usize = 1_000;

/// The header and the page of a newsletter, behind the fields that are other in each.
pub(crate) fn mail() -> String {
    let page = newsletter::page();
    format!(
        "X-Postbell-Track-Opens: yes\r\nX-Postbell-Track-Clicks: yes\r\n\
         X-Postbell-Unsubscribe: yes\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/html; charset=utf-8\r\n\r\n{}",
        String::from_utf8_lossy(&page)
    )
}

/// Counts the newsletters that an MX takes.
#[derive(Debug, Clone)]
pub(crate) struct Tracked {
    count: Arc<AtomicU64>,
    /// A tracked one has more octets.
    size: usize,
}

impl Tracked {
    pub(crate) fn new() -> Self {
        Self {
            count: Arc::default(),
            size: mail().len() + newsletter::LINKS * TOKEN,
        }
    }

    /// For the MX, behind another one.
    pub(crate) fn ledger(&self, other: Ledger) -> Ledger {
        let tracked = self.clone();
        Arc::new(move |received, moment| {
            other(received, moment);
            if moment == Moment::BeforeReply && tracked.is_one(&received.body) {
                tracked.count.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    fn is_one(&self, message: &[u8]) -> bool {
        let end = &message[message.len().saturating_sub(END)..];
        message.len() > self.size && end.windows(9).any(|octets| octets == b"<img src=")
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}
