//! Removing what nothing depends on any more.
//!
//! What is set up to use it is looked for in the transaction that removes it. Mail that waits is
//! counted before that one, which new mail has to wait for; a server that runs may accept for a second
//! or two by what it knew before anyhow. Such mail is delivered as configured.

use async_trait::async_trait;
use postbell_model::{ConfigurationSetId, Timestamp, WorkspaceId};
use sqlx::{Connection, Row, SqliteConnection};

use crate::{Removal, Removals, TenantError};

use super::statements::Query;
use super::tenants::{SqliteTenants, count_change, store_error};

// How many names are told; the others are counted.
const NAMED: usize = 3;

#[async_trait]
impl Removals for SqliteTenants {
    async fn remove_workspace(
        &self,
        workspace: WorkspaceId,
        removal: Removal,
    ) -> Result<(), TenantError> {
        let mut connection = self.connection().await?;
        let name = check_workspace(&mut connection, workspace).await?;
        if let Some(why) = mail_of_workspace(&mut connection, workspace).await? {
            let kind = "workspace";
            return Err(TenantError::InUse { kind, name, why });
        }
        let Removal::At(now) = removal else {
            return Ok(());
        };
        let begun = connection.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(|error| store_error(&error))?;
        check_workspace(&mut transaction, workspace).await?;
        for query in removal_of_workspace(workspace, now) {
            let done = query.execute(&mut *transaction).await;
            done.map_err(|error| store_error(&error))?;
        }
        let done = count_change(&mut transaction).await;
        done.map_err(|error| store_error(&error))?;
        let done = transaction.commit().await;
        done.map_err(|error| store_error(&error))?;
        Ok(self.load(&mut connection).await?)
    }

    async fn remove_configuration_set(
        &self,
        set: ConfigurationSetId,
        removal: Removal,
    ) -> Result<(), TenantError> {
        let mut connection = self.connection().await?;
        let name = check_set(&mut connection, set).await?;
        if let Some(why) = mail_of_set(&mut connection, set).await? {
            let kind = "configuration set";
            return Err(TenantError::InUse { kind, name, why });
        }
        let Removal::At(now) = removal else {
            return Ok(());
        };
        let begun = connection.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(|error| store_error(&error))?;
        check_set(&mut transaction, set).await?;
        let done = async {
            let sql = "UPDATE configuration_set SET removed_at = ?, name = name || '/' || id \
                WHERE id = ?";
            let query = sqlx::query(sql)
                .bind(now.as_micros())
                .bind(i64::from(set.0));
            query.execute(&mut *transaction).await?;
            count_change(&mut transaction).await?;
            transaction.commit().await
        };
        done.await.map_err(|error| store_error(&error))?;
        Ok(self.load(&mut connection).await?)
    }
}

/// The name of a workspace that has no domains. Cheap.
async fn check_workspace(
    connection: &mut SqliteConnection,
    workspace: WorkspaceId,
) -> Result<String, TenantError> {
    let sql = "SELECT name FROM workspace WHERE id = ? AND removed_at IS NULL";
    let name = text(connection, sql, workspace.0).await?;
    let name = name.ok_or(TenantError::NoSuchWorkspace(workspace))?;
    let sql = "SELECT name FROM domain WHERE workspace_id = ? ORDER BY name";
    let domains = texts(connection, sql, workspace.0).await?;
    if !domains.is_empty() {
        let domains = listed("domain", &domains);
        return Err(TenantError::InUse {
            kind: "workspace",
            name,
            why: format!("it has {domains}; remove them first"),
        });
    }
    Ok(name)
}

/// The mail that keeps a workspace from being removed. Counts what waits.
async fn mail_of_workspace(
    connection: &mut SqliteConnection,
    workspace: WorkspaceId,
) -> Result<Option<String>, TenantError> {
    let sql = "SELECT (SELECT COUNT(*) FROM delivery WHERE state = 'queued' AND workspace_id = ?1) \
        + (SELECT COUNT(*) FROM delivery WHERE state = 'held' AND workspace_id = ?1) \
        + (SELECT COUNT(*) FROM delivery WHERE state = 'scheduled' AND workspace_id = ?1)";
    Ok(waiting(count(connection, sql, workspace.0).await?))
}

