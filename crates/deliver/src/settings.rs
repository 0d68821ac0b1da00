//! The settings that may be changed while mail is delivered.
//!
//! What is begun after a change follows it: look-ups, connections, and the limits of sites. A
//! connection that is open goes on by what held when it was made, which is soon over. What is not
//! changed: the room for bodies in memory, and our own addresses.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use postbell_mail::Classifier;
use postbell_smtp::ClientOptions;

use crate::board::Board;
use crate::plan::lookup::Lookup;
use crate::plan::ourselves::Ourselves;
use crate::relay::Relays;
use crate::{DeliverError, DeliverOptions, MAX_REPLY, limits, site_rules};

/// What holds at a moment.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) options: Arc<DeliverOptions>,
    pub(crate) client: Arc<ClientOptions>,
    pub(crate) lookup: Arc<Lookup>,
    pub(crate) classifier: Arc<Classifier>,
}

impl Settings {
    pub(crate) fn new(
        options: DeliverOptions,
        lookup: Lookup,
        classifier: Arc<Classifier>,
    ) -> Self {
        Self {
            client: Arc::new(ClientOptions {
                ehlo_name: options.hostname.clone(),
                timeouts: options.timeouts.into(),
                max_reply: MAX_REPLY,
            }),
            lookup: Arc::new(lookup),
            classifier,
            options: Arc::new(options),
        }
    }
}

/// How mail is delivered, changed while it is. Clones are the same.
#[derive(Clone)]
pub struct DeliverTerms {
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    board: Arc<Board>,
}

impl DeliverTerms {
    pub(crate) fn new(settings: Settings, board: Arc<Board>) -> Self {
        Self {
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            board,
        }
    }

    /// Delivers by these from now on. The MX hosts that are remembered are looked up anew, and
    /// relays' passwords are read anew.
    ///
    /// # Errors
    /// A relay's password can't be read; nothing is changed.
    pub fn change(
        &self,
        options: DeliverOptions,
        classifier: Classifier,
    ) -> Result<(), DeliverError> {
        let options = options.at_least_one_of_each();
        let relays = Relays::read(&options.relay)?;
        self.board.limit_to(limits(&options), site_rules(&options));
        let lookup = self.settings.load().lookup.by(&options, relays);
        let settings = Settings::new(options, lookup, Arc::new(classifier));
        self.settings.store(Arc::new(settings));
        Ok(())
    }

    pub(crate) fn classify_by(&self, classifier: Classifier) {
        let now = self.settings.load_full();
        self.settings.store(Arc::new(Settings {
            options: Arc::clone(&now.options),
            client: Arc::clone(&now.client),
            lookup: Arc::clone(&now.lookup),
            classifier: Arc::new(classifier),
        }));
    }

    pub(crate) fn know_ourselves(&self, own: Ourselves) {
        let now = self.settings.load_full();
        self.settings.store(Arc::new(Settings {
            options: Arc::clone(&now.options),
            client: Arc::clone(&now.client),
            lookup: Arc::new(Lookup {
                own,
                ..Lookup::clone(&now.lookup)
            }),
            classifier: Arc::clone(&now.classifier),
        }));
    }
}

impl fmt::Debug for DeliverTerms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliverTerms").finish_non_exhaustive()
    }
}
