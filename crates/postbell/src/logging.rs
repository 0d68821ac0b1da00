//! Structured logs, to standard error.

use postbell_deliver::LoggedAddresses;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::console::colour_wanted;

/// A level that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be \"error\", \"warn\", \"info\", \"debug\", \"trace\" or \"off\", or a list such as \
     \"info,postbell_deliver=debug\", not \"{0}\""
)]
pub(crate) struct BadLevel(String);

/// The `[log]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogOptions {
    /// What is logged: a level, or a list of `target=level`.
    pub level: String,
    /// For people or for machines.
    pub format: LogFormat,
    /// How much of recipients' addresses is logged.
    pub addresses: LoggedAddresses,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Time, level, sentence, fields.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogOptions {
    /// What `level` means.
    pub(crate) fn filter(&self) -> Result<EnvFilter, BadLevel> {
        let bad = || BadLevel(self.level.clone());
        // The filter would take a misspelt level for the name of a target, and log nothing else.
        let bare = self.level.split(',').filter(|part| !part.contains('='));
        for part in bare {
            let level = part.trim();
            let known = level.parse::<LevelFilter>().is_ok();
            if level.is_empty() || !known {
                return Err(bad());
            }
        }
        let level = self.level.replace(' ', "");
        EnvFilter::builder().parse(level).map_err(|_| bad())
    }
}

/// What is logged, changed while the program runs.
pub(crate) struct LogLevel(Box<dyn Fn(EnvFilter) + Send + Sync>);

impl LogLevel {
    /// Logs what the level says from now on.
    pub(crate) fn change(&self, options: &LogOptions) -> Result<(), BadLevel> {
        (self.0)(filter(options)?);
        Ok(())
    }
}

fn filter(options: &LogOptions) -> Result<EnvFilter, BadLevel> {
    // It logs an error for each certificate that it refuses; whoever asked it tells that better,
    // and to a mail host no such certificate is an error.
    let quiet = "rustls_platform_verifier=off"
        .parse()
        .expect("invariant: this is a directive");
    Ok(options.filter()?.add_directive(quiet))
}

/// Sends logs to standard error from now on. Later calls change nothing.
pub(crate) fn start(options: &LogOptions) -> Result<LogLevel, BadLevel> {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(options)?)
        .with_writer(std::io::stderr)
        .with_ansi(colour_wanted(&std::io::stderr()));
    // Errors say that a subscriber is set already, as in tests that start two servers.
    Ok(match options.format {
        LogFormat::Text => {
            let subscriber = subscriber.with_filter_reloading();
            let handle = subscriber.reload_handle();
            let _ = subscriber.try_init();
            LogLevel(Box::new(move |filter| drop(handle.reload(filter))))
        }
        LogFormat::Json => {
            let subscriber = subscriber.json().flatten_event(true);
            let subscriber = subscriber.with_filter_reloading();
            let handle = subscriber.reload_handle();
            let _ = subscriber.try_init();
            LogLevel(Box::new(move |filter| drop(handle.reload(filter))))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_no_target() {
        let filter = |level: &str| {
            let options = LogOptions {
                level: level.to_owned(),
                format: LogFormat::Text,
                addresses: LoggedAddresses::Domain,
            };
            options.filter().map(|filter| filter.to_string())
        };
        assert_eq!(filter("info").unwrap(), "info");
        assert!(filter("warn, postbell_deliver=debug").is_ok());
        for wrong in [
            "verbose",
            "",
            "info,postbell_deliver=loud",
            "postbell_deliver",
        ] {
            assert_eq!(filter(wrong).unwrap_err(), BadLevel(wrong.to_owned()));
        }
    }
}
