//! The simulator of the server's own domain, as a stage.

use std::sync::Arc;

use anyhow::Context;
use postbell_deliver::SimulatorRoute;
use postbell_model::{Clock, Domain, simulator_domain};
use tokio_util::sync::DropGuard;

use super::Addresses;
use crate::config::Config;
use crate::lifecycle::Stage;
use crate::simulator::{Simulation, Simulator, doors};

/// The stage, and what it simulates.
#[derive(Debug)]
pub(super) struct Simulated {
    pub(super) stage: Stage,
    route: Option<SimulatorRoute>,
    /// `None`: there is none, or another stands in.
    simulator: Option<Simulator>,
    /// A server that does not come up leaves nobody behind.
    _end: DropGuard,
}

impl Simulated {
    /// Starts it where it is switched on.
    pub(super) async fn start(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let stage = Stage::new("simulator");
        let end = stage.stop().drop_guard();
        let (mut route, mut simulator) = (None, None);
        if let Some(domain) = domain(config) {
            let address = match config.simulator.stand_in {
                Some(address) => address,
                None => {
                    let simulation = Simulation::of_domain(&domain);
                    let (tasks, stop) = (stage.tasks(), stage.stop());
                    let started = Simulator::start(simulation, clock, tasks, stop).await;
                    let started = started.context("the simulator can't listen on loopback")?;
                    simulator.insert(started).address()
                }
            };
            route = Some(SimulatorRoute { domain, address });
        }
        Ok(Self {
            stage,
            route,
            simulator,
            _end: end,
        })
    }

    /// Where mail to simulated addresses goes.
    pub(super) fn route(&self) -> Option<SimulatorRoute> {
        self.route.clone()
    }

    /// Says by which doors answers come in, and when.
    pub(super) fn answer_by(&self, config: &Config, addresses: &Addresses) {
        if let Some(simulator) = &self.simulator {
            simulator.answer_at(doors(config, addresses));
        }
    }
}

/// The domain whose addresses are simulated.
pub(crate) fn domain(config: &Config) -> Option<Domain> {
    let hostname = &config.server.hostname;
    config
        .simulator
        .enabled
        .then(|| simulator_domain(hostname))?
}
