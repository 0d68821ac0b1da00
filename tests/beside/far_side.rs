//! The hosts that work, the name server, and when each live message has arrived.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use postbell_peers::Keep;
use postbell_peers::dns::{DnsOptions, DnsServer};
use postbell_peers::mx::{Moment, MxOptions, MxServer, Received};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// When each live message was at its host, by its number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<HashMap<u64, Instant>>>);

impl Arrivals {
    fn note(&self, received: &Received) {
        let now = Instant::now();
        let numbers = received.recipients.iter().filter_map(|to| number(to));
        let mut arrivals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for number in numbers {
            arrivals.entry(number).or_insert(now);
        }
    }

    /// When this one arrived.
    pub(crate) fn of(&self, number: u64) -> Option<Instant> {
        let arrivals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.get(&number).copied()
    }
}

/// `live7@…` is number 7.
fn number(address: &str) -> Option<u64> {
    let (local_part, _) = address.split_once('@')?;
    local_part.strip_prefix("live")?.parse().ok()
}

/// What does not run in the server.
pub(crate) struct FarSide {
    pub(crate) dns: DnsServer,
    pub(crate) mx: MxServer,
    pub(crate) arrivals: Arrivals,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl FarSide {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let arrivals = Arrivals::default();
        let noted = arrivals.clone();
        let options = MxOptions {
            keep: Keep::NOTHING,
            ledger: Some(Arc::new(move |received: &Received, moment| {
                if moment == Moment::BeforeReply {
                    noted.note(received);
                }
            })),
            ..MxOptions::default()
        };
        Ok(Self {
            dns: DnsServer::start(DnsOptions::default(), &tasks, stop.clone()).await?,
            mx: MxServer::start(options, &tasks, stop.clone()).await?,
            arrivals,
            tasks,
            stop,
        })
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
