//! Which addresses of which domains take mail, and what becomes of it.

use async_trait::async_trait;
use postbell_model::{Domain, InboundRoute, LocalPattern, WorkspaceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use crate::{InboundRoutes, TenantError};

use super::SqliteStore;
use super::creations::Creation;
use super::forwards;
use super::rows::{self, RowError};
use super::tenants::{SqliteTenants, count_change, read_all, store_error};

#[async_trait]
impl InboundRoutes for SqliteTenants {
    async fn set_inbound_route(&self, route: InboundRoute) -> Result<(), TenantError> {
        let sql = "INSERT INTO inbound_route (domain, pattern, tells, forward_address, \
            forward_host, forward_port) SELECT ?, ?, ?, ?, ?, ? \
            WHERE EXISTS (SELECT 1 FROM domain WHERE name = ? AND workspace_id = ?) \
            ON CONFLICT (domain, pattern) DO UPDATE SET tells = excluded.tells, \
            forward_address = excluded.forward_address, forward_host = excluded.forward_host, \
            forward_port = excluded.forward_port";
        let query = sqlx::query(sql)
            .bind(route.domain.as_str().to_owned())
            .bind(route.pattern.as_str().to_owned())
            .bind(route.tells);
        let query = forwards::bind_to(query, route.forward.as_ref())
            .bind(route.domain.as_str().to_owned())
            .bind(i64::from(route.workspace.0));
        let creation = Creation {
            kind: "inbound route",
            name: route.pattern.as_str(),
            event: None,
            gone: TenantError::NoSuchDomain(route.domain.clone()),
        };
        self.create_in(query, creation).await.map(drop)
    }

    async fn remove_inbound_route(
        &self,
        domain: &Domain,
        pattern: &LocalPattern,
    ) -> Result<(), TenantError> {
        let mut connection = self.connection().await?;
        let removed = delete(&mut connection, domain, pattern).await;
        let removed = removed.map_err(|error| store_error(&error))?;
        self.load(&mut connection).await?;
        if removed {
            return Ok(());
        }
        Err(TenantError::NoSuchInboundRoute {
            domain: domain.clone(),
            pattern: pattern.clone(),
        })
    }
}

#[async_trait]
impl InboundRoutes for SqliteStore {
    async fn set_inbound_route(&self, route: InboundRoute) -> Result<(), TenantError> {
        self.tenants.set_inbound_route(route).await
    }

    async fn remove_inbound_route(
        &self,
        domain: &Domain,
        pattern: &LocalPattern,
    ) -> Result<(), TenantError> {
        self.tenants.remove_inbound_route(domain, pattern).await
    }
}

/// Whether there was one.
async fn delete(
    connection: &mut SqliteConnection,
    domain: &Domain,
    pattern: &LocalPattern,
) -> Result<bool, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let deleted = sqlx::query("DELETE FROM inbound_route WHERE domain = ? AND pattern = ?")
        .bind(domain.as_str())
        .bind(pattern.as_str())
        .execute(&mut *transaction)
        .await?;
    if deleted.rows_affected() > 0 {
        count_change(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(deleted.rows_affected() > 0)
}

/// Reads all routes.
pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Vec<InboundRoute>, RowError> {
    let sql = "SELECT r.domain, d.workspace_id, r.pattern, r.tells, r.forward_address, \
        r.forward_host, r.forward_port FROM inbound_route r JOIN domain d ON d.name = r.domain \
        ORDER BY r.domain, r.pattern";
    read_all(connection, sql, read_route).await
}

fn read_route(row: &SqliteRow) -> Result<InboundRoute, RowError> {
    let pattern = row.try_get::<&str, _>(2)?.parse();
    Ok(InboundRoute {
        domain: rows::domain(row.try_get(0)?, "inbound_route.domain")?,
        workspace: WorkspaceId(rows::number(row, 1, "domain.workspace_id")?),
        pattern: pattern.map_err(|_| RowError::Column("inbound_route.pattern"))?,
        tells: row.try_get(3)?,
        forward: forwards::read_to(row, 4)?,
    })
}
