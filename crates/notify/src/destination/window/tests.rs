use std::sync::Arc;

use postbell_model::message::Received;
use postbell_model::{
    Address, ConfigurationSetId, Event, EventId, Fact, Instructions, Message, MessageId,
    ReversePath, Timestamp, WorkspaceId,
};
use postbell_store::LoggedEvent;
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_777_811_696_123_456);

fn event(position: u64, delivery: u8) -> Logged {
    Logged::Delivery(LoggedEvent {
        position: Position(position),
        event: Event {
            id: EventId::new(NOW),
            at: NOW,
            delivery: DeliveryId::from_bytes([delivery; 16]),
            sequence: 1,
            fact: Fact::Send,
        },
        recipient: Address::parse("ann@customer.example").unwrap(),
        message: Arc::new(Message {
            id: MessageId::new(NOW),
            workspace: WorkspaceId(1),
            configuration_set: ConfigurationSetId(1),
            mail_from: ReversePath::Null,
            source: String::new(),
            subject: String::new(),
            header_message_id: String::new(),
            accepted_at: NOW,
            size: 0,
            eight_bit: false,
            smtputf8: false,
            received: Received {
                helo: String::new(),
                peer: None,
                with: String::new(),
            },
            reports: false,
            instructions: Instructions::default(),
            forward: None,
        }),
    })
}

/// A window over one event for each of `deliveries`, at positions 1, 2, 3 …
fn window(deliveries: &[u8]) -> Window {
    let mut window = Window::new(Position(0));
    let events = (1..).zip(deliveries).map(|(p, d)| event(p, *d)).collect();
    window.extend(Page {
        events,
        read_to: Position(100),
    });
    window
}

fn take(window: &mut Window) -> Option<(Ticket, u64)> {
    let (ticket, event) = window.next_ready()?;
    Some((ticket, event.position().0))
}

fn take_all(window: &mut Window) -> Vec<(Ticket, u64)> {
    std::iter::from_fn(|| take(window)).collect()
}

fn failed(window: &Window, ticket: Ticket, down: bool) -> Failed {
    let position = window.event(ticket).unwrap().position();
    let retry = Retry {
        position,
        document: 0,
        attempts: 1,
        next_at: NOW,
        last_error: String::new(),
    };
    Failed {
        retries: vec![retry],
        down,
    }
}

#[test]
fn the_cursor_moves_only_over_what_is_dealt_with() {
    let mut window = window(&[1, 2, 3]);
    let calls = take_all(&mut window);
    window.delivered(calls[1].0);
    assert_eq!(window.settle(Doubt::None), None);
    window.delivered(calls[0].0);
    let settled = window.settle(Doubt::None).unwrap();
    assert_eq!((settled.cursor, settled.events), (Position(2), 2));
    let failure = failed(&window, calls[2].0, true);
    window.failed(calls[2].0, failure);
    assert_eq!(window.settle(Doubt::Down), None);
    let settled = window.settle(Doubt::None).unwrap();
    assert_eq!((settled.cursor, settled.events), (Position(100), 1));
    assert_eq!(settled.failed.len(), 1);
    assert!(window.is_empty());
}

#[test]
fn events_of_one_delivery_follow_each_other() {
    let mut window = window(&[1, 1, 2, 1]);
    let first = take_all(&mut window);
    assert_eq!(first, [(0, 1), (2, 3)]);
    window.delivered(0);
    assert_eq!(take_all(&mut window), [(1, 2)]);
    // A failure lets the next one through: it is retried on its own.
    let failure = failed(&window, 1, true);
    window.failed(1, failure);
    assert_eq!(take_all(&mut window), [(3, 4)]);
}

#[test]
fn an_outage_calls_back_what_failed_and_forgets_what_was_only_read() {
    let mut window = window(&[1, 2, 3, 4, 5, 5]);
    for _ in 0..3 {
        take(&mut window).unwrap();
    }
    window.delivered(1);
    let failure = failed(&window, 0, true);
    window.failed(0, failure);
    let failure = failed(&window, 2, false);
    window.failed(2, failure);
    window.recall();
    assert_eq!((window.len(), window.read_to()), (3, Position(3)));
    assert_eq!(take_all(&mut window), [(0, 1)]);
    window.delivered(0);
    let settled = window.settle(Doubt::None).unwrap();
    // What was refused is not called back.
    assert_eq!((settled.cursor, settled.failed.len()), (Position(3), 1));
    // What was forgotten is read again and told.
    window.extend(Page {
        events: vec![event(4, 4), event(5, 5), event(6, 5)],
        read_to: Position(6),
    });
    assert_eq!(take_all(&mut window), [(3, 4), (4, 5)]);
}

