//! Load on the real program, all on loopback: how fast it accepts, delivers and tells.
//!
//! ```text
//! cargo run --release -p postbell-tests --bin load -- --messages 20000 --sessions 50 --webhook
//! cargo run --release -p postbell-tests --bin load -- --inbound --size 10240 --keep
//! cargo run --release -p postbell-tests --bin load -- --messages 1000 --clicks 400000
//! ```
//!
//! The load, the MX, the name server and the webhook receiver run in this process, the server in
//! another, on the same processors; so the figures compare versions on one machine, not machines.
//! Messages, sessions and time are bounded.

mod clicks;
mod disk;
mod drive;
mod incoming;
mod memory;
mod report;
mod signed;
mod tracked;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use postbell_peers::Keep;
use postbell_peers::dns::{DnsOptions, DnsServer};
use postbell_peers::mx::{MxOptions, MxServer};
use postbell_peers::webhook::{SigningSecret, WebhookOptions, WebhookServer};
use postbell_tests::installation::{Installation, Plan, Server, Usage, WEBHOOK_SECRET};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use clicks::{ClickArgs, Clicked, TrackingHost};
use drive::{Content, Driven, Mails};
use incoming::Pool;
use report::Report;
use signed::{Keys, Signatures};
use tracked::Tracked;

/// Each message is told of twice: Send and Delivery.
const EVENTS_PER_MESSAGE: u64 = 2;

