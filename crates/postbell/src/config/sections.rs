//! The sections of the configuration, and whose options they are.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use postbell_accept::ReportOptions;
use postbell_api::HttpDoorOptions;
use postbell_api::tracking::TrackingOptions;
use postbell_deliver::DeliverOptions;
use postbell_model::{Domain, WorkspaceId};
use postbell_net::{CertificateFiles, DnsOptions, HttpOptions};
use postbell_notify::NotifyOptions;
use postbell_receive::{
    BareLineEnds, ClientTimeouts, InboundDoorOptions, InboundLimits, LoginOptions,
    SubmissionLimits, SubmissionOptions,
};
use postbell_store::{SqliteOptions, SuppressionOptions};
use serde::Deserialize;

use super::classes::ClassifyOptions;
use super::reputation::ReputationSection;
use super::resolve::Shared;
use super::signing::{DkimSection, DomainsSection, SecretsSection};
pub use crate::logging::{LogFormat, LogOptions};
use crate::observe::OverloadOptions;

/// What is set once and read in several places. Of the grace the server gives each stage its share.
pub(super) const SHARED: &[Shared] = &[
    Shared {
        set_at: "server.hostname",
        read_at: "deliver.hostname",
    },
    Shared {
        set_at: "server.hostname",
        read_at: "reports.hostname",
    },
    Shared {
        set_at: "server.grace",
        read_at: "deliver.grace",
    },
    Shared {
        set_at: "server.grace",
        read_at: "notify.grace",
    },
];

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name, folder and end of the program.
    pub server: ServerOptions,
    /// Where applications hand in mail.
    pub submission: SubmissionSection,
    /// Where strangers bring mail.
    pub inbound: InboundSection,
    /// The certificate of the doors.
    pub tls: TlsSection,
    /// What is kept in memory, and where bodies lie.
    pub store: SqliteOptions,
    /// What is removed once it is over.
    pub retention: RetentionSection,
    /// When a workspace whose mail fares badly is paused.
    pub reputation: ReputationSection,

    /// How the suppression list is kept.
    pub suppression: SuppressionOptions,
    /// What every door refuses.
    pub accept: GateOptions,
    /// What senders are told of.
    pub reports: ReportOptions,
    /// What DNS is asked, and how.
    pub dns: DnsOptions,
    /// What may be dialled although it is not public.
    pub guard: GuardOptions,
    /// What replies mean.
    pub classify: ClassifyOptions,
    /// How mail goes out.
    pub deliver: DeliverOptions,
    /// How mail is signed.
    pub dkim: DkimSection,
    /// How domains are looked after.
    pub domains: DomainsSection,
    /// Where the key is that secrets are sealed with.
    pub secrets: SecretsSection,
    /// Addresses that behave as they are named.
    pub simulator: SimulatorSection,
    /// How webhooks are called.
    pub notify: NotifyOptions,
    /// The connections that webhooks are called over.
    pub http_client: HttpOptions,
    /// The HTTP door.
    pub http: HttpDoorOptions,
    /// The tracking host.
    pub tracking: TrackingOptions,
    /// When new mail is put off.
    pub overload: OverloadOptions,
    /// What is logged, and how.
    pub log: LogOptions,
}

/// The `[server]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerOptions {
    /// The name of this server among mail servers.
    pub hostname: String,
    /// The folder of everything that lasts.
    pub data_dir: PathBuf,
    /// From the signal to the exit.
    pub grace: Duration,
}

/// The `[submission]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmissionSection {
    /// Where to listen, with STARTTLS.
    pub listen: Vec<SocketAddr>,
    /// Where to listen with TLS from the first octet.
    pub listen_tls: Vec<SocketAddr>,
    /// Who may submit without a password.
    pub trusted: Vec<TrustedNetwork>,
    /// Whose connections begin with a PROXY header.
    pub proxy_from: Vec<IpNet>,
    /// What becomes of a bare CR or LF in a message.
    pub bare_line_ends: BareLineEnds,
    /// How passwords are checked.
    pub login: LoginOptions,
    /// What is too much.
    pub limits: SubmissionLimits,
    /// How long clients are waited for.
    pub timeouts: ClientTimeouts,
}

/// An entry of `[[submission.trusted]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedNetwork {
    /// The clients' network.
    pub network: IpNet,
    /// The name of the workspace whose mail it is.
    pub workspace: String,
}

impl SubmissionSection {
    /// The options of the door, once the workspaces' names have been looked up.
    pub(crate) fn door_options(
        &self,
        hostname: &str,
        trusted: Vec<(IpNet, WorkspaceId)>,
    ) -> SubmissionOptions {
        SubmissionOptions {
            hostname: hostname.to_owned(),
            trusted,
            proxy_from: self.proxy_from.clone(),
            login: self.login,
            limits: self.limits,
            bare_line_ends: self.bare_line_ends,
            timeouts: self.timeouts,
        }
    }
}

/// The `[inbound]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboundSection {
    /// Where to listen; nowhere: no mail comes in.
    pub listen: Vec<SocketAddr>,
    /// Whose connections begin with a PROXY header.
    pub proxy_from: Vec<IpNet>,
    /// Lists of addresses that mail is not taken from.
    pub dnsbl: Vec<String>,
    /// Whether it is found out who mail is from.
    pub verify: bool,
    /// What is too much.
    pub limits: InboundLimits,
    /// How long clients are waited for.
    pub timeouts: ClientTimeouts,
}

impl InboundSection {
    /// The options of the door.
    pub(crate) fn door_options(&self, hostname: &str) -> InboundDoorOptions {
        let zones = self.dnsbl.iter();
        InboundDoorOptions {
            hostname: hostname.to_owned(),
            proxy_from: self.proxy_from.clone(),
            dnsbl: zones.filter_map(|zone| Domain::parse(zone).ok()).collect(),
            verify: self.verify,
            limits: self.limits,
            timeouts: self.timeouts,
        }
    }
}

/// The `[simulator]` section.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatorSection {
    /// Whether there are simulated addresses.
    pub enabled: bool,
    /// Who stands behind them in the place of the server itself. Set by the program.
    #[serde(skip)]
    pub stand_in: Option<SocketAddr>,
}

/// The `[tls]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// The certificate and those above it.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

impl TlsSection {
    /// Both files, where both are named; a configuration that holds names both or none.
    pub(crate) fn files(&self) -> Option<CertificateFiles> {
        Some(CertificateFiles {
            certificate: self.certificate.clone()?,
            key: self.key.clone()?,
        })
    }
}

/// The `[retention]` section.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSection {
    /// How long messages that are over are kept, with their events; `None`: for ever.
    pub messages: Option<Duration>,
    /// How long what is left of their deliveries is kept; `None`: for ever.
    pub slim: Option<Duration>,
    /// How long the octets of mail that came in are kept; `None`: for ever.
    pub inbound: Option<Duration>,
    /// How often what is kept no longer is looked for.
    pub round_every: Duration,
}

/// The `[accept]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateOptions {
    /// A message with as many Received fields is in a loop.
    pub max_hops: usize,
    /// How far ahead mail can be scheduled.
    pub schedule_max: Duration,
    /// How long an idempotency key is kept.
    pub keep_keys: Duration,
    /// Whether the Received field leaves out who the client was.
    pub hide_client: bool,
}

/// The `[guard]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardOptions {
    /// Networks that mail may be delivered to.
    pub allow_deliver: Vec<IpNet>,
    /// Networks that webhooks may be called in.
    pub allow_notify: Vec<IpNet>,
    /// Networks that certificate authorities may be in.
    pub allow_acme: Vec<IpNet>,
}
