use std::net::{Ipv4Addr, SocketAddr};

use postbell_net::DnsOptions;
use postbell_peers::dns::{self, Answer, DnsServer, Entry, Records, Unlisted};
use postbell_peers::mx::{MxOptions, MxServer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::names::Source;
use super::*;
use crate::cli::Output;

const HOST: &str = "mx.acme.example";

/// A name server that knows what it was told, and a configuration that asks it.
struct World {
    server: DnsServer,
    config: Config,
    stop: CancellationToken,
}

impl World {
    async fn start() -> Self {
        let stop = CancellationToken::new();
        let options = dns::DnsOptions {
            unlisted: Unlisted::NoSuchDomain,
            ..dns::DnsOptions::default()
        };
        let server = DnsServer::start(options, &TaskTracker::new(), stop.clone()).await;
        let server = server.unwrap();
        let mut config = config::load(&Sources::default()).unwrap().config;
        config.server.hostname = HOST.to_owned();
        config.dns = DnsOptions {
            servers: vec![server.addr()],
            ..DnsOptions::default()
        };
        Self {
            server,
            config,
            stop,
        }
    }

    fn resolver(&self) -> Resolver {
        Resolver::new(&self.config.dns).unwrap()
    }

    fn address(&self, name: &str, ip: &str) {
        let entry = Entry::addresses([ip.parse().unwrap()]);
        self.server.table().set(name, entry);
    }

    fn pointer(&self, reverse: &str, name: &str) {
        let records = Records {
            ptr: vec![name.to_owned()],
            ..Records::default()
        };
        let entry = Entry::new(Answer::Records(records));
        self.server.table().set(reverse, entry);
    }

    /// What the names came to, where mail leaves from this address.
    async fn names(&self, source: Option<&str>) -> Vec<(&'static str, Mark)> {
        let sources = source.map(|ip| Source {
            ip: ip.parse().unwrap(),
            ehlo_name: HOST.to_owned(),
        });
        let sources: Vec<_> = sources.into_iter().collect();
        marks(&names::look(&self.resolver(), &self.config, &sources).await)
    }

    async fn probe(&self, probe: &str) -> Check {
        let args = DoctorArgs {
            probe: Some(probe.to_owned()),
            ntp: None,
            output: Output { json: false },
        };
        let checks = ports::outbound(&self.config, &args, &self.resolver()).await;
        checks.into_iter().next().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn marks(checks: &[Check]) -> Vec<(&'static str, Mark)> {
    checks
        .iter()
        .map(|check| (check.name, check.mark))
        .collect()
}

#[tokio::test]
async fn names_and_addresses_have_to_name_each_other() {
    let world = World::start().await;
    assert_eq!(world.names(None).await, [("hostname", Mark::Fault)]);
    world.address(HOST, "192.0.2.7");
    let nameless = [("hostname", Mark::Ok), ("ptr", Mark::Fault)];
    assert_eq!(world.names(None).await, nameless);
    world.pointer("7.2.0.192.in-addr.arpa", "other.example");
    assert_eq!(world.names(Some("192.0.2.7")).await, nameless);
    world.pointer("7.2.0.192.in-addr.arpa", HOST);
    let well = [("hostname", Mark::Ok), ("ptr", Mark::Ok)];
    assert_eq!(world.names(Some("192.0.2.7")).await, well);
    // The name of the address does not lead back to it.
    world.pointer("8.2.0.192.in-addr.arpa", HOST);
    let elsewhere = [("hostname", Mark::Warning), ("ptr", Mark::Fault)];
    assert_eq!(world.names(Some("192.0.2.8")).await, elsewhere);
}

#[tokio::test]
async fn a_name_server_that_is_not_there_is_a_fault() {
    let world = World::start().await;
    let mut options = world.config.dns.clone();
    // It answers, and its answers are not signed.
    let answered = marks(&names::servers(&options).await);
    assert_eq!(answered, [("dns", Mark::Warning)]);
    let silent = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let silent = silent.unwrap();
    options.servers = vec![silent.local_addr().unwrap()];
    options.timeout = Duration::from_millis(50);
    let answered = marks(&names::servers(&options).await);
    assert_eq!(answered, [("dns", Mark::Fault)]);
}

#[tokio::test]
async fn a_mail_host_is_dialled_and_left() {
    let world = World::start().await;
    let tasks = TaskTracker::new();
    let mx = MxServer::start(MxOptions::default(), &tasks, world.stop.clone()).await;
    let mx = mx.unwrap();
    world.address("mx.far.example", "127.0.0.1");
    let port = mx.addr().port();
    let check = world.probe(&format!("mx.far.example:{port}")).await;
    assert_eq!(check.mark, Mark::Ok, "{check:?}");
    assert!(check.found.contains("greets: 220"), "{check:?}");
    let by_address = world.probe(&mx.addr().to_string()).await;
    assert_eq!(by_address.mark, Mark::Ok, "{by_address:?}");
    let unknown = world.probe("nowhere.example").await;
    assert_eq!(unknown.mark, Mark::Warning, "{unknown:?}");
}

/// A port on which nobody listens.
async fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn a_closed_port_is_a_fault_with_a_way_out() {
    let world = World::start().await;
    let check = world.probe(&closed_port().await.to_string()).await;
    assert_eq!(check.mark, Mark::Fault, "{check:?}");
    assert!(check.advice.unwrap().contains("deliver.relay"));
}

#[tokio::test]
async fn listeners_are_a_fault_only_where_a_server_runs() {
    let mut world = World::start().await;
    world.config.submission.listen = vec![closed_port().await];
    world.config.inbound.listen = Vec::new();
    world.config.http.listen = Vec::new();
    for (server, mark) in [(None, Mark::Warning), (Some(7), Mark::Fault)] {
        let machine = Machine {
            server,
            ..Machine::default()
        };
        let checks = ports::listeners(&world.config, &machine).await;
        assert_eq!(marks(&checks), [("listeners", mark)]);
    }
}

#[tokio::test]
async fn what_does_not_end_is_told_after_its_deadline() {
    let checks = in_time(("names", Duration::from_millis(5)), std::future::pending()).await;
    assert_eq!(marks(&checks), [("names", Mark::Warning)]);
}
