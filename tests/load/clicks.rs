//! Links that are followed: each with a token of its own, of mail that was delivered before, over
//! connections that are kept.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use postbell_model::token::{Claim, Link, LinkTarget, domain_tag};
use postbell_model::{Domain, EventKind, TokenKeys};
use postbell_store::{
    EventFilter, From, Inspect, Logged, Position, SqliteInspector, SqliteTenants, Tenants,
};
use postbell_tests::installation::{SENDER_DOMAIN, Server, Usage};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::report::{millis, percentile};

/// Below `tracking.limits.max_connections_per_ip`.
const CONNECTIONS_PER_ADDRESS: usize = 180;
/// Events that are looked at in one go.
const PAGE: usize = 500;
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0";

/// What is asked for.
#[derive(Debug, Args)]
pub(crate) struct ClickArgs {
    /// Then follow so many links of the mail that was delivered, each another one
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=5_000_000))]
    pub(crate) clicks: Option<u64>,
    /// Connections that links are followed over
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=2_000))]
    pub(crate) click_connections: u64,
}

/// Where links lead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrackingHost(SocketAddr);

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Clicked {
    /// How often each status was answered.
    statuses: BTreeMap<u16, u64>,
    /// From request to answer, in order of length.
    latencies: Vec<Duration>,
    took: Duration,
    server_cpu: Duration,
    own_cpu: Duration,
}

impl TrackingHost {
    /// An address that nobody listens on at this moment.
    pub(crate) async fn choose() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Self(listener.local_addr()?))
    }

    /// The configuration that makes it one.
    pub(crate) fn setting(self) -> (String, String) {
        ("tracking.listen".to_owned(), self.0.to_string())
    }

    /// Follows links of the deliveries in the store of this folder.
    pub(crate) async fn follow(
        self,
        args: &ClickArgs,
        folder: &Path,
        server: &Server,
    ) -> anyhow::Result<Clicked> {
        let count = args.clicks.unwrap_or_default();
        let requests = Arc::new(requests(folder, count).await?);
        let next = Arc::new(AtomicUsize::new(0));
        let own_id = std::process::id();
        let mut streams = Vec::new();
        for number in 0..usize::try_from(args.click_connections)? {
            streams.push(self.connect(number).await?);
        }
        let (server_before, own_before) = (server.usage()?, Usage::of(own_id)?);
        let begin = Instant::now();
        let mut clients = JoinSet::new();
        for stream in streams {
            clients.spawn(click(stream, Arc::clone(&requests), Arc::clone(&next)));
        }
        let mut clicked = Clicked::default();
        while let Some(client) = clients.join_next().await {
            clicked.merge(client??);
        }
        clicked.took = begin.elapsed();
        clicked.latencies.sort_unstable();
        clicked.server_cpu = server.usage()?.cpu - server_before.cpu;
        clicked.own_cpu = Usage::of(own_id)?.cpu - own_before.cpu;
        Ok(clicked)
    }

    async fn connect(self, number: usize) -> anyhow::Result<TcpStream> {
        let last = u8::try_from(2 + number / CONNECTIONS_PER_ADDRESS)?;
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
        let stream = socket.connect(self.0).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// One client: follows link after link, until none is left.
async fn click(
    mut stream: TcpStream,
    requests: Arc<Vec<String>>,
    next: Arc<AtomicUsize>,
) -> anyhow::Result<Clicked> {
    let mut clicked = Clicked::default();
    let mut octets = vec![0; 16 << 10];
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        let begin = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let status = answer(&mut stream, &mut octets).await?;
        clicked.latencies.push(begin.elapsed());
        *clicked.statuses.entry(status).or_default() += 1;
    }
    Ok(clicked)
}

/// The status of the next answer.
async fn answer(stream: &mut TcpStream, octets: &mut [u8]) -> anyhow::Result<u16> {
    let mut filled = 0;
    loop {
        let count = stream.read(&mut octets[filled..]).await?;
        ensure!(count > 0, "the server has closed");
        filled += count;
        let text = std::str::from_utf8(&octets[..filled]).unwrap_or_default();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("no length")?.parse()?;
        if body.len() >= length {
            let status = head.split(' ').nth(1).context("no status")?;
            return Ok(status.parse()?);
        }
    }
}

