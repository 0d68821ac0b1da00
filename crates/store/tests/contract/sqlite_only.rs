//! What only the store on SQLite promises: its lock, its files, its indexes.

use std::time::Duration;

use postbell_model::DeliveryId;
use postbell_store::{
    Action, DeliveryFilter, OpenError, Position, ReplayOf, SettleError, SqliteInspector,
    SqliteStore, SqliteTenants, StoreError, Tenants, Webhooks,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Row, SqliteConnection};

use crate::destinations::{beside, made, replay};
use crate::engagement::{due, opened, tell_all};
use crate::fixture::{self, Fixture, NOW, delivered, later};

async fn connect(fixture: &Fixture) -> SqliteConnection {
    let file = fixture.folder().join("postbell.db");
    let options = SqliteConnectOptions::new().filename(file);
    SqliteConnection::connect_with(&options).await.unwrap()
}

#[tokio::test]
async fn a_second_server_is_refused() {
    let fixture = fixture::sqlite().await;
    let tasks = tokio_util::task::TaskTracker::new();
    let clock = fixture::still();
    let second = SqliteStore::open(fixture.folder(), fixture::options(), clock, &tasks).await;
    assert!(matches!(second, Err(OpenError::Locked(_))), "{second:?}");
    fixture.close().await;
}

#[tokio::test]
async fn a_command_may_change_tenants_beside_a_server() {
    let fixture = fixture::sqlite().await;
    let command = SqliteTenants::open(fixture.folder()).await.unwrap();
    command.create_workspace("beside", NOW).await.unwrap();
    command.close().await;
    assert!(
        fixture
            .store
            .directory()
            .workspace_named("beside")
            .is_none(),
        "not yet seen"
    );
    fixture.store.create_workspace("own", NOW).await.unwrap();
    assert!(
        fixture
            .store
            .directory()
            .workspace_named("beside")
            .is_some()
    );
    fixture.close().await;
}

#[tokio::test]
async fn whoever_looks_waits_for_no_writer() {
    let fixture = fixture::sqlite().await;
    let mut writer = connect(&fixture).await;
    sqlx::raw_sql("BEGIN IMMEDIATE; UPDATE workspace SET name = 'changed'")
        .execute(&mut writer)
        .await
        .unwrap();
    let opening = async {
        let inspector = SqliteInspector::open(fixture.folder()).await.unwrap();
        inspector.close().await;
        let tenants = SqliteTenants::open(fixture.folder()).await.unwrap();
        tenants.close().await;
    };
    // A connection waits for another that writes for longer than this.
    let opened = tokio::time::timeout(Duration::from_secs(4), opening).await;
    assert!(opened.is_ok());
    writer.close().await.unwrap();
    fixture.close().await;
}

