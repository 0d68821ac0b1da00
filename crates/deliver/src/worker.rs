//! A worker: one connection to a site at a time, and the deliveries on it.

use std::sync::Arc;
use std::time::Duration;

use postbell_model::{HostTry, Monotonic};
use tokio::sync::Notify;

use crate::board::{InHand, NextInHand, Seat};
use crate::connect::{Connection, Round};
use crate::converse::{Ending, Task};
use crate::plan::Route;
use crate::session::Waited;
use crate::stage::{Attempted, Stage};

/// Connects to the site of `seat`, delivers what is its turn, and goes when there is no more.
pub(crate) async fn work(stage: Stage, seat: Seat) {
    let Some(route) = seat.route() else { return };
    let mut worker = Worker {
        messages: seat.messages_per_connection(),
        stage,
        seat,
        route,
    };
    worker.run().await;
}

struct Worker {
    stage: Stage,
    seat: Seat,
    route: Arc<Route>,
    /// On one connection, before it is closed.
    messages: u32,
}

/// What a connection is for next.
enum Turn {
    Deliver(InHand),
    Leave,
    /// Nothing, and the site's next turn is then.
    Rest(Monotonic),
}

/// What follows on a transaction.
enum After {
    /// The connection takes the next delivery.
    Next,
    /// The connection is of no more use, and the delivery has its outcome.
    Leave,
    /// The connection was closed, since the site's next turn is later than that.
    Rest(Monotonic),
    /// The connection is of no more use, and the delivery goes on to the hosts that are left.
    Onward(Box<Task>, Round),
}

impl Worker {
    async fn run(&mut self) {
        let mut round = self.begin_round(self.seat.number());
        let mut carried: Option<Box<Task>> = None;
        loop {
            let connecting = self.stage.connect(&mut round);
            let connected = self.stage.stop.run_until_cancelled(connecting).await;
            let Some(connected) = connected else { return };
            let Some(connection) = connected else {
                return self.give_up(round, carried).await;
            };
            self.seat.greeted();
            match self.serve(connection, round, carried.take()).await {
                After::Onward(task, rest) => (carried, round) = (Some(task), rest),
                After::Rest(until) => return self.rest(until).await,
                After::Next | After::Leave => return,
            }
        }
    }

    fn begin_round(&self, seed: u64) -> Round {
        let (site, route) = (self.seat.site(), &self.route);
        self.stage.begin_round(site, route, seed)
    }

    /// Keeps the seat, so that nobody else dials, until the site's next turn.
    async fn rest(&self, until: Monotonic) {
        let sleep = self.stage.clock.sleep_until(until);
        self.stage.stop.run_until_cancelled(sleep).await;
    }

    /// No host is left. Ends the attempt of the delivery under way, or else of all that waited
    /// for this connection.
    async fn give_up(&self, round: Round, carried: Option<Box<Task>>) {
        if let Some(mut task) = carried {
            task.tries.extend(round.tries);
            return self.settle(*task).await;
        }
        self.note(&round.tries);
        let (now, time) = (self.stage.clock.monotonic(), self.stage.clock.now());
        for in_hand in self.seat.unreachable(now, time) {
            if self.stage.goes_back(&in_hand) {
                in_hand.give_back(Duration::ZERO);
                continue;
            }
            let attempted = Attempted::new(round.started_at, round.tries.clone());
            self.stage.settle(in_hand, attempted).await;
        }
    }

    /// Delivers on one connection until it is lost or no longer of use.
    async fn serve(
        &mut self,
        mut connection: Connection,
        mut round: Round,
        mut carried: Option<Box<Task>>,
    ) -> After {
        loop {
            let task = match carried.take() {
                Some(task) => match self.resume(task, &mut round).await {
                    Some(task) => task,
                    None => continue,
                },
                None => match self.next_delivery(&mut connection, &mut round).await {
                    Turn::Deliver(in_hand) => {
                        Box::new(self.begin(in_hand, &connection, &mut round))
                    }
                    Turn::Leave => return leave(connection).await,
                    Turn::Rest(until) => {
                        leave(connection).await;
                        return After::Rest(until);
                    }
                },
            };
            match self.deliver(&mut connection, &mut round, task).await {
                After::Next if connection.served < self.messages => {}
                After::Next => return leave(connection).await,
                after => return after,
            }
        }
    }

