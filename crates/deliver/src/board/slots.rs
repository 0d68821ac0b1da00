//! The connections that all sites share.
//!
//! A part of them is kept for sites that are known to take mail, so that hosts which let every
//! connection hang can't use up all.

use std::collections::VecDeque;

use crate::plan::SiteKey;

/// Counts connections. Which site has how many is the sites' to know.
#[derive(Debug)]
pub(super) struct Slots {
    most: usize,
    open: usize,
    /// Those of `open` that belong to sites which are not proven.
    unproven: usize,
    /// Sites that have no connection and want one, the longest waiting first.
    starved: VecDeque<SiteKey>,
    starved_unproven: VecDeque<SiteKey>,
}

impl Slots {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            most,
            open: 0,
            unproven: 0,
            starved: VecDeque::new(),
            starved_unproven: VecDeque::new(),
        }
    }

    /// So many from now on; those that are open stay.
    pub(super) const fn limit_to(&mut self, most: usize) {
        self.most = most;
    }

    const fn most_unproven(&self) -> usize {
        self.most - self.most / 4
    }

    /// Whether a site may have one more.
    pub(super) const fn has_room(&self, proven: bool) -> bool {
        self.open < self.most && (proven || self.unproven < self.most_unproven())
    }

    pub(super) fn opened(&mut self, proven: bool) {
        self.open += 1;
        self.unproven += usize::from(!proven);
    }

    pub(super) fn closed(&mut self, proven: bool) {
        self.open -= 1;
        self.unproven -= usize::from(!proven);
    }

    /// A site with this many connections became known to take mail.
    pub(super) const fn proved(&mut self, connections: usize) {
        self.unproven -= connections;
    }

    /// A site with this many connections is no longer known to take mail.
    pub(super) const fn disproved(&mut self, connections: usize) {
        self.unproven += connections;
    }

    /// A site has to wait until a connection is closed.
    pub(super) fn starve(&mut self, site: SiteKey, proven: bool) {
        if proven {
            self.starved.push_back(site);
        } else {
            self.starved_unproven.push_back(site);
        }
    }

    /// Takes those that wait for a connection, in the order in which they should get one.
    pub(super) fn take_starved(&mut self) -> impl Iterator<Item = SiteKey> + use<> {
        let proven = std::mem::take(&mut self.starved);
        proven
            .into_iter()
            .chain(std::mem::take(&mut self.starved_unproven))
    }

    /// Whether somebody could have the connection that a site gives up.
    pub(super) fn are_short(&self, giver_is_proven: bool) -> bool {
        let unproven = self.unproven - usize::from(!giver_is_proven && self.unproven > 0);
        let for_unproven = !self.starved_unproven.is_empty() && unproven < self.most_unproven();
        self.open >= self.most && (!self.starved.is_empty() || for_unproven)
    }

    #[cfg(test)]
    pub(super) const fn open(&self) -> usize {
        self.open
    }
}
