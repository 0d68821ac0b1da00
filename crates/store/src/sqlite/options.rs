//! What a store is opened with.

use serde::Deserialize;

/// The limits of a store. Their defaults stand in the program's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteOptions {
    /// Pieces of work that may wait for the committer; beyond it new mail waits for a second, and
    /// is then refused.
    pub commit_queue: usize,
    /// Freshly accepted deliveries that may wait in memory for the delivery stage.
    pub fresh_deliveries: usize,
    /// The same for the deliveries of one lane.
    pub fresh_deliveries_per_lane: usize,
    /// Octets of bodies that freshly accepted deliveries may hold in memory.
    pub fresh_octets: u64,
    /// Octets after which a new segment file is begun.
    pub segment_octets: u64,
    /// Hits that may wait to be told; beyond it they are refused. It is set with what concerns
    /// tracking, and nothing in the store's own part of a configuration.
    #[serde(skip, default = "max_hits_waiting")]
    pub max_hits_waiting: u64,
}

/// A third of a gigabyte of database.
const fn max_hits_waiting() -> u64 {
    1_000_000
}
