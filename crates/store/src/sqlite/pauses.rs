//! Whether mail is sent: columns of workspaces and domains, and the events about them.

use async_trait::async_trait;
use postbell_model::{
    Domain, Pause, Sandbox, Sender, Sending, Timestamp, WorkspaceEvent, WorkspaceFact, WorkspaceId,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use crate::{Pauses, TenantError, record};

use super::event_rows::append_workspace_event;
use super::policy;
use super::rows::{self, RowError};
use super::tenants::{SqliteTenants, count_change, read_all, store_error};

/// What is paused, of workspaces or domains: what [`Sending::pause`] says of the column. The first
/// half is that of the indexes, which have what is in a sandbox as well.
pub(super) const IS_PAUSED: &str = "sending IS NOT NULL AND sending ->> '$.state' = 'paused'";

#[async_trait]
impl Pauses for SqliteTenants {
    async fn pause(&self, sender: &Sender, pause: Pause) -> Result<Sending, TenantError> {
        let at = pause.since;
        self.set_sending(sender, Sending::Paused(pause), at).await
    }

    async fn enter_sandbox(
        &self,
        sender: &Sender,
        sandbox: Sandbox,
    ) -> Result<Sending, TenantError> {
        let at = sandbox.since;
        self.set_sending(sender, Sending::Sandbox(sandbox), at)
            .await
    }

    async fn resume(&self, sender: &Sender, now: Timestamp) -> Result<Sending, TenantError> {
        self.set_sending(sender, Sending::Active, now).await
    }
}

impl SqliteTenants {
    /// Writes how it is from now on, with the event where that is another state; how it was.
    async fn set_sending(
        &self,
        sender: &Sender,
        sending: Sending,
        at: Timestamp,
    ) -> Result<Sending, TenantError> {
        let always = |_: &Sending| true;
        self.set_sending_if(sender, sending, (at, always)).await
    }

    /// Pauses what is sent without restriction; whether it is.
    pub(super) async fn pause_if_active(
        &self,
        sender: &Sender,
        pause: Pause,
    ) -> Result<bool, TenantError> {
        let at = pause.since;
        let is_active = |before: &Sending| *before == Sending::Active;
        let paused = Sending::Paused(pause);
        let before = self.set_sending_if(sender, paused, (at, is_active)).await?;
        Ok(before == Sending::Active)
    }

    /// Writes how it is from now on, if it may be: how it was.
    async fn set_sending_if(
        &self,
        sender: &Sender,
        sending: Sending,
        (at, may): (Timestamp, impl Fn(&Sending) -> bool),
    ) -> Result<Sending, TenantError> {
        let mut connection = self.connection().await?;
        let begun = connection.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(|error| store_error(&error))?;
        let (workspace, before) = look(&mut transaction, sender).await?;
        if !may(&before) {
            let ended = transaction.rollback().await;
            ended.map_err(|error| store_error(&error))?;
            return Ok(before);
        }
        let sending = goes_on(&before, sending);
        let written = async {
            write(&mut transaction, sender, &sending).await?;
            if let Some(fact) = fact(sender, &before, &sending) {
                let event = WorkspaceEvent::new(workspace, at, fact);
                append_workspace_event(&mut transaction, &event).await?;
            }
            if is_resumed(&before, &sending) && *sender == Sender::Workspace(workspace) {
                policy::begin_anew(&mut transaction, workspace, at).await?;
            }
            count_change(&mut transaction).await?;
            transaction.commit().await
        };
        written.await.map_err(|error| store_error(&error))?;
        self.load(&mut connection).await?;
        Ok(before)
    }
}

/// Whose it is, and how it stands.
async fn look(
    connection: &mut SqliteConnection,
    sender: &Sender,
) -> Result<(WorkspaceId, Sending), TenantError> {
    let (query, missing) = match sender {
        Sender::Workspace(workspace) => {
            let sql = "SELECT id, sending FROM workspace WHERE id = ? AND removed_at IS NULL";
            let query = sqlx::query(sql).bind(i64::from(workspace.0));
            (query, TenantError::NoSuchWorkspace(*workspace))
        }
        Sender::Domain(domain) => {
            let sql = "SELECT workspace_id, sending FROM domain WHERE name = ?";
            let query = sqlx::query(sql).bind(domain.as_str().to_owned());
            (query, TenantError::NoSuchDomain(domain.clone()))
        }
    };
    let found = query.fetch_optional(connection).await;
    let found = found.map_err(|error| store_error(&error))?;
    let row = found.ok_or(missing)?;
    Ok(read_place(&row).map_err(crate::StoreError::from)?)
}

fn read_place(row: &SqliteRow) -> Result<(WorkspaceId, Sending), RowError> {
    let workspace = WorkspaceId(rows::number(row, 0, "workspace_id")?);
    Ok((workspace, read_sending(row, 1)?))
}

fn read_sending(row: &SqliteRow, at: usize) -> Result<Sending, RowError> {
    record::read_sending(row.try_get(at)?).ok_or(RowError::Column("sending"))
}

/// What goes on has begun when it began.
fn goes_on(before: &Sending, sending: Sending) -> Sending {
    match (before, sending) {
        (Sending::Paused(before), Sending::Paused(pause)) => Sending::Paused(Pause {
            since: before.since,
            ..pause
        }),
        (Sending::Sandbox(before), Sending::Sandbox(sandbox)) => Sending::Sandbox(Sandbox {
            since: before.since,
            ..sandbox
        }),
        (_, sending) => sending,
    }
}

fn is_resumed(before: &Sending, after: &Sending) -> bool {
    before.pause().is_some() && after.pause().is_none()
}

/// What there is to tell: that a pause has begun or ended. Of a sandbox nothing is told, since no
/// vocabulary has a word for it.
fn fact(sender: &Sender, before: &Sending, after: &Sending) -> Option<WorkspaceFact> {
    let domain: Option<Domain> = match sender {
        Sender::Workspace(_) => None,
        Sender::Domain(domain) => Some(domain.clone()),
    };
    match (before.pause(), after.pause()) {
        (None, Some(pause)) => Some(WorkspaceFact::SendingPaused {
            domain,
            reason: pause.reason.clone(),
            new_mail: pause.new_mail,
        }),
        (Some(pause), None) => Some(WorkspaceFact::SendingResumed {
            domain,
            paused_at: pause.since,
        }),
        (None, None) | (Some(_), Some(_)) => None,
    }
}

async fn write(
    connection: &mut SqliteConnection,
    sender: &Sender,
    sending: &Sending,
) -> Result<(), sqlx::Error> {
    let column = record::write_sending(sending);
    let query = match sender {
        Sender::Workspace(workspace) => {
            sqlx::query("UPDATE workspace SET sending = ? WHERE id = ?")
                .bind(column)
                .bind(i64::from(workspace.0))
        }
        Sender::Domain(domain) => sqlx::query("UPDATE domain SET sending = ? WHERE name = ?")
            .bind(column)
            .bind(domain.as_str().to_owned()),
    };
    query.execute(connection).await.map(drop)
}

/// All that is not active.
pub(super) async fn read(
    connection: &mut SqliteConnection,
) -> Result<Vec<(Sender, Sending)>, RowError> {
    let workspaces = "SELECT id, sending FROM workspace \
        WHERE sending IS NOT NULL AND removed_at IS NULL";
    let mut all = read_all(connection, workspaces, |row| {
        let workspace = WorkspaceId(rows::number(row, 0, "workspace.id")?);
        Ok((Sender::Workspace(workspace), read_sending(row, 1)?))
    })
    .await?;
    let domains = "SELECT name, sending FROM domain WHERE sending IS NOT NULL";
    all.extend(
        read_all(connection, domains, |row| {
            let domain = rows::domain(row.try_get(0)?, "domain.name")?;
            Ok((Sender::Domain(domain), read_sending(row, 1)?))
        })
        .await?,
    );
    Ok(all)
}
