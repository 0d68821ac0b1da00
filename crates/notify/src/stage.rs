//! What every destination's task is handed.

use std::sync::Arc;

use arc_swap::ArcSwap;
use postbell_model::Clock;
use postbell_net::HttpClient;
use postbell_store::{Destinations, EventLog, Tenants};

use crate::NotifyMetrics;
use crate::NotifyOptions;
use crate::post::Wire;

/// The handles and settings that all destinations share.
pub(crate) struct Stage {
    pub(crate) options: ArcSwap<NotifyOptions>,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) destinations: Arc<dyn Destinations>,
    pub(crate) tenants: Arc<dyn Tenants>,
    pub(crate) http: HttpClient,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: NotifyMetrics,
}

impl Stage {
    /// What calls are made with.
    pub(crate) fn wire(&self) -> Wire<'_> {
        Wire {
            http: &self.http,
            clock: self.clock.as_ref(),
            timeout: self.options.load().timeout,
        }
    }
}
