//! `postbell serve`.

use std::path::Path;
use std::sync::Arc;

use postbell_model::Clock;
use tracing::{error, warn};

use crate::config::{Config, Loaded};
use crate::console::{Console, Style};
use crate::lifecycle::{Hangups, Inherited, Manager, Signals, SystemClock};
use crate::logging;
use crate::observe::Panics;
use crate::reloading::Reloading;
use crate::server::{Addresses, Server, Trouble};

/// Runs the server until a signal, or until it can't go on.
pub(crate) async fn run(
    loaded: Loaded,
    named: Option<&Path>,
    inherited: Inherited,
    console: Console,
) -> anyhow::Result<()> {
    let config = &loaded.config;
    let level = logging::start(&config.log)?;
    let panics = Panics::default();
    panics.watch();
    let (mut signals, mut hangups) = (Signals::listen()?, Hangups::listen()?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let server = Server::start_with(config, Arc::clone(&clock), &panics, inherited).await?;
    tell_ready(config, server.addresses(), console);
    warn_of_what_is_missing(config, &server);
    Manager.ready();
    let mut reloading = Reloading {
        named,
        level,
        in_force: loaded,
    };
    let watchdog = Manager.keep_watchdog(&server, clock);
    let end = async {
        loop {
            tokio::select! {
                name = signals.next() => {
                    tracing::info!("{name}");
                    return None;
                }
                trouble = server.trouble() => return Some(trouble),
                () = hangups.next() => reloading.reload(&server),
            }
        }
    };
    let trouble = tokio::select! {
        trouble = end => trouble,
        () = watchdog => None,
    };
    Manager.stopping();
    if let Some(Trouble::StageBroke(stage)) = &trouble {
        error!(stage, "a stage has ended by a fault of the program");
    }
    signals.or_exit(server.shut_down()).await;
    trouble.map_or(Ok(()), |trouble: Trouble| Err(trouble.into()))
}

fn tell_ready(config: &Config, addresses: &Addresses, console: Console) {
    let version = env!("CARGO_PKG_VERSION");
    let hostname = console.styled(Style::Strong, &config.server.hostname);
    console.say(format!("postbell {version} serves {hostname}"));
    for address in &addresses.submission {
        console.say(format!("  submission  {address}"));
    }
    for address in &addresses.submission_tls {
        console.say(format!("  submissions {address}, under TLS"));
    }
    for address in &addresses.inbound {
        console.say(format!("  inbound     {address}"));
    }
    for address in &addresses.tracking {
        console.say(format!("  tracking    http://{address}"));
    }
    for address in &addresses.tracking_tls {
        console.say(format!("  tracking    https://{address}"));
    }
    for address in &addresses.http {
        console.say(format!("  metrics     http://{address}/metrics"));
        console.say(format!("  health      http://{address}/readyz"));
    }
    console.say(format!(
        "  data        {}",
        config.server.data_dir.display()
    ));
}

/// What is no fault, and yet seldom what somebody wants.
fn warn_of_what_is_missing(config: &Config, server: &Server) {
    if !config.server.hostname.contains('.') {
        warn!(
            "server.hostname is \"{}\": other mail servers expect a full name that can be looked up",
            config.server.hostname
        );
    }
    let directory = server.store().directory();
    let workspaces = directory.workspaces();
    let mut credentials = workspaces
        .iter()
        .flat_map(|workspace| directory.credentials_of(workspace.id));
    let may_log_in = credentials.any(|credential| credential.revoked_at.is_none());
    if config.submission.trusted.is_empty() && !may_log_in {
        warn!(
            "there is no credential (`postbell credential add`) and no network is trusted \
             (submission.trusted): nobody can hand in mail yet"
        );
    }
    let mut listeners = config.submission.listen.iter();
    if config.tls.files().is_none() && listeners.any(|address| !address.ip().is_loopback()) {
        warn!("there is no certificate ([tls]): clients of other machines can't log in");
    }
}
