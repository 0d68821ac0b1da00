//! What this process has in flight. Kept in memory alone: a crash ends all claims by itself.

use std::collections::{HashMap, HashSet};

use postbell_model::{ConfigurationSetId, DeliveryId, Lane, Notify, Timestamp};

/// What is known of a delivery in flight, so that its settlement needs no look-up.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub lane: Lane,
    pub configuration_set: ConfigurationSetId,
    pub segment: u64,
    /// The number of its latest event.
    pub sequence: u32,
    /// The reports that its sender wants; `None`: the sender gets none.
    pub reports: Option<Notify>,
    /// Octets that its body holds in memory; zero where it was claimed by the index.
    pub octets: u64,
    pub origin: Origin,
    /// The newest entry of the suppression list that was surely seen when it was looked up.
    pub seen: i64,
}

/// How a delivery was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Offered as it was accepted.
    Fresh,
    /// Found by the index.
    Index,
}

/// All claims, and what they mean for their lanes.
#[derive(Debug, Default)]
pub(super) struct Claims {
    deliveries: HashMap<DeliveryId, Claim>,
    lanes: HashMap<Lane, LaneClaims>,
    fresh_octets: u64,
    /// How many claims by the index are reading the database just now.
    looking: usize,
    /// What was settled or operated on meanwhile: the snapshot that they read may still show it as
    /// due.
    ended_meanwhile: HashSet<DeliveryId>,
    /// The numbers of what was told of deliveries meanwhile, beside their settlement: the snapshot
    /// that they read may still show an earlier one.
    told_meanwhile: HashMap<DeliveryId, u32>,
    /// What the operation of the transaction that is under way changes: no claim takes it, whatever
    /// its snapshot shows.
    operated: HashMap<DeliveryId, Lane>,
    /// Lanes in which all that is due is paused, and when each has something else: a look through
    /// what is paused is not made again and again.
    paused: HashMap<Lane, Timestamp>,
    /// How often it was told that what is paused has changed.
    pauses: u64,
    /// What became due since the first of the claims that are reading just now has begun.
    due_meanwhile: HashMap<Lane, Timestamp>,
}

/// The claims of one lane.
#[derive(Debug, Default, Clone, Copy)]
struct LaneClaims {
    fresh: usize,
    index: usize,
    /// How many were in flight by the index after its latest claim.
    taken: usize,
    /// When the lane has something that is not in flight; `Some` only after a claim by the
    /// index found nothing more that was due.
    resumes_at: Option<Timestamp>,
}

/// How much may be offered in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct FreshLimits {
    pub per_lane: usize,
    pub octets: u64,
}

// How many lanes are remembered in which all is paused; beyond that each is looked at anew.
const PAUSED_MAX: usize = 50_000;

impl Claims {
    /// Begins a look at the database, which [`Claims::looked`] ends. What is known of pauses comes
    /// back: see [`Claims::still`].
    pub(super) fn look(&mut self) -> u64 {
        self.looking += 1;
        self.pauses
    }

    /// What is known of pauses: another number after a [`Claims::look_anew`].
    pub(super) const fn pauses(&self) -> u64 {
        self.pauses
    }

    /// When a lane has more, by what a look has read that began when `pauses` was known: what has
    /// come since counts as well, and nothing holds of what was paused then and may be sent now.
    pub(super) fn still(
        &self,
        lane: &Lane,
        resumes_at: Option<Timestamp>,
        pauses: u64,
    ) -> Option<Timestamp> {
        let resumes_at = resumes_at.filter(|_| pauses == self.pauses)?;
        let meanwhile = self.due_meanwhile.get(lane).copied();
        Some(meanwhile.map_or(resumes_at, |at| at.min(resumes_at)))
    }

    /// Whether a row that a look has found is free to be claimed.
    pub(super) fn is_free(&self, delivery: DeliveryId) -> bool {
        !self.deliveries.contains_key(&delivery)
            && !self.operated.contains_key(&delivery)
            && !self.ended_meanwhile.contains(&delivery)
    }

    /// Ends a look, after what it found was claimed.
    pub(super) fn looked(&mut self) {
        self.looking -= 1;
        if self.looking == 0 {
            self.ended_meanwhile.clear();
            self.told_meanwhile.clear();
            self.due_meanwhile.clear();
        }
    }

