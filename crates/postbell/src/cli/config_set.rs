//! Configuration sets, as they are typed.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};

use super::{EgressArgs, InWorkspace, NoLonger, Output, SetTracks, duration, on_or_off};

/// `postbell config-set …`
#[derive(Debug, Subcommand)]
pub enum ConfigSetCommand {
    /// Make a configuration set
    #[command(after_help = "\
Examples:
  postbell config-set add urgent --workspace acme --max-retries 3 --expire-after 1h
  postbell config-set add news --workspace acme --track-clicks on --unsubscribe on \\
      --add-parameter utm_source=news --untracked '*/legal/*'")]
    Add(Box<ConfigSetAdd>),
    /// List configuration sets
    #[command(after_help = "Example:\n  postbell config-set list --workspace acme")]
    List(InWorkspace),
    /// Show a configuration set, with its domains and destinations
    #[command(after_help = "Example:\n  postbell config-set show urgent --workspace acme")]
    Show(ConfigSetNamed),
    /// Change a configuration set: attempts for mail that is accepted from now on, tracking for mail
    /// that is sent from now on
    #[command(after_help = "\
Examples:
  postbell config-set update urgent --workspace acme --reports off
  postbell config-set update urgent --workspace acme --max-retries default
  postbell config-set update urgent --workspace acme --source-address 192.0.2.7,2001:db8::7
  postbell config-set update urgent --workspace acme --ehlo-name out7.acme.example
  postbell config-set update news --workspace acme --track-opens domain --remove-parameter all")]
    Update(Box<ConfigSetUpdate>),
    /// Remove a configuration set that no domain, destination or waiting mail uses
    #[command(after_help = "\
Examples:
  postbell config-set remove urgent --workspace acme          says whether it could be done
  postbell config-set remove urgent --workspace acme --yes    does it")]
    Remove {
        #[command(flatten)]
        which: ConfigSetNamed,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
}

/// A command about one configuration set.
#[derive(Debug, Args)]
pub struct ConfigSetNamed {
    /// Its name
    pub name: String,
    /// Whose it is
    #[arg(long, value_name = "NAME")]
    pub workspace: String,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell config-set add`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").multiple(true))]
pub struct ConfigSetAdd {
    /// Its name: letters, digits, "-", "_" and "."
    pub name: String,
    /// Whose it is
    #[arg(long, value_name = "NAME")]
    pub workspace: String,
    /// Attempts after the first [default: as configured]
    #[arg(long, value_name = "N")]
    pub max_retries: Option<u32>,
    /// How long a delivery is tried [default: as configured]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub expire_after: Option<Duration>,
    /// Whether MAIL FROM gets reports of failures and delays [default: on for mail by SMTP]
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    pub reports: Option<bool>,
    #[command(flatten)]
    pub egress: EgressArgs,
    #[command(flatten)]
    pub tracks: SetTracks,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell config-set update`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
pub struct ConfigSetUpdate {
    /// Its name
    pub name: String,
    /// Whose it is
    #[arg(long, value_name = "NAME")]
    pub workspace: String,
    /// Attempts after the first; "default": as configured
    #[arg(long, value_name = "N", group = "change", value_parser = or_default(count))]
    pub max_retries: Option<Choice<u32>>,
    /// How long a delivery is tried; "default": as configured
    #[arg(long, value_name = "TIME", group = "change", value_parser = or_default(duration))]
    pub expire_after: Option<Choice<Duration>>,
    /// Whether senders are mailed reports of failures; "default": of mail that came by SMTP
    #[arg(
        long,
        value_name = "on|off",
        group = "change",
        value_parser = or_default(on_or_off)
    )]
    pub reports: Option<Choice<bool>>,
    #[command(flatten)]
    pub egress: EgressArgs,
    #[command(flatten)]
    pub tracks: SetTracks,
    #[command(flatten)]
    pub no_longer: NoLonger,
    #[command(flatten)]
    pub output: Output,
}

/// What a setting is changed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice<T> {
    /// What holds where nothing is set.
    Default,
    /// This.
    This(T),
}

impl<T> Choice<T> {
    /// As it is stored.
    pub fn into_option(self) -> Option<T> {
        match self {
            Self::Default => None,
            Self::This(value) => Some(value),
        }
    }
}

fn count(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "write a number".to_owned())
}

/// Reads `default`, or what `read` reads.
fn or_default<T, F>(read: F) -> impl Fn(&str) -> Result<Choice<T>, String> + Clone
where
    F: Fn(&str) -> Result<T, String> + Clone,
{
    or_word("default", read)
}

/// Reads this word, or what `read` reads.
pub(super) fn or_word<T, F>(
    word: &'static str,
    read: F,
) -> impl Fn(&str) -> Result<Choice<T>, String> + Clone
where
    F: Fn(&str) -> Result<T, String> + Clone,
{
    move |text| match read(text) {
        _ if text == word => Ok(Choice::Default),
        Ok(value) => Ok(Choice::This(value)),
        Err(how) => Err(format!("{how}, or {word}")),
    }
}
