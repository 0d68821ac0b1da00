//! Octets that change on the disk: nothing panics, no other message's body is handed out, and what
//! can't be had is told.
//!
//! `FLIPS=1000` tries that many places instead of a few.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use postbell_model::{DeliveryId, Timestamp};
use postbell_store::{Body, SqliteStore, Store, StoreError};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnectOptions;
use tokio_util::task::TaskTracker;

use crate::fixture::{self, Fixture, message};

const MESSAGES: usize = 120;
const DOMAINS: usize = 12;
/// Places of a usual run.
const FLIPS: usize = 60;
/// Far from any other, so that the places are spread over a file of any length.
const STRIDE: u64 = 1_000_003;
/// When all is due, whatever time it was put off to.
const END: Timestamp = Timestamp::from_micros(i64::MAX - 1);

/// What each delivery's body is.
type Bodies = HashMap<DeliveryId, Bytes>;

/// What came of a damaged folder.
#[derive(Debug, Default)]
struct Found {
    whole: usize,
    /// Bodies that could not be read.
    damaged: usize,
    /// Why less than all was found.
    told: Vec<String>,
}

// In quarters, so that many places are no single long test.

#[tokio::test]
async fn an_octet_that_changed_harms_what_it_belongs_to() {
    quarter(0).await;
}

#[tokio::test]
async fn so_does_one_in_the_second_quarter() {
    quarter(1).await;
}

#[tokio::test]
async fn so_does_one_in_the_third_quarter() {
    quarter(2).await;
}

#[tokio::test]
async fn so_does_one_in_the_last_quarter() {
    quarter(3).await;
}

/// Every fourth place, from this one on.
async fn quarter(first: usize) {
    let (sound, bodies) = sound_folder().await;
    let mut files = vec![PathBuf::from("postbell.db")];
    for entry in fs::read_dir(sound.folder().join("bodies")).unwrap() {
        files.push(Path::new("bodies").join(entry.unwrap().file_name()));
    }
    let flips = std::env::var("FLIPS").map_or(FLIPS, |count| count.parse().unwrap());
    for number in (first..flips).step_by(4) {
        // The database every other time.
        let file = &files[if number / 4 % 2 == 0 {
            0
        } else {
            number % files.len()
        }];
        let at = STRIDE * (number as u64 + 1);
        let damaged = tempfile::tempdir().unwrap();
        copy(sound.folder(), damaged.path());
        let place = flip(&damaged.path().join(file), at);
        let found = look(damaged.path(), &bodies).await;
        let what = format!("{} at {place}: {found:?}", file.display());
        if file.extension().is_some_and(|extension| extension == "db") {
            let all = found.whole == MESSAGES;
            assert!(all || !found.told.is_empty(), "silently lost: {what}");
        } else {
            assert_eq!(found.whole + found.damaged, MESSAGES, "{what}");
            assert!(found.damaged <= 1, "{what}");
        }
    }
}

/// A store that was closed in order.
async fn sound_folder() -> (Fixture, Bodies) {
    let fixture = fixture::sqlite().await;
    let mut bodies = Bodies::new();
    for number in 0..MESSAGES {
        let to = format!("user{number}@domain{}.example", number % DOMAINS);
        let mut submission = fixture.submission(&[&to], "");
        let text = format!("Subject: {number}\r\n\r\n{}\r\n", "x".repeat(number));
        submission.body = Bytes::from(text);
        submission.message = Arc::new(message(fixture.workspace, fixture.set));
        bodies.insert(submission.deliveries[0].id, submission.body.clone());
        let accepted = fixture.store.accept(vec![submission]).await;
        assert!(accepted[0].is_ok(), "{accepted:?}");
    }
    fixture.close().await;
    (fixture, bodies)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to.join("bodies")).unwrap();
    fs::copy(from.join("postbell.db"), to.join("postbell.db")).unwrap();
    for entry in fs::read_dir(from.join("bodies")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join("bodies").join(entry.file_name())).unwrap();
    }
}

/// Changes one bit, at a place that follows from this number.
fn flip(file: &Path, number: u64) -> usize {
    let mut octets = fs::read(file).unwrap();
    let place = usize::try_from(number).unwrap() % octets.len();
    octets[place] ^= 1 << (number % 8);
    fs::write(file, octets).unwrap();
    place
}

/// Claims all that there is, and reads it.
async fn look(folder: &Path, bodies: &Bodies) -> Found {
    let mut found = Found::default();
    let tasks = TaskTracker::new();
    match SqliteStore::open(folder, fixture::options(), fixture::still(), &tasks).await {
        Ok(store) => {
            if let Err(error) = claim_all(&store, bodies, &mut found).await {
                found.told.push(error.to_string());
            }
            store.close().await;
        }
        Err(error) => found.told.push(error.to_string()),
    }
    tasks.close();
    tasks.wait().await;
    found.told.extend(held(folder).await);
    found
}

async fn claim_all(
    store: &dyn Store,
    bodies: &Bodies,
    found: &mut Found,
) -> Result<(), StoreError> {
    let lanes = store.lanes_due(END, DOMAINS + 1).await?;
    if lanes.len() < DOMAINS {
        found.told.push("a lane can't be read".to_owned());
    }
    for lane in lanes {
        for claimed in store.claim(&lane, END, MESSAGES).await? {
            let Body::Stored(body) = claimed.body else {
                panic!("nothing is in memory");
            };
            match store.body(body).await {
                Ok(octets) => {
                    assert_eq!(Some(&octets), bodies.get(&claimed.delivery.id));
                    found.whole += 1;
                }
                Err(error) => {
                    found.damaged += 1;
                    found.told.push(error.to_string());
                }
            }
        }
    }
    Ok(())
}

/// What was set aside, or why that can't be seen.
async fn held(folder: &Path) -> Option<String> {
    let file = SqliteConnectOptions::new().filename(folder.join("postbell.db"));
    let mut database = match sqlx::SqliteConnection::connect_with(&file).await {
        Ok(database) => database,
        Err(error) => return Some(error.to_string()),
    };
    let check = sqlx::query_scalar::<_, String>("PRAGMA integrity_check(1)");
    let sound = check.fetch_one(&mut database).await;
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM delivery WHERE state = 'held'");
    let count: Result<i64, _> = count.fetch_one(&mut database).await;
    match (sound, count) {
        (Ok(sound), Ok(0)) => (sound != "ok").then_some(sound),
        (_, Ok(held)) => Some(format!("{held} held")),
        (_, Err(error)) => Some(error.to_string()),
    }
}
