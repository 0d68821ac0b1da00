//! Rounds of the asker with a clock that is turned by hand, and an authority that refuses.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use postbell_model::{Clock, Domain, Secret, SendingDomain, Timestamp};
use postbell_net::acme::{Authority, ChallengeKind};
use postbell_net::{Guard, HostCertificates, HttpClient, Resolver};
use postbell_peers::authority::{Said, ScriptedAuthority};
use postbell_peers::clock::HandClock;
use postbell_peers::dns::{DnsOptions, DnsServer, Entry};
use postbell_store::{
    DomainChange, HostCertificate, KeptCertificate, NewConfigurationSet, SealingKey, SqliteStore,
    Store,
};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::asker::Rest;
use super::*;
use crate::config::{self, Config};
use crate::identity::sealing_key_in;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_hours(24);
const ACME: &str = "track.acme.example";
const SHOP: &str = "track.shop.example";

struct World {
    ca: ScriptedAuthority,
    dns: DnsServer,
    store: Arc<dyn Store>,
    clock: Arc<HandClock>,
    asker: Asker,
    terms: Terms,
    rest: Rest,
    tasks: TaskTracker,
    stop: CancellationToken,
    _folder: TempDir,
}

impl World {
    /// Two domains whose hosts have addresses, and an authority that refuses every order.
    async fn start(settings: &str) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let ca = ScriptedAuthority::start(&tasks, stop.clone())
            .await
            .unwrap();
        ca.say("/new-order", [Said::problem(403, "caa", "forbidden")]);
        let dns = DnsServer::start(DnsOptions::default(), &tasks, stop.clone());
        let dns = dns.await.unwrap();
        for host in [ACME, SHOP] {
            let here = Entry::addresses([IpAddr::from([127, 0, 0, 1])]);
            dns.table().set(host, here);
        }
        let folder = tempfile::tempdir().unwrap();
        let config = configuration(settings, &dns, &ca);
        let clock = Arc::new(HandClock::default());
        let turned: Arc<dyn Clock> = clock.clone();
        let opened = SqliteStore::open(folder.path(), config.store.clone(), turned.clone(), &tasks);
        let store: Arc<dyn Store> = Arc::new(opened.await.unwrap());
        add_domains(&store, clock.now()).await;
        let sealing = Arc::new(sealing_key_in(folder.path()).unwrap());
        let shower = Shower::new(&store, sealing, &turned);
        let own = HostCertificates::load(Vec::new(), Some(shower.issued() as _), None);
        let around = (&store, shower, Arc::new(own.unwrap()));
        let (usable, metrics) = (vec![ChallengeKind::Http01], CertificateMetrics::default());
        let terms = watch::Sender::new(Arc::new(terms(&config, &ca, &turned)));
        let asker = Asker::new(around, usable, terms, metrics, &turned);
        Self {
            terms: self::terms(&config, &ca, &turned),
            ca,
            dns,
            store,
            clock,
            asker,
            rest: None,
            tasks,
            stop,
            _folder: folder,
        }
    }

    async fn round(&mut self) {
        let round = self.asker.round(&self.terms, &mut self.rest, &self.stop);
        round.await.unwrap();
    }

    async fn host(&self, name: &str) -> Option<HostCertificate> {
        let all = self.store.certificates().await.unwrap();
        all.into_iter().find(|known| known.host.as_str() == name)
    }

    fn orders(&self) -> usize {
        self.ca.times("/new-order")
    }

    async fn end(self) {
        self.stop.cancel();
        self.store.close().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn configuration(settings: &str, dns: &DnsServer, ca: &ScriptedAuthority) -> Config {
    let file = format!(
        "dns.servers = [\"{}\"]\ntracking.listen = [\"127.0.0.1:0\"]\n\
         tracking.listen_tls = [\"127.0.0.1:0\"]\n[tracking.acme]\naccept_terms = true\n\
         directory = \"https://{}/directory\"\n{settings}",
        dns.addr(),
        ca.base().trim_start_matches("http://"),
    );
    let file = ("postbell.toml".into(), file);
    let sources = config::Sources::of(Some(file), Vec::new());
    config::load(&sources).unwrap().config
}

/// Those of the configuration, but that the authority is asked in the clear.
fn terms(config: &Config, ca: &ScriptedAuthority, clock: &Arc<dyn Clock>) -> Terms {
    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let resolver = Resolver::new(&config.dns).unwrap();
    let http = HttpClient::new(resolver.clone(), guard, &config.http_client);
    let directory = format!("{}/directory", ca.base());
    Terms {
        options: config.tracking.acme.clone(),
        authority: Some(Authority::new(directory, http, Arc::clone(clock))),
        resolver,
        hosts: LinkHosts::of(config),
    }
}

async fn add_domains(store: &Arc<dyn Store>, now: Timestamp) {
    let workspace = store.create_workspace("acme", now).await.unwrap().id;
    let set = NewConfigurationSet {
        workspace,
        name: "default".to_owned(),
        max_retries: None,
        expire_after: None,
        reports: None,
        egress: Default::default(),
        tracking: Default::default(),
    };
    let set = store.create_configuration_set(set, now).await.unwrap().id;
    for name in ["acme.example", "shop.example"] {
        let name = Domain::parse(name).unwrap();
        let domain = SendingDomain::new(name, workspace, set, now);
        store.add_domain(domain).await.unwrap();
    }
}

#[tokio::test]
async fn a_host_that_is_refused_waits_twice_as_long_each_time() {
    let mut world = World::start("").await;
    world.round().await;
    assert_eq!(world.orders(), 2, "both hosts");
    let known = world.host(ACME).await.unwrap();
    let fault = known.fault.unwrap().text;
    assert!(
        fault.starts_with("the authority says: forbidden (caa); let the CAA"),
        "{fault}"
    );
    world.round().await;
    assert_eq!(world.orders(), 2, "too early");
    // 5 minutes, then 10, each a tenth longer at most.
    for (pause, orders) in [(6, 4), (6, 4), (6, 6), (12, 6), (12, 8)] {
        world.clock.turn(MINUTE * pause);
        world.round().await;
        assert_eq!(world.orders(), orders, "after {pause} minutes more");
    }
    assert_eq!(world.host(SHOP).await.unwrap().failures, 4);
    assert_eq!(world.ca.times("/new-account"), 1);
    // An operator has corrected it.
    let shop = Domain::parse(SHOP).unwrap();
    world.store.want_certificate(&shop).await.unwrap();
    world.round().await;
    assert_eq!(world.orders(), 9);
    world.end().await;
}

#[tokio::test]
async fn an_authority_that_wants_to_be_left_alone_is() {
    let mut world = World::start("").await;
    let limited = Said::problem(429, "rateLimited", "too many").again_after("7200");
    world.ca.say("/new-order", [limited]);
    world.round().await;
    world.clock.turn(MINUTE * 119);
    world.round().await;
    assert_eq!(world.orders(), 2);
    world.clock.turn(MINUTE * 2);
    world.round().await;
    assert_eq!(world.orders(), 4);
    world.end().await;
}

#[tokio::test]
async fn so_many_are_asked_for_within_an_hour() {
    let mut world = World::start("max_orders_per_hour = 1\n").await;
    world.round().await;
    assert_eq!(world.orders(), 1);
    world.clock.turn(MINUTE * 59);
    world.round().await;
    assert_eq!(world.orders(), 1);
    world.clock.turn(MINUTE);
    world.round().await;
    assert_eq!(world.orders(), 2);
    world.end().await;
}

#[tokio::test]
async fn a_host_without_an_address_costs_no_order() {
    let mut world = World::start("max_orders_per_hour = 1\n").await;
    world.dns.table().set(ACME, Entry::no_data());
    world.round().await;
    assert_eq!(world.orders(), 1);
    let fault = world.host(ACME).await.unwrap().fault.unwrap().text;
    assert!(fault.contains("has no address in the DNS"), "{fault}");
    world.end().await;
}

#[tokio::test]
async fn a_host_that_had_no_address_begins_without_failures() {
    let mut world = World::start("").await;
    world.dns.table().set(ACME, Entry::no_data());
    for _ in 0..12 {
        world.round().await;
        world.clock.turn(MINUTE * 6);
    }
    assert_eq!(world.host(ACME).await.unwrap().failures, 0);
    let here = Entry::addresses([IpAddr::from([127, 0, 0, 1])]);
    world.dns.table().set(ACME, here);
    // With a resolver that has not heard that there is none.
    let clock: Arc<dyn Clock> = world.clock.clone();
    let config = configuration("", &world.dns, &world.ca);
    world.terms = terms(&config, &world.ca, &clock);
    world.round().await;
    let known = world.host(ACME).await.unwrap();
    assert_eq!(known.failures, 1);
    let pause = known.retry_at.unwrap().since(world.clock.now());
    assert!(pause <= MINUTE * 6, "{pause:?}");
    world.end().await;
}

#[tokio::test]
async fn where_another_authority_is_asked_a_certificate_is_asked_for_at_once() {
    let mut world = World::start("").await;
    let (host, now) = (Domain::parse(ACME).unwrap(), world.clock.now());
    let trial = KeptCertificate {
        authority: "https://staging.example/directory".to_owned(),
        chain: "of nobody".to_owned(),
        sealed: Vec::new(),
        issued_at: now,
        expires_at: now.after(MINUTE * 100_000),
    };
    let own = KeptCertificate {
        authority: world.terms.options.directory.clone().unwrap(),
        ..trial.clone()
    };
    world.store.keep_certificate(&host, own).await.unwrap();
    world.round().await;
    assert_eq!(world.orders(), 1, "for the other host");
    world.store.keep_certificate(&host, trial).await.unwrap();
    world.round().await;
    assert_eq!(world.orders(), 2);
    world.end().await;
}

#[tokio::test]
async fn an_account_that_is_gone_is_made_anew() {
    let mut world = World::start("").await;
    let who = Said::problem(400, "accountDoesNotExist", "who?");
    let refused = Said::problem(403, "caa", "forbidden");
    world.ca.say("/new-order", [who.clone(), who, refused]);
    world.round().await;
    world.round().await;
    assert_eq!(world.ca.times("/new-account"), 2);
    let fault = world.host(ACME).await.unwrap().fault.unwrap().text;
    assert!(fault.contains("(caa)"), "{fault}");
    world.end().await;
}

#[tokio::test]
async fn nobody_is_asked_for_a_while_where_the_authority_is_out_of_order() {
    let mut world = World::start("").await;
    let broken = Said::problem(500, "serverInternal", "maintenance");
    world.ca.say("/new-account", [broken]);
    world.round().await;
    let asked = world.ca.times("/new-account");
    assert!((1..=2).contains(&asked), "{asked}");
    let known = world.host(ACME).await.unwrap();
    assert_eq!(known.failures, 0, "it is no fault of the host's");
    world.clock.turn(MINUTE * 4);
    let shop = Domain::parse(SHOP).unwrap();
    world.store.want_certificate(&shop).await.unwrap();
    world.round().await;
    assert_eq!(world.ca.times("/new-account"), asked);
    world.clock.turn(MINUTE * 2);
    world.round().await;
    assert!(world.ca.times("/new-account") > asked);
    world.end().await;
}

#[tokio::test]
async fn what_is_nobodys_is_shown_until_it_ends_and_then_forgotten() {
    let mut world = World::start("").await;
    let (gone, now) = (
        Domain::parse("track.gone.example").unwrap(),
        world.clock.now(),
    );
    let kept = KeptCertificate {
        authority: "https://ca.example/".to_owned(),
        chain: "none that could be shown".to_owned(),
        sealed: Vec::new(),
        issued_at: now,
        expires_at: now.after(MINUTE * 60),
    };
    world.store.keep_certificate(&gone, kept).await.unwrap();
    world.clock.turn(MINUTE * 50);
    world.round().await;
    assert!(world.host(gone.as_str()).await.is_some());
    assert_eq!(world.orders(), 2, "for the others");
    world.clock.turn(MINUTE * 10);
    world.round().await;
    assert!(world.host(gone.as_str()).await.is_none());
    world.end().await;
}

#[tokio::test]
async fn the_host_that_a_domain_had_is_renewed_while_links_are_good() {
    let mut world = World::start("").await;
    let (old, left_at) = (Domain::parse(ACME).unwrap(), world.clock.now());
    let kept = |day: u32| KeptCertificate {
        authority: world.terms.options.directory.clone().unwrap(),
        chain: "of nobody".to_owned(),
        sealed: Vec::new(),
        issued_at: left_at.after(DAY * day),
        expires_at: left_at.after(DAY * (day + 90)),
    };
    let (first, last) = (kept(0), kept(390));
    world.store.keep_certificate(&old, first).await.unwrap();
    move_tracking(&world.store, "links.acme.example", left_at).await;
    world.round().await;
    let known = world.host(ACME).await.unwrap();
    assert_eq!((known.failures, known.retired_at), (0, Some(left_at)));
    for _ in 0..2 {
        world.clock.turn(DAY * 61);
        world.round().await;
        world.round().await;
        // Tried once, while it holds: what can't be proved any more is forgotten.
        let failures = world.host(ACME).await.map(|known| known.failures);
        let is_there = world.clock.now() < left_at.after(DAY * 90);
        assert_eq!(failures, is_there.then_some(1));
    }
    world.clock.turn(DAY * (400 - 122));
    world.store.keep_certificate(&old, last).await.unwrap();
    world
        .store
        .retire_certificates(std::slice::from_ref(&old), Some(left_at))
        .await
        .unwrap();
    world.clock.turn(DAY * 60);
    world.round().await;
    world.round().await;
    assert_eq!(world.host(ACME).await.unwrap().failures, 0);
    // The domain has it again.
    move_tracking(&world.store, ACME, world.clock.now()).await;
    world.round().await;
    world.round().await;
    let known = world.host(ACME).await.unwrap();
    assert_eq!((known.failures, known.retired_at), (1, None));
    world.end().await;
}

/// Gives acme.example another tracking host.
async fn move_tracking(store: &Arc<dyn Store>, host: &str, now: Timestamp) {
    let change = DomainChange {
        tracking_host: Some(Domain::parse(host).unwrap()),
        ..DomainChange::default()
    };
    let domain = Domain::parse("acme.example").unwrap();
    store.change_domain(&domain, change, now).await.unwrap();
}

#[tokio::test]
async fn a_certificate_from_the_store_is_shown_and_one_that_can_t_be_opened_is_not() {
    let world = World::start("").await;
    let sealing = SealingKey::parse(&SealingKey::new_text().unwrap()).unwrap();
    let clock: Arc<dyn Clock> = world.clock.clone();
    let shower = Shower::new(&world.store, Arc::new(sealing), &clock);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../certs");
    let key = std::fs::read(format!("{folder}/dev-key.pem")).unwrap();
    let now = world.clock.now();
    for (host, sealed) in [(ACME, true), (SHOP, false)] {
        let host = Domain::parse(host).unwrap();
        let (place, key) = (KeptCertificate::place(&host), Secret::new(key.clone()));
        let key = if sealed {
            shower.sealing().seal(&place, &key).unwrap()
        } else {
            vec![1, 2, 3]
        };
        let kept = KeptCertificate {
            authority: "https://ca.example/".to_owned(),
            chain: std::fs::read_to_string(format!("{folder}/dev.pem")).unwrap(),
            sealed: key,
            issued_at: now,
            expires_at: now.after(MINUTE),
        };
        world.store.keep_certificate(&host, kept).await.unwrap();
    }
    shower.look().await.unwrap();
    let is_unreadable = |host: &str| {
        let (shower, host) = (shower.clone(), Domain::parse(host).unwrap());
        async move { shower.is_unreadable(&host).await }
    };
    assert!(!is_unreadable(ACME).await);
    assert!(is_unreadable(SHOP).await);
    world.end().await;
}