    /// Whether a fresh delivery may be kept in memory: one lane can't use up the room of all.
    pub(super) fn has_room(&self, lane: &Lane, octets: u64, limits: FreshLimits) -> bool {
        let in_lane = self.lanes.get(lane).map_or(0, |claims| claims.fresh);
        in_lane < limits.per_lane && self.fresh_octets + octets <= limits.octets
    }

    /// Marks a delivery as in flight.
    pub(super) fn insert(&mut self, delivery: DeliveryId, mut claim: Claim) {
        if let Some(sequence) = self.told_meanwhile.get(&delivery) {
            claim.sequence = claim.sequence.max(*sequence);
        }
        let lane = self.lanes.entry(claim.lane.clone()).or_default();
        match claim.origin {
            Origin::Fresh => lane.fresh += 1,
            Origin::Index => lane.index += 1,
        }
        self.fresh_octets += claim.octets;
        self.deliveries.insert(delivery, claim);
    }

    /// Ends a claim. Tells whether its lane is worth a look again.
    pub(super) fn remove(&mut self, delivery: DeliveryId) -> Option<(Claim, bool)> {
        let claim = self.deliveries.remove(&delivery)?;
        if self.looking > 0 {
            self.ended_meanwhile.insert(delivery);
        }
        self.fresh_octets = self.fresh_octets.saturating_sub(claim.octets);
        let lane = self
            .lanes
            .get_mut(&claim.lane)
            .expect("invariant: a claim has its lane");
        let was_resting = lane.is_resting();
        match claim.origin {
            Origin::Fresh => lane.fresh -= 1,
            Origin::Index => lane.index -= 1,
        }
        let wakes = was_resting && !lane.is_resting();
        if lane.fresh + lane.index == 0 {
            self.lanes.remove(&claim.lane);
        }
        Some((claim, wakes))
    }

    /// Something was told of a delivery beside its settlement, which goes on from this number.
    pub(super) fn told(&mut self, delivery: DeliveryId, sequence: u32) {
        if let Some(claim) = self.deliveries.get_mut(&delivery) {
            claim.sequence = claim.sequence.max(sequence);
        }
        if self.looking > 0 {
            self.told_meanwhile.insert(delivery, sequence);
        }
    }

    /// Keeps a delivery that nobody has claimed from being claimed, until
    /// [`Claims::end_operated`].
    pub(super) fn operate(&mut self, delivery: DeliveryId, lane: &Lane) {
        self.operated.insert(delivery, lane.clone());
    }

    /// Ends what [`Claims::operate`] has begun, after the transaction was committed or rolled
    /// back. Tells whether there was any: a claim may have passed over what is still due.
    pub(super) fn end_operated(&mut self) -> bool {
        let any = !self.operated.is_empty();
        for (delivery, lane) in self.operated.drain() {
            if self.looking > 0 {
                self.ended_meanwhile.insert(delivery);
            }
            if let Some(claims) = self.lanes.get_mut(&lane) {
                claims.resumes_at = None;
            }
        }
        any
    }

    pub(super) fn get(&self, delivery: DeliveryId) -> Option<&Claim> {
        self.deliveries.get(&delivery)
    }

    /// How many of a lane are in flight: a claim must look beyond that many rows.
    pub(super) fn in_lane(&self, lane: &Lane) -> usize {
        self.lanes
            .get(lane)
            .map_or(0, |claims| claims.fresh + claims.index)
    }

    /// Notes that a claim by the index has ended, and, where it took all that was due, when the
    /// next one is.
    pub(super) fn took(&mut self, lane: &Lane, resumes_at: Option<Timestamp>) {
        if let Some(claims) = self.lanes.get_mut(lane) {
            claims.taken = claims.index;
            claims.resumes_at = resumes_at;
        }
    }

    /// All that is due in a lane is paused, and the next one is due then; `None`: that is not so.
    pub(super) fn all_paused(&mut self, lane: &Lane, resumes_at: Option<Timestamp>) {
        let Some(resumes_at) = resumes_at else {
            self.paused.remove(lane);
            return;
        };
        if self.paused.len() >= PAUSED_MAX {
            self.paused.clear();
        }
        self.paused.insert(lane.clone(), resumes_at);
    }

