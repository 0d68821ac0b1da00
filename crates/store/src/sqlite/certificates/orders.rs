//! Who asks for which certificate, and how many were asked for within an hour.

use std::time::Duration;

use postbell_model::{Domain, Timestamp};
use sqlx::{Connection, SqliteConnection};

use crate::OrderClaim;

const HOUR: Duration = Duration::from_hours(1);

/// Whether the host is the holder's now.
pub(super) async fn claim(
    connection: &mut SqliteConnection,
    claim: &OrderClaim,
) -> Result<bool, sqlx::Error> {
    // A host that has been forgotten has no certificate to be replaced.
    let sql = "INSERT INTO certificate (host, holder, held_until) \
        SELECT ?1, ?2, ?3 WHERE ?4 IS NULL OR EXISTS (SELECT 1 FROM certificate WHERE host = ?1) \
        ON CONFLICT (host) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until \
        WHERE certificate.issued_at IS ?4 AND COALESCE(certificate.retry_at, ?5) <= ?5 \
        AND COALESCE(certificate.held_until, ?5) <= ?5";
    let held = sqlx::query(sql)
        .bind(claim.host.as_str().to_owned())
        .bind(claim.holder.clone())
        .bind(claim.until.as_micros())
        .bind(claim.instead_of.map(Timestamp::as_micros))
        .bind(claim.now.as_micros())
        .execute(connection)
        .await?;
    Ok(held.rows_affected() > 0)
}

/// Counts an order, or says when there is room for one more. Forgets older hours.
pub(super) async fn count(
    connection: &mut SqliteConnection,
    host: &Domain,
    (hourly, now): (u32, Timestamp),
) -> Result<Option<Timestamp>, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // Those of the future are of a clock that was wrong.
    sqlx::query("DELETE FROM certificate_order WHERE at <= ? OR at > ?")
        .bind(now.before(HOUR).as_micros())
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
    // Room comes when the oldest of the last so many is an hour old.
    let sql = "SELECT at FROM certificate_order ORDER BY at DESC LIMIT 1 OFFSET ?";
    let oldest: Option<i64> = sqlx::query_scalar(sql)
        .bind(i64::from(hourly.saturating_sub(1)))
        .fetch_optional(&mut *transaction)
        .await?;
    if oldest.is_none() {
        let sql = "INSERT OR IGNORE INTO certificate_order (at, host) VALUES (?, ?)";
        sqlx::query(sql)
            .bind(now.as_micros())
            .bind(host.as_str().to_owned())
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(oldest.map(|at| Timestamp::from_micros(at).after(HOUR)))
}
