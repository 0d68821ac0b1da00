//! The plans of messages that are being sent, each made once for all who get it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use postbell_mail::track::{Options, Pattern, PlainText, Plan, Seek};
use postbell_model::MessageId;
use postbell_model::token::LINK_URL_MAX;
use postbell_model::tracking::SetTracking;
use tokio::sync::OnceCell;

/// How many plans are remembered: those that were asked for last.
const COUNT: usize = 512;
/// The octets of all that are remembered, the messages that they hold among them.
const OCTETS: usize = 32 * 1024 * 1024;

/// What a plan is made for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) seek: Seek,
    pub(super) set: Option<&'a SetTracking>,
}

impl Asked<'_> {
    pub(super) fn options(&self) -> Options {
        let Some(set) = self.set else {
            return Options {
                seek: self.seek,
                ..Options::default()
            };
        };
        Options {
            seek: self.seek,
            plain_text: if set.plain_text {
                PlainText::Rewrite
            } else {
                PlainText::Leave
            },
            additions: set.additions.clone(),
            untracked: set.untracked.iter().map(|p| Pattern::new(p)).collect(),
        }
    }
}

/// A plan, and the links in it that are too long for a token.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) long: Vec<String>,
    /// Filled once the store has those.
    pub(super) kept: OnceCell<()>,
}

impl Planned {
    pub(super) fn of(body: &Bytes, options: &Options) -> Self {
        let plan = Plan::of(body, options);
        let long = plan.links().filter(|url| url.len() > LINK_URL_MAX);
        let mut long: Vec<String> = long.map(str::to_owned).collect();
        long.sort();
        long.dedup();
        Self {
            plan,
            long,
            kept: OnceCell::new(),
        }
    }

    /// The octets that it keeps in memory.
    pub(super) fn octets(&self) -> usize {
        let long = self.long.iter().map(String::len);
        self.plan.octets() + long.sum::<usize>()
    }
}

/// Where a plan is, once somebody has made it: the others wait.
pub(super) type Place = Arc<OnceCell<Arc<Planned>>>;

/// Plans by message, within limits.
#[derive(Debug, Default)]
pub(super) struct Plans(Mutex<Slots>);

#[derive(Debug, Default)]
struct Slots {
    slots: HashMap<MessageId, Slot>,
    /// Which was used when.
    uses: BTreeMap<u64, MessageId>,
    next_use: u64,
    octets: usize,
}

#[derive(Debug)]
struct Slot {
    place: Place,
    seek: Seek,
    set: Option<SetTracking>,
    used: u64,
    octets: usize,
}

impl Plans {
    /// The place of a message's plan. What was made for other settings is forgotten.
    pub(super) fn place(&self, message: MessageId, asked: Asked<'_>) -> Place {
        let mut slots = self.slots();
        let used = slots.next_use;
        slots.next_use += 1;
        let is_same = |slot: &&mut Slot| slot.seek == asked.seek && slot.set.as_ref() == asked.set;
        if let Some(slot) = slots.slots.get_mut(&message).filter(is_same) {
            let place = Arc::clone(&slot.place);
            let before = std::mem::replace(&mut slot.used, used);
            slots.uses.remove(&before);
            slots.uses.insert(used, message);
            return place;
        }
        slots.remove(message);
        let place = Place::default();
        let slot = Slot {
            place: Arc::clone(&place),
            seek: asked.seek,
            set: asked.set.cloned(),
            used,
            octets: 0,
        };
        slots.slots.insert(message, slot);
        slots.uses.insert(used, message);
        slots.shrink();
        place
    }

    /// Takes note of a plan that was made at its place.
    pub(super) fn made(&self, message: MessageId, place: &Place) {
        let octets = place.get().map_or(0, |planned| planned.octets());
        let mut slots = self.slots();
        let is_there = |slot: &&mut Slot| Arc::ptr_eq(&slot.place, place);
        let Some(slot) = slots.slots.get_mut(&message).filter(is_there) else {
            return;
        };
        let before = std::mem::replace(&mut slot.octets, octets);
        slots.octets = slots.octets - before + octets;
        slots.shrink();
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    /// Forgets what was used longest ago, until the rest is within the limits.
    fn shrink(&mut self) {
        while self.slots.len() > COUNT || self.octets > OCTETS {
            let Some((_, message)) = self.uses.pop_first() else {
                return;
            };
            self.remove(message);
        }
    }

    fn remove(&mut self, message: MessageId) {
        if let Some(slot) = self.slots.remove(&message) {
            self.uses.remove(&slot.used);
            self.octets -= slot.octets;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'_> = Asked {
        seek: Seek::Everything,
        set: None,
    };

    fn message(number: usize) -> MessageId {
        MessageId::from_bytes((number as u128).to_be_bytes())
    }

    /// Has a plan for this message made, where there is none, and tells whether there was.
    fn is_known(plans: &Plans, number: usize, octets: usize) -> bool {
        let place = plans.place(message(number), ASKED);
        if place.initialized() {
            return true;
        }
        let body = Bytes::from(vec![b'x'; octets]);
        let planned = Planned::of(&body, &ASKED.options());
        place.set(Arc::new(planned)).unwrap();
        plans.made(message(number), &place);
        false
    }

    #[test]
    fn those_that_were_asked_for_last_are_remembered() {
        let plans = Plans::default();
        for number in 0..COUNT {
            assert!(!is_known(&plans, number, 10));
        }
        assert!(is_known(&plans, 0, 10));
        assert!(!is_known(&plans, COUNT, 10));
        assert!(is_known(&plans, 0, 10));
        assert!(!is_known(&plans, 1, 10));
        assert_eq!(plans.slots().slots.len(), COUNT);
        assert_eq!(plans.slots().uses.len(), COUNT);
    }

    #[test]
    fn all_together_have_a_limit() {
        let plans = Plans::default();
        for number in 0..20 {
            is_known(&plans, number, OCTETS / 10);
        }
        assert!(plans.slots().octets <= OCTETS);
        assert!(is_known(&plans, 19, 0));
        assert!(!is_known(&plans, 0, 0));
        // One that is larger than all may be is made for each.
        assert!(!is_known(&plans, 20, OCTETS + 1));
        assert!(!is_known(&plans, 20, OCTETS + 1));
        assert_eq!(plans.slots().octets, 0);
        assert!(plans.slots().uses.is_empty());
    }

    #[test]
    fn other_settings_are_another_plan() {
        let plans = Plans::default();
        assert!(!is_known(&plans, 1, 10));
        let set = SetTracking {
            plain_text: true,
            ..SetTracking::default()
        };
        for asked in [
            Asked {
                seek: Seek::Placeholders,
                set: None,
            },
            Asked {
                seek: Seek::Everything,
                set: Some(&set),
            },
        ] {
            assert!(!plans.place(message(1), asked).initialized());
        }
        assert_eq!(plans.slots().octets, 0);
    }

    #[test]
    fn long_links_are_told_once() {
        let long = format!("https://a.example/{}", "x".repeat(LINK_URL_MAX));
        let page =
            format!("<a href={long}>x</a><a href=https://b.example>y</a><a href={long}>z</a>");
        let body = Bytes::from(format!("Content-Type: text/html\r\n\r\n{page}"));
        let planned = Planned::of(&body, &Options::default());
        assert_eq!(planned.plan.links().count(), 3);
        assert_eq!(planned.long, [long]);
    }
}
