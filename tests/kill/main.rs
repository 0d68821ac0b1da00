//! `kill -9` under load, again and again, on one data folder: is anything lost?
//!
//! ```text
//! cargo run --release -p postbell-tests --bin kill -- --rounds 20 --seed 1
//! ```
//!
//! Ledgers are kept outside the server: what the client was acknowledged, what the MX took, what the
//! webhook was told, what came in. Each round starts the server, submits through several
//! sessions, brings mail at the inbound door and kills it at a random moment; the last one lets it finish. Then the ledgers must
//! agree: see [`reconcile`]. It ends with exit code 1 where they don't, and keeps the folder.
//! With `--how term` the server is told to stop instead: it has to end by itself, in time, and
//! nothing may be sent twice. With `--how none` it is left to a fault that `--binary` provokes, such
//! as a disk that fails; and is killed where it goes on. Everything stays on loopback; rounds, messages and times are bounded.

mod inbound;
mod ledger;
mod random;
mod reconcile;
mod submit;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};
use postbell_peers::Keep;
use postbell_peers::dns::{DnsOptions, DnsServer};
use postbell_peers::mx::{Moment, MxOptions, MxServer, Received};
use postbell_peers::webhook::{Post, SigningSecret, WebhookOptions, WebhookServer};
use postbell_tests::installation::{Installation, Plan, SENDER_DOMAIN, Server, WEBHOOK_SECRET};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use ledger::{Kill, Ledgers};
use random::Random;
use reconcile::Verdict;
use submit::Submitters;

/// How often is looked whether everything has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long the server may take to end after SIGTERM.
const END_LIMIT: Duration = Duration::from_secs(30);
/// Nothing may have come for as long before everything counts as arrived.
const QUIET: Duration = Duration::from_secs(2);

