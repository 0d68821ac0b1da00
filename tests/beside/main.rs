//! Live mail, first alone and then beside trouble: how much later does it arrive?
//!
//! ```text
//! cargo run --release -p postbell-tests --bin beside -- --trouble dead --deliveries 100000
//! ```
//!
//! A steady stream of messages to hosts that work is measured from the moment that each is due to
//! be handed in until its host has it, so that a server that makes its clients wait does not look
//! better for it. Then the trouble is handed in, and the stream is measured again. Everything is
//! on loopback and shares the processors; what counts is one figure beside the other. Messages,
//! rates and times are bounded.

mod far_side;
mod flood;
mod live;
mod trouble;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use postbell_tests::installation::{Installation, Plan, Server};
use serde_json::json;
use tokio::time::{Instant, sleep};

use far_side::FarSide;
use live::{Live, Measured};
use trouble::{Handed, Trouble};

/// Messages of the live stream before it is measured: connections are made, names looked up.
const WARM_UP: u64 = 200;
/// How long the trouble may unfold before the stream beside it begins.
const UNFOLDS: Duration = Duration::from_secs(2);

/// Measures live mail beside trouble.
#[derive(Debug, Parser)]
#[command(name = "beside", max_term_width = 100)]
struct Args {
    /// What stands beside the live mail
    #[arg(long, value_enum)]
    trouble: Trouble,
    /// Deliveries of the trouble; of a flood the messages a second
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=5_000_000))]
    deliveries: u64,
    /// Domains that they are spread over; of a flood the hosts that it comes from
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    domains: u32,
    /// Stop and start the server once the trouble was handed in
    #[arg(long)]
    restart: bool,
    /// Live messages a second
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Seconds that the stream is measured, each time
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// The program [default: postbell, beside this one]
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where to make the data folder [default: the system's temporary folder]
    #[arg(long)]
    folder: Option<PathBuf>,
    /// A configuration key to set, as often as wanted: `deliver.retry.first=1s`
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let far_side = FarSide::start().await?;
    let installation = Installation::make(Plan {
        binary: args.binary.clone(),
        parent: args.folder.clone(),
        dns: far_side.dns.addr(),
        mx_port: far_side.mx.addr().port(),
        webhook: None,
        settings: args.set.clone(),
    });
    let installation = installation.await?;
    let told = measure(&args, &far_side, &installation).await;
    far_side.end().await;
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{}", told?));
    Ok(())
}

/// Plays all of it, and says what came out as JSON.
async fn measure(
    args: &Args,
    far_side: &FarSide,
    installation: &Installation,
) -> anyhow::Result<String> {
    let mut server = installation.spawn()?;
    server.greets().await?;
    let live = Live {
        to: installation.smtp(),
        rate: args.rate,
        arrivals: far_side.arrivals.clone(),
    };
    live.run(WARM_UP).await?;
    let count = u64::from(args.rate) * u64::from(args.seconds);
    let alone = live.run(count).await?;
    let memory_before = server.usage()?.memory;

    let doors = (installation.smtp(), installation.inbound());
    let handed = trouble::hand_in(args.trouble, args, far_side, doors).await?;
    let (server, start) = if args.restart {
        restart(server, installation).await?
    } else {
        (server, None)
    };
    sleep(UNFOLDS).await;
    let (dials, since) = (handed.dials(), Instant::now());
    live.run(WARM_UP).await?;
    let beside = live.run(count).await?;
    let flooded = handed.flooded();
    let dials = (handed.dials() - dials) as f64 * 60.0 / since.elapsed().as_secs_f64();
    let usage = server.usage()?;
    server.stop().await?;
    let log = installation.log();
    Ok(json!({
        "alone": figures(&alone),
        "beside": figures(&beside),
        "handed_in": handed_in(&handed),
        "flood": flooded.map(|(offered, taken)| json!({ "offered": offered, "taken": taken })),
        "start_ms": start.map(millis),
        "dials": handed.dials(),
        "dials_a_minute": dials,
        "memory_before_mib": memory_before >> 20,
        "memory_mib": usage.memory >> 20,
        "peak_memory_mib": usage.peak_memory >> 20,
        "panics": log.matches("panicked at").count(),
    })
    .to_string())
}

/// Stops the server in order and starts it again; how long it took to greet.
async fn restart(
    server: Server,
    installation: &Installation,
) -> anyhow::Result<(Server, Option<Duration>)> {
    server.stop().await?;
    let begin = Instant::now();
    let mut server = installation.spawn()?;
    server.greets().await?;
    Ok((server, Some(begin.elapsed())))
}

fn figures(measured: &Measured) -> serde_json::Value {
    json!({
        "messages": measured.messages,
        "refused": measured.refused,
        "missing": measured.missing,
        "arrival_median_ms": millis(measured.arrival_median),
        "arrival_p99_ms": millis(measured.arrival_p99),
        "reply_p99_ms": millis(measured.reply_p99),
    })
}

fn handed_in(handed: &Handed) -> serde_json::Value {
    json!({
        "deliveries": handed.deliveries,
        "refused": handed.refused,
        "took_s": handed.took.as_secs_f64(),
    })
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
