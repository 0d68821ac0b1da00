//! What a value must be beyond its type, and what must hold between values.

use std::time::Duration;

use ipnet::IpNet;
use postbell_model::Domain;
use postbell_net::{BadAuthorities, CertificateError, CertificateFile, ServerTls};
use toml::{Table, Value};

use super::resolve::{leaf, leaf_keys};
use super::sections::Config;
use super::tracking;
use super::units::{format_duration, parse_duration, parse_size};

/// Where nothing is something: no grace ends at once, no pace is too slow, and no bounce too many.
const MAY_BE_ZERO: [&str; 5] = [
    "server.grace",
    "submission.limits.min_data_rate",
    "inbound.limits.min_data_rate",
    "overload.min_free_disk",
    "suppression.soft_bounces",
];

/// More of anything than a machine could hold is a slip of the pen.
const COUNT_MAX: i64 = 10_000_000;

/// What is counted of a workspace's mail is counted by the hour.
const SHORTEST_WINDOW: Duration = Duration::from_hours(1);

const INBOUND_SIZE: &str = "inbound.limits.max_message_size";

/// A message is held in memory while it is received.
const MESSAGE_MAX: u64 = 1 << 30;

/// A rule that does not hold.
#[derive(Debug)]
pub(super) struct Violation {
    /// The keys that it is about; the fault is at one that somebody set.
    pub(super) keys: Vec<String>,
    pub(super) message: String,
}

/// All rules that do not hold.
pub(super) fn check(config: &Config, defaults: &Table, tree: &Table) -> Vec<Violation> {
    let mut rules = Rules::default();
    rules.server(config);
    rules.pauses(config);
    rules.reputation(config);
    rules.limits(defaults, tree);
    rules.message_size(config);
    rules.reports(config);
    rules.trusted(config);
    rules.inbound(config);
    rules.tls(config);
    rules.tracking(config);
    rules.relays(config);
    rules.sites(config);
    rules.login(config);
    rules.signing(config);
    rules.logging(config);
    rules.violations
}

/// What is wrong with the files that the configuration names. They are looked at by who serves or
/// asks for a check, since other commands may be given by people who can't read the key.
pub(super) fn check_files(config: &Config) -> Option<Violation> {
    let relays = (0..).zip(&config.deliver.relay);
    for (index, relay) in relays {
        if let Err(fault) = relay.password() {
            return Some(Violation {
                keys: vec![format!("deliver.relay[{index}].{}", fault.key)],
                message: fault.message,
            });
        }
    }
    let tls = config.tls.files().map(ServerTls::load);
    if let Some(Err(error)) = tls {
        return Some(bad_certificate("tls", &error));
    }
    let mut hosts = (0..).zip(tracking::files(&config.tracking));
    let bad = hosts.find_map(|(index, entry)| {
        let error = ServerTls::load(entry.files).err()?;
        let at = format!("tracking.certificate[{index}]");
        Some(bad_certificate(&at, &error))
    });
    bad.or_else(|| {
        let error = BadAuthorities::look(config.tracking.acme.ca_file.as_deref()?)?;
        Some(Violation {
            keys: vec!["tracking.acme.ca_file".to_owned()],
            message: error.to_string(),
        })
    })
}

fn bad_certificate(at: &str, error: &CertificateError) -> Violation {
    let key = match error.file() {
        CertificateFile::Certificate => "certificate",
        CertificateFile::Key => "key",
    };
    Violation {
        keys: vec![format!("{at}.{key}")],
        message: error.to_string(),
    }
}

#[derive(Debug, Default)]
pub(super) struct Rules {
    violations: Vec<Violation>,
}

impl Rules {
    pub(super) fn broken(&mut self, key: &str, message: impl Into<String>) {
        self.violations.push(Violation {
            keys: vec![key.to_owned()],
            message: message.into(),
        });
    }

    fn server(&mut self, config: &Config) {
        if let Err(error) = Domain::parse(&config.server.hostname) {
            self.broken("server.hostname", error.to_string());
        }
        if config.server.data_dir.as_os_str().is_empty() {
            self.broken("server.data_dir", "must name a folder");
        }
    }

    fn pauses(&mut self, config: &Config) {
        let retry = &config.deliver.retry;
        let first = ("deliver.retry.first", retry.first);
        self.in_order(first, ("deliver.retry.longest", retry.longest));
        self.in_order(first, ("deliver.retry.expire_after", retry.expire_after));
        let (deliver, notify) = (&config.deliver, &config.notify);
        self.in_order(
            ("deliver.site_pause", deliver.site_pause),
            ("deliver.longest_site_pause", deliver.longest_site_pause),
        );
        self.in_order(
            ("domains.round_every", config.domains.round_every),
            ("domains.check_every", config.domains.check_every),
        );
        self.in_order(
            ("notify.pause", notify.pause),
            ("notify.longest_pause", notify.longest_pause),
        );
    }

    fn reputation(&mut self, config: &Config) {
        if config.reputation.window < SHORTEST_WINDOW {
            self.broken(
                "reputation.window",
                "must be 1h or more, since it is counted by the hour",
            );
        }
    }

    fn login(&mut self, config: &Config) {
        let login = &config.submission.login;
        self.in_order(
            ("submission.login.failure_delay", login.failure_delay),
            (
                "submission.login.longest_failure_delay",
                login.longest_failure_delay,
            ),
        );
    }

