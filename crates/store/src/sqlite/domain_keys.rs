//! The keys that mail is signed with, sealed as they came.

use async_trait::async_trait;
use postbell_model::{Domain, DomainKey, KeyAlgorithm, KeyState, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::rows::{self, RowError};
use super::statements::Query;
use super::tenants::{SqliteTenants, read_all, store_error};
use super::{SqliteStore, tenants};
use crate::{DomainKeys, StoreError, TenantError, Tenants};

#[async_trait]
impl DomainKeys for SqliteTenants {
    async fn add_domain_keys(&self, keys: Vec<DomainKey>) -> Result<(), TenantError> {
        let directory = self.directory();
        if let Some(key) = keys.iter().find(|k| directory.domain(&k.domain).is_none()) {
            return Err(TenantError::NoSuchDomain(key.domain.clone()));
        }
        let queries = keys.iter().map(insert).collect();
        match self.change_all(queries).await {
            Ok(changed) => Ok(changed.map(drop)?),
            Err(error) if tenants::is_unique_violation(&error) => Err(TenantError::Exists {
                kind: "selector",
                name: keys
                    .iter()
                    .map(|key| &*key.selector)
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
            Err(error) => Err(store_error(&error).into()),
        }
    }

    async fn activate_domain_key(
        &self,
        domain: &Domain,
        selector: &str,
        now: Timestamp,
    ) -> Result<(), TenantError> {
        let retire = "UPDATE domain_key SET state = 'retiring', retired_at = ?3 \
            WHERE domain = ?1 AND state = 'active' AND algorithm = \
            (SELECT algorithm FROM domain_key \
             WHERE domain = ?1 AND selector = ?2 AND state = 'pending')";
        let activate = "UPDATE domain_key SET state = 'active', activated_at = ?3 \
            WHERE domain = ?1 AND selector = ?2 AND state = 'pending'";
        let bind = |sql| {
            sqlx::query(sql)
                .bind(domain.as_str().to_owned())
                .bind(selector.to_owned())
                .bind(now.as_micros())
        };
        self.change_keys(vec![bind(retire), bind(activate)]).await
    }

    async fn remove_domain_key(&self, domain: &Domain, selector: &str) -> Result<(), TenantError> {
        let sql = "DELETE FROM domain_key WHERE domain = ? AND selector = ?";
        let query = sqlx::query(sql)
            .bind(domain.as_str().to_owned())
            .bind(selector.to_owned());
        self.change_keys(vec![query]).await
    }
}

#[async_trait]
impl DomainKeys for SqliteStore {
    async fn add_domain_keys(&self, keys: Vec<DomainKey>) -> Result<(), TenantError> {
        self.tenants.add_domain_keys(keys).await
    }

    async fn activate_domain_key(
        &self,
        domain: &Domain,
        selector: &str,
        now: Timestamp,
    ) -> Result<(), TenantError> {
        self.tenants
            .activate_domain_key(domain, selector, now)
            .await
    }

    async fn remove_domain_key(&self, domain: &Domain, selector: &str) -> Result<(), TenantError> {
        self.tenants.remove_domain_key(domain, selector).await
    }
}

impl SqliteTenants {
    async fn change_keys(&self, queries: Vec<Query<'_>>) -> Result<(), TenantError> {
        let changed = self.change_all(queries).await;
        let changed: Result<i64, StoreError> = changed.map_err(|error| store_error(&error))?;
        changed?;
        Ok(())
    }
}

fn insert(key: &DomainKey) -> Query<'static> {
    let sql = "INSERT INTO domain_key (domain, selector, algorithm, secret, public, state, \
        created_at, activated_at, retired_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(key.domain.as_str().to_owned())
        .bind(key.selector.clone())
        .bind(key.algorithm.name())
        .bind(key.sealed.clone())
        .bind(key.public.clone())
        .bind(key.state.name())
        .bind(key.created_at.as_micros())
        .bind(key.activated_at.map(Timestamp::as_micros))
        .bind(key.retired_at.map(Timestamp::as_micros))
}

pub(super) async fn read_domain_keys(
    connection: &mut SqliteConnection,
) -> Result<Vec<DomainKey>, RowError> {
    let sql = "SELECT domain, selector, algorithm, secret, public, state, created_at, \
        activated_at, retired_at FROM domain_key ORDER BY created_at, algorithm DESC, selector";
    read_all(connection, sql, read).await
}

fn read(row: &SqliteRow) -> Result<DomainKey, RowError> {
    let time = |at| -> Result<Option<Timestamp>, RowError> {
        let micros: Option<i64> = row.try_get(at)?;
        Ok(micros.map(Timestamp::from_micros))
    };
    Ok(DomainKey {
        domain: Domain::parse(row.try_get(0)?)
            .map_err(|_| RowError::Column("domain_key.domain"))?,
        selector: row.try_get(1)?,
        algorithm: KeyAlgorithm::parse(row.try_get(2)?)
            .ok_or(RowError::Column("domain_key.algorithm"))?,
        sealed: row.try_get(3)?,
        public: row.try_get(4)?,
        state: KeyState::parse(row.try_get(5)?).ok_or(RowError::Column("domain_key.state"))?,
        created_at: rows::time(row, 6)?,
        activated_at: time(7)?,
        retired_at: time(8)?,
    })
}
