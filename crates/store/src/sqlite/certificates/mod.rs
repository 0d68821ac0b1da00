//! Certificates of hosts, on the connection of the tenants: they change seldom, and commands see and
//! change them beside a running server.

mod orders;
mod served;

use async_trait::async_trait;
use postbell_model::{Domain, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use crate::{
    Certificates, HostCertificate, KeptCertificate, OrderClaim, OrderFailure, OrderFault, Proof,
    StoreError,
};

use super::errors::read_error;
use super::rows::{self, RowError};
use super::statements::Query;
use super::tenants::{SqliteTenants, read_all, store_error};

#[async_trait]
impl Certificates for SqliteTenants {
    async fn certificates_version(&self) -> Result<u64, StoreError> {
        let mut connection = self.connection().await?;
        let version = sqlx::query_scalar("SELECT version FROM certificate_version");
        let version: Result<i64, _> = version.fetch_one(&mut *connection).await;
        Ok(version.map_err(|error| read_error(&error))?.unsigned_abs())
    }

    async fn certificates(&self) -> Result<Vec<HostCertificate>, StoreError> {
        let mut connection = self.connection().await?;
        let sql = "SELECT host, authority, chain, secret, issued_at, expires_at, failures, fault, \
            fault_at, retry_at, wanted, held_until, retired_at FROM certificate ORDER BY host";
        Ok(read_all(&mut connection, sql, read).await?)
    }

    async fn claim_order(&self, claim: OrderClaim) -> Result<bool, StoreError> {
        let mut connection = self.connection().await?;
        let claimed = orders::claim(&mut connection, &claim).await;
        claimed.map_err(|error| store_error(&error))
    }

    async fn count_order(
        &self,
        host: &Domain,
        hourly: u32,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut connection = self.connection().await?;
        let counted = orders::count(&mut connection, host, (hourly, now)).await;
        counted.map_err(|error| store_error(&error))
    }

    async fn keep_certificate(
        &self,
        host: &Domain,
        certificate: KeptCertificate,
    ) -> Result<(), StoreError> {
        // One that came later was asked for later, by whoever took over.
        let sql = "INSERT INTO certificate (host, authority, chain, secret, issued_at, expires_at) \
            VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (host) DO UPDATE SET \
            authority = excluded.authority, chain = excluded.chain, secret = excluded.secret, \
            issued_at = excluded.issued_at, expires_at = excluded.expires_at, failures = 0, \
            fault = NULL, fault_at = NULL, retry_at = NULL, wanted = 0, holder = NULL, held_until = NULL \
            WHERE COALESCE(certificate.issued_at, excluded.issued_at) <= excluded.issued_at";
        let query = sqlx::query(sql)
            .bind(host.as_str().to_owned())
            .bind(certificate.authority)
            .bind(certificate.chain)
            .bind(certificate.sealed)
            .bind(certificate.issued_at.as_micros())
            .bind(certificate.expires_at.as_micros());
        self.change_certificates(vec![query]).await
    }

    async fn fail_order(&self, failure: OrderFailure) -> Result<(), StoreError> {
        let sql = "UPDATE certificate SET failures = ?, fault = ?, fault_at = ?, \
            retry_at = ?, wanted = 0, holder = NULL, held_until = NULL WHERE host = ? AND holder = ?";
        let query = sqlx::query(sql)
            .bind(failure.failures)
            .bind(failure.fault.text)
            .bind(failure.fault.at.as_micros())
            .bind(failure.retry_at.as_micros())
            .bind(failure.host.as_str().to_owned())
            .bind(failure.holder);
        self.change_certificates(vec![query]).await
    }

    async fn release_order(&self, host: &Domain, holder: &str) -> Result<(), StoreError> {
        let sql = "UPDATE certificate SET holder = NULL, held_until = NULL \
            WHERE host = ? AND holder = ?";
        let query = sqlx::query(sql)
            .bind(host.as_str().to_owned())
            .bind(holder.to_owned());
        self.change_certificates(vec![query]).await
    }

    async fn want_certificate(&self, host: &Domain) -> Result<(), StoreError> {
        let sql = "INSERT INTO certificate (host, wanted) VALUES (?, 1) ON CONFLICT (host) \
            DO UPDATE SET wanted = 1, retry_at = NULL";
        let query = sqlx::query(sql).bind(host.as_str().to_owned());
        self.change_certificates(vec![query]).await
    }

    async fn retire_certificates(
        &self,
        hosts: &[Domain],
        since: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let since = since.map(Timestamp::as_micros);
        let retire = |host: &Domain| {
            let sql = "UPDATE certificate SET retired_at = \
                CASE WHEN ? IS NULL THEN NULL ELSE COALESCE(retired_at, ?) END WHERE host = ?";
            let host = host.as_str().to_owned();
            sqlx::query(sql).bind(since).bind(since).bind(host)
        };
        self.change_certificates(hosts.iter().map(retire).collect())
            .await
    }

    async fn forget_certificates(&self, hosts: &[Domain]) -> Result<(), StoreError> {
        let forget = |host: &Domain| {
            let sql = "DELETE FROM certificate WHERE host = ?";
            sqlx::query(sql).bind(host.as_str().to_owned())
        };
        self.change_certificates(hosts.iter().map(forget).collect())
            .await
    }

    async fn show_proof(&self, proof: Proof, now: Timestamp) -> Result<(), StoreError> {
        // One that was left behind, of an order that nobody goes on with, would be shown beside it.
        let over = "DELETE FROM certificate_proof WHERE until <= ? OR host = ?";
        let over = sqlx::query(over)
            .bind(now.as_micros())
            .bind(proof.host.as_str().to_owned());
        let sql = "INSERT OR REPLACE INTO certificate_proof (token, host, key_authorization, until) \
            VALUES (?, ?, ?, ?)";
        let show = sqlx::query(sql)
            .bind(proof.token)
            .bind(proof.host.as_str().to_owned())
            .bind(proof.key_authorization)
            .bind(proof.until.as_micros());
        self.change_certificates(vec![over, show]).await
    }

    async fn end_proof(&self, token: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM certificate_proof WHERE token = ?";
        let query = sqlx::query(sql).bind(token.to_owned());
        self.change_certificates(vec![query]).await
    }

    async fn proofs(&self, now: Timestamp) -> Result<Vec<Proof>, StoreError> {
        let mut connection = self.connection().await?;
        let sql = "SELECT token, host, key_authorization, until FROM certificate_proof";
        let mut proofs = read_all(&mut connection, sql, read_proof).await?;
        proofs.retain(|proof| proof.until > now);
        Ok(proofs)
    }

    async fn certificate_account(&self, authority: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut connection = self.connection().await?;
        let found = account(&mut connection, authority).await;
        found.map_err(|error| read_error(&error))
    }

    async fn keep_certificate_account(
        &self,
        authority: &str,
        sealed: Vec<u8>,
        now: Timestamp,
    ) -> Result<Vec<u8>, StoreError> {
        let sql = "INSERT INTO certificate_account (authority, secret, created_at) \
            VALUES (?, ?, ?) ON CONFLICT (authority) DO NOTHING";
        let keep = sqlx::query(sql)
            .bind(authority.to_owned())
            .bind(sealed.clone())
            .bind(now.as_micros());
        let mut connection = self.connection().await?;
        let kept = async {
            keep.execute(&mut *connection).await?;
            account(&mut connection, authority).await
        };
        let kept = kept.await.map_err(|error| store_error(&error))?;
        Ok(kept.unwrap_or(sealed))
    }

    async fn forget_certificate_account(
        &self,
        authority: &str,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let sql = "DELETE FROM certificate_account WHERE authority = ? AND secret = ?";
        let forgotten = sqlx::query(sql)
            .bind(authority.to_owned())
            .bind(sealed.to_vec())
            .execute(&mut *connection)
            .await;
        forgotten.map(drop).map_err(|error| store_error(&error))
    }
}

impl SqliteTenants {
    /// Runs the statements, all or none, and counts the change.
    async fn change_certificates(&self, queries: Vec<Query<'_>>) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let changed = async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            for query in queries {
                query.execute(&mut *transaction).await?;
            }
            count_change(&mut transaction).await?;
            transaction.commit().await
        };
        changed.await.map_err(|error| store_error(&error))
    }
}

