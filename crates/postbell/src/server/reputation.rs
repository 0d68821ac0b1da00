//! A workspace whose mail people complain about, or that is sent to addresses which don't exist, is
//! paused before it spoils the name of this server for the others.

use std::collections::HashSet;
use std::sync::Arc;

use postbell_model::reputation::Passed;
use postbell_model::{Clock, Domain, Pause, Timestamp, WorkspaceId};
use postbell_store::{Counted, Store, StoreError, TenantError};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Server, simulated};
use crate::config::{Config, ReputationAction, ReputationSection};

/// What the watch does, which may change while it runs.
pub(super) type ReputationTerms = watch::Sender<ReputationSection>;

/// What it counts. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct ReputationMetrics {
    pauses: Counter,
    past_limit: Gauge,
}

impl ReputationMetrics {
    /// Names what is counted in a registry.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "postbell_reputation_pauses",
            "Workspaces that were paused since too many complained or too many addresses were dead",
            self.pauses.clone(),
        );
        registry.register(
            "postbell_reputation_past_limit",
            "Workspaces with more complaints or hard bounces within the window than are allowed",
            self.past_limit.clone(),
        );
    }
}

/// Looks at how the mail of all workspaces fares.
pub(super) struct ReputationWatch {
    store: Arc<dyn Store>,
    terms: ReputationTerms,
    /// Whose addresses are simulated: mail to them says nothing.
    simulator: Option<Domain>,
    metrics: ReputationMetrics,
    clock: Arc<dyn Clock>,
}

impl Server {
    /// Counts and judges now and then.
    pub(super) fn run_reputation(&self, watch: ReputationWatch) {
        let stop = self.deliver.stop();
        self.deliver
            .run_beside(async move { watch.run(stop).await });
    }
}

impl ReputationWatch {
    pub(super) fn new(config: &Config, store: &Arc<dyn Store>, clock: &Arc<dyn Clock>) -> Self {
        Self {
            store: Arc::clone(store),
            terms: watch::Sender::new(config.reputation),
            simulator: simulated::domain(config),
            metrics: ReputationMetrics::default(),
            clock: Arc::clone(clock),
        }
    }

    /// What may change while it runs.
    pub(super) fn terms(&self) -> ReputationTerms {
        self.terms.clone()
    }

    pub(super) const fn metrics(&self) -> &ReputationMetrics {
        &self.metrics
    }

    async fn run(self, stop: CancellationToken) {
        let mut known = HashSet::new();
        let mut changed = self.terms.subscribe();
        loop {
            let terms = *changed.borrow_and_update();
            let round = self.round(&terms, &mut known);
            match stop.run_until_cancelled(round).await {
                None => return,
                Some(Ok(())) => {}
                Some(Err(StoreError::Stopped(_))) => return stop.cancelled().await,
                Some(Err(error)) => warn!(
                    error = &error as &dyn std::error::Error,
                    "how mail fares can't be counted now"
                ),
            }
            tokio::select! {
                () = self.clock.sleep(terms.round_every) => {}
                // Its sender is here.
                Ok(()) = changed.changed() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Counts what there is to count, and judges. May be cancelled at any time.
    async fn round(
        &self,
        terms: &ReputationSection,
        known: &mut HashSet<WorkspaceId>,
    ) -> Result<(), StoreError> {
        if terms.action == ReputationAction::Off {
            self.metrics.past_limit.set(0);
            return Ok(());
        }
        let now = self.clock.now();
        let since = now.before(terms.window);
        let simulator = self.simulator.as_ref();
        while self.store.count_outcomes(since, simulator).await? == Counted::Some {
            // Whoever writes or reads comes in between.
            tokio::task::yield_now().await;
        }
        let limits = terms.limits();
        let figures = self.store.reputations(since).await?.into_iter();
        let passed: Vec<_> = figures
            .filter_map(|(workspace, figures)| Some((workspace, figures.judge(&limits)?)))
            .collect();
        let count = i64::try_from(passed.len()).unwrap_or(i64::MAX);
        self.metrics.past_limit.set(count);
        known.retain(|known| passed.iter().any(|(workspace, _)| workspace == known));
        for (workspace, passed) in passed {
            let is_new = known.insert(workspace);
            match terms.action {
                ReputationAction::Pause => {
                    let paused = self.pause(workspace, (&passed, now), terms).await?;
                    if !paused && is_new {
                        tell(workspace, &passed);
                    }
                }
                ReputationAction::Warn if is_new => tell(workspace, &passed),
                ReputationAction::Warn | ReputationAction::Off => {}
            }
        }
        Ok(())
    }

    /// Pauses a workspace that is sent as usual; whether it was.
    async fn pause(
        &self,
        workspace: WorkspaceId,
        (passed, now): (&Passed, Timestamp),
        terms: &ReputationSection,
    ) -> Result<bool, StoreError> {
        let pause = Pause {
            since: now,
            reason: Some(passed.to_string()),
            new_mail: terms.new_mail.into(),
        };
        match self.store.pause_active(workspace, pause).await {
            Ok(true) => {
                self.metrics.pauses.inc();
                warn!(
                    workspace.id = %workspace,
                    "a workspace is paused: {passed}; `postbell workspace resume` ends that"
                );
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(TenantError::Store(error)) => Err(error),
            // It was removed.
            Err(_) => Ok(false),
        }
    }
}

fn tell(workspace: WorkspaceId, passed: &Passed) {
    warn!(workspace.id = %workspace, "the mail of a workspace fares badly: {passed}");
}
