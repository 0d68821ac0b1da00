//! How a pause and a sandbox are typed.

use std::num::NonZeroU32;

use clap::{Args, ValueEnum};

// It is told in replies, events and tables.
const REASON_MAX: usize = 200;

/// The terms of a pause.
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// Why, for whoever sends: it stands in events and in refusals
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
    /// What becomes of mail that is handed in meanwhile
    #[arg(long, value_name = "WHAT", default_value = "hold")]
    pub new_mail: NewMailArg,
}

/// What becomes of mail that is handed in during a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NewMailArg {
    /// It is taken, and waits
    Hold,
    /// It is refused with 550
    Refuse,
    /// It is taken, and an event tells that it is not sent
    Reject,
}

/// The terms of a sandbox.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Recipients a day in UTC; the simulator does not count [default: no limit]
    #[arg(long, value_name = "N")]
    pub daily_limit: Option<NonZeroU32>,
    /// What becomes of mail to other addresses, and of mail beyond the limit
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    pub new_mail: SandboxMailArg,
}

/// What becomes of mail that a sandbox does not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SandboxMailArg {
    /// The message is refused, whoever else it is for: with 550, beyond the limit with 452
    Refuse,
    /// It is taken, and an event tells which recipients it is not sent to
    Reject,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > REASON_MAX || text.chars().any(char::is_control) {
        return Err(format!("write one line of at most {REASON_MAX} octets"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line() {
        assert_eq!(
            reason(" too many bounces ").as_deref(),
            Ok("too many bounces")
        );
        for bad in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert!(reason(bad).is_err(), "{bad:?}");
        }
    }
}