/// Kills postbell under load, and looks for what was lost.
#[derive(Debug, Parser)]
#[command(name = "kill", max_term_width = 100)]
struct Args {
    /// How often the server is ended
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    /// How it is ended
    #[arg(long, value_enum, default_value_t = How::Kill)]
    how: How,
    /// Where the random numbers begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many sessions submit at the same time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=500))]
    sessions: u32,
    /// Messages of a round
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    messages: u64,
    /// The latest moment of a kill, in milliseconds after the start
    #[arg(long, default_value_t = 2_000)]
    latest: u64,
    /// How long before a kill a message may have been taken that is sent again, in milliseconds
    #[arg(long, default_value_t = 1_000)]
    window: u64,
    /// Seconds that the last round may take
    #[arg(long, default_value_t = 180)]
    limit: u64,
    /// The program [default: postbell, beside this one]
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where to make the data folder [default: the system's temporary folder]
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// How the server is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum How {
    /// `kill -9`
    Kill,
    /// SIGTERM, once it has greeted
    Term,
    /// By itself, and else by `kill -9` at the latest moment
    None,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let world = World::start(&args).await?;
    let mut installation = world.install(&args).await?;
    let played = match world.play(&args, &installation).await {
        // After so many kills the store has to hold together as well.
        Ok(()) => installation.run(&["verify"]).await.map(drop),
        Err(error) => Err(error),
    };
    let verdict = match played {
        Ok(()) => world.judge(&args, &installation)?,
        Err(error) => {
            installation.keep_folder();
            let folder = installation.folder().display();
            return Err(error.context(format!("the data are kept in {folder}")));
        }
    };
    world.end().await;
    say(&verdict.to_string());
    if verdict.is_fine() {
        return Ok(ExitCode::SUCCESS);
    }
    installation.keep_folder();
    say(&format!(
        "The data are kept in {}.",
        installation.folder().display()
    ));
    Ok(ExitCode::FAILURE)
}

/// The far side and the ledgers.
struct World {
    ledgers: Arc<Ledgers>,
    dns: DnsServer,
    mx: MxServer,
    webhook: WebhookServer,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl World {
    async fn start(args: &Args) -> anyhow::Result<Self> {
        let ledgers = Arc::new(Ledgers::new(Instant::now()));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let mx_ledger = Arc::clone(&ledgers);
        let mx_options = MxOptions {
            keep: Keep::NOTHING,
            ledger: Some(Arc::new(move |received: &Received, moment| {
                if moment == Moment::BeforeReply {
                    mx_ledger.taken(received);
                }
            })),
            ..MxOptions::default()
        };
        let webhook_ledger = Arc::clone(&ledgers);
        let webhook_options = WebhookOptions {
            keep: Keep::NOTHING,
            secrets: vec![SigningSecret::parse(WEBHOOK_SECRET)?],
            ledger: Some(Arc::new(move |post: &Post| webhook_ledger.told(post))),
            ..WebhookOptions::default()
        };
        say(&format!(
            "{} rounds, {} sessions, seed {}",
            args.rounds, args.sessions, args.seed
        ));
        Ok(Self {
            ledgers,
            dns: DnsServer::start(DnsOptions::default(), &tasks, stop.clone()).await?,
            mx: MxServer::start(mx_options, &tasks, stop.clone()).await?,
            webhook: WebhookServer::start(webhook_options, &tasks, stop.clone()).await?,
            tasks,
            stop,
        })
    }

    async fn install(&self, args: &Args) -> anyhow::Result<Installation> {
        let settings = [
            ("deliver.retry.first", "1s"),
            ("deliver.retry.longest", "2s"),
            ("deliver.site_pause", "200ms"),
            ("deliver.longest_site_pause", "1s"),
            // One host brings all of what comes in.
            ("inbound.limits.max_messages_per_minute", "1000000"),
            ("inbound.limits.max_recipients_per_minute", "1000000"),
        ];
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let installation = Installation::make(Plan {
            binary: args.binary.clone(),
            parent: args.folder.clone(),
            dns: self.dns.addr(),
            mx_port: self.mx.addr().port(),
            webhook: Some(self.webhook.url("hook")),
            settings: settings.into_iter().map(owned).collect(),
        });
        let installation = installation.await?;
        let takes_mail = ["domain", "update", SENDER_DOMAIN, "--inbound", "on"];
        installation.run(&takes_mail).await?;
        Ok(installation)
    }

    async fn play(&self, args: &Args, installation: &Installation) -> anyhow::Result<()> {
        let mut random = Random::new(args.seed);
        for round in 1..=args.rounds {
            let seed = random.next();
            let moment = Duration::from_millis(random.below(args.latest.max(1)));
            let round_played = self.round(args, installation, round, seed, moment).await;
            round_played.with_context(|| format!("round {round}"))?;
        }
        self.let_it_finish(args, installation)
            .await
            .context("the last round")
    }

    /// Starts, submits, ends the server.
    async fn round(
        &self,
        args: &Args,
        installation: &Installation,
        round: u32,
        seed: u64,
        moment: Duration,
    ) -> anyhow::Result<()> {
        let server = installation.spawn()?;
        let begin = Instant::now();
        let submitters = Submitters {
            to: installation.smtp(),
            round,
            seed,
            sessions: args.sessions,
            messages: args.messages,
        };
        let round_ends = self.stop.child_token();
        let submitting = submitters.run(Arc::clone(&self.ledgers), round_ends.clone());
        let ledgers = Arc::clone(&self.ledgers);
        let bringing = inbound::run(installation.inbound(), round, ledgers, round_ends.clone());
        let ending = async {
            match args.how {
                How::Kill => self.kill(server, begin, moment).await?,
                How::Term => self.terminate(server, begin, moment).await?,
                How::None => self.leave(server, args.latest).await?,
            }
            round_ends.cancel();
            anyhow::Ok(())
        };
        let ((), (), ended) = tokio::join!(submitting, bringing, ending);
        ended
    }

    /// Kills the server so long after its start, whether it greets by then or not.
    async fn kill(
        &self,
        mut server: Server,
        begin: Instant,
        moment: Duration,
    ) -> anyhow::Result<()> {
        if let Ok(greeted) = timeout(moment, server.greets()).await {
            greeted?;
            self.ledgers.started(begin.elapsed());
        }
        sleep_until(begin + moment).await;
        let open_connections = self.mx.counts().open;
        server.kill().await?;
        self.ledgers.killed(Kill {
            at: Instant::now(),
            open_connections,
        });
        Ok(())
    }

    /// Leaves the server to its fault.
    async fn leave(&self, mut server: Server, latest: u64) -> anyhow::Result<()> {
        let limit = Duration::from_millis(latest);
        let ended = server.ended(limit).await?;
        let open_connections = self.mx.counts().open;
        match ended {
            Some(status) => {
                ensure!(!status.success(), "the server ended without a word");
                self.ledgers.stopped(server.last_words());
            }
            None => server.kill().await?,
        }
        self.ledgers.killed(Kill {
            at: Instant::now(),
            open_connections,
        });
        Ok(())
    }

    /// Tells the server to stop so long after its greeting.
    async fn terminate(
        &self,
        mut server: Server,
        begin: Instant,
        moment: Duration,
    ) -> anyhow::Result<()> {
        server.greets().await?;
        self.ledgers.started(begin.elapsed());
        sleep(moment).await;
        let told = Instant::now();
        let status = server.stop().await?;
        ensure!(status.success(), "the server ended with {status}");
        ensure!(
            told.elapsed() <= END_LIMIT,
            "the server took {:.1?} to end",
            told.elapsed()
        );
        self.ledgers.ended(told.elapsed());
        Ok(())
    }

    /// Starts, waits until all has arrived, and ends the server in order.
    async fn let_it_finish(&self, args: &Args, installation: &Installation) -> anyhow::Result<()> {
        let mut server = installation.spawn()?;
        let begin = Instant::now();
        server.greets().await?;
        self.ledgers.started(begin.elapsed());
        let deadline = begin + Duration::from_secs(args.limit);
        let (mut posts, mut last_post) = (0, Instant::now());
        loop {
            let now = Instant::now();
            if self.webhook.counts().posts != posts {
                (posts, last_post) = (self.webhook.counts().posts, now);
            }
            let is_quiet = now - last_post >= QUIET;
            // What is missing at the deadline is what the ledgers will show.
            if (is_quiet && self.ledgers.unfinished() == 0) || now > deadline {
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        let status = server.stop().await?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    fn judge(&self, args: &Args, installation: &Installation) -> anyhow::Result<Verdict> {
        let counts = self.webhook.counts();
        ensure!(
            counts.unverified == 0,
            "signatures did not verify: {counts:?}"
        );
        let log = std::fs::read_to_string(installation.folder().join("log"))?;
        ensure!(!log.contains("panicked at"), "something panicked:\n{log}");
        let window = Duration::from_millis(args.window);
        Ok(reconcile::reconcile(&self.ledgers, window))
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Prints; a reader that went away is no fault.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}"));
}
