//! What takes more than one process, or another configuration.

use std::path::Path;
use std::sync::Arc;

use postbell_model::clock::Still;
use postbell_model::suppression::{Cause, LocalPart, Scope, Suppression};
use postbell_model::{
    Address, Attempt, BounceClass, BounceType, DeliveryId, EventId, Fact, Timestamp, WorkspaceId,
};
use sqlx::SqliteConnection;
use tokio_util::task::TaskTracker;

use super::super::{DATABASE, SqliteOptions, database};
use super::*;
use crate::{Store, VerifiedAddresses};

const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);
const ACME: WorkspaceId = WorkspaceId(1);

async fn open(folder: &Path, local_part: LocalPart) -> SqliteStore {
    let options = SqliteOptions {
        max_hits_waiting: 1_000,
        commit_queue: 8,
        fresh_deliveries: 8,
        fresh_deliveries_per_lane: 8,
        fresh_octets: 1 << 20,
        segment_octets: 1 << 20,
    };
    let tasks = TaskTracker::new();
    let store = SqliteStore::open(folder, options, Arc::new(Still(NOW)), &tasks).await;
    let suppression = SuppressionOptions {
        local_part,
        soft_bounces: 3,
    };
    store.unwrap().suppressing(suppression).await.unwrap()
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn entry(text: &str, expires_at: Option<Timestamp>) -> Suppression {
    Suppression {
        workspace: ACME,
        address: address(text),
        scope: Scope::All,
        cause: Cause::Manual,
        since: NOW,
        event: None,
        expires_at,
        note: None,
    }
}

async fn with_workspace(folder: &Path) -> SqliteConnection {
    drop(SqliteTenants::open(folder).await.unwrap());
    let mut database = database::writer(&folder.join(DATABASE)).await.unwrap();
    let sql = "INSERT INTO workspace (id, name, created_at) VALUES (1, 'acme', 1)";
    sqlx::query(sql).execute(&mut database).await.unwrap();
    database
}

#[tokio::test]
async fn addresses_are_compared_in_another_way_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    drop(with_workspace(folder.path()).await);
    let store = open(folder.path(), LocalPart::Exact).await;
    let until = Timestamp::from_micros(NOW.as_micros() + 5);
    let new = vec![
        entry("Ann@example.com", Some(until)),
        entry("ann@example.com", None),
        entry("Bob@example.com", Some(until)),
    ];
    let listed = store.suppress(new, NOW).await.unwrap();
    assert_eq!(listed, [Listed::Added; 3]);
    let bob = [address("bob@example.com")];
    let found = store.suppressed(ACME, None, &bob, NOW).await.unwrap();
    assert_eq!(found, [None], "it is another address");
    store.close().await;

    let store = open(folder.path(), LocalPart::Fold).await;
    assert_eq!(store.suppression_count(ACME, NOW).await.unwrap(), 2);
    let asked = [address("ANN@example.com"), bob[0].clone()];
    let found = store.suppressed(ACME, None, &asked, until).await.unwrap();
    assert!(found[0].is_some(), "it holds for as long as any of them");
    assert_eq!(found[1], None);
    store.close().await;

    // Nobody says how: it stays as it is, also for a command beside it.
    let tenants = SqliteTenants::open(folder.path()).await.unwrap();
    assert_eq!(tenants.local_part(), LocalPart::Fold);
    tenants.close().await;
    let closed = tenants.compare(LocalPart::Exact).await;
    assert!(matches!(closed, Err(OpenError::Closed)), "{closed:?}");
    let store = open(folder.path(), LocalPart::Exact).await;
    let asked = [address("Bob@example.com")];
    let found = store.suppressed(ACME, None, &asked, NOW);
    assert!(found.await.unwrap()[0].is_some(), "as it was written");
    store.close().await;
}

#[tokio::test]
async fn entries_that_become_one_keep_what_was_wished() {
    for wish_first in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        drop(with_workspace(folder.path()).await);
        let store = open(folder.path(), LocalPart::Exact).await;
        let wish = Suppression {
            cause: Cause::Complaint,
            event: Some(EventId::new(NOW)),
            ..entry("Ann@example.com", None)
        };
        let dead = Suppression {
            cause: Cause::Bounce,
            since: Timestamp::from_micros(5),
            ..entry("ann@example.com", None)
        };
        let mut new = vec![wish.clone(), dead];
        if !wish_first {
            (new[0].address, new[1].address) = (new[1].address.clone(), new[0].address.clone());
        }
        store.suppress(new, NOW).await.unwrap();
        store.close().await;
        let store = open(folder.path(), LocalPart::Fold).await;
        let found = store.suppressions_of(ACME, &wish.address, NOW).await;
        let found = found.unwrap();
        let [found] = found.as_slice() else {
            panic!("{found:?}")
        };
        let why = (found.cause, found.since, found.event);
        assert_eq!(why, (wish.cause, wish.since, wish.event), "{wish_first}");
        store.close().await;
    }
}

