//! The server's look at the DNS: keys are used as soon as their records are there.

use std::sync::Arc;

use anyhow::Context;
use postbell_model::{Clock, DomainKey, KeyState};
use postbell_net::{DnsMetrics, DnsOptions, Resolver};
use postbell_store::Store;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::keys::{Settled, is_over, settle_keys};
use crate::config::{Config, DkimSection};

/// Keys looked at in one round, the newest first; `postbell domain check` looks at any.
const ROUND: usize = 200;

/// Looks now and then.
#[derive(Debug)]
pub(crate) struct Watch {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    dns: (DnsOptions, DnsMetrics),
    options: DkimSection,
}

impl Watch {
    pub(crate) fn new(
        config: &Config,
        store: Arc<dyn Store>,
        metrics: DnsMetrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            clock,
            dns: (config.dns.clone(), metrics),
            options: config.dkim.clone(),
        }
    }

    /// Looks until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            let looking = stop.run_until_cancelled(self.look()).await;
            if let Some(Err(error)) = looking {
                warn!(
                    error = &*error as &dyn std::error::Error,
                    "the keys of domains can't be looked after now"
                );
            }
            tokio::select! {
                () = self.clock.sleep(self.options.check_every) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn look(&self) -> anyhow::Result<()> {
        let now = self.clock.now();
        let directory = self.store.directory();
        let keys = directory.all_domain_keys().filter(|key| match key.state {
            KeyState::Pending => true,
            KeyState::Retiring => is_over(key, self.options.retire_after, now),
            KeyState::Active => false,
        });
        let mut keys: Vec<DomainKey> = keys.cloned().collect();
        if keys.is_empty() {
            return Ok(());
        }
        keys.sort_by_key(|key| std::cmp::Reverse(key.created_at));
        keys.truncate(ROUND);
        // A new one remembers no answer of the last round.
        let (options, metrics) = &self.dns;
        let resolver = Resolver::new(options).context("there is no DNS resolver")?;
        let resolver = resolver.with_metrics(metrics.clone());
        for key in &keys {
            let store: &dyn Store = self.store.as_ref();
            let one = std::slice::from_ref(key);
            let retire_after = self.options.retire_after;
            for (selector, settled) in settle_keys(store, &resolver, one, retire_after, now).await?
            {
                let what = match settled {
                    Settled::InUse => "a key was seen in the DNS and signs from now on",
                    Settled::Forgotten => "a key that had retired is forgotten",
                };
                info!(domain = %key.domain, dkim.selector = selector, "{what}");
            }
        }
        Ok(())
    }
}
