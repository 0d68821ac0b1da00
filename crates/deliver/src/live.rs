//! What people may look at while mail is delivered, and what an operator may change in memory.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use postbell_model::{Clock, DeliveryId, Domain};
use postbell_store::DeliveryFilter;

use crate::board::{Board, BusySites, SiteView};

/// A look at a deliverer that runs, or will. Looking changes nothing.
#[derive(Clone)]
pub struct Live {
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
}

impl Live {
    pub(crate) fn new(board: Arc<Board>, clock: Arc<dyn Clock>) -> Self {
        Self { board, clock }
    }

    /// The sites that mail to these domains goes to, as far as any went lately; all, without any.
    pub fn sites(&self, domains: &[Domain]) -> Vec<SiteView> {
        self.board.sites_of(domains, self.clock.monotonic())
    }

    /// Takes away the deliveries that wait in memory and that a filter means. They stay claimed, and
    /// whoever asks for it has to settle or to release them. What is being sent is not touched.
    pub fn put_aside(&self, filter: &DeliveryFilter) -> HashSet<DeliveryId> {
        let aside = self.board.put_aside(filter);
        aside
            .iter()
            .map(|parcel| parcel.claimed.delivery.id)
            .collect()
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

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}
