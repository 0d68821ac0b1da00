//! What a look at a long suppression list costs.
//!
//! `cargo run --release -p postbell-store --example suppressed -- FOLDER [ENTRIES]` fills the list of a store in
//! a folder, which it makes where there is none, up to so many entries (ten million), and says what it
//! takes to look up recipients in batches of 64: those that are not on it, as nearly all are, and those
//! that are. For a cold look have the system forget the file before the program is run a second time.
#![expect(clippy::print_stdout, reason = "what the program is for")]
#![expect(clippy::disallowed_methods, reason = "it measures what passes")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use postbell_model::suppression::{Cause, Scope, Suppression};
use postbell_model::{Address, Timestamp, WorkspaceId};
use postbell_store::{SqliteTenants, Suppressions, Tenants};

const ENTRIES: u64 = 10_000_000;
const BATCH: u64 = 1_000;
/// Recipients that are looked up at once.
const RECIPIENTS: u64 = 64;
const LOOKS: u64 = 2_000;
const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);
/// Odd, so that numbers are spread and none comes twice.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("say in which folder")?);
    let entries = arguments
        .next()
        .map_or(Ok(ENTRIES), |count| count.parse())?;
    let tenants = SqliteTenants::open(&folder).await?;
    let workspace = workspace(&tenants).await?;
    fill(&tenants, workspace, entries).await?;
    tenants.close().await;

    println!("{entries} entries, {} MB", size(&folder)? >> 20);
    let tenants = SqliteTenants::open(&folder).await?;
    for run in ["first", "second", "third"] {
        for (who, of) in [("absent", entries), ("listed", 0)] {
            let took = look_up(&tenants, workspace, (of, entries)).await?;
            let each = took / u32::try_from(LOOKS * RECIPIENTS)?;
            println!("{run}, {who}: {each:?} a recipient");
        }
    }
    tenants.close().await;
    Ok(())
}

async fn workspace(tenants: &SqliteTenants) -> Result<WorkspaceId, Box<dyn std::error::Error>> {
    if let Some(workspace) = tenants.directory().workspaces().first() {
        return Ok(workspace.id);
    }
    Ok(tenants.create_workspace("acme", NOW).await?.id)
}

/// The `n`th address, in no order.
fn address(n: u64) -> Address {
    let local = n.wrapping_mul(SPREAD);
    let text = format!("{local:016x}@host{}.example", local % 5_000);
    Address::parse(&text).expect("invariant: it is one")
}

async fn fill(
    tenants: &SqliteTenants,
    workspace: WorkspaceId,
    entries: u64,
) -> Result<(), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let first = tenants.suppression_count(workspace, NOW).await?;
    let mut next = first;
    while next < entries {
        let new = (next..entries.min(next + BATCH)).map(|n| Suppression {
            workspace,
            address: address(n),
            scope: Scope::All,
            cause: Cause::Manual,
            since: NOW,
            event: None,
            expires_at: None,
            note: None,
        });
        let new: Vec<_> = new.collect();
        next += new.len() as u64;
        tenants.suppress(new, NOW).await?;
        if next % 1_000_000 == 0 {
            let each = begun.elapsed() / u32::try_from(next - first)?;
            println!("{next} entries, {each:?} each, with its event");
        }
    }
    Ok(())
}

/// Looks up recipients from the `from`th on, spread over as many as there are entries.
async fn look_up(
    tenants: &SqliteTenants,
    workspace: WorkspaceId,
    (from, entries): (u64, u64),
) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut took = Duration::ZERO;
    for look in 0..LOOKS {
        let recipients = (0..RECIPIENTS).map(|n| {
            let spread = (look * RECIPIENTS + n).wrapping_mul(SPREAD);
            address(from + spread % entries)
        });
        let recipients: Vec<_> = recipients.collect();
        let begun = Instant::now();
        let found = tenants
            .suppressed(workspace, None, &recipients, NOW)
            .await?;
        took += begun.elapsed();
        let listed = found.iter().flatten().count() as u64;
        assert_eq!(listed, if from == 0 { RECIPIENTS } else { 0 });
    }
    Ok(took)
}

fn size(folder: &Path) -> std::io::Result<u64> {
    Ok(std::fs::metadata(folder.join("postbell.db"))?.len())
}
