//! A site that comes and goes, over an hour of a clock that is turned by hand: how many attempts
//! its mail costs.

use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_secs(300);
/// Messages that one connection hands over in a second.
const PER_SECOND: usize = 20;

/// A delivery outside the board.
struct Queued {
    parcel: Parcel,
    due: Monotonic,
}

struct Flapping {
    state: State,
    key: SiteKey,
    queue: Vec<Queued>,
    workers: Vec<WorkerId>,
    now: Monotonic,
    attempts: usize,
    delivered: usize,
    dials: usize,
}

impl Flapping {
    fn new(messages: usize) -> Self {
        let mut state = State::new(Limits {
            batch: 100,
            waiting: 1_000,
            pause_spread: 25,
            ..LIMITS
        });
        let key = site("mx.a.example");
        state.offer(parcels(1, 9, "a.example"), START);
        state.planned(&heading("a.example"), route_to("mx.a.example"), START);
        let queue = parcels(messages, 1, "a.example")
            .into_iter()
            .map(|mut parcel| {
                parcel.claimed.delivery.expires_at = NOW.after(HOUR * 100);
                Queued { parcel, due: START }
            });
        Self {
            state,
            key,
            queue: queue.collect(),
            workers: Vec::new(),
            now: START,
            attempts: 0,
            delivered: 0,
            dials: 0,
        }
    }

    fn failed(&mut self, parcels: impl IntoIterator<Item = Parcel>) {
        for parcel in parcels {
            self.attempts += 1;
            // Retries are spread by chance, too.
            let spread = SECOND * u32::try_from(self.attempts * 7 % 31).unwrap();
            let due = self.now.after(RETRY + spread);
            self.queue.push(Queued { parcel, due });
        }
    }

    fn claim(&mut self) {
        let room = self.state.room_for(&lane(1, "a.example"), self.now);
        let (due, later) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition::<Vec<_>, _>(|queued| queued.due <= self.now);
        self.queue = later;
        let mut due = due.into_iter();
        let claimed = due
            .by_ref()
            .take(room)
            .map(|queued| queued.parcel)
            .collect();
        self.queue.extend(due);
        self.state.offer(claimed, self.now);
    }

    fn carry_out(&mut self, up: bool) {
        while !self.state.orders.is_empty() {
            for order in std::mem::take(&mut self.state.orders) {
                match order {
                    Order::Dial(_, worker) => self.dial(worker, up),
                    Order::Release(parcels, after) => {
                        let due = self.now.after(after);
                        let back = parcels.into_iter().map(|parcel| Queued { parcel, due });
                        self.queue.extend(back);
                    }
                    _ => {}
                }
            }
        }
    }

    fn dial(&mut self, worker: WorkerId, up: bool) {
        self.dials += 1;
        if up {
            self.state.greeted(&self.key);
            return self.workers.push(worker);
        }
        let tried = self
            .state
            .unreachable(&self.key, self.now, NOW.after(self.now.0));
        self.failed(tried);
        self.state.leave(&self.key, worker, Stand::Opening);
    }

    fn serve(&mut self, up: bool) {
        let mut left = Vec::new();
        for worker in std::mem::take(&mut self.workers) {
            if self.hand_over(worker, up) {
                left.push(worker);
            }
        }
        self.workers.append(&mut left);
    }

    /// Whether the connection lives on.
    fn hand_over(&mut self, worker: WorkerId, up: bool) -> bool {
        for _ in 0..PER_SECOND {
            let bell = Arc::default();
            match self.state.next(&self.key, worker, &bell, self.now) {
                Next::Deliver(parcel) if up => {
                    self.attempts += 1;
                    self.delivered += 1;
                    self.state.answered(&self.key);
                    drop(parcel);
                }
                Next::Deliver(parcel) => {
                    self.state.broke(&self.key);
                    self.failed([*parcel]);
                    self.state.leave(&self.key, worker, Stand::Ready);
                    return false;
                }
                Next::Wait => {
                    self.state.leave(&self.key, worker, Stand::Idle);
                    return false;
                }
                Next::Leave | Next::Hold(_) => {
                    self.state.leave(&self.key, worker, Stand::Ready);
                    return false;
                }
            }
        }
        true
    }

    /// Two seconds up and eight down, over and over.
    fn run(&mut self, seconds: std::ops::Range<u64>) {
        for second in seconds {
            let up = second % 10 < 2;
            self.now = START.after(SECOND * u32::try_from(second).unwrap());
            self.claim();
            self.carry_out(up);
            self.serve(up);
            self.carry_out(up);
        }
    }
}

#[test]
fn a_site_that_comes_and_goes_costs_few_attempts_more_than_needed() {
    let messages = 300;
    let mut flapping = Flapping::new(messages);
    flapping.run(0..3_600);
    assert!(
        flapping.delivered * 100 >= messages * 95,
        "{}",
        flapping.delivered
    );
    let most = flapping.delivered * 3 / 2;
    assert!(flapping.attempts <= most, "{} attempts", flapping.attempts);
    assert!(flapping.dials <= 720, "{} dials", flapping.dials);
    // The last ones have a site almost to themselves, and each failure of theirs costs a retry.
    flapping.run(3_600..10_800);
    // With the one that the route was looked up for.
    assert_eq!(
        flapping.delivered,
        messages + 1,
        "{} attempts",
        flapping.attempts
    );
    assert!(
        flapping.attempts <= (messages + 1) * 3 / 2,
        "{} attempts",
        flapping.attempts
    );
}
