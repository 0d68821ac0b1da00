//! What people may look at while mail is delivered, and what an operator may change in memory.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use postbell_model::{Clock, DeliveryId, Domain};
use postbell_store::{DeliveryFilter, Holder, Queue};

use crate::board::{Board, BusySites, Parcel, SiteView};
use crate::release;

/// A look at a deliverer that runs, or will. Looking changes nothing.
#[derive(Clone)]
pub struct Live {
    board: Arc<Board>,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
}

impl Live {
    pub(crate) fn new(board: Arc<Board>, queue: Arc<dyn Queue>, clock: Arc<dyn Clock>) -> Self {
        Self {
            board,
            queue,
            clock,
        }
    }

    /// The sites that mail to these domains goes to, as far as any went lately; all, without any.
    pub fn sites(&self, domains: &[Domain]) -> Vec<SiteView> {
        self.board.sites_of(domains, self.clock.monotonic())
    }

    /// Takes away the deliveries that wait in memory and that a filter means. They stay claimed, and
    /// whoever asks for it has to settle or to release them. What is being sent is not touched.
    pub fn put_aside(&self, filter: &DeliveryFilter) -> HashSet<DeliveryId> {
        ids(&self.board.put_aside(filter))
    }

    /// Ends the pauses of the sites of these domains: what is due is tried.
    pub fn hurry<'d>(&self, domains: impl Iterator<Item = &'d Domain>) {
        self.board.hurry(domains, self.clock.monotonic());
    }

    /// The busiest sites in numbers.
    pub(crate) fn busy_sites(&self, most: usize) -> BusySites {
        self.board.busy_sites(most, self.clock.monotonic())
    }
}

#[async_trait]
impl Holder for Live {
    fn put_these_aside(&self, deliveries: &HashSet<DeliveryId>) -> HashSet<DeliveryId> {
        if deliveries.is_empty() {
            return HashSet::new();
        }
        ids(&self.board.put_these_aside(deliveries))
    }

    /// Waits for a store that is busy or full: until it has them, nobody has.
    async fn give_back(&self, deliveries: Vec<DeliveryId>) {
        let (queue, clock) = (self.queue.as_ref(), self.clock.as_ref());
        let count = deliveries.len();
        if let Err(error) = release::give_back(queue, clock, deliveries, clock.now()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                deliveries = count,
                "deliveries could not be given back and wait for the next start"
            );
        }
    }
}

fn ids(parcels: &[Parcel]) -> HashSet<DeliveryId> {
    let ids = parcels.iter().map(|parcel| parcel.claimed.delivery.id);
    ids.collect()
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}
