//! `postbell domain remove`: counted first, done with `--yes`.
//!
//! The domain goes at once, whether a server runs or not. Its mail that waits is rejected by
//! whoever has the store: the server, which is waited for a while, or this process.

use std::time::Duration;

use anyhow::Context;
use postbell_model::SendingDomain;
use postbell_store::{DeliveryFilter, DomainRemovals, Inspect, SqliteInspector};
use serde_json::json;

use super::desk::Desk;
use super::identity;
use crate::alone::Alone;
use crate::cli::DomainRemove;

/// How long a running server is waited for.
const SERVER_LIMIT: Duration = Duration::from_secs(10);
/// How often there is a look at what it has done.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn remove(desk: &Desk, remove: &DomainRemove) -> anyhow::Result<()> {
    let domain = identity::find(desk, &remove.name)?;
    let folder = &desk.config.server.data_dir;
    let inspector = SqliteInspector::open(folder).await;
    let inspector =
        inspector.with_context(|| format!("the database in {} can't be read", folder.display()))?;
    let outcome = carry_out(desk, (remove, &domain), &inspector).await;
    inspector.close().await;
    outcome
}

async fn carry_out(
    desk: &Desk,
    (remove, domain): (&DomainRemove, &SendingDomain),
    inspector: &SqliteInspector,
) -> anyhow::Result<()> {
    let waiting = count(inspector, domain).await?;
    let keys = desk.directory().domain_keys(&domain.name).len();
    let name = &domain.name;
    if !remove.yes {
        let document = json!({"done": false, "name": name.as_str(), "keys": keys,
            "deliveries": waiting});
        let sentence = format!(
            "{name} would be removed with its {keys} keys, and {waiting} deliveries that wait \
             would be rejected; say --yes to do it"
        );
        desk.tell(&remove.output, &document, &sentence);
        return Ok(());
    }
    let removal = desk.domains.remove_domain(name, desk.clock.now()).await?;
    if !reject_here(desk).await? {
        wait_for_server(desk, domain, inspector).await?;
    }
    let left = count(inspector, domain).await?;
    let removal = desk.domains.removal(removal.id).await?;
    let rejected = removal.map_or(0, |removal| removal.rejected);
    let document = json!({"done": true, "name": name.as_str(), "keys": keys,
        "deliveries": rejected, "leftAlone": left});
    let more = match left {
        0 => String::new(),
        left => format!("; {left} more are being sent at the moment, or are rejected soon"),
    };
    let sentence = format!(
        "{name} is removed with its {keys} keys; {rejected} deliveries that waited were \
         rejected{more}"
    );
    desk.tell(&remove.output, &document, &sentence);
    Ok(())
}

/// Deliveries of a domain that wait.
async fn count(inspector: &SqliteInspector, domain: &SendingDomain) -> anyhow::Result<u64> {
    let filter = DeliveryFilter {
        workspace: Some(domain.workspace),
        sender_domain: Some(domain.name.clone()),
        ..DeliveryFilter::default()
    };
    let lanes = inspector.lanes(&filter).await?;
    Ok(lanes.iter().map(|lane| lane.count).sum())
}

/// Rejects what waits, unless a server has the store: whether it was done.
async fn reject_here(desk: &Desk) -> anyhow::Result<bool> {
    let folder = &desk.config.server.data_dir;
    let Some(store) = Alone::open(folder, &desk.config.store, &desk.clock).await? else {
        return Ok(false);
    };
    let rejected = store.reject_removed(desk.clock.now()).await;
    store.close().await;
    rejected?;
    Ok(true)
}

/// Waits until the server has rejected what it can.
async fn wait_for_server(
    desk: &Desk,
    domain: &SendingDomain,
    inspector: &SqliteInspector,
) -> anyhow::Result<()> {
    let look = async {
        while count(inspector, domain).await? > 0 {
            desk.clock.sleep(LOOK_EVERY).await;
        }
        // The last page is noted a moment after it was rejected.
        desk.clock.sleep(LOOK_EVERY).await;
        anyhow::Ok(())
    };
    tokio::time::timeout(SERVER_LIMIT, look)
        .await
        .unwrap_or(Ok(()))
}