    /// A delivery that another host could not take, unless it is to go back by now. What it was
    /// tried for counts.
    async fn resume(&self, mut task: Box<Task>, round: &mut Round) -> Option<Box<Task>> {
        task.tries.append(&mut round.tries);
        if !self.stage.goes_back(&task.in_hand) {
            return Some(task);
        }
        if task.tries.is_empty() {
            task.in_hand.give_back(Duration::ZERO);
        } else {
            self.settle(*task).await;
        }
        None
    }

    /// The next delivery of the site, waiting for one as long as the connection is worth
    /// keeping.
    async fn next_delivery(&mut self, connection: &mut Connection, round: &mut Round) -> Turn {
        loop {
            let now = self.stage.clock.monotonic();
            match self.seat.next(now) {
                NextInHand::Deliver(in_hand) if self.stage.goes_back(&in_hand) => {
                    in_hand.give_back(Duration::ZERO);
                    continue;
                }
                NextInHand::Deliver(in_hand) => return Turn::Deliver(in_hand),
                NextInHand::Leave => return Turn::Leave,
                NextInHand::Hold(wait) => {
                    let until = now.after(wait);
                    if self.hold(connection, until).await != Waited::Called {
                        return Turn::Rest(until);
                    }
                    continue;
                }
                NextInHand::Wait => {}
            }
            let keep_alive = self.stage.options.keep_alive;
            let waited = connection.session.wait(self.seat.bell(), keep_alive).await;
            self.seat.awake();
            if waited != Waited::Called {
                return Turn::Leave;
            }
            // What comes now was not there when the hosts before this one were tried.
            round.tries.clear();
            round.started_at = self.stage.clock.now();
        }
    }

    /// Keeps the connection until the site's next turn, where that is soon enough.
    async fn hold(&self, connection: &mut Connection, until: Monotonic) -> Waited {
        let (bell, stage) = (Notify::new(), &self.stage);
        let keep = connection.session.wait(&bell, stage.options.keep_alive);
        tokio::select! {
            waited = keep => waited,
            () = stage.clock.sleep_until(until) => Waited::Called,
            () = stage.stop.cancelled() => Waited::Enough,
        }
    }

    /// The attempt of a delivery that begins on this connection. The first one on it is what
    /// the hosts before it were tried for.
    fn begin(&self, in_hand: InHand, connection: &Connection, round: &mut Round) -> Task {
        let started_at = if connection.served == 0 {
            round.started_at
        } else {
            self.stage.clock.now()
        };
        Task {
            in_hand,
            started_at,
            tries: std::mem::take(&mut round.tries),
            retried: false,
            tracking_notes: Vec::new(),
        }
    }

    /// Hands one delivery over and settles it, unless another host is to be tried.
    async fn deliver(
        &self,
        connection: &mut Connection,
        round: &mut Round,
        mut task: Box<Task>,
    ) -> After {
        let first = connection.served == 0;
        match self.stage.converse(connection, &mut task).await {
            Ending::Decided {
                reusable,
                from_peer,
            } => {
                if from_peer {
                    self.seat.answered();
                } else if !reusable {
                    self.seat.broke();
                }
                self.settle(*task).await;
                if reusable { After::Next } else { After::Leave }
            }
            Ending::NoRoom { after } => {
                task.in_hand.give_back(after);
                After::Next
            }
            Ending::Stale => {
                task.retried = true;
                let again = self.begin_round(task.seed());
                After::Onward(task, again)
            }
            Ending::GaveOut => {
                self.seat.broke();
                let rest = if first {
                    std::mem::take(round)
                } else {
                    let all = self.begin_round(task.seed());
                    all.without(&connection.target)
                };
                if rest.has_more() {
                    return After::Onward(task, rest);
                }
                self.settle(*task).await;
                After::Leave
            }
        }
    }

    /// Remembers what the hosts said.
    fn note(&self, tries: &[HostTry]) {
        let now = self.stage.clock.now();
        for tried in tries {
            self.seat.note(tried, now);
        }
    }

    async fn settle(&self, task: Task) {
        self.note(&task.tries);
        let attempted = Attempted {
            started_at: task.started_at,
            tries: task.tries,
            tracking_notes: task.tracking_notes,
        };
        self.stage.settle(task.in_hand, attempted).await;
    }
}

/// Says goodbye.
async fn leave(connection: Connection) -> After {
    connection.session.quit().await;
    After::Leave
}
