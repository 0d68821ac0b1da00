//! Whose hand acts on the queue: that of the server that runs on the data folder, which has its
//! deliveries in memory; where there is none, this process, which has the store meanwhile.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use postbell_api::control::CONTROL_SOCKET;
use postbell_model::Clock;
use postbell_net::control::{ControlError, ControlLines};
use postbell_store::{Action, Course, DeliveryFilter, Directory, Operate};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::admin::workspace_name;
use crate::alone::Alone;
use crate::config::Config;

/// How long a batch may take.
const BATCH_LIMIT: Duration = Duration::from_secs(60);

/// What came of an action.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) changed: u64,
    pub(crate) left_alone: u64,
    /// Why it did not come to its end.
    pub(crate) broken_off: Option<String>,
}

/// Acts on the queue of a data folder.
#[derive(Debug)]
pub(crate) struct Hand<'a> {
    pub(crate) config: &'a Config,
    pub(crate) directory: &'a Directory,
    pub(crate) clock: &'a Arc<dyn Clock>,
}

impl Hand<'_> {
    /// Carries an action out; `progress` hears how many are changed so far.
    pub(crate) async fn operate(
        &self,
        filter: &DeliveryFilter,
        action: &Action,
        progress: impl Fn(u64),
    ) -> anyhow::Result<Outcome> {
        let socket = self.config.server.data_dir.join(CONTROL_SOCKET);
        let target = format!("/v1/queue/{}", action.name());
        let request = request(self.directory, filter, action);
        match ControlLines::post(&socket, &target, request).await {
            Ok(lines) => listen(lines, progress).await,
            Err(ControlError::NoServer { .. }) => self.alone(filter, action, progress).await,
            Err(error) => Err(error.into()),
        }
    }

    /// By this process, which has the store while it works.
    async fn alone(
        &self,
        filter: &DeliveryFilter,
        action: &Action,
        progress: impl Fn(u64),
    ) -> anyhow::Result<Outcome> {
        let folder = &self.config.server.data_dir;
        let Some(store) = Alone::open(folder, &self.config.store, self.clock).await? else {
            bail!(
                "a server has the store in {}, and its control door ({CONTROL_SOCKET}) is not \
                 open: see its log, or stop it first",
                folder.display()
            );
        };
        let mut outcome = Outcome::default();
        let mut course = Course::default();
        let mut done = Ok(());
        while !course.is_ended() && done.is_ok() {
            let batch = store.operate_some(filter, action, self.clock.now(), &mut course);
            done = batch.await.map(|batch| {
                outcome.changed += batch.changed;
                outcome.left_alone += batch.left_alone;
                progress(outcome.changed);
            });
        }
        store.close().await;
        done?;
        Ok(outcome)
    }
}

fn request(directory: &Directory, filter: &DeliveryFilter, action: &Action) -> Bytes {
    let states = filter.states.iter().map(|state| state.name());
    let workspace = filter.workspace.map(|id| workspace_name(directory, id));
    let credential = filter.credential.and_then(|id| {
        let found = directory.credential_of(id);
        found.map(|credential| &credential.username)
    });
    let mut request = json!({
        "workspace": workspace,
        "domain": filter.domain.as_ref().map(ToString::to_string),
        "recipient": filter.recipient.as_ref().map(ToString::to_string),
        "messageId": filter.message.map(|id| id.to_string()),
        "credential": credential,
        "deliveryId": filter.delivery.map(|id| id.to_string()),
        "acceptedBefore": filter.accepted_before.map(|moment| moment.to_string()),
        "states": states.collect::<Vec<_>>(),
    });
    if let Action::Fail(reply) = action {
        request["reason"] = json!(reply.text);
    }
    request.to_string().into()
}

/// By the running server, line by line.
async fn listen(mut lines: ControlLines, progress: impl Fn(u64)) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome {
        broken_off: Some("the connection to the server ended".to_owned()),
        ..Outcome::default()
    };
    loop {
        let Ok(next) = timeout(BATCH_LIMIT, lines.next()).await else {
            bail!(
                "the server did not answer in time; {} are changed",
                outcome.changed
            );
        };
        let Some(line) = next? else { break };
        let step: Value = serde_json::from_slice(&line).context("the server's answer")?;
        outcome.changed = step["changed"].as_u64().unwrap_or_default();
        outcome.left_alone = step["leftAlone"].as_u64().unwrap_or_default();
        if step["done"] == true {
            outcome.broken_off = None;
        } else if let Some(why) = step["problem"]["detail"].as_str() {
            outcome.broken_off = Some(why.to_owned());
        }
        progress(outcome.changed);
    }
    Ok(outcome)
}
