//! What a delivery's hits were: a person's, or a machine's, and why.
//!
//! What a request alone tells was noted when it came ([`super::visitor`]). Here is what only shows
//! beside others: when it was delivered, and what else was asked for. Nothing is left out, whatever it
//! is taken for.

mod walk;

use std::time::Duration;

use postbell_model::engagement::{Click, Engagement, Hit, HitTarget, MachineReason};
use postbell_model::{Fact, Timestamp};
use postbell_store::{ToldVisit, Visited, VisitsBefore};

/// By what is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measures {
    /// Different links that are followed within this time are followed by a machine.
    pub(super) hold: Duration,
    /// For so long after a far server took it nobody has read it.
    pub(super) early: Duration,
}

/// What is told of a delivery's hits, oldest first, and which number each has among its kind.
pub(super) fn judge(visited: &Visited, measures: Measures) -> ToldVisit {
    let mut hits: Vec<_> = visited.hits.iter().collect();
    hits.sort_by_key(|(number, hit)| (hit.at, *number));
    let mut counts = Counts::after(visited.before);
    let told_before = visited.before.and_then(walk::ToldBefore::of);
    let walked = walk::walked(hits.iter().map(|(_, hit)| hit), told_before, measures.hold);
    let facts = hits.iter().zip(walked).map(|((_, hit), is_walked)| {
        let engagement = Engagement {
            ip: hit.ip.clone(),
            user_agent: hit.user_agent.clone(),
            count: counts.next(&hit.target),
            machine_reasons: reasons((hit, is_walked), visited, measures),
            proxy: hit.proxy,
        };
        (hit.at, fact(&hit.target, engagement))
    });
    let facts = facts.collect();
    ToldVisit {
        delivery: visited.delivery,
        hits: hits.iter().map(|(number, _)| *number).collect(),
        facts,
    }
}

fn fact(target: &HitTarget, engagement: Engagement) -> Fact {
    match target {
        HitTarget::Pixel => Fact::Open(Box::new(engagement)),
        HitTarget::Link { url, index } => Fact::Click(Box::new(Click {
            url: url.clone(),
            index: *index,
            engagement,
        })),
    }
}

/// How many of each kind there were; `None`: nobody knows any more.
struct Counts(Option<(u32, u32)>);

impl Counts {
    fn after(before: Option<VisitsBefore>) -> Self {
        Self(before.map(|before| (before.opens, before.clicks)))
    }

    fn next(&mut self, target: &HitTarget) -> Option<u32> {
        let (opens, clicks) = self.0.as_mut()?;
        let count = match target {
            HitTarget::Pixel => opens,
            HitTarget::Link { .. } => clicks,
        };
        *count = count.saturating_add(1);
        Some(*count)
    }
}

fn reasons(
    (hit, is_walked): (&Hit, bool),
    visited: &Visited,
    measures: Measures,
) -> Vec<MachineReason> {
    let mut reasons = hit.signs.clone();
    reasons.extend(too_early(hit.at, visited, measures.early));
    reasons.extend(is_walked.then_some(MachineReason::SeveralLinks));
    reasons.sort_unstable();
    reasons.dedup();
    reasons
}

/// Nobody reads a mail before it is there, nor in the moment in which it gets there.
fn too_early(at: Timestamp, visited: &Visited, early: Duration) -> Option<MachineReason> {
    match visited.delivered_at {
        // Whoever looks into mail on its way does so before its server says that it has it.
        None => visited.before.map(|_| MachineReason::BeforeDelivery),
        Some(delivered) if at < delivered => Some(MachineReason::BeforeDelivery),
        Some(delivered) if at.since(delivered) < early => Some(MachineReason::RightAfterDelivery),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
