//! Links that are followed and pixels that are fetched: each with a token of its own, of mail that was
//! delivered before, over connections that are kept; alone, or beside mail that is submitted.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use postbell_model::token::{Claim, Link, LinkTarget, Purpose, domain_tag};
use postbell_model::{Domain, EventKind, TokenKeys};
use postbell_store::{
    EventFilter, From, Inspect, Logged, Position, SqliteInspector, SqliteTenants, Tenants,
};
use postbell_tests::installation::{SENDER_DOMAIN, Server, Usage};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::drive::Driven;
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
    /// Fetch the pixel of the mail instead of following its links
    #[arg(long, requires = "clicks")]
    pub(crate) opens: bool,
    /// At most so many a second; what is late counts as waiting [default: as fast as answers come]
    #[arg(long, requires = "clicks", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) click_rate: Option<u32>,
    /// Submit as much mail again meanwhile, and stop when all of it is accepted
    #[arg(long, requires = "clicks")]
    pub(crate) beside_mail: bool,
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
    mail: Option<Driven>,
}

/// Clients that are connected, and what they are to ask for.
pub(crate) struct Visitors {
    streams: Vec<TcpStream>,
    requests: Arc<Vec<String>>,
    every: Duration,
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

    /// Clients who ask for what was in the deliveries in the store of this folder.
    pub(crate) async fn visitors(
        self,
        args: &ClickArgs,
        folder: &Path,
    ) -> anyhow::Result<Visitors> {
        let mut streams = Vec::new();
        for number in 0..usize::try_from(args.click_connections)? {
            streams.push(self.connect(number).await?);
        }
        let every = args.click_rate.map(|rate| Duration::from_secs(1) / rate);
        Ok(Visitors {
            streams,
            requests: Arc::new(requests(folder, args).await?),
            every: every.unwrap_or_default(),
        })
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

impl Visitors {
    /// Follows links until none is left, and as long as `mail` is being submitted, if any is.
    pub(crate) async fn follow(
        self,
        server: &Server,
        mail: Option<impl Future<Output = anyhow::Result<Driven>>>,
    ) -> anyhow::Result<Clicked> {
        let own_id = std::process::id();
        let (server_before, own_before) = (server.usage()?, Usage::of(own_id)?);
        let round = Arc::new(Round {
            requests: self.requests,
            next: AtomicUsize::new(0),
            begin: Instant::now(),
            every: self.every,
            enough: CancellationToken::new(),
        });
        let mut clients = JoinSet::new();
        for stream in self.streams {
            clients.spawn(Arc::clone(&round).click(stream));
        }
        let mut clicked = Clicked::default();
        if let Some(mail) = mail {
            clicked.mail = Some(mail.await?);
            round.enough.cancel();
        }
        while let Some(client) = clients.join_next().await {
            clicked.merge(client??);
        }
        clicked.took = round.begin.elapsed();
        clicked.latencies.sort_unstable();
        clicked.server_cpu = server.usage()?.cpu - server_before.cpu;
        clicked.own_cpu = Usage::of(own_id)?.cpu - own_before.cpu;
        Ok(clicked)
    }
}

/// What all clients of a round share.
struct Round {
    requests: Arc<Vec<String>>,
    next: AtomicUsize,
    begin: Instant,
    every: Duration,
    enough: CancellationToken,
}

impl Round {
    /// One client: follows link after link.
    async fn click(self: Arc<Self>, mut stream: TcpStream) -> anyhow::Result<Clicked> {
        let mut clicked = Clicked::default();
        let mut octets = vec![0; 16 << 10];
        while let Some((due, request)) = self.next().await {
            stream.write_all(request.as_bytes()).await?;
            let status = answer(&mut stream, &mut octets).await?;
            clicked.latencies.push(due.elapsed());
            *clicked.statuses.entry(status).or_default() += 1;
        }
        Ok(clicked)
    }

    /// The next request, and when it was to be sent: at once, unless there is a rate.
    async fn next(&self) -> Option<(Instant, &str)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let request = self.requests.get(number)?;
        if self.enough.is_cancelled() {
            return None;
        }
        if self.every.is_zero() {
            return Some((Instant::now(), request));
        }
        let due = self.begin + self.every * u32::try_from(number).ok()?;
        self.enough.run_until_cancelled(sleep_until(due)).await?;
        Some((due, request))
    }
}

/// The status of the next answer.
async fn answer(stream: &mut TcpStream, octets: &mut [u8]) -> anyhow::Result<u16> {
    let mut filled = 0;
    loop {
        let count = stream.read(&mut octets[filled..]).await?;
        ensure!(count > 0, "the server has closed");
        filled += count;
        let answer = &octets[..filled];
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let (head, body) = (std::str::from_utf8(&answer[..end])?, &answer[end + 4..]);
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
async fn requests(folder: &Path, args: &ClickArgs) -> anyhow::Result<Vec<String>> {
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
    let path = |claim: Claim, number: u64| {
        if args.opens {
            return format!("/o/{}", keys.sign_url(Purpose::Open, claim));
        }
        let link = Link {
            index: u16::try_from(number % 60).unwrap_or_default(),
            domain_tag,
            target: LinkTarget::Url(format!("https://shop.test/articles/{number}?from=news")),
        };
        format!("/c/{}", keys.sign_link(claim, &link))
    };
    let numbers = 0..args.clicks.unwrap_or_default();
    let requests = claims.iter().cycle().zip(numbers).map(|(claim, number)| {
        let path = path(*claim, number);
        format!(
            "GET {path} HTTP/1.1\r\nHost: track.{SENDER_DOMAIN}\r\nUser-Agent: {USER_AGENT}\r\n\
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

/// A redirect, or the picture.
const fn is_good(status: u16) -> bool {
    matches!(status, 200 | 302)
}

impl Clicked {
    fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
    }

    /// What was answered as it ought to be.
    fn answered(&self) -> u64 {
        let is_good = |(status, _): &(&u16, &u64)| is_good(**status);
        self.statuses
            .iter()
            .filter(is_good)
            .map(|(_, count)| count)
            .sum()
    }

    /// Of the mail beside it: messages a second, and from the final dot to its 250.
    fn mail_figures(&self) -> Vec<(&'static str, f64, &'static str)> {
        let Some(mail) = &self.mail else {
            return Vec::new();
        };
        let wait = |percent| millis(percentile(&mail.latencies, percent));
        vec![
            (
                "mail accepted beside it",
                mail.accepted as f64 / mail.took.as_secs_f64(),
                "/s",
            ),
            ("dot to 250 beside it, median", wait(50), "ms"),
            ("dot to 250 beside it, 99 %", wait(99), "ms"),
        ]
    }

    fn figures(&self) -> Vec<(&'static str, f64, &'static str)> {
        let clicks = self.latencies.len().max(1) as f64;
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / clicks;
        let mut figures = vec![
            (
                "answers",
                self.answered() as f64 / self.took.as_secs_f64(),
                "/s",
            ),
            (
                "click, median",
                millis(percentile(&self.latencies, 50)),
                "ms",
            ),
            ("click, 99 %", millis(percentile(&self.latencies, 99)), "ms"),
        ];
        if self.mail.is_none() {
            // Otherwise both have worked for the mail as well.
            figures.push(("server's CPU a click", each(self.server_cpu), "µs"));
            figures.push(("client's CPU a click", each(self.own_cpu), "µs"));
        }
        figures.extend(self.mail_figures());
        figures
    }

    pub(crate) fn to_table(&self) -> String {
        let mut lines = vec![format!(
            "{} links and pixels asked for",
            self.latencies.len()
        )];
        for (title, number, unit) in self.figures() {
            let decimals = if unit == "ms" { 2 } else { 0 };
            lines.push(format!("  {title:<32}{number:>10.decimals$} {unit}"));
        }
        let others = self
            .statuses
            .iter()
            .filter(|(status, _)| !is_good(**status));
        lines.extend(others.map(|(status, count)| format!("  {count} times {status}")));
        lines.join("\n")
    }

    pub(crate) fn to_json(&self) -> String {
        let figures = self
            .figures()
            .into_iter()
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
