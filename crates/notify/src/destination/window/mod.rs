//! The events between a destination's cursor and what was read of the log. Pure.
//!
//! Events are dealt with in any order, but those of one delivery one after the other, and so are
//! those about the workspace. The cursor
//! moves only over a stretch of which every event is dealt with: delivered, unwanted, or on its
//! way to the retry table.

use std::collections::{HashMap, HashSet, VecDeque};

use postbell_model::DeliveryId;
use postbell_store::{Logged, Page, Position, Retry};

/// The number of an event in a window, counted from the first that was ever in it.
pub(super) type Ticket = u64;

/// The window.
#[derive(Debug)]
pub(super) struct Window {
    first: Ticket,
    slots: VecDeque<Slot>,
    /// May be called now, in this order.
    ready: VecDeque<Ticket>,
    /// The deliveries (`None`: the workspace) that have an event ready or under way, and what waits behind it.
    chains: HashMap<Option<DeliveryId>, VecDeque<Ticket>>,
    read_to: Position,
}

#[derive(Debug)]
struct Slot {
    event: Logged,
    state: State,
    probes: u32,
}

#[derive(Debug)]
enum State {
    Waiting,
    UnderWay,
    Delivered,
    Failed(Failed),
}

impl Slot {
    const fn is_dealt_with(&self, doubt: Doubt) -> bool {
        match &self.state {
            State::Waiting | State::UnderWay => false,
            State::Delivered => true,
            State::Failed(failed) => !failed.down || matches!(doubt, Doubt::None),
        }
    }
}

/// An event that is to be retried on its own.
#[derive(Debug)]
pub(super) struct Failed {
    /// One for each of its documents that failed.
    pub(super) retries: Vec<Retry>,
    /// Whether the failure says that the destination is down.
    pub(super) down: bool,
}

/// What is known about the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Whether it is up or down.
    None,
    /// The last call failed; the next ones show if it is down.
    Down,
}

/// A stretch that is dealt with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// The cursor after it.
    pub(super) cursor: Position,
    /// What goes to the retry table.
    pub(super) failed: Vec<Retry>,
    /// How many events it has.
    pub(super) events: usize,
}

impl Window {
    pub(super) fn new(cursor: Position) -> Self {
        Self {
            first: 0,
            slots: VecDeque::new(),
            ready: VecDeque::new(),
            chains: HashMap::new(),
            read_to: cursor,
        }
    }

