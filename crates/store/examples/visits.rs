//! Measures how many hits a store keeps, and how many it tells: opens of deliveries in no order.
//!
//! ```text
//! cargo run --release -p postbell-store --example visits -- FOLDER [HITS [DELIVERIES [BATCH]]]
//! ```
#![expect(clippy::print_stdout, reason = "what the program is for")]

mod setting;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use postbell_model::clock::Still;
use postbell_model::engagement::{Engagement, Hit, HitTarget};
use postbell_model::{Clock, DeliveryId, Fact, Timestamp, WorkspaceId};
use postbell_store::{Store, ToldVisit, Visited};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use setting::Outcome;

/// Hits that a door hands in at a time, and how many of these are under way.
const HANDED_IN: usize = 256;
const AT_ONCE: usize = 8;
/// A number without a common divisor with how many deliveries there are.
const STEP: usize = 7_919;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1);
    let usage = "visits FOLDER [HITS [DELIVERIES [BATCH]]]";
    let folder = words.next().ok_or(usage)?;
    let mut number = |default| words.next().map_or(Ok(default), |word| word.parse());
    let (hits, deliveries, batch) = (number(400_000)?, number(100_000)?, number(500)?);
    let clock = Arc::new(Still(Timestamp::from_micros(1_790_000_000_000_000)));
    let tasks = TaskTracker::new();
    let most = hits as u64;
    let store = setting::open(&PathBuf::from(folder), clock.clone(), &tasks, most).await?;
    let of = set_up(&*store, clock.now(), deliveries).await?;
    let of = Arc::new(of);

    let begun = (Instant::now(), processor_time()?);
    let workers = (0..AT_ONCE).map(|worker| {
        let (store, of, at) = (Arc::clone(&store), Arc::clone(&of), clock.now());
        tasks.spawn(async move {
            for first in (worker * HANDED_IN..hits).step_by(AT_ONCE * HANDED_IN) {
                let all = first..hits.min(first + HANDED_IN);
                let all = all.map(|n| hit(of.0, of.1[n * STEP % of.1.len()], at));
                let all: Vec<_> = all.collect();
                let kept = store.keep_hits(&all).await;
                kept.expect("they are kept");
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    for worker in workers {
        worker.await?;
    }
    tell("kept", hits, begun)?;

    let begun = (Instant::now(), processor_time()?);
    let later = clock.now().after(Duration::from_secs(60));
    while store.hits_waiting() > 0 {
        let due = store.hits_due(later, batch).await?;
        store.tell_hits(due.iter().map(told).collect()).await?;
    }
    tell("told", hits, begun)?;
    store.close().await;
    tasks.close();
    tasks.wait().await;
    Ok(())
}

fn tell(what: &str, hits: usize, (begun, processor): (Instant, Duration)) -> Outcome<()> {
    let (took, used) = (begun.elapsed(), processor_time()?.saturating_sub(processor));
    println!(
        "{hits} {what} in {took:.2?}: {:.0} a second, {:.1} µs of a processor each",
        hits as f64 / took.as_secs_f64(),
        used.as_secs_f64() * 1e6 / hits as f64
    );
    Ok(())
}

/// What this process has used of the processors, in hundredths of a second.
fn processor_time() -> Outcome<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no such line")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: Result<Vec<u64>, _> = ticks.map(str::parse).collect();
    Ok(Duration::from_millis(ticks?.iter().sum::<u64>() * 10))
}

fn hit(workspace: WorkspaceId, delivery: DeliveryId, at: Timestamp) -> Hit {
    let agent = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like \
        Gecko) Version/17.4 Safari/605.1.15";
    Hit {
        workspace,
        delivery,
        at,
        target: HitTarget::Pixel,
        ip: Some("192.0.2.0/24".to_owned()),
        user_agent: agent.to_owned(),
        signs: Vec::new(),
        proxy: None,
    }
}

fn told(visited: &Visited) -> ToldVisit {
    let before = visited.before.map(|before| before.opens);
    let facts = (1..).zip(&visited.hits).map(|(n, (_, hit))| {
        let open = Engagement {
            ip: hit.ip.clone(),
            user_agent: hit.user_agent.clone(),
            count: before.map(|before| before + n),
            machine_reasons: hit.signs.clone(),
            proxy: hit.proxy,
        };
        (hit.at, Fact::Open(Box::new(open)))
    });
    ToldVisit {
        delivery: visited.delivery,
        facts: facts.collect(),
        hits: visited.hits.iter().map(|(number, _)| *number).collect(),
    }
}

/// Deliveries, one a message.
async fn set_up(
    store: &dyn Store,
    now: Timestamp,
    count: usize,
) -> Outcome<(WorkspaceId, Vec<DeliveryId>)> {
    let of = setting::workspace_and_set(store, "visits", now).await?;
    let mut deliveries = Vec::with_capacity(count);
    while deliveries.len() < count {
        let batch = (0..1_000).map(|_| setting::submission(of, now, 1));
        let batch = batch.collect::<Outcome<Vec<_>>>()?;
        deliveries.extend(
            batch
                .iter()
                .flat_map(|one| &one.deliveries)
                .map(|new| new.id),
        );
        for stored in store.accept(batch).await {
            stored?;
        }
    }
    Ok((of.0, deliveries))
}