#[test]
fn the_number_of_an_address_stays_what_it_is() {
    let key = Key::of(ACME, &address("Ann@Example.com"), LocalPart::Fold);
    assert_eq!(key.hash(), -9_002_224_092_741_974_041, "databases have it");
}

#[tokio::test]
async fn another_address_of_the_same_number_is_not_meant() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = with_workspace(folder.path()).await;
    let store = open(folder.path(), LocalPart::Fold).await;
    let new = vec![entry("ann@example.com", None)];
    store.suppress(new, NOW).await.unwrap();
    let (ann, bob) = (address("ann@example.com"), address("bob@example.com"));
    let of_bob = Key::of(ACME, &bob, LocalPart::Fold).hash();
    let sql = "UPDATE suppression SET hash = ?";
    sqlx::query(sql)
        .bind(of_bob)
        .execute(&mut database)
        .await
        .unwrap();
    let asked = [bob.clone(), ann];
    let found = store.suppressed(ACME, None, &asked, NOW).await.unwrap();
    assert_eq!(found, [None, None]);
    let new = vec![entry("bob@example.com", None)];
    let listed = store.suppress(new, NOW).await.unwrap();
    assert_eq!(listed, [Listed::Added]);
    let found = store.suppressed(ACME, None, &asked[..1], NOW).await;
    assert_eq!(found.unwrap()[0].as_ref().unwrap().address, bob);
    let wrong = crate::verify(folder.path()).await.unwrap().faults;
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    store.close().await;
}

/// Makes a database one of before entries had numbers.
const OLDER: &str = "DROP INDEX event_feedback; DROP INDEX suppression_hash; \
    ALTER TABLE suppression DROP COLUMN hash; ALTER TABLE certificate DROP COLUMN retired_at; \
    PRAGMA user_version = 20";

#[tokio::test]
async fn what_an_older_program_has_put_there_between_quotes_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = with_workspace(folder.path()).await;
    let rows = r#"INSERT INTO suppression (workspace_id, key, stream, address, cause, since) VALUES
        (1, 'ann@example.com', '', NULL, 'BOUNCE', 5),
        (1, '"ann"@example.com', '', NULL, 'COMPLAINT', 7),
        (1, '"\bob"@example.com', 'news', '"\Bob"@example.com', 'MANUAL', 7),
        (1, '"c d"@example.com', '', NULL, 'MANUAL', 7);
        INSERT INTO soft_bounce VALUES (1, '"eve"@example.com', 2, 1), (1, 'eve@example.com', 2, 1);
        INSERT INTO verified_address VALUES (1, '"me"@example.com', '"Me"@example.com', 1);"#;
    sqlx::raw_sql(rows).execute(&mut database).await.unwrap();
    sqlx::raw_sql(OLDER).execute(&mut database).await.unwrap();

    let store = open(folder.path(), LocalPart::Fold).await;
    let found = async |asked: &str| {
        let found = store.suppressions_of(ACME, &address(asked), NOW).await;
        let found = found.unwrap();
        let [entry] = found.as_slice() else {
            panic!("{asked}: {found:?}")
        };
        entry.clone()
    };
    for asked in ["ann@example.com", r#""Ann"@example.com"#] {
        let ann = found(asked).await;
        let since = Timestamp::from_micros(7);
        assert_eq!((ann.cause, ann.since), (Cause::Complaint, since));
    }
    let bob = found("bob@example.com").await;
    assert_eq!(bob.address.as_str(), r#""\Bob"@example.com"#);
    found(r#""\c d"@example.com"#).await;
    let sql = "SELECT group_concat(key) FROM soft_bounce";
    let counted: String = sqlx::query_scalar(sql)
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(counted, "eve@example.com");
    let wrong = crate::verify(folder.path()).await.unwrap().faults;
    assert!(wrong.is_empty(), "{wrong:?}");
    let me = address("me@example.com");
    let tenants = SqliteTenants::open(folder.path()).await.unwrap();
    assert!(tenants.forget_address(ACME, &me).await.unwrap());
    tenants.close().await;
    store.close().await;
}

#[tokio::test]
async fn what_an_older_program_has_put_there_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = with_workspace(folder.path()).await;
    let store = open(folder.path(), LocalPart::Fold).await;
    let many = (0..3_000).map(|n| entry(&format!("a{n}@example.com"), None));
    store.suppress(many.collect(), NOW).await.unwrap();
    store.close().await;
    sqlx::raw_sql(OLDER).execute(&mut database).await.unwrap();

    let store = open(folder.path(), LocalPart::Fold).await;
    let asked = [address("A0@example.com"), address("a2999@example.com")];
    let found = store.suppressed(ACME, None, &asked, NOW).await.unwrap();
    assert!(found.iter().all(Option::is_some), "{found:?}");
    let wrong = crate::verify(folder.path()).await.unwrap().faults;
    assert!(wrong.is_empty(), "{wrong:?}");
    store.close().await;
}

