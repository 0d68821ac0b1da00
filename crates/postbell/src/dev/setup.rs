//! Folder, tenants and configuration of `postbell dev`.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use ipnet::{IpNet, Ipv4Net};
use postbell_mail::dkim::record;
use postbell_model::tracking::SetTracking;
use postbell_model::{
    Clock, ConfigurationSet, Destination, DestinationId, DestinationSettings, DestinationState,
    Domain,
};
use postbell_notify::signature;
use postbell_store::{DomainKeys, SqliteTenants, Tenants};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{NewDomain, make_credential, make_domain, make_workspace};
use crate::cli::{ComingIn, DevArgs, DomainTracks};
use crate::config::{self, Config, Sources, TlsSection, TrustedNetwork};
use crate::identity::{make_keys, sealing_key_in};
use crate::lifecycle::make_data_folder;

use super::far_side::FarSide;

/// The domains that mail may be sent from.
pub(super) const FROM_DOMAINS: [&str; 2] = ["example.com", "example.net"];
/// Where the sample goes: what becomes of it puts nobody on the suppression list, so that the next run
/// on the same data can send it again.
pub(super) const TO_DOMAIN: &str = "simulator.localhost";

/// Username and password alike: nobody outside this machine reaches the listeners.
pub(super) const CREDENTIAL: &str = "dev";

const WORKSPACE: &str = "dev";
const DESTINATION: &str = "dev";
/// Short enough that `delay@` is taken while somebody watches.
const FIRST_RETRY: Duration = Duration::from_secs(3);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// Short enough that somebody who follows a link sees the event.
const TRACKING_HOLD: Duration = Duration::from_secs(1);

/// What `certs/` holds of use to a server and its clients: public, hence worthless.
const CERTS: [(&str, &str); 3] = [
    (CA, include_str!("../../../../certs/ca.pem")),
    (CERTIFICATE, include_str!("../../../../certs/dev.pem")),
    (KEY, include_str!("../../../../certs/dev-key.pem")),
];
pub(super) const CA: &str = "ca.pem";
const CERTIFICATE: &str = "dev.pem";
const KEY: &str = "dev-key.pem";

/// Where everything is kept.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    temporary: Option<TempDir>,
}

impl Folder {
    /// The folder asked for, or a temporary one.
    pub(super) fn open(asked_for: Option<&Path>) -> anyhow::Result<Self> {
        let folder = match asked_for {
            Some(path) => Self {
                path: path.to_owned(),
                temporary: None,
            },
            None => {
                let temporary = tempfile::Builder::new().prefix("postbell-dev-").tempdir()?;
                Self {
                    path: temporary.path().to_owned(),
                    temporary: Some(temporary),
                }
            }
        };
        for part in [folder.mail(), folder.data(), folder.certs()] {
            make_data_folder(&part)
                .with_context(|| format!("the folder {} can't be made", part.display()))?;
        }
        for (name, text) in CERTS {
            let path = folder.certs().join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("{} can't be written", path.display()))?;
        }
        Ok(folder)
    }

    pub(super) fn mail(&self) -> PathBuf {
        self.path.join("mail")
    }

    /// Where the development certificates are written.
    pub(super) fn certs(&self) -> PathBuf {
        self.path.join("certs")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Where it can't be removed, the system's own clearing of temporary files will.
    pub(super) fn remove_if_temporary(self) {
        if let Some(temporary) = self.temporary {
            let _ = temporary.close();
        }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = match self.temporary {
            Some(_) => "removed at the end; --data DIR keeps it",
            None => "kept",
        };
        write!(f, "{}, {fate}", self.data().display())
    }
}

/// Where the webhook receiver listens, and with which secret it verifies.
#[derive(Debug)]
pub(super) struct Receiver {
    /// 0: any.
    pub(super) port: u16,
    pub(super) secret: String,
}

impl Receiver {
    /// A new one, on any port. The text of its secret is its key, so that the next run on the
    /// same data can read it back.
    fn new() -> anyhow::Result<Self> {
        let secret = signature::new_secret()?;
        Ok(Self {
            port: 0,
            secret: secret.trim_start_matches("whsec_").to_owned(),
        })
    }

    /// The one that a destination was made for in an earlier run.
    fn of(destination: &Destination) -> Option<Self> {
        if destination.name != DESTINATION {
            return None;
        }
        let authority = destination.url.strip_prefix("http://")?.split('/').next()?;
        let address: SocketAddr = authority.parse().ok()?;
        Some(Self {
            port: address.port(),
            secret: String::from_utf8(destination.secret.expose().to_vec()).ok()?,
        })
    }
}

