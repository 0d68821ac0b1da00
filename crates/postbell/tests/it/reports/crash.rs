//! A process that dies around a report, at each point where it can.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use postbell_accept::reporter::{Progress, ReporterError};
use postbell_accept::{ReportOptions, Reporter};
use postbell_model::{
    Attempt, Audience, BounceClass, BounceType, Clock, ConfigurationSetId, Domain, EventKind, Fact,
    HostTry, Lane, Phase, Reply,
};
use postbell_store::{Position, ReportDue, ReportEnd, Reports, Settlement, Store, StoreError};
use tokio::sync::watch;

use super::world::{gate, offer, open, set_up};
use postbell_peers::clock::HandClock;

/// A list that can be read, from which nothing is taken any more.
struct DiesBeforeTheEnd(Arc<dyn Store>);

#[async_trait]
impl Reports for DiesBeforeTheEnd {
    fn reports_noted(&self) -> watch::Receiver<u64> {
        self.0.reports_noted()
    }

    async fn reports_due(&self, limit: usize) -> Result<Vec<ReportDue>, StoreError> {
        self.0.reports_due(limit).await
    }

    async fn end_reports(&self, _: Vec<ReportEnd>) -> Result<(), StoreError> {
        Err(StoreError::Stopped("the process died".into()))
    }
}

fn reporter(store: &Arc<dyn Store>, reports: Arc<dyn Reports>) -> Reporter {
    let clock = Arc::new(HandClock::default());
    let options = ReportOptions {
        hostname: "postbell.test".to_owned(),
        from: None,
        delay_after: None,
        warn_unasked: true,
        max_returned: 1 << 16,
    };
    let gate = Arc::new(gate(store, clock));
    Reporter::new(
        options,
        gate,
        reports,
        store.clone(),
        Arc::new(HandClock::default()),
    )
    .unwrap()
}

/// Accepts a message and bounces it.
async fn bounce(store: &Arc<dyn Store>) {
    let clock = Arc::new(HandClock::default());
    let (workspace, _) = set_up(&**store).await;
    let offer = offer(workspace, "ann@recipient.test", None, "x");
    gate(store, clock.clone()).submit(offer).await.unwrap();
    let domain = Domain::parse("recipient.test").unwrap();
    let lane = Lane {
        workspace,
        domain: domain.clone(),
    };
    let now = clock.now();
    let claimed = store.claim(&lane, now, 1).await.unwrap().remove(0);
    let attempt = Attempt {
        number: 1,
        started_at: now,
        ended_at: now,
        tracking_notes: Vec::new(),
        tries: vec![HostTry {
            host: domain,
            ip: None,
            tls: None,
            plaintext: None,
            phase: Phase::Rcpt,
            reply: Reply::new(550, 1, 1, "No such user"),
            from_peer: true,
            dsn: false,
        }],
    };
    let settlement = Settlement {
        delivery: claimed.delivery.id,
        at: now,
        fact: Fact::Bounce {
            attempt,
            class: BounceClass::NoSuchUser,
            bounce_type: BounceType::Permanent,
        },
    };
    store.settle(vec![settlement]).await.remove(0).unwrap();
}

async fn own_mail(store: &Arc<dyn Store>) -> usize {
    let own = ConfigurationSetId::OWN;
    let page = store
        .events_after(Audience::Set(own), Position(0), 100)
        .await
        .unwrap();
    let kinds = page.events.iter().map(|e| e.kind());
    kinds.filter(|kind| *kind == EventKind::Send).count()
}

fn bodies(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("bodies")).unwrap().count()
}

#[tokio::test]
async fn there_is_one_report_wherever_the_process_dies() {
    let folder = tempfile::tempdir().unwrap();
    // After the bounce and before the report.
    let store = open(folder.path()).await;
    bounce(&store).await;
    store.close().await;

    // After the report and before the event is off the list, twice.
    for _ in 0..2 {
        let store = open(folder.path()).await;
        let dying = Arc::new(DiesBeforeTheEnd(store.clone()));
        let died = reporter(&store, dying).step().await;
        assert!(matches!(
            died,
            Err(ReporterError::Store(StoreError::Stopped(_)))
        ));
        assert_eq!(own_mail(&store).await, 1);
        store.close().await;
    }

    // And then it does not die.
    let store = open(folder.path()).await;
    let reporter = reporter(&store, store.clone());
    assert_eq!(reporter.step().await.unwrap(), Progress::Done);
    assert!(store.reports_due(10).await.unwrap().is_empty());
    assert_eq!(own_mail(&store).await, 1);
    store.close().await;
    assert_eq!(bodies(folder.path()), 1, "the report's body alone");
}