    /// What was paused may not be so any more, whatever claims have found or are about to find.
    pub(super) fn look_anew(&mut self) {
        self.pauses += 1;
        self.paused.clear();
        for claims in self.lanes.values_mut() {
            claims.resumes_at = None;
        }
    }

    /// Forgets lanes that have something else than what is paused by now: those that are still
    /// there are found to be due.
    pub(super) fn forget_resumed(&mut self, now: Timestamp) {
        self.paused.retain(|_, resumes_at| *resumes_at > now);
    }

    /// A row of this lane is due at `at` that was not when the lane was last looked at.
    pub(super) fn due(&mut self, lane: &Lane, at: Timestamp) {
        if let Some(resumes_at) = self.lanes.get_mut(lane).and_then(|l| l.resumes_at.as_mut()) {
            *resumes_at = at.min(*resumes_at);
        }
        if let Some(resumes_at) = self.paused.get_mut(lane) {
            *resumes_at = at.min(*resumes_at);
        }
        if self.looking > 0 {
            let earliest = self.due_meanwhile.entry(lane.clone()).or_insert(at);
            *earliest = at.min(*earliest);
        }
    }

    /// Lanes that the database says are due and of which nothing is to be had now.
    pub(super) fn passed_over(&self, lane: &Lane, now: Timestamp) -> bool {
        let in_flight = self.lanes.get(lane).is_some_and(|claims| {
            claims.is_resting() || claims.resumes_at.is_some_and(|at| at > now)
        });
        in_flight || self.paused.get(lane).is_some_and(|at| *at > now)
    }

    /// The earliest time at which a lane has more than what is in flight.
    pub(super) fn next_resume(&self) -> Option<Timestamp> {
        let awake = self.lanes.values().filter(|claims| !claims.is_resting());
        let in_flight = awake.filter_map(|claims| claims.resumes_at);
        in_flight.chain(self.paused.values().copied()).min()
    }

    /// How many lanes may stand in the index of what is due without being so.
    pub(super) fn lanes(&self) -> usize {
        self.lanes.len() + self.paused.len()
    }
}

impl LaneClaims {
    /// Over half of the latest claim is still in flight: more would only pile up.
    const fn is_resting(&self) -> bool {
        self.index * 2 > self.taken
    }
}

#[cfg(test)]
mod tests {
    use postbell_model::{Domain, WorkspaceId};

    use super::*;

    fn lane() -> Lane {
        Lane {
            workspace: WorkspaceId(1),
            domain: Domain::parse("example.com").unwrap(),
        }
    }

    fn claim(origin: Origin) -> Claim {
        Claim {
            lane: lane(),
            configuration_set: ConfigurationSetId(1),
            segment: 1,
            sequence: 1,
            reports: None,
            octets: 10,
            origin,
            seen: 0,
        }
    }

    fn id(n: i64) -> DeliveryId {
        DeliveryId::new(Timestamp::from_micros(n))
    }

    #[test]
    fn a_lane_rests_until_half_of_its_claim_is_settled() {
        let mut claims = Claims::default();
        let now = Timestamp::from_micros(100);
        let ids: Vec<_> = (0..4).map(id).collect();
        for id in &ids {
            claims.insert(*id, claim(Origin::Index));
        }
        claims.took(&lane(), None);
        assert!(claims.passed_over(&lane(), now));
        assert!(!claims.remove(ids[0]).unwrap().1);
        assert!(
            claims.remove(ids[1]).unwrap().1,
            "half is settled: the lane wakes"
        );
        assert!(!claims.passed_over(&lane(), now));
    }

    #[test]
    fn a_drained_lane_is_passed_over_until_something_is_due() {
        let mut claims = Claims::default();
        let ids = [id(0), id(1)];
        claims.insert(ids[0], claim(Origin::Index));
        claims.insert(ids[1], claim(Origin::Index));
        claims.took(&lane(), Some(Timestamp::from_micros(500)));
        claims.remove(ids[0]);
        assert!(claims.passed_over(&lane(), Timestamp::from_micros(499)));
        assert_eq!(claims.next_resume(), Some(Timestamp::from_micros(500)));
        claims.due(&lane(), Timestamp::from_micros(200));
        assert!(!claims.passed_over(&lane(), Timestamp::from_micros(200)));
    }

