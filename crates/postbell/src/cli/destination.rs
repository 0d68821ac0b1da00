//! What is typed about destinations.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{InWorkspace, Output, duration};

/// `postbell destination …`
#[derive(Debug, Subcommand)]
pub enum DestinationCommand {
    /// Make a webhook destination; its secret is shown this once
    #[command(after_help = "\
Examples:
  postbell destination add hook --workspace acme --url https://acme.example/events
  postbell destination add bounces --workspace acme --url https://acme.example/bounces \\
      --events Bounce,Complaint --format splashify
  postbell destination add everything --workspace acme --whole-workspace \\
      --url https://acme.example/all --header @headers.txt --secret-file secret.txt")]
    Add(Box<DestinationAdd>),
    /// List destinations, without their secrets
    #[command(after_help = "Example:\n  postbell destination list --workspace acme")]
    List(InWorkspace),
    /// Show how a destination is set up, and how far it has come
    #[command(after_help = "Example:\n  postbell destination show hook")]
    Show {
        #[command(flatten)]
        which: WhichDestination,
        #[command(flatten)]
        output: Output,
    },
    /// Change a destination; what is not given stays as it is
    #[command(after_help = "\
Examples:
  postbell destination update hook --url https://acme.example/new --events Bounce,Delivery
  postbell destination update hook --header 'X-Team: mail' --header 'X-Old:'
                                        sets one header, takes another away
  postbell destination update hook --state active
                                        one that was disabled: it hears all that it missed")]
    Update(Box<DestinationUpdate>),
    /// Remove a destination, with its log and all that it has not heard
    #[command(after_help = "\
Examples:
  postbell destination remove hook          says what would go
  postbell destination remove hook --yes    does it")]
    Remove {
        #[command(flatten)]
        which: WhichDestination,
        /// Do it
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Give a destination a new secret, shown this once; for a while both secrets sign
    #[command(after_help = "\
Examples:
  postbell destination rotate-secret hook --overlap 24h
  postbell destination rotate-secret hook --overlap 0s      the old one leaked
  pass show hook | postbell destination rotate-secret hook --secret-file -")]
    RotateSecret {
        #[command(flatten)]
        which: WhichDestination,
        /// How long the old secret signs as well; at most 7d
        #[arg(long, default_value = "24h", value_name = "TIME", value_parser = duration)]
        overlap: Duration,
        /// Read the new secret from this file; "-": from standard input [default: a random one]
        #[arg(long, value_name = "FILE")]
        secret_file: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Show the last calls: all that failed and a sample of the others, the newest first
    #[command(after_help = "\
Examples:
  postbell destination log hook --failed
  postbell destination log hook --limit 1000 --json")]
    Log {
        #[command(flatten)]
        which: WhichDestination,
        /// Only calls that failed
        #[arg(long)]
        failed: bool,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
        #[command(flatten)]
        output: Output,
    },
    /// List the events that were given up
    #[command(after_help = "Example:\n  postbell destination dead hook --limit 1000 --json")]
    Dead {
        #[command(flatten)]
        which: WhichDestination,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
        #[command(flatten)]
        output: Output,
    },
    /// Tell a destination events again
    #[command(after_help = "\
Examples:
  postbell destination replay hook --dead             counts those that were given up
  postbell destination replay hook --dead --yes       sends them again
  postbell destination replay hook --since 2h --until 30m --yes
  postbell destination replay hook --event evt_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10 --yes

A replayed event has the id that it had, so that a consumer knows it.")]
    Replay(DestinationReplay),
    /// Post a signed test document now, and show the answer
    #[command(after_help = "Example:\n  postbell destination test hook")]
    Test {
        #[command(flatten)]
        which: WhichDestination,
        #[command(flatten)]
        output: Output,
    },
    /// Show an event, or a made-up one, as a format tells it
    #[command(after_help = "\
Examples:
  postbell destination preview --event evt_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10 --format splashify
  postbell destination preview --sample click      one to write a consumer against")]
    Preview {
        /// The event's id
        #[arg(long, value_name = "ID", required_unless_present = "sample")]
        event: Option<String>,
        /// A made-up event of this kind
        #[arg(long, value_name = "KIND", conflicts_with = "event")]
        sample: Option<String>,
        /// The vocabulary: postbell, splashify
        #[arg(long, default_value = "postbell")]
        format: String,
        #[command(flatten)]
        output: Output,
    },
}

/// A destination that there is.
#[derive(Debug, Args)]
pub struct WhichDestination {
    /// Its name or its id
    #[arg(value_name = "NAME")]
    pub destination: String,
    /// Of this workspace, where several have one of that name
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
    /// Of this configuration set, where several have one of that name
    #[arg(long, value_name = "NAME", conflicts_with = "whole_workspace")]
    pub config_set: Option<String>,
    /// The one that hears of the whole workspace
    #[arg(long)]
    pub whole_workspace: bool,
}

/// `postbell destination add`
#[derive(Debug, Args)]
pub struct DestinationAdd {
    /// Its name: letters, digits, "-", "_" and "."
    pub name: String,
    /// Whose it is
    #[arg(long, value_name = "NAME")]
    pub workspace: String,
    /// The configuration set that it hears of
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub config_set: String,
    /// It hears of all configuration sets, and of what happens to the workspace itself
    #[arg(long, conflicts_with = "config_set")]
    pub whole_workspace: bool,
    /// Where events are sent
    #[arg(long)]
    pub url: String,
    /// Key of the signature: whsec_… or plain text; others on this machine may see it here
    /// [default: a new random one]
    #[arg(long, conflicts_with = "secret_file")]
    pub secret: Option<String>,
    /// Read the key of the signature from this file; "-": from standard input
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<String>,
    /// Names of the events to send, in the destination's format [default: all]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub events: Vec<String>,
    /// The vocabulary in which events are told: postbell, splashify
    #[arg(long, default_value = "postbell")]
    pub format: String,
    #[command(flatten)]
    pub settings: SettingsArgs,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell destination update`
#[derive(Debug, Args)]
pub struct DestinationUpdate {
    #[command(flatten)]
    pub which: WhichDestination,
    /// Where events are sent
    #[arg(long)]
    pub url: Option<String>,
    /// Names of the events to send; "*": all
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub events: Option<Vec<String>>,
    /// The vocabulary in which events are told: postbell, splashify
    #[arg(long)]
    pub format: Option<String>,
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Whether it is sent to
    #[arg(long, value_name = "STATE")]
    pub state: Option<StateArg>,
    #[command(flatten)]
    pub output: Output,
}

/// How a destination wants to be called.
#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// A header of every call, "Name: value"; @FILE: one on each line of a file, which others on
    /// this machine can't see; "Name:": none of that name any more
    #[arg(long, value_name = "HEADER")]
    pub header: Vec<String>,
    /// Calls under way at once, 1 to 256; 0: as configured
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=256))]
    pub in_flight: Option<u32>,
    /// Which delays of a delivery it hears of
    #[arg(long, value_name = "WHICH")]
    pub delays: Option<DelaysArg>,
    /// Whether answers that programs wrote are told: vacation notes, tickets, challenges
    #[arg(long, value_name = "WHETHER")]
    pub auto_replies: Option<TellingArg>,
    /// Whether opens and clicks by machines are told: proxies that fetch ahead, scanners
    #[arg(long, value_name = "WHETHER")]
    pub machines: Option<TellingArg>,
}

/// Which delays are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DelaysArg {
    /// That of the first attempt that was put off
    First,
    /// That of each attempt
    Each,
}

/// Whether something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TellingArg {
    /// It is
    Send,
    /// It is not
    Skip,
}

/// Whether a destination is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StateArg {
    /// It is
    Active,
    /// It is not; its events wait
    Disabled,
}

/// `postbell destination replay`
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["event", "since", "dead"])))]
pub struct DestinationReplay {
    #[command(flatten)]
    pub which: WhichDestination,
    /// This event
    #[arg(long, value_name = "ID")]
    pub event: Option<String>,
    /// Those of this long ago and later
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub since: Option<Duration>,
    /// With --since: only those before this long ago
    #[arg(long, value_name = "TIME", value_parser = duration)]
    #[arg(requires = "since", conflicts_with_all = ["event", "dead"])]
    pub until: Option<Duration>,
    /// Those that were given up
    #[arg(long)]
    pub dead: bool,
    /// Do it; without this, what would be done is counted
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub output: Output,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;

    fn reads(line: &str) -> bool {
        let words = line.split_whitespace();
        Cli::try_parse_from(["postbell", "destination"].into_iter().chain(words)).is_ok()
    }

    #[test]
    fn a_replay_is_about_one_thing() {
        assert!(reads("replay hook --dead"));
        assert!(reads("replay hook --since 2h --until 30m --yes"));
        assert!(!reads("replay hook"));
        assert!(!reads("replay hook --dead --since 2h"));
        assert!(!reads("replay hook --dead --until 2h"));
    }

    #[test]
    fn a_destination_hears_of_a_set_or_of_the_workspace() {
        let add = "add hook --workspace acme --url https://x/";
        assert!(reads(&format!("{add} --whole-workspace")));
        assert!(reads(&format!("{add} --config-set fast")));
        assert!(!reads(&format!(
            "{add} --config-set fast --whole-workspace"
        )));
        assert!(!reads(&format!("{add} --secret a --secret-file b")));
        assert!(!reads(&format!("{add} --in-flight 257")));
    }
}
