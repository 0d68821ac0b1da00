//! What tracking counts.

use postbell_mail::track::Tracked;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

const MADE: &str = "made";
const REMEMBERED: &str = "remembered";

/// The counters of tracking. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct TrackMetrics {
    links: Counter,
    pixels: Counter,
    plans: Family<Plan, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Plan {
    result: &'static str,
}

impl Default for TrackMetrics {
    fn default() -> Self {
        let plans = Family::default();
        for result in [MADE, REMEMBERED] {
            drop(plans.get_or_create(&Plan { result }));
        }
        Self {
            links: Counter::default(),
            pixels: Counter::default(),
            plans,
        }
    }
}

impl TrackMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "postbell_tracked_links",
            "Links of messages that were rewritten, for each recipient and attempt",
            self.links.clone(),
        );
        registry.register(
            "postbell_tracked_pixels",
            "Pixels that were added to messages, for each recipient and attempt",
            self.pixels.clone(),
        );
        registry.register(
            "postbell_tracking_plans",
            "Messages whose links were looked for: made, or remembered from another recipient",
            self.plans.clone(),
        );
    }

    /// A message was rendered.
    pub(super) fn tracked(&self, tracked: &Tracked) {
        self.links.inc_by(tracked.links as u64);
        self.pixels.inc_by(u64::from(tracked.pixel));
    }

    /// A plan was asked for.
    pub(super) fn planned(&self, is_made: bool) {
        let result = if is_made { MADE } else { REMEMBERED };
        self.plans.get_or_create(&Plan { result }).inc();
    }
}