/// The name of a configuration set that is of no domain and has no destinations. Cheap.
async fn check_set(
    connection: &mut SqliteConnection,
    set: ConfigurationSetId,
) -> Result<String, TenantError> {
    let sql = "SELECT name FROM configuration_set WHERE id = ? AND removed_at IS NULL";
    let name = text(connection, sql, set.0).await?;
    let name = name.ok_or(TenantError::NoSuchConfigurationSet(set))?;
    let kind = "configuration set";
    let sql = "SELECT name FROM domain WHERE configuration_set_id = ? ORDER BY name";
    let domains = texts(connection, sql, set.0).await?;
    if !domains.is_empty() {
        let domains = listed("domain", &domains);
        let why = format!("it is that of {domains}; give them another first");
        return Err(TenantError::InUse { kind, name, why });
    }
    let sql = "SELECT name FROM destination WHERE configuration_set_id = ? ORDER BY name";
    let destinations = texts(connection, sql, set.0).await?;
    if !destinations.is_empty() {
        let destinations = listed("destination", &destinations);
        let why = format!("it has {destinations}; remove them first");
        return Err(TenantError::InUse { kind, name, why });
    }
    Ok(name)
}

/// The mail that keeps a configuration set from being removed. Looks at all that waits.
async fn mail_of_set(
    connection: &mut SqliteConnection,
    set: ConfigurationSetId,
) -> Result<Option<String>, TenantError> {
    let of = "JOIN message m ON m.id = d.message_id WHERE m.configuration_set_id = ?1 AND d.state";
    let sql = format!(
        "SELECT (SELECT COUNT(*) FROM delivery d {of} = 'queued') \
         + (SELECT COUNT(*) FROM delivery d {of} = 'held') \
         + (SELECT COUNT(*) FROM delivery d {of} = 'scheduled')"
    );
    Ok(waiting(count(connection, sql, set.0).await?))
}

fn waiting(deliveries: i64) -> Option<String> {
    let some = match deliveries {
        0 => return None,
        1 => "1 delivery waits".to_owned(),
        many => format!("{many} deliveries wait"),
    };
    Some(format!(
        "{some} in its queue; let them end, or see `postbell queue cancel`"
    ))
}

/// `2 domains (a.example, b.example)`
fn listed(kind: &str, names: &[String]) -> String {
    let plural = if names.len() == 1 { "" } else { "s" };
    let told = names.iter().take(NAMED).map(String::as_str);
    let mut told = told.collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        told.push_str(", …");
    }
    format!("{} {kind}{plural} ({told})", names.len())
}

/// Credentials stay, so that nobody else gets their names; they are of no use any more.
fn removal_of_workspace(workspace: WorkspaceId, now: Timestamp) -> Vec<Query<'static>> {
    let id = i64::from(workspace.0);
    let at = now.as_micros();
    let credentials = "UPDATE credential SET revoked_at = COALESCE(revoked_at, ?), \
        left_queue = NULL WHERE workspace_id = ?";
    let sets = "UPDATE configuration_set SET removed_at = COALESCE(removed_at, ?) \
        WHERE workspace_id = ?";
    let workspace = "UPDATE workspace SET removed_at = ?, name = name || '/' || id, \
        sending = NULL WHERE id = ?";
    vec![
        sqlx::query("DELETE FROM api_key WHERE workspace_id = ?").bind(id),
        sqlx::query("DELETE FROM destination WHERE workspace_id = ?").bind(id),
        sqlx::query("DELETE FROM verified_address WHERE workspace_id = ?").bind(id),
        sqlx::query("DELETE FROM reputation WHERE workspace_id = ?").bind(id),
        sqlx::query(credentials).bind(at).bind(id),
        sqlx::query(sets).bind(at).bind(id),
        sqlx::query(workspace).bind(at).bind(id),
    ]
}

async fn texts(
    connection: &mut SqliteConnection,
    sql: &'static str,
    of: u32,
) -> Result<Vec<String>, TenantError> {
    let found = sqlx::query(sql)
        .bind(i64::from(of))
        .fetch_all(connection)
        .await;
    let found = found.map_err(|error| store_error(&error))?;
    let texts: Result<_, _> = found.iter().map(|row| row.try_get(0)).collect();
    Ok(texts.map_err(|error: sqlx::Error| store_error(&error))?)
}

async fn text(
    connection: &mut SqliteConnection,
    sql: &'static str,
    of: u32,
) -> Result<Option<String>, TenantError> {
    Ok(texts(connection, sql, of).await?.pop())
}

async fn count(
    connection: &mut SqliteConnection,
    sql: impl Into<String>,
    of: u32,
) -> Result<i64, TenantError> {
    let counted = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.into()))
        .bind(i64::from(of))
        .fetch_one(connection)
        .await;
    Ok(counted.map_err(|error| store_error(&error))?)
}
