//! One task for each active destination, as the directory changes.
//!
//! Each has a keeper, which runs the destination's loop and begins it anew when its settings
//! change or when it ends unexpectedly. A panic ends that loop, not the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use postbell_model::{Audience, Clock, Destination, DestinationId, DestinationState};
use postbell_net::HttpClient;
use postbell_store::{Destinations, Directory, EventLog, StoreError, Tenants};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::destination::{Exit, Runner};
use crate::profile::{Profile, SetNames};
use crate::stage::Stage;
use crate::{NotifyMetrics, NotifyOptions};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
// Keepers that ended and were not yet taken note of.
const ENDED_MAX: usize = 64;

/// Brings events to their destinations.
pub struct Notifier {
    stage: Arc<Stage>,
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier").finish_non_exhaustive()
    }
}

/// How a notifier calls webhooks, changed while it runs.
#[derive(Clone)]
pub struct NotifyTerms(Arc<Stage>);

impl NotifyTerms {
    /// Calls are made by these options from now on. The pause of a destination that is down at
    /// the moment stays as it was.
    pub fn change(&self, options: NotifyOptions) {
        self.0.options.store(Arc::new(options));
    }
}

impl std::fmt::Debug for NotifyTerms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NotifyTerms").finish_non_exhaustive()
    }
}

/// A destination with the names of the configuration sets that it hears of.
#[derive(Debug, Clone, PartialEq)]
struct Wanted {
    destination: Destination,
    set_names: SetNames,
}

struct Keeper {
    wanted: watch::Sender<Option<Wanted>>,
    task: JoinHandle<()>,
}

impl Notifier {
    /// A notifier over these parts of the store.
    pub fn new(
        options: NotifyOptions,
        log: Arc<dyn EventLog>,
        destinations: Arc<dyn Destinations>,
        tenants: Arc<dyn Tenants>,
        http: HttpClient,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            stage: Arc::new(Stage {
                options: ArcSwap::from_pointee(options),
                log,
                destinations,
                tenants,
                http,
                clock,
                metrics: NotifyMetrics::default(),
            }),
        }
    }

    /// How it calls webhooks, for whoever changes it.
    pub fn terms(&self) -> NotifyTerms {
        NotifyTerms(Arc::clone(&self.stage))
    }

    /// What it counts.
    pub fn metrics(&self) -> &NotifyMetrics {
        &self.stage.metrics
    }

    /// Runs until `stop`; then ends the calls under way, within their grace.
    pub async fn run(self, tasks: &TaskTracker, stop: CancellationToken) {
        let mut changed = self.stage.tenants.directory_changed();
        let (ended, mut endings) = mpsc::channel(ENDED_MAX);
        let mut keepers = HashMap::new();
        while !stop.is_cancelled() {
            changed.borrow_and_update();
            let start = Start {
                stage: &self.stage,
                tasks,
                stop: &stop,
                ended: &ended,
            };
            follow(&self.stage.tenants.directory(), &mut keepers, &start);
            tokio::select! {
                () = stop.cancelled() => {}
                Some(id) = endings.recv() => drop(keepers.remove(&id)),
                change = changed.changed() => {
                    if change.is_err() {
                        stop.cancelled().await;
                    }
                }
            }
        }
        // A keeper that waits for room to say that it ended must not wait for ever.
        drop(endings);
        for keeper in keepers.into_values() {
            if let Err(error) = keeper.task.await {
                tracing::error!(%error, "The keeper of a destination panicked");
            }
        }
    }
}

/// What a keeper is begun with.
struct Start<'a> {
    stage: &'a Arc<Stage>,
    tasks: &'a TaskTracker,
    stop: &'a CancellationToken,
    ended: &'a mpsc::Sender<DestinationId>,
}

/// Begins, changes and ends keepers, until they are those of the directory.
fn follow(directory: &Directory, keepers: &mut HashMap<DestinationId, Keeper>, start: &Start<'_>) {
    let mut wanted = active(directory);
    for (id, keeper) in keepers.iter_mut() {
        let wanted = wanted.remove(id);
        keeper.wanted.send_if_modified(|current| {
            let differs = *current != wanted;
            *current = wanted;
            differs
        });
    }
    for (id, wanted) in wanted {
        keepers.insert(id, start.keeper(wanted));
    }
}