#[tokio::test]
async fn bodies_that_cannot_be_written_stop_the_store() {
    let fixture = fixture::sqlite().await;
    let claimed = fixture.accept(&["a@example.com"]).await;
    let failure = fixture.store.failure();
    assert!(failure.borrow().is_none());
    // The first file is full, so that the next body needs a new one, which can't be made.
    let long = "x".repeat(5_000);
    let mut submission = fixture.submission(&["b@example.com"], "");
    submission.body = long.into();
    fixture.store.accept(vec![submission]).await[0]
        .as_ref()
        .unwrap();
    let bodies = fixture.folder().join("bodies");
    std::fs::rename(&bodies, fixture.folder().join("moved")).unwrap();
    let refused = fixture
        .store
        .accept(vec![fixture.submission(&["c@example.com"], "x")])
        .await;
    assert!(
        matches!(refused.as_slice(), [Err(StoreError::Stopped(_))]),
        "{refused:?}"
    );
    assert!(
        failure.borrow().as_deref().unwrap().contains("bodies"),
        "{failure:?}"
    );
    let settled = fixture.store.settle(vec![delivered(claimed[0])]).await;
    assert!(settled[0].is_err());

    std::fs::rename(fixture.folder().join("moved"), &bodies).unwrap();
    let fixture = fixture.reopened().await;
    let page = fixture.events_after(fixture.set, Position(0), 10).await;
    assert_eq!(
        page.events.len(),
        2,
        "what was answered is there, what was refused is not"
    );
    fixture.close().await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_held_and_stops_nobody() {
    let fixture = fixture::sqlite().await;
    let ids = fixture.accept(&["a@example.com", "b@example.com"]).await;
    let mut database = connect(&fixture).await;
    sqlx::query("UPDATE delivery SET recipient = 'nonsense' WHERE id = ?")
        .bind(ids[0].as_bytes().as_slice())
        .execute(&mut database)
        .await
        .unwrap();
    let lane = fixture.lane("example.com");
    let claimed = fixture.store.claim(&lane, NOW, 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].delivery.id, ids[1]);
    let held: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM delivery WHERE state = 'held'")
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(held, 1);
    sqlx::query("UPDATE event SET payload = '{', kind = 'Bounce' WHERE position = 1")
        .execute(&mut database)
        .await
        .unwrap();
    let page = fixture.events_after(fixture.set, Position(0), 10).await;
    // The third is that it is held, of a recipient that can't be read.
    assert_eq!((page.events.len(), page.read_to), (1, Position(3)));
    fixture.close().await;
}

#[tokio::test]
async fn a_lane_that_cannot_be_read_stops_no_other() {
    let fixture = fixture::sqlite().await;
    fixture.accept(&["a@example.com", "b@example.org"]).await;
    let mut database = connect(&fixture).await;
    sqlx::query("UPDATE lane SET domain = 'no domain', next_at = 1 WHERE domain = 'example.org'")
        .execute(&mut database)
        .await
        .unwrap();
    let lanes = fixture.store.lanes_due(later(1), 10).await.unwrap();
    assert_eq!(lanes, [fixture.lane("example.com")]);
    let next = fixture.store.next_due().await.unwrap();
    assert_eq!(next, Some(NOW));
    fixture.close().await;
}

#[tokio::test]
async fn a_delivery_without_its_message_is_held_and_can_be_cancelled() {
    let fixture = fixture::sqlite().await;
    let lost = fixture.accept(&["a@example.com"]).await;
    let whole = fixture.accept(&["b@example.com"]).await;
    let mut database = connect(&fixture).await;
    sqlx::query("UPDATE delivery SET message_id = zeroblob(16) WHERE id = ?")
        .bind(lost[0].as_bytes().as_slice())
        .execute(&mut database)
        .await
        .unwrap();
    let lane = fixture.lane("example.com");
    let claimed = fixture.store.claim(&lane, NOW, 10).await.unwrap();
    let claimed: Vec<_> = claimed.iter().map(|claimed| claimed.delivery.id).collect();
    assert_eq!(claimed, whole);
    let held: Vec<u8> = sqlx::query_scalar("SELECT id FROM delivery WHERE state = 'held'")
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(held, lost[0].as_bytes());
    let filter = DeliveryFilter {
        delivery: Some(lost[0]),
        ..DeliveryFilter::default()
    };
    let cancelled = fixture.store.operate(&filter, &Action::Cancel, later(1));
    assert_eq!(cancelled.await.unwrap().changed, 1);
    let sql = "SELECT kind, sequence FROM event WHERE delivery_id = ? ORDER BY sequence";
    let events: Vec<(String, i64)> = sqlx::query_as(sql)
        .bind(lost[0].as_bytes().as_slice())
        .fetch_all(&mut database)
        .await
        .unwrap();
    let events: Vec<_> = events.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
    assert_eq!(events, [("Send", 1), ("Held", 2), ("Cancelled", 3)]);
    fixture.close().await;
}

