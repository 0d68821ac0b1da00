//! What the control door asks the running server, and the stage that serves it.

use std::sync::Arc;

use postbell_api::control::{Control, ControlDoor, ReplyDocument, Running, SiteDocument, Step};
use postbell_deliver::{Live, SiteReply, SiteView};
use postbell_model::{Clock, CredentialId, Domain, WorkspaceId};
use postbell_net::Tracer;
use postbell_store::{Action, DeliveryFilter, Tenants};
use tokio::sync::mpsc;
use tracing::warn;

use super::Server;
use super::operations::Operations;
use crate::config::Config;

/// What the door sees of the server.
struct Inside {
    live: Live,
    tenants: Arc<dyn Tenants>,
    operations: Operations,
}

impl Running for Inside {
    fn sites(&self, domains: &[Domain]) -> Vec<SiteDocument> {
        self.live.sites(domains).into_iter().map(site).collect()
    }

    fn workspace(&self, name: &str) -> Option<WorkspaceId> {
        let directory = self.tenants.directory();
        directory
            .workspace_named(name)
            .map(|workspace| workspace.id)
    }

    fn credential(&self, username: &str) -> Option<CredentialId> {
        let directory = self.tenants.directory();
        directory
            .credential(username)
            .map(|credential| credential.id)
    }

    fn operate(&self, filter: DeliveryFilter, action: Action) -> Option<mpsc::Receiver<Step>> {
        self.operations.begin(filter, action)
    }
}

fn site(view: SiteView) -> SiteDocument {
    let egress = view.egress;
    let sources = egress.ipv4.map(|ip| ip.to_string());
    let sources = sources
        .into_iter()
        .chain(egress.ipv6.map(|ip| ip.to_string()));
    SiteDocument {
        hosts: view.hosts,
        domains: view.domains.iter().map(ToString::to_string).collect(),
        source_addresses: sources.collect(),
        ehlo_name: egress.ehlo_name.map(|name| name.to_string()),
        connections: view.connections,
        opening: view.opening,
        idle: view.idle,
        window: view.window,
        max_connections: view.limits.connections,
        max_messages_per_connection: view.limits.messages_per_connection,
        rate: view.limits.rate.map(|rate| rate.to_string()),
        waiting: view.waiting,
        proven: view.proven,
        paused_for_seconds: view.paused_for.map(|left| left.as_secs_f64()),
        held_for_seconds: view.held_for.map(|left| left.as_secs_f64()),
        replies: view.replies.into_iter().map(reply).collect(),
    }
}

fn reply(said: SiteReply) -> ReplyDocument {
    ReplyDocument {
        at: said.at.to_string(),
        host: said.host.to_string(),
        ip: said.ip.map(|ip| ip.to_string()),
        phase: said.phase.name().to_owned(),
        code: said.reply.code,
        enhanced: said.reply.enhanced.map(|code| code.to_string()),
        text: said.reply.text,
        from_host: said.from_peer,
    }
}

impl Server {
    /// Opens the control door. Mail goes without it, so that it can't be opened is no trouble.
    pub(super) fn run_control(
        &self,
        config: &Config,
        live: Live,
        tracer: Tracer,
        clock: Arc<dyn Clock>,
    ) {
        // The doors stop first: what an operator has begun then ends, too.
        let (tasks, stop) = (self.http.tasks().clone(), self.doors.stop());
        let store = self.store.clone();
        let inside = Inside {
            tenants: store.clone(),
            operations: Operations::new(store, live.clone(), clock, (tasks, stop)),
            live,
        };
        let control = Control::new(Arc::new(inside), tracer);
        match ControlDoor::bind(&config.server.data_dir, control) {
            Ok(door) => {
                let (tasks, stop) = (self.http.tasks().clone(), self.http.stop());
                self.http.run(door.serve(tasks, stop));
            }
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "there is no control door: `postbell trace`, actions on the queue, and what \
                 `postbell explain` asks a running server, will not work"
            ),
        }
    }
}