    /// A limit of nothing, or no time at all, would stop the program from working.
    fn limits(&mut self, defaults: &Table, tree: &Table) {
        for key in leaf_keys(defaults) {
            let path: Vec<_> = key.split('.').map(str::to_owned).collect();
            let (Some(default), Some(value)) = (leaf(defaults, &path), leaf(tree, &path)) else {
                continue;
            };
            if MAY_BE_ZERO.contains(&key.as_str()) {
                continue;
            }
            match Quantity::of(default) {
                Some(Quantity::Time(_)) if is_zero(value) => {
                    self.broken(&key, "must be longer than 0s");
                }
                Some(Quantity::Number(_)) if is_zero(value) => {
                    self.broken(&key, "must be 1 or more");
                }
                _ if value.as_integer().is_some_and(|count| count > COUNT_MAX) => {
                    self.broken(&key, format!("must be {COUNT_MAX} or less"));
                }
                _ => {}
            }
        }
    }

    fn message_size(&mut self, config: &Config) {
        for (key, size) in [
            (
                "submission.limits.max_message_size",
                config.submission.limits.max_message_size,
            ),
            (INBOUND_SIZE, config.inbound.limits.max_message_size),
        ] {
            if size > MESSAGE_MAX {
                self.broken(key, "must be 1 GiB or less");
            }
        }
    }

    fn reports(&mut self, config: &Config) {
        if config.reports.from.is_some()
            && let Err(error) = config.reports.sender()
        {
            self.broken("reports.from", error.to_string());
        }
        if config.reports.max_returned > MESSAGE_MAX {
            self.broken("reports.max_returned", "must be 1 GiB or less");
        }
    }

    fn trusted(&mut self, config: &Config) {
        for (index, entry) in config.submission.trusted.iter().enumerate() {
            if entry.network.prefix_len() == 0 {
                let key = format!("submission.trusted[{index}].network");
                self.broken(&key, "trusts the whole Internet, which makes an open relay");
            }
        }
        self.proxies("submission", &config.submission.proxy_from);
    }

    pub(super) fn proxies(&mut self, section: &str, networks: &[IpNet]) {
        for (index, network) in networks.iter().enumerate() {
            if network.prefix_len() == 0 {
                let key = format!("{section}.proxy_from[{index}]");
                self.broken(&key, "lets everybody choose the address to come from");
            }
        }
    }

    fn inbound(&mut self, config: &Config) {
        let inbound = &config.inbound;
        self.proxies("inbound", &inbound.proxy_from);
        for (index, zone) in inbound.dnsbl.iter().enumerate() {
            if let Err(error) = Domain::parse(zone) {
                self.broken(&format!("inbound.dnsbl[{index}]"), error.to_string());
            }
        }
        let limits = &inbound.limits;
        if limits.max_receiving < limits.max_message_size {
            self.violations.push(Violation {
                keys: vec![
                    "inbound.limits.max_receiving".to_owned(),
                    INBOUND_SIZE.to_owned(),
                ],
                message: format!("must be {INBOUND_SIZE} or more, or no such message comes in"),
            });
        }
        if limits.max_checks == Some(0) {
            self.broken("inbound.limits.max_checks", "must be 1 or more, or \"any\"");
        }
    }

    fn tls(&mut self, config: &Config) {
        let tls = &config.tls;
        match (&tls.certificate, &tls.key) {
            (Some(_), None) => self.broken("tls.certificate", "needs its key; set tls.key"),
            (None, Some(_)) => self.broken("tls.key", "needs its certificate; set tls.certificate"),
            (None, None) if !config.submission.listen_tls.is_empty() => self.broken(
                "submission.listen_tls",
                "needs a certificate; set tls.certificate and tls.key",
            ),
            _ => {}
        }
    }

    fn relays(&mut self, config: &Config) {
        for (index, relay) in (0_usize..).zip(&config.deliver.relay) {
            for fault in relay.faults() {
                let key = format!("deliver.relay[{index}].{}", fault.key);
                self.broken(&key, fault.message);
            }
        }
    }

    fn sites(&mut self, config: &Config) {
        for (index, site) in (0_usize..).zip(&config.deliver.site) {
            let key = |name: &str| format!("deliver.site[{index}].{name}");
            if site.hosts.is_empty() {
                self.broken(&key("match"), "must name a mail host at least");
            }
            if site.max_connections == Some(0) {
                self.broken(&key("max_connections"), "must be 1 or more");
            }
            if site.max_messages_per_connection == Some(0) {
                self.broken(&key("max_messages_per_connection"), "must be 1 or more");
            }
        }
    }

    fn signing(&mut self, config: &Config) {
        if let Some(name) = &config.dkim.operator_domain
            && let Err(error) = Domain::parse(name)
        {
            self.broken("dkim.operator_domain", error.to_string());
        }
        if config.secrets.place().is_none() {
            self.broken("secrets.key", "must be \"file:PATH\" or \"env:NAME\"");
        }
    }

    fn logging(&mut self, config: &Config) {
        if let Err(error) = config.log.filter() {
            self.broken("log.level", error.to_string());
        }
    }

    /// The first must not be longer than the second.
    pub(super) fn in_order(&mut self, short: (&str, Duration), long: (&str, Duration)) {
        if short.1 <= long.1 {
            return;
        }
        let told = |(key, duration)| format!("{key} ({})", format_duration(duration));
        self.violations.push(Violation {
            keys: vec![short.0.to_owned(), long.0.to_owned()],
            message: format!("{} must not be longer than {}", told(short), told(long)),
        });
    }
}

/// What kind of quantity a key holds; its default tells.
enum Quantity {
    Time(Duration),
    Number(u64),
}

impl Quantity {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(number) => u64::try_from(*number).ok().map(Self::Number),
            Value::String(text) => parse_duration(text)
                .map(Self::Time)
                .or_else(|| parse_size(text).map(Self::Number)),
            _ => None,
        }
    }
}

fn is_zero(value: &Value) -> bool {
    match Quantity::of(value) {
        Some(Quantity::Time(duration)) => duration.is_zero(),
        Some(Quantity::Number(number)) => number == 0,
        None => false,
    }
}
