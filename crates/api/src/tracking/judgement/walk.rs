//! Who walks through the links of a mail: nobody reads two pages in a moment.

use std::time::Duration;

use postbell_model::Timestamp;
use postbell_model::engagement::{Hit, HitTarget};
use postbell_store::VisitsBefore;

/// A hit on a link, and its place among all hits.
struct Followed<'h> {
    place: usize,
    url: &'h str,
    /// The place of the link in the message.
    index: u16,
    at: Timestamp,
}

/// The last click that was told of, which is all that is known of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct ToldBefore {
    at: Timestamp,
    /// The place of its link; `None`: nobody knows, so that it counts as another.
    link: Option<u16>,
}

impl ToldBefore {
    pub(super) fn of(before: VisitsBefore) -> Option<Self> {
        before.clicked_at.map(|at| Self {
            at,
            link: before.clicked_link,
        })
    }
}

/// Of each of these hits, which are in the order of their time: whether it followed a link and another
/// link was followed within the hold, sooner or later. Costs a look at each hit, since anybody can
/// bring as many as they like.
pub(super) fn walked<'h>(
    hits: impl ExactSizeIterator<Item = &'h Hit>,
    told_before: Option<ToldBefore>,
    hold: Duration,
) -> Vec<bool> {
    let is_near = |one: Timestamp, other: Timestamp| one.since(other).max(other.since(one)) < hold;
    let mut walked = vec![false; hits.len()];
    let links: Vec<_> = hits.enumerate().filter_map(followed).collect();
    if let Some(told) = told_before {
        let others = links.iter().filter(|link| told.link != Some(link.index));
        for other in others.filter(|link| is_near(link.at, told.at)) {
            walked[other.place] = true;
        }
    }
    let mut mark = |links: &[Followed<'_>], other: Timestamp| {
        for link in links.iter().filter(|link| is_near(link.at, other)) {
            walked[link.place] = true;
        }
    };
    // Beside a run of hits on one link stand the nearest that are on another.
    let runs: Vec<_> = links.chunk_by(|one, next| one.url == next.url).collect();
    for (earlier, later) in runs.iter().zip(runs.iter().skip(1)) {
        if let (Some(last), Some(first)) = (earlier.last(), later.first()) {
            mark(earlier, first.at);
            mark(later, last.at);
        }
    }
    walked
}

fn followed((place, hit): (usize, &Hit)) -> Option<Followed<'_>> {
    match &hit.target {
        HitTarget::Link { url, index } => Some(Followed {
            place,
            url,
            index: *index,
            at: hit.at,
        }),
        HitTarget::Pixel => None,
    }
}

#[cfg(test)]
mod tests {
    use postbell_model::{DeliveryId, WorkspaceId};
    use proptest::prelude::*;

    use super::*;

    const HOLD: Duration = Duration::from_micros(5);

    fn hit((at, name): (i64, u8)) -> Hit {
        Hit {
            workspace: WorkspaceId(1),
            delivery: DeliveryId::from_bytes([7; 16]),
            at: Timestamp::from_micros(at),
            target: match name {
                0 => HitTarget::Pixel,
                _ => HitTarget::Link {
                    url: name.to_string(),
                    index: name.into(),
                },
            },
            ip: None,
            user_agent: String::new(),
            signs: Vec::new(),
            proxy: None,
        }
    }

    /// The definition, word for word.
    fn is_walked(hit: &Hit, hits: &[Hit], told_before: Option<ToldBefore>) -> bool {
        let is_near = |at: Timestamp| (hit.at.as_micros() - at.as_micros()).abs() < 5;
        let is_another = |told: ToldBefore| match &hit.target {
            HitTarget::Link { index, .. } => told.link != Some(*index),
            HitTarget::Pixel => false,
        };
        hit.target != HitTarget::Pixel
            && (told_before.is_some_and(|told| is_another(told) && is_near(told.at))
                || hits.iter().any(|other| {
                    let is_link = other.target != HitTarget::Pixel;
                    is_link && other.target != hit.target && is_near(other.at)
                }))
    }

    proptest! {
        #[test]
        fn the_walk_is_found_in_one_look(
            mut hits in prop::collection::vec((0..60_i64, 0..4_u8), 0..30),
            told_before in prop::option::of((0..60_i64, prop::option::of(1..4_u16))),
        ) {
            hits.sort_by_key(|(at, _)| *at);
            let hits: Vec<_> = hits.into_iter().map(hit).collect();
            let told_before = told_before.map(|(at, link)| ToldBefore {
                at: Timestamp::from_micros(at),
                link,
            });
            let plain: Vec<_> = hits.iter().map(|hit| is_walked(hit, &hits, told_before)).collect();
            prop_assert_eq!(walked(hits.iter(), told_before, HOLD), plain);
        }
    }
}
