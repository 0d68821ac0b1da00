//! SIGHUP: the configuration is read again, and followed where it holds.

use std::path::Path;

use tracing::{error, info, warn};

use crate::config::{self, Faults, Loaded, Sources};
use crate::lifecycle::Manager;
use crate::logging::LogLevel;
use crate::server::Server;

/// What a reload begins from.
pub(crate) struct Reloading<'p> {
    /// The file that was named on the command line.
    pub(crate) named: Option<&'p Path>,
    pub(crate) level: LogLevel,
    /// What the server runs by.
    pub(crate) in_force: Loaded,
}

impl Reloading<'_> {
    /// Reads the configuration again. Where anything is wrong with it all of that is logged, and
    /// the old one stays in force as a whole.
    pub(crate) fn reload(&mut self, server: &Server) {
        Manager.reloading();
        if let Err(error) = self.try_reload(server) {
            match error.downcast_ref::<Faults>() {
                Some(faults) => faults.iter().for_each(|fault| error!("{fault}")),
                None => error!("{error:#}"),
            }
            error!(
                "the configuration was read again and does not hold: the old one stays in force"
            );
        }
        Manager.ready();
    }

    fn try_reload(&mut self, server: &Server) -> anyhow::Result<()> {
        let new = config::load(&Sources::find(self.named)?)?;
        new.check_files()?;
        let (in_force, changes) = self.in_force.followed_by(new);
        server.follow(&in_force.config)?;
        self.level.change(&in_force.config.log)?;
        self.in_force = in_force;
        for key in &changes.fixed {
            warn!("the new value of {key} needs a restart");
        }
        let changed = match changes.followed.as_slice() {
            [] => "nothing has changed but perhaps the files that it names".to_owned(),
            keys => format!("changed: {}", keys.join(", ")),
        };
        info!("the configuration was read again; {changed}");
        Ok(())
    }
}