#[tokio::test]
async fn another_process_is_heard_of() {
    let folder = tempfile::tempdir().unwrap();
    drop(with_workspace(folder.path()).await);
    let store = open(folder.path(), LocalPart::Fold).await;
    let recent = store.shared.recent();
    let seen = recent.known_to();
    let beside = SqliteTenants::open(folder.path()).await.unwrap();
    let many = (0..5_000).map(|n| entry(&format!("a{n}@example.com"), None));
    beside.suppress(many.collect(), NOW).await.unwrap();
    assert!(!recent.is_newer(seen));
    store.shared.learn_list(&store.readers).await.unwrap();
    assert!(recent.is_newer(seen));
    for (text, may_have) in [("A4999@example.com", true), ("b@example.com", false)] {
        let key = Key::of(ACME, &address(text), LocalPart::Fold);
        assert_eq!(recent.may_have(&key, seen), may_have, "{text}");
        assert!(!recent.may_have(&key, recent.known_to()));
    }
    beside.close().await;
    store.close().await;
}

#[tokio::test]
async fn what_was_taken_off_again_is_waited_for_by_nobody() {
    let folder = tempfile::tempdir().unwrap();
    drop(with_workspace(folder.path()).await);
    let store = open(folder.path(), LocalPart::Fold).await;
    let recent = store.shared.recent();
    let beside = SqliteTenants::open(folder.path()).await.unwrap();
    for (kept, gone) in [(None, "ann"), (Some("bob"), "cid")] {
        let both = kept.into_iter().chain([gone]);
        let both = both.map(|name| entry(&format!("{name}@example.com"), None));
        store.suppress(both.collect(), NOW).await.unwrap();
        assert!(recent.is_behind());
        let gone = address(&format!("{gone}@example.com"));
        let gone = beside.unsuppress(ACME, &gone, None, NOW);
        assert_eq!(gone.await.unwrap().len(), 1);
        store.shared.catch_up(&store.readers).await.unwrap();
        assert!(!recent.is_behind(), "the next look has seen all there is");
    }
    beside.close().await;
    store.close().await;
}

#[tokio::test]
async fn whoever_reads_the_list_waits_for_no_writer() {
    let folder = tempfile::tempdir().unwrap();
    drop(with_workspace(folder.path()).await);
    let store = open(folder.path(), LocalPart::Fold).await;
    let ann = entry("ann@example.com", None);
    store.suppress(vec![ann.clone()], NOW).await.unwrap();
    let writes = store.tenants.connection().await.unwrap();
    let asked = [ann.address.clone()];
    let found = store.suppressed(ACME, None, &asked, NOW).await.unwrap();
    assert_eq!(found, [Some(ann.clone())]);
    let found = store.suppressions_of(ACME, &ann.address, NOW).await;
    assert_eq!(found.unwrap(), std::slice::from_ref(&ann));
    let filter = SuppressionFilter {
        workspace: ACME,
        cause: None,
        scope: None,
        domain: None,
        since: None,
        holds_at: NOW,
    };
    let page = SuppressionPage {
        after: None,
        limit: 10,
    };
    let found = store.suppression_page(&filter, &page).await.unwrap();
    assert_eq!(found, [ann]);
    assert_eq!(store.suppression_count(ACME, NOW).await.unwrap(), 1);
    drop(writes);
    store.close().await;
}

fn soft(delivered: bool) -> Fact {
    let attempt = Attempt {
        number: 1,
        started_at: NOW,
        ended_at: NOW,
        tries: Vec::new(),
        tracking_notes: Vec::new(),
    };
    if delivered {
        return Fact::Delivery { attempt };
    }
    Fact::Bounce {
        attempt,
        class: BounceClass::MailboxFull,
        bounce_type: BounceType::Transient,
    }
}

