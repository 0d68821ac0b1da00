//! What `verify` finds, and what a backup keeps.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use postbell_store::{
    BackupError, Position, SqliteInspector, SqliteTenants, Verified, back_up, restore, verify,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use crate::fixture::{self, Fixture, NOW, delivered};

fn checks(verified: &Verified) -> Vec<&str> {
    verified.faults.iter().map(|fault| fault.check).collect()
}

async fn tamper(folder: &Path, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(folder.join("postbell.db"));
    let options = options.foreign_keys(false);
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let done = sqlx::raw_sql(sql).execute(&mut database).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql}");
    database.close().await.unwrap();
}

/// A store with one delivery that has ended and two that wait.
async fn store() -> Fixture {
    let fixture = fixture::sqlite().await;
    let ids = fixture.accept(&["a@example.com"]).await;
    let lane = fixture.lane("example.com");
    fixture.store.claim(&lane, NOW, 1).await.unwrap();
    fixture.accept(&["b@example.com", "c@example.net"]).await;
    let settled = fixture.store.settle(vec![delivered(ids[0])]).await;
    settled[0].as_ref().unwrap();
    fixture
}

#[tokio::test]
async fn a_sound_store_has_no_faults_beside_a_server_and_without() {
    let fixture = store().await;
    let expected = Verified {
        bodies: 1,
        deliveries: 3,
        events: 4,
        ..Verified::default()
    };
    assert_eq!(verify(fixture.folder()).await.unwrap(), expected);
    fixture.close().await;
    assert_eq!(verify(fixture.folder()).await.unwrap(), expected);
}

#[tokio::test]
async fn all_that_does_not_hold_is_told() {
    for (sql, check) in [
        ("DELETE FROM message", "messages"),
        ("DELETE FROM delivery WHERE state = 'delivered'", "events"),
        ("DELETE FROM event WHERE kind = 'Delivery'", "sequences"),
        (
            "UPDATE event SET sequence = 7 WHERE position = 1",
            "sequences",
        ),
        (
            "INSERT INTO visit VALUES (x'00', 1, 1, NULL, NULL)",
            "visits",
        ),
        (
            "INSERT INTO visit SELECT id, 1, 0, NULL, NULL FROM delivery LIMIT 1",
            "visits",
        ),
        ("DELETE FROM lane WHERE domain = 'example.net'", "lanes"),
        ("UPDATE lane SET next_at = next_at + 1000000000000", "lanes"),
        ("UPDATE segment SET live = 1", "segments"),
        ("DELETE FROM segment", "segments"),
        ("UPDATE message SET body_offset = body_offset + 1", "bodies"),
        (
            "INSERT INTO cursor VALUES (x'00112233445566778899aabbccddeeff', 0, 99)",
            "cursors",
        ),
        (
            "INSERT INTO credential (workspace_id, username, password_hash, created_at) \
             VALUES (99, 'x', 'x', 0)",
            "references",
        ),
        (
            "INSERT INTO suppression (workspace_id, key, stream, cause, since) \
             VALUES (99, 'x@example.com', '', 'MANUAL', 0)",
            "suppressions",
        ),
        (
            "PRAGMA user_version = 999; UPDATE lane SET next_at = next_at",
            "schema",
        ),
    ] {
        let fixture = store().await;
        fixture.close().await;
        tamper(fixture.folder(), sql).await;
        let verified = verify(fixture.folder()).await.unwrap();
        assert!(checks(&verified).contains(&check), "{sql}: {verified:?}");
    }
}

#[tokio::test]
async fn a_body_that_was_changed_is_found() {
    let fixture = store().await;
    fixture.close().await;
    let bodies = fixture.folder().join("bodies");
    for entry in fs::read_dir(bodies).unwrap() {
        let path = entry.unwrap().path();
        let mut octets = fs::read(&path).unwrap();
        let last = octets.len() - 1;
        octets[last] ^= 1;
        fs::write(&path, octets).unwrap();
    }
    let verified = verify(fixture.folder()).await.unwrap();
    assert_eq!(checks(&verified), ["bodies"], "{verified:?}");
}

#[tokio::test]
async fn a_backup_is_restored_as_it_was() {
    let fixture = store().await;
    let (backup, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let manifest = back_up(fixture.folder(), backup.path(), NOW, &|_| {}).await;
    let counts = manifest.unwrap().counts;
    assert_eq!(
        (counts.deliveries, counts.waiting, counts.events),
        (3, 2, 4)
    );
    // What happens later is not in it.
    fixture.accept(&["d@example.com"]).await;
    fixture.close().await;

    let verified = verify(backup.path()).await.unwrap();
    assert!(
        verified.is_backup && verified.faults.is_empty(),
        "{verified:?}"
    );
    let restored = restore(backup.path(), to.path(), &|_| {}).await.unwrap();
    assert!(
        verify(to.path()).await.is_err(),
        "it is not in its place yet"
    );
    restored.finish().unwrap();
    let verified = verify(to.path()).await.unwrap();
    assert_eq!((verified.bodies, verified.deliveries), (1, 3));
    assert!(verified.faults.is_empty(), "{verified:?}");

    let inspector = SqliteInspector::open(to.path()).await.unwrap();
    inspector.close().await;
    let (store, tasks) = fixture::open_sqlite(to.path()).await;
    assert_eq!(*store.newest().borrow(), Position(4));
    store.close().await;
    tasks.close();
    tasks.wait().await;
}

/// A folder and what is in it, however deep.
fn all_in(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(all_in(&path)),
            false => all.push(path),
        }
    }
    all
}

#[tokio::test]
async fn nobody_else_can_read_a_backup() {
    let fixture = store().await;
    let to = tempfile::tempdir().unwrap();
    fs::set_permissions(to.path(), Permissions::from_mode(0o755)).unwrap();
    let taken = back_up(fixture.folder(), to.path(), NOW, &|_| {}).await;
    taken.unwrap();
    fixture.close().await;
    let all = all_in(to.path());
    assert!(all.len() > 4, "{all:?}");
    for path in all {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

#[tokio::test]
async fn a_restore_takes_the_place_of_nothing() {
    let fixture = store().await;
    let (backup, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let taken = back_up(fixture.folder(), backup.path(), NOW, &|_| {}).await;
    taken.unwrap();
    fixture.close().await;
    let restored = restore(backup.path(), to.path(), &|_| {}).await.unwrap();
    let second = restore(backup.path(), to.path(), &|_| {}).await;
    assert!(matches!(second, Err(BackupError::Database(_))));

    let log = restored.prepared().join("postbell.db-wal");
    fs::write(&log, "held").unwrap();
    let finished = restored.finish();
    assert!(matches!(finished, Err(BackupError::Unsettled(_))));

    // A command has made a database meanwhile.
    let restored = restore(backup.path(), to.path(), &|_| {}).await.unwrap();
    let tenants = SqliteTenants::open(to.path()).await.unwrap();
    tenants.close().await;
    let finished = restored.finish();
    assert!(matches!(finished, Err(BackupError::Occupied(_))));
    assert!(!to.path().join("bodies").exists());
}
