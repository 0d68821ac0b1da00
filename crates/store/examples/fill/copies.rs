//! The other blocks: the rows of the first with later times, ids that fit them, and other domains.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};

use crate::Outcome;
use crate::block::SHARED;

/// Blocks with domains of their own; later ones share them.
const OWN_DOMAINS: u64 = 10;
/// Blocks in a transaction.
const AT_ONCE: u64 = 20;

async fn database(folder: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(folder.join("postbell.db"))
        .synchronous(SqliteSynchronous::Off)
        .pragma("cache_size", "-400000")
        .pragma("wal_autocheckpoint", "100000");
    options.connect().await
}

/// Writes them, each this much later than the one before.
pub(crate) async fn write(
    folder: &Path,
    (blocks, apart): (u64, Duration),
    progress: impl Fn(u64),
) -> Outcome<()> {
    let mut connection = database(folder).await?;
    let first = "CREATE TEMP TABLE m AS SELECT * FROM message; \
        CREATE TEMP TABLE d AS SELECT delivery.*, m.accepted_at / 1000 AS ms FROM delivery \
            JOIN message m ON m.id = delivery.message_id ORDER BY delivery.id; \
        CREATE TEMP TABLE e AS SELECT event.*, (SELECT ms FROM d WHERE d.id = event.delivery_id) \
            AS ms FROM event WHERE delivery_id IS NOT NULL ORDER BY position;";
    // Found by their ids while the events are copied.
    let found = first.replacen(
        "CREATE TEMP TABLE e",
        "CREATE INDEX temp.d_id ON d (id); CREATE TEMP TABLE e",
        1,
    );
    sqlx::raw_sql(AssertSqlSafe(found))
        .execute(&mut connection)
        .await?;
    for from in (1..blocks).step_by(usize::try_from(AT_ONCE)?) {
        let to = blocks.min(from + AT_ONCE);
        let mut transaction = connection.begin().await?;
        for block in from..to {
            copy(&mut transaction, block, apart).await?;
        }
        transaction.commit().await?;
        progress(to);
    }
    let rest = format!(
        "UPDATE segment SET live = live * {blocks}; \
         INSERT OR REPLACE INTO lane SELECT workspace_id, domain, MIN(next_at) FROM delivery \
            WHERE state = 'queued' GROUP BY workspace_id, domain; \
         PRAGMA wal_checkpoint(TRUNCATE);"
    );
    sqlx::raw_sql(AssertSqlSafe(rest))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

/// Ids are UUIDv7: their first six octets are the milliseconds.
async fn copy(connection: &mut SqliteConnection, block: u64, apart: Duration) -> Outcome<()> {
    let ms = u64::try_from(apart.as_millis())? * block;
    let micros = ms * 1_000;
    let id = |column: &str, made: &str| {
        format!("unhex(printf('%012x', {made} + {ms}) || substr(hex({column}), 13))")
    };
    let own = block % OWN_DOMAINS;
    let named = |column: &str| {
        format!(
            "CASE domain WHEN '{SHARED}' THEN {column} \
             ELSE replace({column}, '.example', '.b{own}.example') END"
        )
    };
    let sql = format!(
        "INSERT INTO message SELECT {message}, workspace_id, configuration_set_id, mail_from, \
            source, subject, header_message_id, accepted_at + {micros}, size, eight_bit, \
            smtputf8, received_helo, received_peer, received_with, body_segment, body_offset, \
            body_length, reports, instructions, credential_id, forward FROM m; \
         INSERT INTO delivery SELECT {delivery}, {of_message}, workspace_id, {domain}, \
            {recipient}, state, attempt, sequence, next_at + {micros}, expires_at + {micros}, \
            notify, orcpt, warned FROM d; \
         INSERT INTO event (id, workspace_id, configuration_set_id, delivery_id, sequence, kind, \
            at, payload) SELECT {event}, workspace_id, configuration_set_id, {of_delivery}, \
            sequence, kind, at + {micros}, payload FROM e;",
        message = id("id", "accepted_at / 1000"),
        delivery = id("id", "ms"),
        of_message = id("message_id", "ms"),
        domain = named("domain"),
        recipient = named("recipient"),
        event = id("id", "at / 1000"),
        of_delivery = id("delivery_id", "ms"),
    );
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await?;
    Ok(())
}

/// What there is, and ids to try the commands with.
pub(crate) async fn samples(folder: &Path) -> Outcome<Vec<String>> {
    let mut connection = database(folder).await?;
    let mut lines = Vec::new();
    for (what, sql) in [
        (
            "queued",
            "SELECT CAST(COUNT(*) AS TEXT) FROM delivery INDEXED BY delivery_due WHERE state = 'queued'",
        ),
        ("lanes", "SELECT CAST(COUNT(*) AS TEXT) FROM lane"),
        ("events", "SELECT CAST(MAX(position) AS TEXT) FROM event"),
        ("deliveries", "SELECT CAST(COUNT(*) AS TEXT) FROM delivery"),
        (
            "a message that waits",
            "SELECT lower(hex(message_id)) FROM delivery \
            WHERE state = 'queued' ORDER BY id DESC LIMIT 1",
        ),
        (
            "an old message",
            "SELECT lower(hex(id)) FROM message ORDER BY id LIMIT 1 OFFSET 5",
        ),
        (
            "a recipient",
            "SELECT recipient FROM delivery ORDER BY id DESC LIMIT 1",
        ),
        (
            "an old recipient",
            "SELECT recipient FROM delivery ORDER BY id LIMIT 1 OFFSET 5",
        ),
    ] {
        let row = sqlx::query(sql).fetch_one(&mut connection).await?;
        lines.push(format!("{what}: {}", row.try_get::<String, _>(0)?));
    }
    connection.close().await?;
    Ok(lines)
}
