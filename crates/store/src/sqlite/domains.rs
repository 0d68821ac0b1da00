//! Rows of sending domains: their settings, what the DNS says of them, their end.

use std::collections::HashMap;

use async_trait::async_trait;
use postbell_model::tracking::{Brand, Colour, DomainTracking};
use postbell_model::{
    ConfigurationSetId, DmarcMode, Domain, SendingDomain, SettingChange, Timestamp, WorkspaceEvent,
    WorkspaceFact, WorkspaceId,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use crate::{
    DomainChange, DomainCheck, DomainFound, DomainRemoval, DomainTurn, Domains, StoreError,
    TenantError, Tenants, Verification,
};

use super::creations::{Creation, IN_SET};
use super::domain_settings::{differences, settings};
use super::rows::{self, RowError};
use super::tenants::{SqliteTenants, count_change, read_all, store_error};
use super::{SqliteStore, domain_removals, event_rows};

const DOMAINS: &str = "SELECT name, workspace_id, return_path_host, configuration_set_id, \
    created_at, reply_host, tracking_host, reply_capture, inbound, dmarc, track_opens, \
    track_clicks, brand_name, brand_colour FROM domain";

impl SqliteTenants {
    /// Writes a new domain, with the event that tells of it.
    pub(super) async fn insert_domain(&self, domain: &SendingDomain) -> Result<(), TenantError> {
        let sql = format!(
            "INSERT INTO domain (name, workspace_id, return_path_host, configuration_set_id, \
             created_at, reply_host, tracking_host, reply_capture, inbound, dmarc, track_opens, \
             track_clicks, brand_name, brand_colour) \
             SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? {IN_SET}"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(domain.name.as_str().to_owned())
            .bind(i64::from(domain.workspace.0))
            .bind(domain.return_path_host.as_str().to_owned())
            .bind(i64::from(domain.configuration_set.0))
            .bind(domain.created_at.as_micros())
            .bind(domain.reply_host.as_str().to_owned())
            .bind(domain.tracking_host.as_str().to_owned())
            .bind(domain.reply_capture)
            .bind(domain.inbound)
            .bind(domain.dmarc.name())
            .bind(domain.tracking.opens)
            .bind(domain.tracking.clicks)
            .bind(domain.brand.name.clone())
            .bind(domain.brand.colour.map(|colour| colour.to_string()))
            .bind(i64::from(domain.configuration_set.0))
            .bind(i64::from(domain.workspace.0));
        let set = domain.configuration_set;
        let directory = self.directory();
        let name = directory.configuration_set(set);
        let name = name.map_or_else(|| set.to_string(), |set| set.name.clone());
        let settings = settings(domain, name).into_iter();
        let created = WorkspaceFact::DomainCreated {
            domain: domain.name.clone(),
            settings: settings
                .filter(|(_, new)| !new.is_empty())
                .map(|(setting, new)| SettingChange {
                    setting,
                    old: None,
                    new,
                })
                .collect(),
        };
        let event = WorkspaceEvent::new(domain.workspace, domain.created_at, created);
        let creation = Creation {
            kind: "domain",
            name: domain.name.as_str(),
            event: Some(event),
            gone: TenantError::NoSuchConfigurationSet(set),
        };
        self.create_in(query, creation).await.map(drop)
    }

    async fn remove(
        &self,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<Option<DomainRemoval>, StoreError> {
        let mut connection = self.connection().await?;
        let removed = delete(&mut connection, domain, now).await;
        let removed = removed.map_err(|error| store_error(&error))?;
        self.load(&mut connection).await?;
        Ok(removed)
    }

    async fn record(&self, checks: &[DomainCheck]) -> Result<Vec<DomainTurn>, StoreError> {
        let mut connection = self.connection().await?;
        let turns = record_checks(&mut connection, checks).await;
        turns.map_err(|error| store_error(&error))
    }
}

#[async_trait]
impl Domains for SqliteTenants {
    async fn change_domain(
        &self,
        domain: &Domain,
        change: DomainChange,
        now: Timestamp,
    ) -> Result<Vec<SettingChange>, TenantError> {
        let mut connection = self.connection().await?;
        let changes = change_settings(&mut connection, domain, change, now).await?;
        self.load(&mut connection).await?;
        Ok(changes)
    }

    async fn remove_domain(
        &self,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<DomainRemoval, TenantError> {
        let removed = self.remove(domain, now).await?;
        removed.ok_or_else(|| TenantError::NoSuchDomain(domain.clone()))
    }

    async fn removal(&self, id: u64) -> Result<Option<DomainRemoval>, StoreError> {
        let mut connection = self.connection().await?;
        domain_removals::one(&mut connection, id).await
    }

    async fn record_domain_checks(
        &self,
        checks: Vec<DomainCheck>,
    ) -> Result<Vec<DomainTurn>, TenantError> {
        Ok(self.record(&checks).await?)
    }

    async fn verifications(&self) -> Result<HashMap<Domain, Verification>, StoreError> {
        let mut connection = self.connection().await?;
        let sql = "SELECT domain, checked_at, verified_at, missing FROM domain_check";
        let read = read_all(&mut connection, sql, read_verification).await?;
        Ok(read.into_iter().collect())
    }
}

#[async_trait]
impl Domains for SqliteStore {
    async fn change_domain(
        &self,
        domain: &Domain,
        change: DomainChange,
        now: Timestamp,
    ) -> Result<Vec<SettingChange>, TenantError> {
        self.tenants.change_domain(domain, change, now).await
    }

    async fn remove_domain(
        &self,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<DomainRemoval, TenantError> {
        self.tenants.remove_domain(domain, now).await
    }

    async fn removal(&self, id: u64) -> Result<Option<DomainRemoval>, StoreError> {
        self.tenants.removal(id).await
    }

    async fn record_domain_checks(
        &self,
        checks: Vec<DomainCheck>,
    ) -> Result<Vec<DomainTurn>, TenantError> {
        self.tenants.record_domain_checks(checks).await
    }

    async fn verifications(&self) -> Result<HashMap<Domain, Verification>, StoreError> {
        self.tenants.verifications().await
    }
}

/// Changes a domain and tells of it, by what its row says at that moment.
async fn change_settings(
    connection: &mut SqliteConnection,
    domain: &Domain,
    change: DomainChange,
    now: Timestamp,
) -> Result<Vec<SettingChange>, TenantError> {
    let begun = connection.begin_with("BEGIN IMMEDIATE").await;
    let mut transaction = begun.map_err(|error| store_error(&error))?;
    let before = one(&mut transaction, domain).await?;
    let before = before.ok_or_else(|| TenantError::NoSuchDomain(domain.clone()))?;
    let after = change.apply(&before);
    let changes = differences(
        settings(&before, set_name(&mut transaction, &before).await?),
        settings(&after, set_name(&mut transaction, &after).await?),
    );
    let written = async {
        if !changes.is_empty() {
            write_settings(&mut transaction, &after).await?;
            let updated = WorkspaceFact::DomainUpdated {
                domain: domain.clone(),
                changes: changes.clone(),
            };
            let event = WorkspaceEvent::new(before.workspace, now, updated);
            event_rows::append_workspace_event(&mut transaction, &event).await?;
            count_change(&mut transaction).await?;
        }
        transaction.commit().await
    };
    written.await.map_err(|error| store_error(&error))?;
    Ok(changes)
}

async fn one(
    connection: &mut SqliteConnection,
    domain: &Domain,
) -> Result<Option<SendingDomain>, TenantError> {
    let sql = AssertSqlSafe(format!("{DOMAINS} WHERE name = ?"));
    let query = sqlx::query(sql).bind(domain.as_str());
    let found = query.fetch_optional(connection).await;
    let found = found.map_err(|error| store_error(&error))?;
    let domain = found.as_ref().map(read_domain).transpose();
    Ok(domain.map_err(StoreError::from)?)
}

/// The name of a domain's configuration set, which is one of its workspace.
async fn set_name(
    connection: &mut SqliteConnection,
    domain: &SendingDomain,
) -> Result<String, TenantError> {
    let sql = "SELECT name FROM configuration_set \
        WHERE id = ? AND workspace_id = ? AND removed_at IS NULL";
    let name: Result<Option<String>, _> = sqlx::query_scalar(sql)
        .bind(i64::from(domain.configuration_set.0))
        .bind(i64::from(domain.workspace.0))
        .fetch_optional(connection)
        .await;
    let name = name.map_err(|error| store_error(&error))?;
    name.ok_or(TenantError::NoSuchConfigurationSet(
        domain.configuration_set,
    ))
}

async fn write_settings(
    connection: &mut SqliteConnection,
    domain: &SendingDomain,
) -> Result<(), sqlx::Error> {
    let sql = "UPDATE domain SET return_path_host = ?, reply_host = ?, tracking_host = ?, \
        configuration_set_id = ?, reply_capture = ?, inbound = ?, dmarc = ?, track_opens = ?, \
        track_clicks = ?, brand_name = ?, brand_colour = ? WHERE name = ?";
    sqlx::query(sql)
        .bind(domain.return_path_host.as_str())
        .bind(domain.reply_host.as_str())
        .bind(domain.tracking_host.as_str())
        .bind(i64::from(domain.configuration_set.0))
        .bind(domain.reply_capture)
        .bind(domain.inbound)
        .bind(domain.dmarc.name())
        .bind(domain.tracking.opens)
        .bind(domain.tracking.clicks)
        .bind(domain.brand.name.as_deref())
        .bind(domain.brand.colour.map(|colour| colour.to_string()))
        .bind(domain.name.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes a domain away with all that hangs on it, and leaves a note for who rejects its mail.
async fn delete(
    connection: &mut SqliteConnection,
    domain: &Domain,
    now: Timestamp,
) -> Result<Option<DomainRemoval>, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for sql in [
        "DELETE FROM domain_key WHERE domain = ?",
        "DELETE FROM domain_check WHERE domain = ?",
        "DELETE FROM inbound_route WHERE domain = ?",
    ] {
        let query = sqlx::query(sql).bind(domain.as_str());
        query.execute(&mut *transaction).await?;
    }
    let sql = "DELETE FROM domain WHERE name = ? RETURNING workspace_id";
    let workspace: Option<u32> = sqlx::query_scalar(sql)
        .bind(domain.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(workspace) = workspace.map(WorkspaceId) else {
        return Ok(None);
    };
    let sql = "INSERT INTO domain_removal (workspace_id, domain, removed_at) VALUES (?, ?, ?)";
    let noted = sqlx::query(sql)
        .bind(i64::from(workspace.0))
        .bind(domain.as_str())
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
    let deleted = WorkspaceFact::DomainDeleted {
        domain: domain.clone(),
    };
    event_rows::append_workspace_event(
        &mut transaction,
        &WorkspaceEvent::new(workspace, now, deleted),
    )
    .await?;
    count_change(&mut transaction).await?;
    transaction.commit().await?;
    Ok(Some(DomainRemoval {
        id: noted.last_insert_rowid().unsigned_abs(),
        workspace,
        domain: domain.clone(),
        removed_at: now,
        rejected: 0,
        ended_at: None,
    }))
}

async fn record_checks(
    connection: &mut SqliteConnection,
    checks: &[DomainCheck],
) -> Result<Vec<DomainTurn>, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut turns = Vec::new();
    for check in checks {
        turns.extend(record_check(&mut transaction, check).await?);
    }
    transaction.commit().await?;
    Ok(turns)
}

/// Keeps a check: the turn, where it is one.
async fn record_check(
    connection: &mut SqliteConnection,
    check: &DomainCheck,
) -> Result<Option<DomainTurn>, sqlx::Error> {
    let sql = "SELECT d.workspace_id, c.verified_at, c.missing FROM domain d \
        LEFT JOIN domain_check c ON c.domain = d.name WHERE d.name = ?";
    let known: Option<(u32, Option<i64>, Option<String>)> = sqlx::query_as(sql)
        .bind(check.domain.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let Some((workspace, verified_at, known_missing)) = known else {
        return Ok(None);
    };
    let domain = check.domain.clone();
    let (verified_now, missing, turn) = match (&check.found, verified_at) {
        (DomainFound::All(_), Some(since)) => (Some(since), Vec::new(), None),
        (DomainFound::All(seen), None) => {
            let verified = WorkspaceFact::DomainVerified {
                domain,
                seen: *seen,
            };
            (Some(check.at.as_micros()), Vec::new(), Some(verified))
        }
        (DomainFound::Missing(missing), None) => (None, missing.clone(), None),
        (DomainFound::Missing(missing), Some(_)) => {
            let missing = missing.clone();
            let gone = WorkspaceFact::DomainUnverified {
                domain,
                missing: missing.clone(),
            };
            (None, missing, Some(gone))
        }
        (DomainFound::Unanswered, since) => {
            let known = read_missing(known_missing.as_deref().unwrap_or("[]"));
            (since, known.unwrap_or_default(), None)
        }
    };
    write_check(connection, check, (verified_now, &missing)).await?;
    let Some(fact) = turn else { return Ok(None) };
    let event = WorkspaceEvent::new(WorkspaceId(workspace), check.at, fact);
    event_rows::append_workspace_event(connection, &event).await?;
    Ok(Some(DomainTurn {
        domain: check.domain.clone(),
        verified: verified_now.is_some(),
        missing,
    }))
}

async fn write_check(
    connection: &mut SqliteConnection,
    check: &DomainCheck,
    (verified_at, missing): (Option<i64>, &[String]),
) -> Result<(), sqlx::Error> {
    let missing = serde_json::to_string(missing).expect("invariant: strings are always JSON");
    let sql = "INSERT INTO domain_check (domain, checked_at, verified_at, missing) \
        VALUES (?, ?, ?, ?) ON CONFLICT (domain) DO UPDATE SET checked_at = excluded.checked_at, \
        verified_at = excluded.verified_at, missing = excluded.missing";
    sqlx::query(sql)
        .bind(check.domain.as_str())
        .bind(check.at.as_micros())
        .bind(verified_at)
        .bind(missing)
        .execute(connection)
        .await?;
    Ok(())
}

fn read_missing(column: &str) -> Result<Vec<String>, RowError> {
    serde_json::from_str(column).map_err(|_| RowError::Column("domain_check.missing"))
}

fn read_verification(row: &SqliteRow) -> Result<(Domain, Verification), RowError> {
    let verified_at: Option<i64> = row.try_get(2)?;
    let verification = Verification {
        checked_at: rows::time(row, 1)?,
        verified_at: verified_at.map(Timestamp::from_micros),
        missing: read_missing(row.try_get(3)?)?,
    };
    Ok((
        rows::domain(row.try_get(0)?, "domain_check.domain")?,
        verification,
    ))
}

/// Reads all domains.
pub(super) async fn read_domains(
    connection: &mut SqliteConnection,
) -> Result<Vec<SendingDomain>, RowError> {
    read_all(connection, DOMAINS, read_domain).await
}

fn read_domain(row: &SqliteRow) -> Result<SendingDomain, RowError> {
    let name = rows::domain(row.try_get(0)?, "domain.name")?;
    let host = |at, column, label| -> Result<Domain, RowError> {
        match row.try_get(at)? {
            Some(host) => rows::domain(host, column),
            None => Ok(SendingDomain::usual_host(label, &name)),
        }
    };
    let colour: Option<&str> = row.try_get(13)?;
    let colour =
        colour.map(|text| Colour::parse(text).ok_or(RowError::Column("domain.brand_colour")));
    let dmarc: &str = row.try_get(9)?;
    let dmarc = DmarcMode::ALL.iter().find(|mode| mode.name() == dmarc);
    let dmarc = dmarc.copied();
    Ok(SendingDomain {
        workspace: WorkspaceId(rows::number(row, 1, "domain.workspace_id")?),
        return_path_host: host(2, "domain.return_path_host", "bounce")?,
        configuration_set: ConfigurationSetId(rows::number(row, 3, "domain.configuration_set_id")?),
        created_at: rows::time(row, 4)?,
        reply_host: host(5, "domain.reply_host", "reply")?,
        tracking_host: host(6, "domain.tracking_host", "track")?,
        reply_capture: row.try_get(7)?,
        inbound: row.try_get(8)?,
        dmarc: dmarc.ok_or(RowError::Column("domain.dmarc"))?,
        tracking: DomainTracking {
            opens: row.try_get(10)?,
            clicks: row.try_get(11)?,
        },
        brand: Brand {
            name: row.try_get(12)?,
            colour: colour.transpose()?,
        },
        name,
    })
}
