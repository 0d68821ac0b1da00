//! DNS, MX with recipients that answer, and webhook receiver: what the server finds instead of the Internet.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use postbell_model::Clock;
use postbell_peers::ServerTls;
use postbell_peers::answer::Answers;
use postbell_peers::dns::{DnsOptions, DnsServer, Entry};
use postbell_peers::mx::{Ledger, Moment, MxOptions, MxServer};
use postbell_peers::webhook::{Post, SigningSecret, WebhookOptions, WebhookServer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::mailbox;
use super::setup::{Folder, Receiver};

/// Events that may wait to be shown.
const FEED: usize = 1_024;
/// Long enough that mail is shown as delivered before its answer comes in.
const ANSWER_AFTER: Duration = Duration::from_secs(1);

/// The far side, running.
#[derive(Debug)]
pub(super) struct FarSide {
    pub(super) dns: SocketAddr,
    pub(super) mx: SocketAddr,
    pub(super) webhook: String,
    posts: mpsc::Receiver<Arc<Post>>,
    names: DnsServer,
    answers: Answers,
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
        let answers = Answers::start(ANSWER_AFTER, Arc::clone(clock), tasks, stop.clone());
        let saved = mailbox::ledger(folder.mail(), tasks);
        let options = MxOptions {
            tls: Some(ServerTls::development()),
            ledger: Some(answered(saved, answers.clone())),
            ..MxOptions::default()
        };
        let mx = MxServer::start(options, tasks, stop.clone())
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
            mx: mx.addr(),
            webhook: webhook.url("/events"),
            posts,
            names: dns,
            answers,
        })
    }

    /// Publishes a TXT record.
    pub(super) fn publish(&self, name: &str, text: &str) {
        self.names.table().set(name, Entry::txt([text]));
    }

    /// Says where mail comes in: answers are handed in there.
    pub(super) fn answer_at(&self, door: SocketAddr) {
        self.answers.open_to(door);
    }

    /// The next event; `None` where the receiver is gone.
    pub(super) async fn next_post(&mut self) -> Option<Arc<Post>> {
        self.posts.recv().await
    }
}

/// A ledger that has recipients answer as well.
fn answered(saved: Ledger, answers: Answers) -> Ledger {
    Arc::new(move |received, moment| {
        saved(received, moment);
        if moment == Moment::AfterReply {
            answers.hear(received);
        }
    })
}

impl fmt::Display for FarSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            dns, mx, webhook, ..
        } = self;
        write!(f, "DNS {dns}, MX {mx}, webhook {webhook}")
    }
}
