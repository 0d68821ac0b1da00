//! What can be set about reports. The defaults stand in `config/default.toml`.

use std::time::Duration;

use postbell_model::address::AddressError;
use postbell_model::{Address, Domain};
use serde::Deserialize;

/// How senders are told what became of their mail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportOptions {
    /// Our name, as the reports give it.
    pub hostname: String,
    /// The address in their From field; absent: `MAILER-DAEMON` at our name.
    pub from: Option<String>,
    /// How long a delivery is queued until its sender is warned of the delay; absent: never.
    pub delay_after: Option<Duration>,
    /// Whether senders are warned that did not ask for it with NOTIFY.
    pub warn_unasked: bool,
    /// Octets of a message that is returned whole; of a larger one the header is.
    pub max_returned: u64,
}

impl ReportOptions {
    /// The address that reports are from.
    ///
    /// # Errors
    /// What is set is no address.
    pub fn sender(&self) -> Result<Address, AddressError> {
        match &self.from {
            Some(from) => Address::parse(from),
            None => Address::new("MAILER-DAEMON", &Domain::parse(&self.hostname)?),
        }
    }
}