/// Puts load on postbell and says how fast it is.
#[derive(Debug, Parser)]
#[command(name = "load", max_term_width = 100)]
struct Args {
    /// How many messages are submitted
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=5_000_000))]
    messages: u64,
    /// Seconds after which nothing more is submitted [default: none]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: Option<u64>,
    /// How many sessions submit at the same time
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    sessions: u32,
    /// Octets of each message
    #[arg(long, default_value_t = 2_048, value_parser = clap::value_parser!(u32).range(256..=20_000_000))]
    size: u32,
    /// Domains that the recipients are spread over
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    domains: u32,
    /// Submit all messages of a session over one connection, not each over its own
    #[arg(long)]
    keep: bool,
    /// Have the events posted to a webhook
    #[arg(long)]
    webhook: bool,
    /// Switch the webhook on only when all mail is delivered: how fast a backlog is told
    #[arg(long, requires = "webhook")]
    backlog: bool,
    /// Have the messages signed
    #[arg(long, value_enum)]
    dkim: Option<Keys>,
    /// Send a newsletter of 50 KB with 60 links, whose links and openings are tracked; needs a program with
    /// a tracking door, or `--set tracking.base_url=…`
    #[arg(long, conflicts_with_all = ["inbound", "size"])]
    newsletter: bool,
    /// Bring mail from outside instead, signed, to a domain that takes it
    #[arg(long, conflicts_with_all = ["dkim", "webhook", "domains"])]
    inbound: bool,
    #[command(flatten)]
    click: ClickArgs,
    /// The program [default: postbell, beside this one]
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where to make the data folder [default: the system's temporary folder]
    #[arg(long)]
    folder: Option<PathBuf>,
    /// A configuration key to set, as often as wanted: `deliver.smtp_port=2525`
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Seconds that delivering may take after the last message was accepted
    #[arg(long, default_value_t = 300)]
    limit: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    fn outgoing(&self) -> Mails {
        Mails::Outgoing {
            domains: u64::from(self.domains),
            content: if self.newsletter {
                Content::Given(tracked::mail())
            } else {
                Content::Text(self.size as usize)
            },
        }
    }

    /// The configuration: what was asked for comes last.
    fn settings(&self, tracking: TrackingHost) -> Vec<(String, String)> {
        let limits = incoming::LIMITS
            .iter()
            .filter(|_| self.inbound)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let tracking = self.click.clicks.map(|_| tracking.setting());
        let made = limits.chain(tracking);
        made.chain(self.set.iter().cloned()).collect()
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let far_side = FarSide::start(&args).await?;
    let tracking = TrackingHost::choose().await?;
    let installation = Installation::make(far_side.plan(&args, tracking)).await?;
    if let Some(keys) = args.dkim {
        signed::publish(keys, &installation, far_side.dns.table()).await?;
    }
    if args.inbound {
        incoming::let_in(&installation).await?;
    }
    if args.backlog {
        let off = ["destination", "update", "hook", "--state", "disabled"];
        installation.run(&off).await?;
    }
    // Before and after, since others use the disk as well: the shorter is what it can do.
    let sync_before = disk::median_sync(installation.folder().to_owned()).await?;
    let mut server = installation.spawn()?;
    server.greets().await?;

    let measured = measure(&args, &far_side, &installation, &server).await;
    let measured =
        measured.with_context(|| format!("the server said:\n{}", server.last_lines()))?;
    let sync_after = disk::median_sync(installation.folder().to_owned()).await?;
    let sync = sync_before.min(sync_after);
    let clicked = match args.click.clicks {
        Some(_) => Some(click(&args, tracking, &installation, &server).await?),
        None => None,
    };
    server.stop().await?;
    far_side.end().await;
    if args.inbound {
        incoming::check(installation.folder(), measured.driven.accepted).await?;
    }

    let report = Report::new(&args, &measured, sync);
    report::say(&if args.json {
        report.to_json()
    } else {
        report.to_table()
    });
    if let Some(clicked) = clicked {
        report::say(&if args.json {
            clicked.to_json()
        } else {
            clicked.to_table()
        });
    }
    Ok(())
}

/// Follows links, beside mail where that is asked for.
async fn click(
    args: &Args,
    tracking: TrackingHost,
    installation: &Installation,
    server: &Server,
) -> anyhow::Result<Clicked> {
    let visitors = tracking.visitors(&args.click, installation.folder());
    let visitors = visitors.await?;
    let mail = args.click.beside_mail.then(|| {
        let to = installation.smtp();
        drive::drive(args, args.outgoing(), to, Instant::now())
    });
    visitors.follow(server, mail).await
}

/// What was measured.
#[derive(Debug)]
struct Measured {
    driven: Driven,
    /// From the first connection to the last message at the MX, where mail goes out.
    delivered_in: Option<Duration>,
    /// From the first connection to the last event at the webhook; of a backlog, from its first
    /// event.
    told_in: Option<Duration>,
    /// What the server used for it.
    server_cpu: Duration,
    server_peak_memory: u64,
    /// Its memory second by second, while messages were submitted.
    server_memory: Vec<u64>,
    /// What this process used for it.
    own_cpu: Duration,
}

async fn measure(
    args: &Args,
    far_side: &FarSide,
    installation: &Installation,
    server: &Server,
) -> anyhow::Result<Measured> {
    let limit = Duration::from_secs(args.limit);
    let own_id = std::process::id();
    let (mails, to) = if args.inbound {
        let pool = Pool::make(args.size as usize, far_side.dns.table())?;
        (Mails::Incoming(pool), installation.inbound())
    } else {
        (args.outgoing(), installation.smtp())
    };
    let (server_before, own_before) = (server.usage()?, Usage::of(own_id)?);
    let begin = Instant::now();
    let (driven, memory) = memory::watch(server, drive::drive(args, mails, to, begin)).await;
    let driven = driven?;
    ensure!(
        driven.accepted > 0,
        "nothing was accepted: {:?}",
        driven.faults
    );

    let delivered_in = if args.inbound {
        None
    } else {
        let mx = &far_side.mx;
        mx.wait_for_messages(driven.accepted, limit).await?;
        Some(begin.elapsed())
    };
    if let Some(keys) = args.dkim {
        let (made, asked) = (far_side.signatures.count(), driven.accepted * keys.count());
        ensure!(made == asked, "{made} signatures came, not {asked}");
    }
    if args.newsletter {
        let (came, asked) = (far_side.tracked.count(), driven.accepted);
        ensure!(
            came == asked,
            "{came} newsletters came tracked, not {asked}"
        );
    }
    let begin = if args.backlog {
        far_side.switch_on(installation, limit).await?
    } else {
        begin
    };
    let told_in = if args.webhook {
        let events = driven.accepted * EVENTS_PER_MESSAGE;
        far_side.webhook.wait_for_posts(events, limit).await?;
        Some(begin.elapsed())
    } else {
        None
    };
    let (server_after, own_after) = (server.usage()?, Usage::of(own_id)?);
    let counts = far_side.webhook.counts();
    ensure!(
        counts.unverified == 0,
        "signatures did not verify: {counts:?}"
    );
    Ok(Measured {
        driven,
        delivered_in,
        told_in,
        server_cpu: server_after.cpu - server_before.cpu,
        server_peak_memory: server_after.peak_memory,
        server_memory: memory,
        own_cpu: own_after.cpu - own_before.cpu,
    })
}

/// MX, name server and webhook receiver.
struct FarSide {
    dns: DnsServer,
    mx: MxServer,
    webhook: WebhookServer,
    signatures: Signatures,
    tracked: Tracked,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl FarSide {
    async fn start(args: &Args) -> anyhow::Result<Self> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (signatures, tracked) = (Signatures::default(), Tracked::new());
        let ledger = if args.newsletter {
            Some(tracked.ledger(signatures.ledger()))
        } else {
            args.dkim.map(|_| signatures.ledger())
        };
        let mx_options = MxOptions {
            keep: Keep::NOTHING,
            ledger,
            ..MxOptions::default()
        };
        let webhook_options = WebhookOptions {
            keep: Keep::NOTHING,
            secrets: vec![SigningSecret::parse(WEBHOOK_SECRET)?],
            ..WebhookOptions::default()
        };
        Ok(Self {
            dns: DnsServer::start(DnsOptions::default(), &tasks, stop.clone()).await?,
            mx: MxServer::start(mx_options, &tasks, stop.clone()).await?,
            webhook: WebhookServer::start(webhook_options, &tasks, stop.clone()).await?,
            signatures,
            tracked,
            tasks,
            stop,
        })
    }

    /// Switches the webhook on: the moment of its first event.
    async fn switch_on(
        &self,
        installation: &Installation,
        limit: Duration,
    ) -> anyhow::Result<Instant> {
        let on = ["destination", "update", "hook", "--state", "active"];
        installation.run(&on).await?;
        self.webhook.wait_for_posts(1, limit).await?;
        Ok(Instant::now())
    }

    fn plan(&self, args: &Args, tracking: TrackingHost) -> Plan {
        Plan {
            binary: args.binary.clone(),
            parent: args.folder.clone(),
            dns: self.dns.addr(),
            mx_port: self.mx.addr().port(),
            webhook: args.webhook.then(|| self.webhook.url("hook")),
            settings: args.settings(tracking),
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
