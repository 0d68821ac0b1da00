//! The far side, and the program in the middle of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use postbell_peers::ServerTls;
use postbell_peers::client::{ClientOptions, Mail, Outcome, SmtpClient};
use postbell_peers::dns::{DnsOptions, DnsServer};
use postbell_peers::mx::{MxOptions, MxServer, Received, Script, Stage};
use postbell_peers::webhook::{Post, SigningSecret, WebhookOptions, WebhookServer};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::installation::{Installation, Plan, SENDER_DOMAIN, Server, WEBHOOK_SECRET};

/// How long anything may take that a test waits for.
pub const LIMIT: Duration = Duration::from_secs(30);

/// What the scenarios would otherwise wait minutes for.
const SETTINGS: &[(&str, &str)] = &[
    ("deliver.retry.first", "1s"),
    ("deliver.site_pause", "200ms"),
    ("notify.pause", "200ms"),
    ("server.grace", "10s"),
    ("log.level", "info"),
];

/// One installation with its peers: workspace `acme` with the domain `sender.test` and the
/// destination `hook`; any name leads to the one MX.
#[derive(Debug)]
pub struct World {
    /// The MX of every domain that `dns` does not say otherwise of.
    pub mx: MxServer,
    /// The name server that the program asks.
    pub dns: DnsServer,
    /// The receiver of all destinations, each at the path of its name. It checks signatures.
    pub webhook: WebhookServer,
    installation: Installation,
    server: Option<Server>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl World {
    /// Everything as usual, with short retry times.
    ///
    /// # Errors
    /// Something could not be started.
    pub async fn start() -> anyhow::Result<Self> {
        Self::with(&[]).await
    }

    /// As [`World::start`], with these keys set otherwise: `("deliver.retry.first", "1h")`.
    ///
    /// # Errors
    /// Something could not be started.
    pub async fn with(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut world = Self::set_up(settings).await?;
        world.start_program().await?;
        Ok(world)
    }

    /// As [`World::with`], without the program running.
    ///
    /// # Errors
    /// Something could not be started.
    pub async fn set_up(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let world = Self::prepare(settings).await?;
        world.run(&["workspace", "add", "acme"]).await?;
        let domain = ["domain", "add", SENDER_DOMAIN, "--workspace", "acme"];
        world.run(&domain).await?;
        world.add_destination("hook", &[]).await?;
        Ok(world)
    }

    /// As [`World::set_up`], without workspace, domain and destination.
    ///
    /// # Errors
    /// Something could not be started.
    pub async fn prepare(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let webhook = WebhookOptions {
            secrets: vec![SigningSecret::parse(WEBHOOK_SECRET)?],
            ..WebhookOptions::default()
        };
        let mx = MxOptions {
            tls: Some(ServerTls::development()),
            ..MxOptions::default()
        };
        let mx = MxServer::start(mx, &tasks, stop.clone()).await?;
        let dns = DnsServer::start(DnsOptions::default(), &tasks, stop.clone()).await?;
        let webhook = WebhookServer::start(webhook, &tasks, stop.clone()).await?;
        let settings = SETTINGS.iter().chain(settings);
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let plan = Plan {
            binary: Some(binary()?),
            parent: None,
            dns: dns.addr(),
            mx_port: mx.addr().port(),
            webhook: None,
            settings: settings.map(owned).collect(),
        };
        Ok(Self {
            mx,
            dns,
            webhook,
            installation: Installation::prepare(plan).await?,
            server: None,
            tasks,
            stop,
        })
    }

    /// The folder of configuration, data and log.
    pub fn folder(&self) -> &Path {
        self.installation.folder()
    }

    /// The program.
    pub fn binary(&self) -> &Path {
        self.installation.binary()
    }

    /// Sets a variable of the environment of what is started from now on.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.installation.set_variable(name, value);
    }

    /// Runs one command of the program and returns what it printed.
    ///
    /// # Errors
    /// It failed.
    pub async fn run(&self, words: &[&str]) -> anyhow::Result<String> {
        self.installation.run(words).await
    }

