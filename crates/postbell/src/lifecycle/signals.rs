//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once. SIGHUP asks for
//! the configuration to be read again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// What a shell reports for a process that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// SIGHUP.
#[derive(Debug)]
pub(crate) struct Hangups(Signal);

impl Hangups {
    /// Takes the signal over: it no longer ends the process.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for the next one; several that came meanwhile are one.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// The signals that end the program.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes the signals over: from now on they no longer end the process by themselves.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one, and names it.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    /// Waits for `shutdown`; a signal meanwhile ends the process at once, as a crash would.
    pub(crate) async fn or_exit(&mut self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = shutdown => info!("stopped"),
            name = self.next() => {
                warn!("{name} again: exiting at once");
                exit_at_once();
            }
        }
    }
}

#[expect(clippy::exit, reason = "asked for twice; what is on disk survives it")]
fn exit_at_once() -> ! {
    std::process::exit(INTERRUPTED)
}