/// Starts the far side, and makes workspace, domains and destination where they are not there
/// from an earlier run.
pub(super) async fn far_side(
    folder: &Folder,
    clock: &Arc<dyn Clock>,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> anyhow::Result<FarSide> {
    let tenants = SqliteTenants::open(&folder.data()).await?;
    let known = tenants
        .directory()
        .destinations()
        .iter()
        .find_map(Receiver::of);
    let far_side = match known {
        Some(receiver) => FarSide::start(folder, &receiver, clock, tasks, stop).await?,
        None => {
            let receiver = Receiver::new()?;
            let far_side = FarSide::start(folder, &receiver, clock, tasks, stop).await?;
            make_tenants(&tenants, clock.as_ref(), &far_side, &receiver).await?;
            far_side
        }
    };
    let directory = tenants.directory();
    if let Some(workspace) = directory.workspace_named(WORKSPACE)
        && directory.credential(CREDENTIAL).is_none()
    {
        make_credential(
            &tenants,
            clock.as_ref(),
            CREDENTIAL,
            CREDENTIAL,
            workspace.id,
        )
        .await?;
    }
    make_identity(&tenants, clock.as_ref(), &folder.data(), &far_side).await?;
    tenants.close().await;
    Ok(far_side)
}

/// Keys for the domains, in use and published.
async fn make_identity(
    tenants: &SqliteTenants,
    clock: &dyn Clock,
    data: &Path,
    far_side: &FarSide,
) -> anyhow::Result<()> {
    let sealing = sealing_key_in(data)?;
    for name in FROM_DOMAINS {
        let domain = Domain::parse(name)?;
        if tenants.directory().domain_keys(&domain).is_empty() {
            make_keys(tenants, &sealing, &domain, clock.now()).await?;
        }
        for key in tenants.directory().domain_keys(&domain) {
            far_side.publish(
                &key.record_name(),
                &record::text(key.algorithm, &key.public),
            );
            tenants
                .activate_domain_key(&domain, &key.selector, clock.now())
                .await?;
        }
    }
    Ok(())
}

async fn make_tenants(
    tenants: &dyn Tenants,
    clock: &dyn Clock,
    far_side: &FarSide,
    receiver: &Receiver,
) -> anyhow::Result<()> {
    let (workspace, set) = make_workspace(tenants, clock, WORKSPACE).await?;
    for name in FROM_DOMAINS {
        let domain = NewDomain {
            name,
            return_path: None,
            reply_host: None,
            tracking_host: None,
            workspace: workspace.id,
            set: set.id,
            coming_in: ComingIn {
                inbound: Some(true),
                ..ComingIn::default()
            },
            tracks: DomainTracks {
                track_opens: Some(true),
                track_clicks: Some(true),
                ..DomainTracks::default()
            },
        };
        make_domain(tenants, clock, &domain).await?;
    }
    let listed = ConfigurationSet {
        tracking: SetTracking {
            unsubscribe: true,
            ..set.tracking.clone()
        },
        ..set.clone()
    };
    tenants.change_configuration_set(listed).await?;
    let destination = Destination {
        id: DestinationId::new(clock.now()),
        workspace: workspace.id,
        configuration_set: Some(set.id),
        name: DESTINATION.to_owned(),
        url: far_side.webhook.clone(),
        secret: signature::parse_secret(&receiver.secret)?,
        previous_secret: None,
        matching_event_types: Vec::new(),
        format: "postbell".to_owned(),
        settings: DestinationSettings::default(),
        replays: 0,
        state: DestinationState::Active,
        created_at: clock.now(),
    };
    tenants.create_destination(destination).await?;
    Ok(())
}

/// The defaults, the environment, and what makes it a trial.
pub(super) fn config(
    args: &DevArgs,
    folder: &Folder,
    far_side: &FarSide,
) -> anyhow::Result<Config> {
    let mut environment = vec![("POSTBELL_LOG__LEVEL".to_owned(), "warn".to_owned())];
    environment.extend(config::environment());
    let mut config = config::load(&Sources::of(None, environment))?.config;
    let loopback = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8));

    config.server.data_dir = folder.data();
    config.submission.listen = vec![on_loopback(args.smtp_port)];
    config.submission.listen_tls = vec![on_loopback(args.smtps_port)];
    config.inbound.listen = vec![on_loopback(args.inbound_port)];
    // Links name the port before anything listens at it.
    let tracking = free_address(args.tracking_port)?;
    config.tracking.listen = vec![tracking];
    config.tracking.base_url = Some(format!("http://{tracking}"));
    config.tracking.hold = TRACKING_HOLD;
    config.tls = TlsSection {
        certificate: Some(folder.certs().join(CERTIFICATE)),
        key: Some(folder.certs().join(KEY)),
    };
    config.submission.trusted = vec![TrustedNetwork {
        network: loopback,
        workspace: WORKSPACE.to_owned(),
    }];
    config.http.listen = vec![on_loopback(args.http_port)];
    config.dns.servers = vec![far_side.dns];
    config.simulator.stand_in = Some(far_side.mx);
    config.guard.allow_deliver = vec![loopback];
    config.guard.allow_notify = vec![loopback];
    config.deliver.smtp_port = far_side.mx.port();
    config.deliver.retry.first = FIRST_RETRY;
    config.deliver.retry.longest = LONGEST_RETRY;
    Ok(config)
}

/// Says which port is taken and by which flag another is chosen.
pub(super) fn check_ports(args: &DevArgs) -> anyhow::Result<()> {
    for (flag, port) in [
        ("--smtp-port", args.smtp_port),
        ("--smtps-port", args.smtps_port),
        ("--inbound-port", args.inbound_port),
        ("--tracking-port", args.tracking_port),
        ("--http-port", args.http_port),
    ] {
        let address = on_loopback(port);
        TcpListener::bind(address).map_err(|error| {
            anyhow!("can't listen on {address}: {error}; choose another port with {flag} PORT, 0 for any")
        })?;
    }
    Ok(())
}

/// The address of this port; of any free one for 0.
fn free_address(port: u16) -> anyhow::Result<SocketAddr> {
    let free = TcpListener::bind(on_loopback(port)).and_then(|free| free.local_addr());
    free.context("no port for the tracking host")
}

fn on_loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
