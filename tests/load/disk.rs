//! What the disk can do: the floor under every latency of a server that syncs before it answers.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

const SYNCS: usize = 200;
const BLOCK: [u8; 4_096] = [0; 4_096];

/// The median time of appending 4 KiB to a file in this folder and syncing them (fdatasync).
pub(crate) async fn median_sync(folder: PathBuf) -> anyhow::Result<Duration> {
    tokio::task::spawn_blocking(move || measure(&folder)).await?
}

fn measure(folder: &Path) -> anyhow::Result<Duration> {
    let mut file = File::create(folder.join("sync"))?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begin = Instant::now();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    Ok(times[SYNCS / 2])
}