/// The requests, ready to be sent.
async fn requests(folder: &Path, count: u64) -> anyhow::Result<Vec<String>> {
    let data = folder.join("data");
    let claims = claims(&data).await?;
    ensure!(
        !claims.is_empty(),
        "no mail was sent whose links could be followed"
    );
    let keys = SqliteTenants::open(&data).await?.token_keys();
    let keys = TokenKeys::new(keys.iter().map(|(id, key)| (*id, key)));
    let keys = keys.context("the store has no keys")?;
    let domain_tag = domain_tag(&Domain::parse(SENDER_DOMAIN)?);
    let requests = claims.iter().cycle().zip(0..count).map(|(claim, number)| {
        let link = Link {
            index: u16::try_from(number % 60).unwrap_or_default(),
            domain_tag,
            target: LinkTarget::Url(format!("https://shop.test/articles/{number}?from=news")),
        };
        let token = keys.sign_link(*claim, &link);
        format!(
            "GET /c/{token} HTTP/1.1\r\nHost: track.{SENDER_DOMAIN}\r\nUser-Agent: {USER_AGENT}\r\n\
             Accept: text/html\r\nAccept-Language: en\r\n\r\n"
        )
    });
    Ok(requests.collect())
}

/// Who was sent something.
async fn claims(data: &Path) -> anyhow::Result<Vec<Claim>> {
    let store = SqliteInspector::open(data).await?;
    let filter = EventFilter {
        kinds: vec![EventKind::Send],
        ..EventFilter::default()
    };
    let (mut after, mut claims) = (Position(0), Vec::new());
    loop {
        let found = store.events(&filter, From::After(after), PAGE).await?;
        claims.extend(found.events.iter().filter_map(|logged| match logged {
            Logged::Delivery(logged) => Some(Claim {
                workspace: logged.message.workspace,
                delivery: logged.event.delivery,
            }),
            Logged::Workspace(_) => None,
        }));
        if found.events.is_empty() && found.read_to == after {
            break;
        }
        after = found.read_to;
    }
    store.close().await;
    Ok(claims)
}

impl Clicked {
    fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
    }

    fn redirects(&self) -> u64 {
        self.statuses.get(&302).copied().unwrap_or_default()
    }

    fn figures(&self) -> [(&'static str, f64, &'static str); 5] {
        let clicks = self.latencies.len().max(1) as f64;
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / clicks;
        [
            (
                "redirects",
                self.redirects() as f64 / self.took.as_secs_f64(),
                "/s",
            ),
            (
                "click, median",
                millis(percentile(&self.latencies, 50)),
                "ms",
            ),
            ("click, 99 %", millis(percentile(&self.latencies, 99)), "ms"),
            ("server's CPU a click", each(self.server_cpu), "µs"),
            ("client's CPU a click", each(self.own_cpu), "µs"),
        ]
    }

    pub(crate) fn to_table(&self) -> String {
        let mut lines = vec![format!("{} links followed", self.latencies.len())];
        for (title, number, unit) in self.figures() {
            let decimals = if unit == "ms" { 2 } else { 0 };
            lines.push(format!("  {title:<32}{number:>10.decimals$} {unit}"));
        }
        let others = self.statuses.iter().filter(|(status, _)| **status != 302);
        lines.extend(
            others.map(|(status, count)| format!("  {count} times instead of 302: {status}")),
        );
        lines.join("\n")
    }

    pub(crate) fn to_json(&self) -> String {
        let figures = self
            .figures()
            .map(|(title, number, _)| (title.to_owned(), json!(number)));
        let statuses = self
            .statuses
            .iter()
            .map(|(status, count)| (status.to_string(), json!(count)));
        json!({
            "clicks": figures.into_iter().collect::<serde_json::Map<_, _>>(),
            "statuses": statuses.collect::<serde_json::Map<_, _>>(),
        })
        .to_string()
    }
}