async fn count_change(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let count = "UPDATE certificate_version SET version = version + 1";
    sqlx::query(count).execute(connection).await.map(drop)
}

async fn account(
    connection: &mut SqliteConnection,
    authority: &str,
) -> Result<Option<Vec<u8>>, sqlx::Error> {
    let sql = "SELECT secret FROM certificate_account WHERE authority = ?";
    let found = sqlx::query_scalar(sql).bind(authority.to_owned());
    found.fetch_optional(connection).await
}

fn read(row: &SqliteRow) -> Result<HostCertificate, RowError> {
    let host = rows::domain(row.try_get(0)?, "certificate.host")?;
    let fault = match (row.try_get::<Option<String>, _>(7)?, time(row, 8)?) {
        (Some(text), Some(at)) => Some(OrderFault { text, at }),
        _ => None,
    };
    Ok(HostCertificate {
        certificate: read_certificate(row)?,
        host,
        failures: rows::number(row, 6, "certificate.failures")?,
        fault,
        retry_at: time(row, 9)?,
        is_wanted: row.try_get(10)?,
        held_until: time(row, 11)?,
        retired_at: time(row, 12)?,
    })
}

fn read_certificate(row: &SqliteRow) -> Result<Option<KeptCertificate>, RowError> {
    let Some(authority) = row.try_get(1)? else {
        return Ok(None);
    };
    Ok(Some(KeptCertificate {
        authority,
        chain: row.try_get(2)?,
        sealed: row.try_get(3)?,
        issued_at: rows::time(row, 4)?,
        expires_at: rows::time(row, 5)?,
    }))
}

fn read_proof(row: &SqliteRow) -> Result<Proof, RowError> {
    Ok(Proof {
        token: row.try_get(0)?,
        host: rows::domain(row.try_get(1)?, "certificate_proof.host")?,
        key_authorization: row.try_get(2)?,
        until: rows::time(row, 3)?,
    })
}

fn time(row: &SqliteRow, at: usize) -> Result<Option<Timestamp>, RowError> {
    let micros: Option<i64> = row.try_get(at)?;
    Ok(micros.map(Timestamp::from_micros))
}
