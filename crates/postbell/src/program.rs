//! From the command line to what it asks for, and from what went wrong to an exit code.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use postbell_store::SqliteTenants;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::admin::{self, Desk, Request};
use crate::cli::{Cli, Command, ConfigCommand, InboundCommand, Output, exit};
use crate::config::{self, Fault, Faults, Sources};
use crate::console::{Console, Style};
use crate::lifecycle::{Inherited, SystemClock, make_data_folder};
use crate::server::Trouble;
use crate::{dev, doctor, explain, manual, operator, safekeeping, serve, trace};

/// What abandoned tasks get before the process ends without them.
const RUNTIME_LIMIT: Duration = Duration::from_secs(1);

/// Does what the command line asks for.
pub fn run(cli: Cli) -> ExitCode {
    let console = Console::new();
    match execute(cli, console) {
        Ok(()) => exit::OK.into(),
        Err(error) => report(&error, console),
    }
}

fn execute(cli: Cli, console: Console) -> anyhow::Result<()> {
    let named = cli.config.as_deref();
    match cli.command {
        Command::Config(ConfigCommand::Check { file, output }) => {
            let sources = Sources::find(file.as_deref().or(named))?;
            check(&sources, &output, console)
        }
        Command::Config(ConfigCommand::Show { output }) => {
            let loaded = config::load(&Sources::find(named)?)?;
            if output.json {
                console.say(loaded.document().to_string());
            } else {
                console.say(loaded.show().trim_end());
            }
            Ok(())
        }
        Command::Doctor(args) => on_runtime(doctor::run(named, &args, console)),
        Command::Serve => {
            let loaded = config::load(&Sources::find(named)?)?;
            loaded.check_files()?;
            // Before there are threads.
            let inherited = Inherited::take()?;
            on_runtime(serve::run(loaded, named, inherited, console))
        }
        Command::Explain(args) => {
            let config = config::load(&Sources::find(named)?)?.config;
            on_runtime(explain::run(&args, &config, console))
        }
        Command::Trace(args) => {
            let config = config::load(&Sources::find(named)?)?.config;
            on_runtime(trace::run(&args, &config, console))
        }
        Command::Queue(args) => look(named, operator::Request::Queue(args), console),
        Command::Message(command) => look(named, operator::Request::Message(command), console),
        Command::Events(command) => look(named, operator::Request::Events(command), console),
        Command::Inbound(InboundCommand::Look(command)) => {
            look(named, operator::Request::Inbound(command), console)
        }
        Command::Backup(args) => keep(named, &safekeeping::Request::Backup(args), console),
        Command::Verify(args) => keep(named, &safekeeping::Request::Verify(args), console),
        Command::Restore(args) => keep(named, &safekeeping::Request::Restore(args), console),
        Command::Erase(args) => keep(named, &safekeeping::Request::Erase(args), console),
        Command::Dev(args) => on_runtime(dev::run(&args, console)),
        Command::Workspace(command) => set_up(named, &Request::Workspace(command), console),
        Command::Domain(command) => set_up(named, &Request::Domain(command), console),
        Command::Credential(command) => set_up(named, &Request::Credential(command), console),
        Command::ApiKey(command) => set_up(named, &Request::ApiKey(command), console),
        Command::ConfigSet(command) => set_up(named, &Request::ConfigSet(command), console),
        Command::Destination(command) => set_up(named, &Request::Destination(command), console),
        Command::VerifiedAddress(command) => {
            set_up(named, &Request::VerifiedAddress(command), console)
        }
        Command::Suppression(command) => set_up(named, &Request::Suppression(command), console),
        Command::Link(command) => set_up(named, &Request::Link(command), console),
        Command::Certificate(command) => set_up(named, &Request::Certificate(command), console),
        Command::Inbound(InboundCommand::Route(command)) => {
            set_up(named, &Request::InboundRoute(command), console)
        }
        Command::Completions { shell } => manual::completions(shell, console),
        Command::Man(args) => manual::man(&args, console),
    }
}