    /// Makes a destination of the default configuration set, at the path of its name.
    ///
    /// # Errors
    /// The command failed.
    pub async fn add_destination(&self, name: &str, options: &[&str]) -> anyhow::Result<()> {
        let url = self.webhook.url(name);
        self.installation.add_destination(name, &url, options).await
    }

    /// Starts the program, which must not run, and waits until it greets.
    ///
    /// # Errors
    /// It did not start.
    pub async fn start_program(&mut self) -> anyhow::Result<()> {
        ensure!(self.server.is_none(), "the program runs already");
        let mut server = self.installation.spawn()?;
        server.greets().await?;
        self.server = Some(server);
        Ok(())
    }

    /// SIGHUP: the program reads its configuration again.
    ///
    /// # Errors
    /// It did not run.
    pub async fn reload(&self) -> anyhow::Result<()> {
        let server = self.server.as_ref().context("the program doesn't run")?;
        server.signal("HUP").await
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// It did not run.
    pub async fn kill_program(&mut self) -> anyhow::Result<()> {
        let server = self.server.take().context("the program doesn't run")?;
        server.kill().await
    }

    /// SIGTERM; the program has to end in order.
    ///
    /// # Errors
    /// It did not, or had panicked before.
    pub async fn stop_program(&mut self) -> anyhow::Result<()> {
        let server = self.server.take().context("the program doesn't run")?;
        let status = server.stop().await?;
        let log = self.installation.log();
        ensure!(status.success(), "the program ended with {status}:\n{log}");
        ensure!(!log.contains("panicked"), "something panicked:\n{log}");
        Ok(())
    }

    /// A session with the submission door.
    ///
    /// # Errors
    /// The door refused it.
    pub async fn client(&self) -> anyhow::Result<SmtpClient> {
        let options = ClientOptions {
            limit: LIMIT,
            ..ClientOptions::default()
        };
        Ok(SmtpClient::connect(self.installation.smtp(), &options).await?)
    }

    /// Submits a mail that must be taken.
    ///
    /// # Errors
    /// It was refused.
    pub async fn submit(&self, to: &[&str]) -> anyhow::Result<()> {
        let outcome = self.offer(mail(to)).await?;
        ensure!(outcome.is_taken(), "refused: {}", outcome.deciding());
        Ok(())
    }

    /// Offers a mail that may be refused.
    ///
    /// # Errors
    /// The conversation broke.
    pub async fn offer(&self, mail: Mail) -> anyhow::Result<Outcome> {
        let mut client = self.client().await?;
        let outcome = client.send(&mail).await?;
        client.quit().await?;
        Ok(outcome)
    }

    /// Where mail comes in; known before the program runs.
    pub const fn inbound(&self) -> SocketAddr {
        self.installation.inbound()
    }

    /// A session with the inbound door.
    ///
    /// # Errors
    /// The door refused it.
    pub async fn stranger(&self) -> anyhow::Result<SmtpClient> {
        let options = ClientOptions {
            ehlo: "mx.peer.test".to_owned(),
            limit: LIMIT,
            ..ClientOptions::default()
        };
        Ok(SmtpClient::connect(self.inbound(), &options).await?)
    }

    /// Offers a mail at the inbound door, as another server does.
    ///
    /// # Errors
    /// The conversation broke.
    pub async fn bring(&self, mail: &Mail) -> anyhow::Result<Outcome> {
        let mut stranger = self.stranger().await?;
        let outcome = stranger.send(mail).await?;
        stranger.quit().await?;
        Ok(outcome)
    }

    /// The message that the MX took for this recipient.
    ///
    /// # Errors
    /// None came.
    pub async fn delivered(&self, to: &str) -> anyhow::Result<Arc<Received>> {
        let wanted = |received: &Received| received.recipients.iter().any(|r| r == to);
        let found = self.mx.wait_for_message(LIMIT, wanted).await;
        found.with_context(|| format!("no mail for {to}; {}", self.said()))
    }

    /// What the destination `hook` was told of this recipient, of this kind.
    ///
    /// # Errors
    /// Nothing was told.
    pub async fn told(&self, kind: &str, to: &str) -> anyhow::Result<Told> {
        self.told_at("hook", kind, to).await
    }

    /// What a destination was told.
    ///
    /// # Errors
    /// Nothing was told.
    pub async fn told_at(&self, name: &str, kind: &str, to: &str) -> anyhow::Result<Told> {
        let path = format!("/{name}");
        let wanted = |post: &Post| {
            post.path == path && (200..300).contains(&post.status) && tells(post, kind, to)
        };
        let found = self.webhook.wait_for_post(LIMIT, wanted).await;
        let post = found.with_context(|| format!("no {kind} of {to}; {}", self.said()))?;
        let document = post.json()?;
        Ok(Told { post, document })
    }

    /// The kinds of events that a destination took so far, of this recipient, in order.
    pub fn kinds(&self, name: &str, to: &str) -> Vec<String> {
        let path = format!("/{name}");
        let posts = self.webhook.posts();
        let taken = posts
            .iter()
            .filter(|post| post.path == path && (200..300).contains(&post.status));
        let documents = taken.filter_map(|post| post.json().ok());
        documents
            .filter(|document| document["mail"]["destination"][0] == to)
            .filter_map(|document| Some(document["eventType"].as_str()?.to_owned()))
            .collect()
    }

    /// A post to this destination that was not answered 2xx.
    ///
    /// # Errors
    /// None came.
    pub async fn refused_at(&self, name: &str) -> anyhow::Result<Arc<Post>> {
        let path = format!("/{name}");
        let wanted = |post: &Post| post.path == path && !(200..300).contains(&post.status);
        let found = self.webhook.wait_for_post(LIMIT, wanted).await;
        found.with_context(|| format!("no post to {path} was refused; {}", self.said()))
    }

    /// Ends the program in order and everything else.
    ///
    /// # Errors
    /// The program did not end as it should.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        if self.server.is_some() {
            self.stop_program().await?;
        }
        self.stop.cancel();
        self.tasks.close();
        let limit = Duration::from_secs(10);
        let ended = tokio::time::timeout(limit, self.tasks.wait()).await;
        ended.context("the peers don't end")
    }

    fn said(&self) -> String {
        format!("the program's log:\n{}", self.installation.log())
    }
}

