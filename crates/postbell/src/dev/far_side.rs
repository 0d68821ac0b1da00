//! DNS, MX with recipients that answer, and webhook receiver: what the server finds instead of the Internet.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use postbell_model::Clock;
use postbell_peers::ServerTls;
use postbell_peers::answer::Doors;
use postbell_peers::dns::{DnsOptions, DnsServer, Entry};
use postbell_peers::webhook::{Post, SigningSecret, WebhookOptions, WebhookServer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::mailbox;
use super::setup::{Folder, Receiver};
use crate::simulator::{Simulation, Simulator, Strangers};

/// Events that may wait to be shown.
const FEED: usize = 1_024;
/// The name of the MX.
const HOST: &str = "mx.peer.test";

/// The far side, running.
#[derive(Debug)]
pub(super) struct FarSide {
    pub(super) dns: SocketAddr,
    pub(super) mx: SocketAddr,
    pub(super) webhook: String,
    posts: mpsc::Receiver<Arc<Post>>,
    names: DnsServer,
    recipients: Simulator,
}

impl FarSide {
    /// Starts all of it on ports of loopback.
    pub(super) async fn start(
        folder: &Folder,
        receiver: &Receiver,
        clock: &Arc<dyn Clock>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let dns = DnsServer::start(DnsOptions::default(), tasks, stop.clone())
            .await
            .context("the DNS server of the far side can't start")?;
        let simulation = Simulation {
            host: HOST.to_owned(),
            strangers: Strangers::Taken,
            tls: Some(ServerTls::development()),
            ledger: Some(mailbox::ledger(folder.mail(), tasks)),
        };
        let mx = Simulator::start(simulation, clock, tasks, stop.clone())
            .await
            .context("the MX of the far side can't start")?;
        let (feed, posts) = mpsc::channel(FEED);
        let secret = SigningSecret::parse(&receiver.secret).context("the webhook's secret")?;
        let options = WebhookOptions {
            bind: (Ipv4Addr::LOCALHOST, receiver.port).into(),
            secrets: vec![secret],
            feed: Some(feed),
            ..WebhookOptions::default()
        };
        let webhook = WebhookServer::start(options, tasks, stop)
            .await
            .with_context(|| {
                format!(
                    "the webhook receiver can't listen on port {}: is another `postbell dev` \
                     running on this data?",
                    receiver.port
                )
            })?;
        Ok(Self {
            dns: dns.addr(),
            mx: mx.address(),
            webhook: webhook.url("/events"),
            posts,
            names: dns,
            recipients: mx,
        })
    }

    /// Publishes a TXT record.
    pub(super) fn publish(&self, name: &str, text: &str) {
        self.names.table().set(name, Entry::txt([text]));
    }

    /// Says where answers go.
    pub(super) fn answer_at(&self, doors: Doors) {
        self.recipients.answer_at(doors);
    }

    /// The next event; `None` where the receiver is gone.
    pub(super) async fn next_post(&mut self) -> Option<Arc<Post>> {
        self.posts.recv().await
    }
}

impl fmt::Display for FarSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            dns, mx, webhook, ..
        } = self;
        write!(f, "DNS {dns}, MX {mx}, webhook {webhook}")
    }
}