    /// How far the log was read.
    pub(super) const fn read_to(&self) -> Position {
        self.read_to
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Takes in what was read after [`Window::read_to`].
    pub(super) fn extend(&mut self, page: Page) {
        for event in page.events {
            let ticket = self.end();
            self.enqueue(event.delivery(), ticket);
            self.slots.push_back(Slot {
                event,
                state: State::Waiting,
                probes: 0,
            });
        }
        self.read_to = page.read_to;
    }

    /// The next event to be called about; it is under way from now on.
    pub(super) fn next_ready(&mut self) -> Option<(Ticket, &Logged)> {
        let ticket = self.ready.pop_front()?;
        let slot = self.slot(ticket)?;
        slot.state = State::UnderWay;
        Some((ticket, &slot.event))
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The first event that the cursor does not stand after.
    pub(super) fn first_event(&self) -> Option<&Logged> {
        self.slots.front().map(|slot| &slot.event)
    }

    /// The event of a ticket.
    pub(super) fn event(&self, ticket: Ticket) -> Option<&Logged> {
        let index = usize::try_from(ticket.checked_sub(self.first)?).ok()?;
        self.slots.get(index).map(|slot| &slot.event)
    }

    /// The event was delivered, or is not wanted.
    pub(super) fn delivered(&mut self, ticket: Ticket) {
        self.end_call(ticket, State::Delivered);
    }

    /// The call failed; the event is to be retried on its own.
    pub(super) fn failed(&mut self, ticket: Ticket, failed: Failed) {
        self.end_call(ticket, State::Failed(failed));
    }

    /// The call failed because the destination is down: it is to be made again, before others.
    pub(super) fn again(&mut self, ticket: Ticket) {
        self.ready.push_front(ticket);
        if let Some(slot) = self.slot(ticket) {
            slot.state = State::Waiting;
        }
    }

    /// The event was what a destination that is down was asked with. Says how often.
    pub(super) fn count_probe(&mut self, ticket: Ticket) -> u32 {
        let Some(slot) = self.slot(ticket) else {
            return 0;
        };
        slot.probes += 1;
        slot.probes
    }

    /// How often a destination that is down was asked with an event.
    pub(super) fn probes(&self, ticket: Ticket) -> u32 {
        let index = ticket.checked_sub(self.first).map(usize::try_from);
        let slot = index.and_then(Result::ok).and_then(|i| self.slots.get(i));
        slot.map_or(0, |slot| slot.probes)
    }

    /// The destination turns out to be down: what failed because of it waits again instead of
    /// going to the retry table, and what was only read is forgotten, to be read again later.
    pub(super) fn recall(&mut self) {
        for ticket in (self.first..self.end()).rev() {
            let Some(slot) = self.slot(ticket) else {
                continue;
            };
            if matches!(&slot.state, State::Failed(failed) if failed.down) {
                slot.state = State::Waiting;
                let delivery = slot.event.delivery();
                self.chains.entry(delivery).or_default();
                self.ready.push_front(ticket);
            }
        }
        self.forget_waiting();
    }

    /// Takes out what is dealt with at the front; `None` where that is nothing. As long as it is
    /// in doubt whether the destination is down, what failed because of that is not dealt with.
    pub(super) fn settle(&mut self, doubt: Doubt) -> Option<Settled> {
        let mut settled = Settled::default();
        while let Some(slot) = self.slots.pop_front_if(|slot| slot.is_dealt_with(doubt)) {
            if let State::Failed(failed) = slot.state {
                settled.failed.extend(failed.retries);
            }
            self.first += 1;
            settled.events += 1;
            settled.cursor = slot.event.position();
        }
        if self.slots.is_empty() {
            settled.cursor = self.read_to;
            return Some(settled);
        }
        (settled.events > 0).then_some(settled)
    }

    fn end(&self) -> Ticket {
        self.first + self.slots.len() as Ticket
    }

    fn slot(&mut self, ticket: Ticket) -> Option<&mut Slot> {
        let index = usize::try_from(ticket.checked_sub(self.first)?).ok()?;
        self.slots.get_mut(index)
    }

    fn enqueue(&mut self, delivery: Option<DeliveryId>, ticket: Ticket) {
        match self.chains.get_mut(&delivery) {
            Some(behind) => behind.push_back(ticket),
            None => {
                self.chains.insert(delivery, VecDeque::new());
                self.ready.push_back(ticket);
            }
        }
    }

    fn end_call(&mut self, ticket: Ticket, state: State) {
        let Some(slot) = self.slot(ticket) else {
            return;
        };
        slot.state = state;
        let delivery = slot.event.delivery();
        let next = self.chains.get_mut(&delivery).map(VecDeque::pop_front);
        match next.flatten() {
            Some(next) => self.ready.push_back(next),
            None => {
                self.chains.remove(&delivery);
            }
        }
    }

    /// Keeps the first slot, so that there is something to ask the destination with.
    fn forget_waiting(&mut self) {
        let before = self.slots.len();
        while self.slots.len() > 1
            && matches!(self.slots.back(), Some(slot) if matches!(slot.state, State::Waiting))
        {
            self.slots.pop_back();
        }
        if self.slots.len() == before {
            return;
        }
        let end = self.end();
        self.ready.retain(|ticket| *ticket < end);
        self.chains.retain(|_, behind| {
            behind.retain(|ticket| *ticket < end);
            true
        });
        self.drop_idle_chains();
        if let Some(last) = self.slots.back() {
            self.read_to = last.event.position();
        }
    }

    /// A chain whose head was forgotten would hold up its delivery for ever.
    fn drop_idle_chains(&mut self) {
        let under_way = |slot: &&Slot| matches!(slot.state, State::Waiting | State::UnderWay);
        let alive: HashSet<Option<DeliveryId>> = self
            .slots
            .iter()
            .filter(under_way)
            .map(|slot| slot.event.delivery())
            .collect();
        self.chains.retain(|delivery, _| alive.contains(delivery));
    }
}

#[cfg(test)]
mod tests;
