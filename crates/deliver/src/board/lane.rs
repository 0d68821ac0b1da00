//! The lanes of a site and in which order they are served: round-robin by deficit.
//!
//! A lane may send as many octets as its turns have given it, so that a lane of large messages
//! and a lane of many small ones get the same share of the site's connections.

use std::collections::{HashMap, VecDeque};

use postbell_model::{Domain, Lane};

use super::Parcel;

/// Octets that a turn gives a lane.
const QUANTUM: u64 = 64 * 1024;
/// What a message costs beside its octets: a turn is worth 32 small messages.
const BASE_COST: u64 = 2 * 1024;
/// No message costs more, so that finding the next one takes a bounded number of turns.
const MAX_COST: u64 = 1024 * 1024;

/// Lanes that share a site.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    queues: HashMap<Lane, LaneQueue>,
    /// Whose turn it is stands in front. Exactly the lanes of `queues`.
    ring: VecDeque<Lane>,
    parcels: usize,
}

#[derive(Debug, Default)]
struct LaneQueue {
    parcels: VecDeque<Parcel>,
    credit: u64,
}

impl Lanes {
    /// How many deliveries wait.
    pub(super) const fn len(&self) -> usize {
        self.parcels
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.parcels == 0
    }

    /// How many deliveries of one lane wait.
    pub(super) fn len_of(&self, lane: &Lane) -> usize {
        self.queues.get(lane).map_or(0, |queue| queue.parcels.len())
    }

    /// Puts a delivery at the end of its lane.
    pub(super) fn push(&mut self, parcel: Parcel) {
        let ring = &mut self.ring;
        let queue = self.queues.entry(parcel.lane()).or_insert_with_key(|lane| {
            ring.push_back(lane.clone());
            LaneQueue::default()
        });
        queue.parcels.push_back(parcel);
        self.parcels += 1;
    }

    /// Takes the delivery whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Parcel> {
        loop {
            let alone = self.ring.len() == 1;
            let lane = self.ring.front()?;
            let queue = self.queues.get_mut(lane)?;
            let cost = queue.parcels.front().map_or(0, cost);
            if queue.credit < cost && !alone {
                queue.credit += QUANTUM;
                self.ring.rotate_left(1);
                continue;
            }
            queue.credit = queue.credit.saturating_sub(cost);
            let parcel = queue.parcels.pop_front();
            if queue.parcels.is_empty() {
                self.forget_front();
            }
            self.parcels -= 1;
            return parcel;
        }
    }

    fn forget_front(&mut self) {
        if let Some(lane) = self.ring.pop_front() {
            self.queues.remove(&lane);
        }
    }

    /// Takes all that waits, lane by lane.
    pub(super) fn drain(&mut self) -> Vec<Parcel> {
        let mut all = Vec::with_capacity(self.parcels);
        for lane in self.ring.drain(..) {
            all.extend(
                self.queues
                    .remove(&lane)
                    .into_iter()
                    .flat_map(|q| q.parcels),
            );
        }
        self.parcels = 0;
        all
    }

    /// Takes all that waits for one domain, of whatever workspace.
    pub(super) fn drain_domain(&mut self, domain: &Domain) -> Vec<Parcel> {
        let mut all = Vec::new();
        self.ring.retain(|lane| {
            if lane.domain != *domain {
                return true;
            }
            all.extend(self.queues.remove(lane).into_iter().flat_map(|q| q.parcels));
            false
        });
        self.parcels -= all.len();
        all
    }
}

impl Lanes {
    /// Takes all that is meant, from whatever lane.
    pub(super) fn extract(&mut self, meant: impl Fn(&mut Parcel) -> bool) -> Vec<Parcel> {
        let mut all = Vec::new();
        self.ring.retain(|lane| {
            let Some(queue) = self.queues.get_mut(lane) else {
                return false;
            };
            let waiting = std::mem::take(&mut queue.parcels);
            for mut parcel in waiting {
                if meant(&mut parcel) {
                    all.push(parcel);
                } else {
                    queue.parcels.push_back(parcel);
                }
            }
            let stays = !queue.parcels.is_empty();
            if !stays {
                self.queues.remove(lane);
            }
            stays
        });
        self.parcels -= all.len();
        all
    }
}

fn cost(parcel: &Parcel) -> u64 {
    (BASE_COST + parcel.claimed.message.size).min(MAX_COST)
}