fn active(directory: &Directory) -> HashMap<DestinationId, Wanted> {
    let all = directory.destinations().iter();
    all.filter(|destination| destination.state == DestinationState::Active)
        .map(|destination| {
            let wanted = Wanted {
                destination: destination.clone(),
                set_names: set_names(directory, destination.audience()),
            };
            (destination.id, wanted)
        })
        .collect()
}

fn set_names(directory: &Directory, audience: Audience) -> SetNames {
    let sets = match audience {
        Audience::Set(set) => directory.configuration_set(set).into_iter().collect(),
        Audience::Workspace(workspace) => directory.configuration_sets_of(workspace),
    };
    sets.into_iter()
        .map(|set| (set.id, set.name.clone()))
        .collect()
}

impl Start<'_> {
    fn keeper(&self, wanted: Wanted) -> Keeper {
        let id = wanted.destination.id;
        let (sender, receiver) = watch::channel(Some(wanted));
        let keeping = Keeping {
            stage: Arc::clone(self.stage),
            tasks: self.tasks.clone(),
            stop: self.stop.clone(),
            wanted: receiver,
            pause: FIRST_PAUSE,
        };
        let ended = self.ended.clone();
        let span = tracing::info_span!("destination", destination.id = %id);
        let task = async move {
            keeping.keep().await;
            // Nobody hears it where the program stops.
            let _ = ended.send(id).await;
        };
        Keeper {
            wanted: sender,
            task: self.tasks.spawn(task.instrument(span)),
        }
    }
}

struct Keeping {
    stage: Arc<Stage>,
    tasks: TaskTracker,
    stop: CancellationToken,
    wanted: watch::Receiver<Option<Wanted>>,
    pause: Duration,
}

impl Keeping {
    /// Keeps a destination's loop running as long as it is wanted.
    async fn keep(mut self) {
        loop {
            let Some(wanted) = self.wanted.borrow_and_update().clone() else {
                return;
            };
            match Profile::new(&wanted.destination, wanted.set_names) {
                Ok(profile) => self.run(Arc::new(profile)).await,
                Err(error) => {
                    tracing::error!(%error, "A destination can't be called as it is set up");
                    self.wait_for_change().await;
                }
            }
            if self.stop.is_cancelled() {
                return;
            }
        }
    }

    async fn wait_for_change(&mut self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            // The sender lives as long as the notifier runs.
            _ = self.wanted.changed() => {}
        }
    }

    /// Runs the loop until it ends or the destination's settings change.
    async fn run(&mut self, profile: Arc<Profile>) {
        let stop = self.stop.child_token();
        let begun = self.stage.clock.monotonic();
        let looped = run_loop(Arc::clone(&self.stage), profile, stop.clone());
        let span = tracing::Span::current();
        let mut task = self.tasks.spawn(looped.instrument(span));
        let ended = tokio::select! {
            ended = &mut task => ended,
            _ = self.wanted.changed() => {
                stop.cancel();
                let ended = task.await;
                self.wanted.mark_changed();
                ended
            }
        };
        if self.stage.clock.monotonic().since(begun) > LONGEST_PAUSE {
            self.pause = FIRST_PAUSE;
        }
        self.after(ended).await;
    }

    async fn after(&mut self, ended: Result<Result<Exit, StoreError>, JoinError>) {
        match ended {
            Ok(Ok(Exit::Stopped)) => return,
            Ok(Ok(Exit::Disabled)) => return self.wait_for_change().await,
            Ok(Err(StoreError::Stopped(_))) => return self.stop.cancelled().await,
            Ok(Err(error)) => tracing::warn!(%error, "A destination's loop ended"),
            Err(error) => tracing::error!(%error, "A destination's loop panicked"),
        }
        let pause = self.stage.clock.sleep(self.pause);
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = pause => {}
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

async fn run_loop(
    stage: Arc<Stage>,
    profile: Arc<Profile>,
    stop: CancellationToken,
) -> Result<Exit, StoreError> {
    let runner = Runner::new(stage, profile).await?;
    runner.run(&stop).await
}