/// One event, as it was posted.
#[derive(Debug)]
pub struct Told {
    /// The request.
    pub post: Arc<Post>,
    /// Its body.
    pub document: Value,
}

/// A mail from the workspace's domain to these.
pub fn mail(to: &[&str]) -> Mail {
    let body = format!(
        "From: Orders <orders@{SENDER_DOMAIN}>\r\nTo: {}\r\nSubject: Your order\r\n\r\n\
         It is on its way.\r\n.\r\n..two dots\r\n",
        to.join(", ")
    );
    Mail {
        from: format!("orders@{SENDER_DOMAIN}"),
        to: to.iter().map(|&address| address.to_owned()).collect(),
        parameters: String::new(),
        body: Bytes::from(body),
    }
}

/// An MX that defers every recipient, over connections that are used again and again.
pub fn deferring() -> Script {
    let answer = |script: Script, _| script.reply(Stage::Rcpt, "451 4.3.2 Closed for now");
    (0..100).fold(Script::new(), answer)
}

fn tells(post: &Post, kind: &str, to: &str) -> bool {
    post.json().is_ok_and(|document| {
        document["eventType"] == kind && document["mail"]["destination"][0] == to
    })
}

/// `target/PROFILE/postbell`, beside the folder of this test binary.
fn binary() -> anyhow::Result<PathBuf> {
    let tests = std::env::current_exe()?;
    let profile = tests.parent().and_then(Path::parent);
    Ok(profile.context("no folder")?.join("postbell"))
}