#[tokio::test]
async fn soft_bounces_in_a_row_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = with_workspace(folder.path()).await;
    for sql in [
        "INSERT INTO message VALUES (zeroblob(16), 1, 1, '', 'app@example.org', '', '', 1, 1, 0, 0, \
         '', NULL, '', 1, 0, 1, 0, NULL, NULL, NULL)",
        "INSERT INTO delivery (id, message_id, workspace_id, domain, recipient, next_at, \
         expires_at, state, attempt, sequence) VALUES (zeroblob(16), zeroblob(16), 1, \
         'example.com', 'Ann@example.com', 1, 2, 'expired', 1, 1)",
    ] {
        sqlx::query(sql).execute(&mut database).await.unwrap();
    }
    let statements = ListStatements::new();
    let rules = Rules {
        local_part: LocalPart::Fold,
        soft_bounces: 3,
        simulator: None,
    };
    let simulator = Domain::parse("example.com").unwrap();
    let fact = soft(false);
    for _ in 0..3 {
        let facts = [Follow {
            delivery: DeliveryId::from_bytes([0; 16]),
            event: EventId::new(NOW),
            at: NOW,
            fact: &fact,
        }];
        let simulated = Rules {
            simulator: Some(&simulator),
            ..rules
        };
        let added = follow(&mut database, &statements, simulated, facts.iter()).await;
        assert!(
            added.unwrap().listed.is_empty(),
            "simulated addresses are nobody's"
        );
    }
    let asked = (DeliveryId::from_bytes([0; 16]), NOW);
    for (simulator, heeded) in [(None, false), (Some(&simulator), true)] {
        let rules = Rules { simulator, ..rules };
        let found = is_heeded(&mut database, &statements, rules, asked).await;
        assert_eq!(
            found.unwrap(),
            heeded,
            "mail to nobody is heeded once it is told"
        );
    }
    let mut told = Vec::new();
    for delivered in [false, false, true, false, false, false] {
        let fact = soft(delivered);
        assert!(rules.ask(&fact));
        let facts = [Follow {
            delivery: DeliveryId::from_bytes([0; 16]),
            event: EventId::new(NOW),
            at: NOW,
            fact: &fact,
        }];
        let added = follow(&mut database, &statements, rules, facts.iter()).await;
        told.push(added.unwrap().listed.len());
    }
    assert_eq!(told, [0, 0, 0, 0, 0, 1]);
    let tenants = SqliteTenants::open(folder.path()).await.unwrap();
    let ann = address("ann@example.com");
    let found = tenants.suppressions_of(ACME, &ann, NOW);
    let found = found.await.unwrap();
    assert_eq!(found[0].cause, Cause::Bounce);
    assert_eq!(found[0].note.as_deref(), Some("3 soft bounces in a row"));
    let off = Rules {
        soft_bounces: 0,
        ..rules
    };
    assert!(!off.ask(&soft(false)) && !off.ask(&soft(true)));
}

#[tokio::test]
async fn an_entry_that_is_damaged_hides_no_other_and_can_be_taken_off() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = with_workspace(folder.path()).await;
    let store = open(folder.path(), LocalPart::Exact).await;
    let names = ["a@example.com", "b@example.com", "c@example.com"];
    let new = names.map(|name| entry(name, None)).to_vec();
    store.suppress(new, NOW).await.unwrap();
    let sql = "UPDATE suppression SET event_id = x'00' WHERE key = 'b@example.com'";
    sqlx::query(sql).execute(&mut database).await.unwrap();

    let filter = SuppressionFilter {
        workspace: ACME,
        cause: None,
        scope: None,
        domain: None,
        since: None,
        holds_at: NOW,
    };
    let page = |after: Option<&str>, limit| SuppressionPage {
        after: after.map(|after| (address(after), Scope::All)),
        limit,
    };
    for (page, shown) in [
        (page(None, 2), [0, 2].as_slice()),
        (page(None, 9), &[0, 2]),
        (page(Some(names[0]), 1), &[2]),
        (page(Some(names[2]), 1), &[]),
    ] {
        let found = store.suppression_page(&filter, &page).await.unwrap();
        let found: Vec<_> = found.iter().map(|entry| entry.address.as_str()).collect();
        let shown: Vec<_> = shown.iter().map(|at| names[*at]).collect();
        assert_eq!(found, shown, "{page:?}");
    }

    let damaged = address(names[1]);
    let of = store.suppressions_of(ACME, &damaged, NOW).await.unwrap();
    assert_eq!(of, []);
    let asked = std::slice::from_ref(&damaged);
    let found = store.suppressed(ACME, None, asked, NOW).await.unwrap();
    assert!(found[0].is_some(), "it gets no mail");
    store.unsuppress(ACME, &damaged, None, NOW).await.unwrap();
    let found = store.suppressed(ACME, None, asked, NOW).await.unwrap();
    assert_eq!(found, [None]);
    store.close().await;
}
