//! What people may look at while mail is delivered. Nothing is changed by looking.

use std::fmt;
use std::sync::Arc;

use postbell_model::{Clock, Domain};

use crate::board::{Board, BusySites, SiteView};

/// A look at a deliverer that runs, or will.
#[derive(Clone)]
pub struct Live {
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
}

impl Live {
    pub(crate) fn new(board: Arc<Board>, clock: Arc<dyn Clock>) -> Self {
        Self { board, clock }
    }

    /// The sites that mail to this domain goes to, as far as any went lately; all, without one.
    pub fn sites(&self, domain: Option<&Domain>) -> Vec<SiteView> {
        self.board.sites_of(domain, self.clock.monotonic())
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
