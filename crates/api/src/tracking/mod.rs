//! The tracking host: pixels, links that go by way of us, and the page of unsubscribing.
//!
//! | path | what |
//! |---|---|
//! | `GET`, `HEAD` `/o/TOKEN`, `/o/TOKEN.gif` | the pixel |
//! | `GET`, `HEAD` `/c/TOKEN` | 302 to where the link goes; 410 where an operator has blocked it |
//! | `GET`, `HEAD` `/u/TOKEN` | a page that asks; nothing changes |
//! | `POST` `/u/TOKEN` | unsubscribes (RFC 8058, or the page's button) before it answers |
//! | `GET` `/robots.txt` | nobody is to look around |
//! | `GET` `/.well-known/acme-challenge/TOKEN` | what whoever gives out certificates asks for (RFC 8555 §8.3) |
//!
//! A token alone decides; everything else, forged tokens included, gets one and the same 404. A visit
//! is written down by a [`Recorder`] behind the answer, and told of by a [`Teller`] some seconds later.
//!
//! Refused: cookies, redirects to anywhere that no token of ours names, and to leave anybody subscribed
//! who was told otherwise.

mod agents;
mod answer;
mod door;
mod form;
mod judgement;
mod links;
mod location;
mod metrics;
mod options;
mod page;
mod recorder;
mod routes;
mod sender;
mod teller;
mod unsubscribe;
mod visitor;

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use postbell_model::{Clock, TokenKeys};
use postbell_store::{Engagements, Links, Tenants};

use recorder::recorder;
use routes::Routes;

pub use door::{Encryption, TrackingDoor};
pub use metrics::TrackingMetrics;
pub use options::{HostCertificate, TrackingLimits, TrackingOptions, TrackingTimeouts};
pub use recorder::Recorder;
pub use teller::Teller;
pub use visitor::{AgentKept, IpKept};

/// What is put beside this host to prove that it is ours, while a certificate is being asked for
/// (RFC 8555 §8.3).
pub trait HttpChallenges: fmt::Debug + Send + Sync + 'static {
    /// The key authorization of a token.
    fn key_authorization(&self, token: &str) -> Option<String>;
}

/// What tracking needs of the rest of the program.
pub struct TrackingParts {
    /// What the keys of all tokens are.
    pub keys: TokenKeys,
    /// Who there is, and what is blocked.
    pub tenants: Arc<dyn Tenants>,
    /// Where visits go, and who wants no more.
    pub engagements: Arc<dyn Engagements>,
    /// Where long links go.
    pub links: Arc<dyn Links>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for TrackingParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackingParts").finish_non_exhaustive()
    }
}

/// What door and teller keep to, changed while they run. Clones are the same.
#[derive(Debug, Clone)]
pub struct TrackingTerms(Arc<ArcSwap<Terms>>);

#[derive(Debug)]
pub(crate) struct Terms {
    options: TrackingOptions,
}

impl TrackingTerms {
    fn new(options: TrackingOptions) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Terms { options })))
    }

    /// Visits are answered and judged by these options from now on; addresses and numbers of
    /// connections stay as they were.
    pub fn change(&self, options: TrackingOptions) {
        self.0.store(Arc::new(Terms { options }));
    }

    pub(crate) fn load(&self) -> Guard<Arc<Terms>> {
        self.0.load()
    }
}

/// The tracking host, made and not yet running.
#[derive(Debug)]
pub struct TrackingHost {
    /// What answers.
    pub door: TrackingDoor,
    /// What writes down.
    pub recorder: Recorder,
    /// What tells.
    pub teller: Teller,
    /// What they keep to.
    pub terms: TrackingTerms,
    /// What they count.
    pub metrics: TrackingMetrics,
}

impl TrackingHost {
    /// One by these options. Without listeners nobody comes, and what has come before is told.
    ///
    /// # Errors
    /// The table of agents can't be made ready: a fault of the program.
    pub fn new(
        options: TrackingOptions,
        parts: TrackingParts,
        challenges: Option<Arc<dyn HttpChallenges>>,
    ) -> Result<Self, aho_corasick::BuildError> {
        let metrics = TrackingMetrics::default();
        let (engagements, clock) = (Arc::clone(&parts.engagements), Arc::clone(&parts.clock));
        let (notes, recorder) = recorder(
            options.max_unrecorded,
            Arc::clone(&engagements),
            metrics.clone(),
            Arc::clone(&clock),
        );
        let limits = options.limits;
        let terms = TrackingTerms::new(options);
        let routes = Routes::new(parts, (notes, challenges), terms.clone(), metrics.clone())?;
        Ok(Self {
            door: TrackingDoor::new(limits, routes, terms.clone(), metrics.clone()),
            recorder,
            teller: Teller::new(terms.clone(), engagements, metrics.clone(), clock),
            terms,
            metrics,
        })
    }
}