#[tokio::test]
async fn what_ended_behind_a_claim_is_not_settled_and_takes_nobody_along() {
    let fixture = fixture::sqlite().await;
    let ids = fixture
        .accept(&["a@example.com", "b@example.com", "c@example.com"])
        .await;
    fixture
        .store
        .claim(&fixture.lane("example.com"), NOW, 10)
        .await
        .unwrap();
    let mut database = connect(&fixture).await;
    sqlx::query("UPDATE delivery SET state = 'cancelled', sequence = 2 WHERE id = ?")
        .bind(ids[1].as_bytes().as_slice())
        .execute(&mut database)
        .await
        .unwrap();
    let answers = fixture
        .store
        .settle(ids.iter().map(|id| delivered(*id)).collect())
        .await;
    assert!(
        matches!(
            answers.as_slice(),
            [Ok(()), Err(SettleError::NotQueued), Ok(())]
        ),
        "{answers:?}"
    );
    let page = fixture.events_after(fixture.set, Position(3), 10).await;
    let settled: Vec<_> = page
        .events
        .iter()
        .map(|logged| logged.event.delivery)
        .collect();
    assert_eq!(settled, [ids[0], ids[2]]);
    fixture.close().await;
}

#[tokio::test]
async fn a_replay_that_fails_half_way_is_announced() {
    let fixture = fixture::sqlite().await;
    let hook = made(&fixture, "hook").await;
    let mut database = connect(&fixture).await;
    // One more than a transaction takes, and the last can't be changed.
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= 10000) \
         INSERT INTO webhook_retry (destination_id, position, document, attempts, next_at, \
         last_error) SELECT ?, i, 0, 10, NULL, 'x' FROM n",
    )
    .bind(hook.id.as_bytes().as_slice())
    .execute(&mut database)
    .await
    .unwrap();
    sqlx::query(
        "CREATE TRIGGER fails BEFORE UPDATE ON webhook_retry WHEN OLD.position = 10001 \
         BEGIN SELECT RAISE(ABORT, 'a fault'); END",
    )
    .execute(&mut database)
    .await
    .unwrap();
    let tenants = beside(&fixture).await;
    let replay = replay(&hook, ReplayOf::Dead);
    let failed = tenants.replay(hook.id, &replay, later(30)).await;
    assert!(failed.is_err(), "{failed:?}");
    let due = fixture.store.retries_due(hook.id, later(30), 10).await;
    assert_eq!(due.unwrap().len(), 10);
    let directory = tenants.directory();
    assert_eq!(directory.destination(hook.id).unwrap().replays, 1);
    tenants.close().await;
    fixture.close().await;
}

#[tokio::test]
async fn hot_queries_use_an_index() {
    let fixture = fixture::sqlite().await;
    let mut database = connect(&fixture).await;
    for (sql, wanted) in [
        (
            "SELECT id FROM delivery INDEXED BY delivery_due WHERE workspace_id = 1 \
             AND domain = 'x' AND state = 'queued' AND next_at <= 5 ORDER BY next_at LIMIT 5",
            "SEARCH delivery USING COVERING INDEX delivery_due",
        ),
        (
            "SELECT domain FROM lane WHERE next_at <= 5 ORDER BY next_at LIMIT 5",
            "SEARCH lane USING COVERING INDEX lane_due",
        ),
        (
            "SELECT position FROM webhook_retry WHERE destination_id = x'00' AND next_at <= 5 \
             ORDER BY next_at LIMIT 5",
            "USING COVERING INDEX webhook_retry_due",
        ),
        (
            "UPDATE delivery SET state = v.column2 FROM (VALUES (x'00', 'delivered')) AS v \
             WHERE delivery.id = v.column1 AND delivery.state = 'queued'",
            "SEARCH delivery USING PRIMARY KEY (id=?)",
        ),
        (
            "SELECT e.id, d.recipient, m.subject FROM event e LEFT JOIN delivery d \
             ON d.id = e.delivery_id LEFT JOIN message m ON m.id = d.message_id \
             WHERE (e.delivery_id IS NULL OR m.id IS NOT NULL) \
             AND e.position > 1 AND e.position <= 9 AND e.configuration_set_id = 1 \
             ORDER BY e.position LIMIT 5",
            "SEARCH e USING INTEGER PRIMARY KEY",
        ),
    ] {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let plan = sqlx::query(explain).fetch_all(&mut database).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get(3)).collect();
        assert!(
            plan.iter().any(|step| step.contains(wanted)),
            "{sql}: {plan:?}"
        );
        let scans = plan
            .iter()
            .filter(|step| step.starts_with("SCAN") && *step != "SCAN v");
        assert_eq!(
            scans.filter(|step| !step.contains("CONSTANT ROW")).count(),
            0,
            "{plan:?}"
        );
        assert!(
            !plan.iter().any(|step| step.contains("TEMP B-TREE")),
            "{sql}: {plan:?}"
        );
    }
    let later = later(1);
    assert!(fixture.store.lanes_due(later, 1).await.unwrap().is_empty());
    fixture.close().await;
}

