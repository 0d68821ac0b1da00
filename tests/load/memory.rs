//! The server's memory over time.

use std::time::Duration;

use postbell_tests::installation::Server;
use tokio::time::interval;

const EVERY: Duration = Duration::from_secs(1);

/// Carries out some work, and looks at the server meanwhile: its resident octets at each look.
pub(crate) async fn watch<T>(server: &Server, work: impl Future<Output = T>) -> (T, Vec<u64>) {
    let mut looks = Vec::new();
    let mut ticks = interval(EVERY);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return (done, looks),
            _ = ticks.tick() => looks.extend(server.usage().map(|usage| usage.memory)),
        }
    }
}