fn check(sources: &Sources, output: &Output, console: Console) -> anyhow::Result<()> {
    let checked = config::load(sources).and_then(|loaded| {
        loaded.check_files()?;
        Ok(loaded.settings())
    });
    if output.json {
        console.say(checked_document(sources, &checked).to_string());
    }
    let set = checked?;
    if !output.json {
        let file = match sources.file() {
            Some(path) => path.display().to_string(),
            None => "no configuration file".to_owned(),
        };
        let ok = console.styled(Style::Good, "ok");
        console.say(format!(
            "{file}: {ok}; {set} keys are set, the others have their defaults"
        ));
    }
    Ok(())
}

/// What a check came to; the faults stand on standard error as well.
fn checked_document(sources: &Sources, checked: &Result<usize, Faults>) -> Value {
    let faults = checked.as_ref().err().into_iter().flat_map(Faults::iter);
    let fault = |fault: &Fault| {
        json!({
            "origin": fault.origin.to_string(),
            "key": fault.key,
            "message": fault.message,
        })
    };
    json!({
        "ok": checked.is_ok(),
        "file": sources.file(),
        "keysSet": checked.as_ref().ok(),
        "faults": faults.map(fault).collect::<Vec<_>>(),
    })
}

fn look(named: Option<&Path>, request: operator::Request, console: Console) -> anyhow::Result<()> {
    let config = config::load(&Sources::find(named)?)?.config;
    on_runtime(operator::run(request, &config, console))
}

fn keep(
    named: Option<&Path>,
    request: &safekeeping::Request,
    console: Console,
) -> anyhow::Result<()> {
    let config = config::load(&Sources::find(named)?)?.config;
    on_runtime(safekeeping::run(request, &config, console))
}

fn set_up(named: Option<&Path>, request: &Request, console: Console) -> anyhow::Result<()> {
    let config = config::load(&Sources::find(named)?)?.config;
    let folder = config.server.data_dir.clone();
    if !request.makes_database() && !folder.exists() {
        bail!(
            "there is no data folder {} (server.data_dir); the first `postbell workspace add` makes it",
            folder.display()
        );
    }
    make_data_folder(&folder)
        .with_context(|| format!("the data folder {} can't be made", folder.display()))?;
    on_runtime(async {
        let tenants = SqliteTenants::open(&folder)
            .await
            .with_context(|| format!("the database in {} can't be used", folder.display()))?;
        let desk = Desk {
            tenants: Arc::new(tenants.clone()),
            allowances: Arc::new(tenants.clone()),
            keys: Arc::new(tenants.clone()),
            domains: Arc::new(tenants.clone()),
            config: config.clone(),
            webhooks: Arc::new(tenants.clone()),
            pauses: Arc::new(tenants.clone()),
            removals: Arc::new(tenants.clone()),
            api_keys: Arc::new(tenants.clone()),
            routes: Arc::new(tenants.clone()),
            verified: Arc::new(tenants.clone()),
            sandboxes: Arc::new(tenants.clone()),
            suppressions: Arc::new(tenants.clone()),
            link_blocks: Arc::new(tenants.clone()),
            certificates: Arc::new(tenants.clone()),
            clock: Arc::new(SystemClock::new()),
            console,
        };
        let outcome = admin::run(request, &desk).await;
        tenants.close().await;
        outcome
    })
}

fn on_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("the runtime can't start")?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(RUNTIME_LIMIT);
    outcome
}

/// One line says what went wrong; a configuration has one for each fault.
fn report(error: &anyhow::Error, console: Console) -> ExitCode {
    match error.downcast_ref::<Faults>() {
        Some(faults) => console.complain(faults.to_string()),
        None => console.complain(format!("postbell: {}", one_line(error))),
    }
    match error.downcast_ref::<Trouble>() {
        Some(Trouble::StoreStopped(_)) => exit::STORE_STOPPED.into(),
        _ => exit::FAILED.into(),
    }
}

/// The error and its causes.
fn one_line(error: &anyhow::Error) -> String {
    format!("{error:#}").replace(['\n', '\r'], " ")
}