    #[test]
    fn what_was_settled_during_a_look_is_not_claimed_by_it() {
        let mut claims = Claims::default();
        let id = id(0);
        claims.insert(id, claim(Origin::Fresh));
        claims.look();
        claims.remove(id);
        assert!(!claims.is_free(id));
        claims.looked();
        assert!(claims.is_free(id));
    }

    #[test]
    fn what_is_told_of_a_delivery_in_flight_counts_before_its_settlement() {
        let mut claims = Claims::default();
        let ids = [id(0), id(1)];
        claims.insert(ids[0], claim(Origin::Fresh));
        claims.told(ids[0], 3);
        assert_eq!(claims.get(ids[0]).unwrap().sequence, 3);
        claims.look();
        claims.told(ids[1], 4);
        claims.insert(ids[1], claim(Origin::Index));
        assert_eq!(
            claims.get(ids[1]).unwrap().sequence,
            4,
            "the snapshot is older"
        );
        claims.looked();
        claims.remove(ids[1]);
        claims.insert(ids[1], claim(Origin::Index));
        assert_eq!(claims.get(ids[1]).unwrap().sequence, 1);
    }

    #[test]
    fn what_an_operation_changes_is_claimed_by_no_look_that_began_before_its_end() {
        let mut claims = Claims::default();
        let id = id(0);
        assert!(!claims.end_operated());
        claims.look();
        claims.operate(id, &lane());
        assert!(!claims.is_free(id));
        assert!(claims.end_operated());
        assert!(!claims.is_free(id), "the snapshot is older");
        claims.looked();
        assert!(claims.is_free(id));
    }

    #[test]
    fn what_a_look_has_read_of_pauses_does_not_outlive_them() {
        let mut claims = Claims::default();
        let later = Timestamp::from_micros(500);
        claims.insert(id(0), claim(Origin::Fresh));
        claims.took(&lane(), Some(later));
        claims.all_paused(&lane(), Some(later));
        let known = claims.look();
        assert_eq!(claims.still(&lane(), Some(later), known), Some(later));
        claims.look_anew();
        assert!(!claims.passed_over(&lane(), Timestamp::from_micros(1)));
        assert_eq!(claims.next_resume(), None);
        assert_eq!(claims.still(&lane(), Some(later), known), None);
    }

    #[test]
    fn what_became_due_during_a_look_counts() {
        let mut claims = Claims::default();
        let [sooner, later] = [200, 500].map(Timestamp::from_micros);
        let known = claims.look();
        claims.due(&lane(), sooner);
        assert_eq!(claims.still(&lane(), Some(later), known), Some(sooner));
        claims.looked();
        assert_eq!(claims.still(&lane(), Some(later), known), Some(later));
    }

    #[test]
    fn a_lane_that_is_no_longer_all_paused_is_forgotten() {
        let mut claims = Claims::default();
        let [now, later] = [200, 500].map(Timestamp::from_micros);
        claims.all_paused(&lane(), Some(later));
        claims.forget_resumed(now);
        assert_eq!(claims.next_resume(), Some(later));
        claims.forget_resumed(later);
        assert_eq!(claims.next_resume(), None);
        claims.all_paused(&lane(), Some(later));
        claims.all_paused(&lane(), None);
        assert_eq!(claims.next_resume(), None);
    }

    #[test]
    fn one_lane_does_not_use_up_the_room_of_all() {
        let mut claims = Claims::default();
        let limits = FreshLimits {
            per_lane: 2,
            octets: 25,
        };
        let ids = [id(0), id(1)];
        claims.insert(ids[0], claim(Origin::Fresh));
        assert!(claims.has_room(&lane(), 10, limits));
        assert!(!claims.has_room(&lane(), 20, limits));
        claims.insert(ids[1], claim(Origin::Fresh));
        let other = Lane {
            workspace: WorkspaceId(2),
            ..lane()
        };
        assert!(!claims.has_room(&lane(), 5, limits));
        assert!(claims.has_room(&other, 5, limits));
        claims.remove(ids[0]);
        claims.remove(ids[1]);
        assert!(claims.has_room(&lane(), 25, limits));
        assert_eq!(claims.lanes(), 0);
    }
}
