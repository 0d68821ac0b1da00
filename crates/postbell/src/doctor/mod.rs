//! `postbell doctor`: a look at the whole installation, one line for each thing looked at.
//!
//! It changes nothing, sends no mail and makes nothing that is not there. What is looked at over
//! the network is looked at at the same time, each with a deadline, and told in a fixed order. The
//! machine is looked at as this user sees it: run it as the user that the server runs as.

mod certificate;
mod check;
mod clock;
mod folder;
mod issued;
mod limits;
mod machine;
mod names;
mod ports;
mod setup;
mod simulator;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use postbell_model::Clock;
use postbell_net::Resolver;
use serde_json::json;

use crate::cli::DoctorArgs;
use crate::config::{self, Config, Faults, Sources};
use crate::console::{Console, Style};
use crate::lifecycle::SystemClock;

use check::{Check, Mark};
use machine::Machine;
use setup::Setup;

/// What all looks of one kind may take together.
const LIMIT: Duration = Duration::from_secs(20);

/// Something has to be put right.
#[derive(Debug, thiserror::Error)]
#[error("{0} of {1} checks found a fault")]
struct Unwell(usize, usize);

/// Looks at everything and tells.
pub(crate) async fn run(
    named: Option<&Path>,
    args: &DoctorArgs,
    console: Console,
) -> anyhow::Result<()> {
    let loaded = config::load(&Sources::find(named)?);
    let checks = match loaded {
        Err(faults) => configuration_faults(&faults),
        Ok(loaded) => {
            let mut checks = match loaded.check_files() {
                Ok(()) => vec![Check::ok(
                    "configuration",
                    format!("holds; {} keys are set", loaded.settings()),
                )],
                Err(faults) => configuration_faults(&faults),
            };
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
            let looking = Box::pin(look(&loaded.config, args, clock.as_ref()));
            checks.extend(looking.await);
            checks
        }
    };
    tell(&checks, args, console);
    let faults = count(&checks, Mark::Fault);
    if faults > 0 {
        return Err(Unwell(faults, checks.len()).into());
    }
    Ok(())
}

fn configuration_faults(faults: &Faults) -> Vec<Check> {
    let each = faults.iter().map(|fault| {
        let advice = "correct it; `postbell config check` tells it again";
        Check::fault("configuration", fault.to_string(), advice)
    });
    each.collect()
}

/// Everything but the configuration itself, in the order in which it is told.
async fn look(config: &Config, args: &DoctorArgs, clock: &dyn Clock) -> Vec<Check> {
    let machine = Machine::look(config);
    let setup = tokio::time::timeout(LIMIT, Setup::read(&config.server.data_dir)).await;
    let setup = setup.unwrap_or_else(|_| Setup::unread("it could not be read in time"));
    let (folder, disk) = tokio::join!(
        in_time(("data folder", LIMIT), folder::look(config, &setup)),
        in_time(("disk", LIMIT), folder::disk(config)),
    );
    let mut checks = [folder, disk].concat();
    match Resolver::new(&config.dns) {
        Ok(resolver) => {
            let around = Around {
                config,
                args,
                resolver: &resolver,
                machine: &machine,
            };
            let sources = names::sources(config, setup.directory.as_deref()).await;
            checks.extend(Box::pin(around.look(&sources, clock)).await);
        }
        Err(error) => {
            let advice = "name servers of your own in dns.servers";
            checks.push(Check::fault("dns", error.to_string(), advice));
        }
    }
    checks.extend(certificate::look(config, clock.now()));
    checks.extend(issued::look(config, &setup, clock.now()));
    checks.extend(limits::look(config, &machine));
    checks.extend(simulator::look(config, setup.directory.as_deref()));
    checks.extend(setup.domains(clock.now()));
    checks.extend(setup.destinations());
    checks
}

/// What is looked at over the network.
struct Around<'a> {
    config: &'a Config,
    args: &'a DoctorArgs,
    resolver: &'a Resolver,
    machine: &'a Machine,
}

impl Around<'_> {
    /// All at the same time.
    async fn look(&self, sources: &[names::Source], clock: &dyn Clock) -> Vec<Check> {
        let Self {
            config,
            args,
            resolver,
            machine,
        } = self;
        let (servers, names, listeners, outbound, time) = tokio::join!(
            in_time(("dns", LIMIT), names::servers(&config.dns)),
            in_time(("names", LIMIT), names::look(resolver, config, sources)),
            in_time(("listeners", LIMIT), ports::listeners(config, machine)),
            in_time(
                ("port 25 out", LIMIT),
                ports::outbound(config, args, resolver)
            ),
            in_time(
                ("clock", LIMIT),
                clock::look(args.ntp.as_deref(), resolver, clock)
            ),
        );
        [servers, names, listeners, outbound, time].concat()
    }
}

async fn in_time(
    (name, limit): (&'static str, Duration),
    looking: impl Future<Output = Vec<Check>>,
) -> Vec<Check> {
    let looked = tokio::time::timeout(limit, looking).await;
    looked.unwrap_or_else(|_| {
        let found = format!("could not be looked at within {} s", limit.as_secs());
        vec![Check::warning(name, found, "run it again, or look by hand")]
    })
}

fn count(checks: &[Check], mark: Mark) -> usize {
    checks.iter().filter(|check| check.mark == mark).count()
}

fn tell(checks: &[Check], args: &DoctorArgs, console: Console) {
    if args.output.json {
        let document = json!({
            "well": count(checks, Mark::Fault) == 0,
            "faults": count(checks, Mark::Fault),
            "warnings": count(checks, Mark::Warning),
            "checks": checks.iter().map(Check::document).collect::<Vec<_>>(),
        });
        console.say(document.to_string());
        return;
    }
    for check in checks {
        let (style, word) = match check.mark {
            Mark::Ok => (Style::Good, "ok   "),
            Mark::Warning => (Style::Faint, "warn "),
            Mark::Fault => (Style::Strong, "FAULT"),
        };
        console.say(format!("{} {}", console.styled(style, word), check.line()));
    }
}