#[tokio::test]
async fn mail_waits_a_moment_for_room_and_is_then_refused() {
    let fixture = fixture::sqlite().await;
    let mut other = connect(&fixture).await;
    // Another writer: nothing is committed meanwhile.
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let submission = fixture.submission(&["a@example.com"], "x");
        let store = std::sync::Arc::clone(&fixture.store);
        tasks.spawn(async move { store.accept(vec![submission]).await.remove(0) });
    }
    let first = tasks.join_next().await.unwrap().unwrap();
    assert!(matches!(first, Err(StoreError::Busy)), "{first:?}");
    lock.rollback().await.unwrap();
    let rest = tasks.join_all().await;
    let stored = rest.iter().filter(|one| one.is_ok()).count();
    let busy = rest
        .iter()
        .filter(|one| matches!(one, Err(StoreError::Busy)));
    assert!(stored >= 64, "{stored}");
    assert_eq!(stored + busy.count(), rest.len());
    let page = fixture.events_after(fixture.set, Position(0), 2_000).await;
    assert_eq!(page.events.len(), stored, "what was refused is not there");
    fixture.close().await;
}

#[tokio::test]
async fn hits_leave_room_for_mail() {
    let fixture = fixture::sqlite().await;
    let mut other = connect(&fixture).await;
    // Another writer: nothing is committed meanwhile.
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let hits = vec![opened(&fixture, DeliveryId::new(NOW), NOW); 1_000];
        let store = std::sync::Arc::clone(&fixture.store);
        tasks.spawn(async move { store.keep_hits(&hits).await });
    }
    let first = tasks.join_next().await.unwrap().unwrap();
    assert!(matches!(first, Err(StoreError::Busy)), "{first:?}");
    let submission = fixture.submission(&["a@example.com"], "x");
    let (stored, _unlocked) =
        tokio::join!(biased; fixture.store.accept(vec![submission]), lock.rollback());
    assert!(stored[0].is_ok(), "{stored:?}");
    let rest = tasks.join_all().await;
    let kept = rest.iter().filter(|one| one.is_ok()).count();
    assert_eq!(kept, 8);
    assert_eq!(fixture.store.hits_waiting(), 8_000);
    fixture.close().await;
}

#[tokio::test]
async fn a_hit_that_cannot_be_read_stops_no_other() {
    let fixture = fixture::sqlite().await;
    let ids = fixture.accept(&["a@example.com", "b@example.com"]).await;
    let hits = [ids[0], ids[1], ids[1], ids[0]].map(|id| opened(&fixture, id, NOW));
    fixture.store.keep_hits(&hits).await.unwrap();
    let mut database = connect(&fixture).await;
    for sql in [
        "UPDATE hit SET delivery_id = x'00' WHERE number = 1",
        "UPDATE hit SET request = '{' WHERE number = 2",
    ] {
        sqlx::query(sql).execute(&mut database).await.unwrap();
    }
    let found = due(&fixture).await;
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.delivery, one.hits.len()))
        .collect();
    assert_eq!(found, [(ids[1], 1), (ids[0], 1)]);
    assert_eq!(fixture.store.hits_waiting(), 2);
    tell_all(&fixture).await;
    fixture.close().await;
}