#[test]
fn something_to_ask_with_is_kept() {
    let mut window = window(&[1, 2, 3]);
    window.recall();
    assert_eq!((window.len(), window.read_to()), (1, Position(1)));
    let (ticket, _) = take(&mut window).unwrap();
    assert_eq!(window.count_probe(ticket), 1);
    window.again(ticket);
    assert_eq!(take(&mut window), Some((ticket, 1)));
    assert_eq!(window.count_probe(ticket), 2);
}

#[derive(Debug, Clone)]
enum Step {
    Take,
    Deliver(usize),
    Fail(usize, bool),
    Again(usize),
    Recall,
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Take),
        3 => any::<usize>().prop_map(Step::Deliver),
        2 => any::<(usize, bool)>().prop_map(|(which, down)| Step::Fail(which, down)),
        1 => any::<usize>().prop_map(Step::Again),
        1 => Just(Step::Recall),
        2 => Just(Step::Settle),
    ]
}

/// What the window is checked against: one delivery for each event, and how each ended.
struct Model {
    window: Window,
    deliveries: Vec<u8>,
    under_way: Vec<Ticket>,
    ended: Vec<Ended>,
    cursor: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Ended {
    No,
    Yes,
    BecauseDown,
}

impl Model {
    fn new(deliveries: Vec<u8>) -> Self {
        Self {
            window: Window::new(Position(0)),
            under_way: Vec::new(),
            ended: vec![Ended::No; deliveries.len()],
            cursor: 0,
            deliveries,
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Take => {
                self.read();
                self.under_way
                    .extend(take(&mut self.window).map(|(ticket, _)| ticket));
            }
            Step::Settle => self.settle(),
            Step::Recall => {
                self.window.recall();
                let down = self.ended.iter_mut().skip(index(self.cursor + 1));
                down.filter(|ended| **ended == Ended::BecauseDown)
                    .for_each(|ended| *ended = Ended::No);
            }
            Step::Deliver(which) | Step::Fail(which, _) | Step::Again(which) => {
                if !self.under_way.is_empty() {
                    let ticket = self.under_way.remove(which % self.under_way.len());
                    self.end(step, ticket);
                }
            }
        }
    }

    /// Reads what the window has not, or has forgotten.
    fn read(&mut self) {
        let after = self.window.read_to().0;
        let last = self.deliveries.len() as u64;
        let positions = after + 1..=last;
        let events = positions.map(|p| event(p, self.deliveries[index(p)]));
        let page = Page {
            events: events.collect(),
            read_to: Position(last),
        };
        self.window.extend(page);
    }

    fn end(&mut self, step: &Step, ticket: Ticket) {
        let position = self.window.event(ticket).unwrap().position().0;
        self.ended[index(position)] = match step {
            Step::Again(_) => {
                self.window.again(ticket);
                Ended::No
            }
            Step::Fail(_, down) => {
                let failure = failed(&self.window, ticket, *down);
                self.window.failed(ticket, failure);
                if *down {
                    Ended::BecauseDown
                } else {
                    Ended::Yes
                }
            }
            _ => {
                self.window.delivered(ticket);
                Ended::Yes
            }
        };
    }

    fn settle(&mut self) {
        let Some(settled) = self.window.settle(Doubt::None) else {
            return;
        };
        assert!(settled.cursor.0 >= self.cursor);
        for position in self.cursor + 1..=settled.cursor.0 {
            assert_ne!(
                self.ended[index(position)],
                Ended::No,
                "{position} was stepped over"
            );
        }
        self.cursor = settled.cursor.0;
    }
}

fn index(position: u64) -> usize {
    usize::try_from(position).unwrap() - 1
}

proptest! {
    /// Whatever happens in whatever order, no event is stepped over, and all come to an end.
    #[test]
    fn nothing_is_lost(
        steps in prop::collection::vec(step(), 0..200),
        deliveries in prop::collection::vec(0_u8..4, 1..30),
    ) {
        let last = deliveries.len();
        let mut model = Model::new(deliveries);
        for step in &steps {
            model.step(step);
        }
        for _ in 0..4 * last {
            for step in [Step::Take, Step::Deliver(0), Step::Settle] {
                model.step(&step);
            }
        }
        prop_assert_eq!(model.cursor, last as u64);
        prop_assert!(model.window.is_empty() && model.window.chains.is_empty());
    }
}
