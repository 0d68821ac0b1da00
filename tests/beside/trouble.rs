//! What stands beside the live mail: a dead site, tarpits, names that are slow to be looked up, a flood.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use clap::ValueEnum;
use postbell_peers::Keep;
use postbell_peers::client::{ClientOptions, Mail, SmtpClient};
use postbell_peers::dns::Entry;
use postbell_peers::mx::{Action, MxOptions, MxServer, Script, Stage};
use postbell_tests::installation::SENDER_DOMAIN;
use tokio::time::Instant;

use super::Args;
use super::far_side::FarSide;
use super::flood::Flood;

/// Recipients of one message at most; the server's default limit.
const RECIPIENTS: u64 = 1_000;
/// How long the name server takes for the slow names.
const SLOW: Duration = Duration::from_secs(30);
/// The host of the dead site.
const DEAD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// Addresses of tarpits in one /24.
const PITS_PER_NET: u32 = 250;

/// What stands beside the live mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trouble {
    /// One site for all domains, whose host hangs up before it greets
    Dead,
    /// A site for each domain, whose host takes connections and never greets
    Tarpit,
    /// Domains whose names take 30 s to be looked up
    SlowDns,
    /// Hosts that flood the inbound door for as long as is measured
    InboundFlood,
}

/// The trouble, as it was handed in.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) deliveries: u64,
    pub(crate) refused: u64,
    pub(crate) took: Duration,
    hosts: Vec<MxServer>,
    flood: Option<Flood>,
}

impl Handed {
    /// Connections to its hosts so far, or of them where they come to us.
    pub(crate) fn dials(&self) -> u64 {
        let hosts = self.hosts.iter();
        let dials: u64 = hosts.map(|host| host.counts().connections).sum();
        dials + self.flood.as_ref().map_or(0, Flood::connections)
    }

    /// Messages that a flood has offered so far, and that were taken of it.
    pub(crate) fn flooded(&self) -> Option<(u64, u64)> {
        self.flood.as_ref().map(Flood::messages)
    }
}

/// Sets the far side up and hands the deliveries in.
pub(crate) async fn hand_in(
    trouble: Trouble,
    args: &Args,
    far_side: &FarSide,
    (to, inbound): (SocketAddr, SocketAddr),
) -> anyhow::Result<Handed> {
    if trouble == Trouble::InboundFlood {
        let (hosts, rate) = (args.domains, args.deliveries);
        let flood = Flood::begin(inbound, (hosts, rate), &far_side.tasks, &far_side.stop);
        return Ok(Handed {
            deliveries: 0,
            refused: 0,
            took: Duration::ZERO,
            hosts: Vec::new(),
            flood: Some(flood),
        });
    }
    let hosts = match trouble {
        Trouble::Dead => dead(args, far_side).await?,
        Trouble::Tarpit => tarpits(args, far_side).await?,
        Trouble::SlowDns => slow_names(args, far_side),
        Trouble::InboundFlood => Vec::new(),
    };
    let begin = Instant::now();
    let mut client = SmtpClient::connect(to, &ClientOptions::default()).await?;
    let (mut deliveries, mut refused) = (0, 0);
    while deliveries < args.deliveries {
        let count = RECIPIENTS.min(args.deliveries - deliveries);
        let outcome = client.send(&mail(deliveries, count, args.domains)).await?;
        refused += if outcome.is_taken() { 0 } else { count };
        deliveries += count;
    }
    client.quit().await?;
    ensure!(refused < deliveries, "nothing of the trouble was taken");
    Ok(Handed {
        deliveries,
        refused,
        took: begin.elapsed(),
        hosts,
        flood: None,
    })
}

fn domain(number: u64) -> String {
    format!("trouble{number}.test")
}

async fn dead(args: &Args, far_side: &FarSide) -> anyhow::Result<Vec<MxServer>> {
    let table = far_side.dns.table();
    table.set("mx.dead.test", Entry::addresses([IpAddr::V4(DEAD)]));
    for number in 0..u64::from(args.domains) {
        table.set(&domain(number), Entry::mx([(10, "mx.dead.test")]));
    }
    Ok(vec![host(far_side, DEAD, Action::Drop).await?])
}

async fn tarpits(args: &Args, far_side: &FarSide) -> anyhow::Result<Vec<MxServer>> {
    let mut hosts = Vec::new();
    for number in 0..args.domains {
        let [.., net, address] =
            (number / PITS_PER_NET * 256 + number % PITS_PER_NET).to_be_bytes();
        let ip = Ipv4Addr::new(127, 0, 8 + net, 1 + address);
        let name = domain(u64::from(number));
        let table = far_side.dns.table();
        table.set(&format!("mx.{name}"), Entry::addresses([IpAddr::V4(ip)]));
        hosts.push(host(far_side, ip, Action::Stall).await?);
    }
    Ok(hosts)
}

fn slow_names(args: &Args, far_side: &FarSide) -> Vec<MxServer> {
    for number in 0..u64::from(args.domains) {
        let slow = Entry::mx([(10, "mx.slow.test")]).delayed(SLOW);
        far_side.dns.table().set(&domain(number), slow);
    }
    Vec::new()
}

/// A host that does this instead of greeting.
async fn host(far_side: &FarSide, ip: Ipv4Addr, action: Action) -> anyhow::Result<MxServer> {
    let options = MxOptions {
        bind: SocketAddr::new(ip.into(), far_side.mx.addr().port()),
        keep: Keep::NOTHING,
        ..MxOptions::default()
    };
    let host = MxServer::start(options, &far_side.tasks, far_side.stop.clone()).await?;
    host.script_always(Script::new().then(Stage::Greeting, action));
    Ok(host)
}

/// A message to so many recipients.
fn mail(first: u64, count: u64, domains: u32) -> Mail {
    let from = format!("trouble@{SENDER_DOMAIN}");
    let numbers = first..first + count;
    let to = numbers.map(|n| format!("user{n}@{}", domain(n % u64::from(domains))));
    let body = format!(
        "From: <{from}>\r\nSubject: Trouble {first}\r\n\r\n{}",
        "This will take its time.\r\n".repeat(40)
    );
    Mail {
        from,
        to: to.collect(),
        parameters: String::new(),
        body: Bytes::from(body),
    }
}
