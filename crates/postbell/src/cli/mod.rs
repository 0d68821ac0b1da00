//! The command line: what can be typed, and what `--help` teaches.

mod api_key;
mod certificate;
mod config_set;
mod credential;
mod destination;
mod doctor;
mod domain;
mod egress;
mod erase;
mod inbound;
mod inbound_route;
mod limits;
mod link;
mod manual;
mod operate;
mod safekeeping;
mod sending;
mod suppression;
mod trace;
mod tracking;
mod verified_address;
mod workspace;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::parse_duration;

pub use api_key::{ApiKeyAdd, ApiKeyCommand, ApiKeyUpdate, Expiry, WhichApiKey};
pub use certificate::CertificateCommand;
pub use config_set::{Choice, ConfigSetAdd, ConfigSetCommand, ConfigSetNamed, ConfigSetUpdate};
pub use credential::{
    CredentialAdd, CredentialCommand, CredentialRevoke, CredentialUpdate, LeftQueueArg,
};
pub use destination::{
    DelaysArg, DestinationAdd, DestinationCommand, DestinationReplay, DestinationUpdate,
    SettingsArgs, StateArg, TellingArg, WhichDestination,
};
pub use doctor::DoctorArgs;
pub use domain::{DomainAdd, DomainCommand, DomainNamed, DomainRemove, DomainShow, DomainUpdate};
pub use egress::EgressArgs;
pub use erase::EraseArgs;
pub use inbound::{InboundAttachment, InboundCommand, InboundKindArg, InboundList, InboundLook};
pub use inbound_route::{
    ComingIn, InboundRouteCommand, InboundRouteNamed, InboundRouteSet, WhichRoute,
};
pub use limits::{ChangedLimits, Limit, NewLimits};
pub use link::{LinkCommand, WhichLinks};
pub use manual::ManArgs;
pub use operate::{
    Act, EventsCommand, MessageCommand, QueueArgs, QueueCommand, QueueList, QueueSort,
    WaitingState, Which, WhichEvents,
};
pub use safekeeping::{BackupArgs, RestoreArgs, VerifyArgs};
pub use sending::{NewMailArg, PauseArgs, SandboxArgs, SandboxMailArg};
pub use suppression::{
    Entry, SuppressionAdd, SuppressionCommand, SuppressionExport, SuppressionImport,
    SuppressionList, SuppressionRemove, WhichAddress, WhichEntries,
};
pub(crate) use suppression::{note as suppression_note, stream as stream_name};
pub use trace::{TraceArgs, TraceRole};
pub use tracking::{BrandColour, BrandName, DomainTracks, NoLonger, Parameter, SetTracks};
pub use verified_address::{VerifiedAddressCommand, WhichVerified};
pub use workspace::{WorkspaceCommand, WorkspaceNamed, WorkspaceUpdate};

/// Exit codes, told in `postbell --help`.
pub mod exit {
    /// All went well.
    pub const OK: u8 = 0;
    /// The command could not do what it was asked to.
    pub const FAILED: u8 = 1;
    /// The command line is wrong (clap's own code).
    pub const USAGE: u8 = 2;
    /// The store stopped while the server ran.
    pub const STORE_STOPPED: u8 = 3;
}

const EXAMPLES: &str = "\
First steps:
  postbell dev                        try everything on this machine, nothing leaves it
  postbell workspace add acme         then, for a server of your own: a tenant,
  postbell domain add acme.example --workspace acme
  postbell credential add shop --workspace acme
  postbell destination add hook --workspace acme --url https://acme.example/events
  postbell config check && postbell serve

Exit codes:
  0    done
  1    the command failed; one line on standard error says why
  2    the command line is wrong
  3    the store stopped while the server ran (a failed write or sync): repair, then restart
  130  ended at once by a second SIGINT or SIGTERM";

/// A mail transfer agent that tells you what happened to every message.
#[derive(Debug, Parser)]
#[command(name = "postbell", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Cli {
    /// The configuration file [default: ./postbell.toml, else /etc/postbell/postbell.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    #[command(after_help = "\
Example:
  postbell serve --config /etc/postbell/postbell.toml

SIGINT or SIGTERM ends it in order: no new mail, finish what is being sent, tell of it, close
the store. What is not sent stays queued on disk. SIGHUP has it read its configuration again.")]
    Serve,
    /// Try it out: server, far side and webhook receiver on this machine; no mail leaves it
    #[command(after_help = "\
Examples:
  postbell dev                 until Ctrl-C, on SMTP 2525, SMTP under TLS 2465 and HTTP 8025
  postbell dev --smtp-port 0 --smtps-port 0 --http-port 0
                               on any free ports
  postbell dev --data ./try    keep the data for the next time
  postbell dev --once          end when the sample's events have arrived")]
    Dev(DevArgs),
    /// Say where a domain's mail would go now, and why; with a running server, how it fares there
    #[command(after_help = "\
Examples:
  postbell explain example.org          its MX hosts, their addresses, and what would be dialled
  postbell explain bob@example.org --json

It asks the DNS servers of the configuration and dials nothing. What is queued is read from the data
folder; connections, pauses and the last replies are asked of the server that runs on it.")]
    Explain(ExplainArgs),
    /// Show SMTP sessions of the running server as they happen
    #[command(after_help = "\
Examples:
  postbell trace --all
  postbell trace --domain example.org --role delivery
  postbell trace --client-ip 10.0.0.7 --data

It runs until Ctrl-C. Logins are never shown; messages are shown by their size alone, but with
--data. Sessions that began before are shown from now on.")]
    Trace(TraceArgs),
    /// See what waits, and act on it
    #[command(after_help = "\
Examples:
  postbell queue                              what waits, by workspace and domain
  postbell queue --sort oldest --limit 10     where the oldest of it waits
  postbell queue --sites                      how the running server stands with mail hosts
  postbell queue show --domain example.org    the same, one by one
  postbell queue hold --domain example.org    how many would be held; --yes holds them

What waits is read from the data folder; with a running server, connections and pauses stand beside
it. Tables are cut to the terminal; a pipe gets all of them.")]
    Queue(Box<QueueArgs>),
    /// See all that happened to a message
    #[command(subcommand)]
    Message(MessageCommand),
    /// See events
    #[command(subcommand)]
    Events(EventsCommand),
    /// See mail that came in: answers, reports, complaints
    #[command(subcommand)]
    Inbound(InboundCommand),
    /// Look at the whole installation: what is well, what is not, what to do
    #[command(after_help = "\
Examples:
  postbell doctor
  postbell doctor --probe mx.example.org --ntp pool.ntp.org
  postbell doctor --json | jq '.checks[] | select(.mark != \"ok\")'

Run it as the user that the server runs as. It dials a mail host, but sends nothing. Exit code 1: there
is a fault; warnings are none.")]
    Doctor(DoctorArgs),
    /// Copy the store into a new folder, while the server runs
    #[command(after_help = "\
Example:
  postbell backup /var/backups/postbell/2026-07-30

The copy is of one moment. It holds mail, addresses and the secrets of webhooks, so it is for its
owner alone. It does not hold the secret key (see [secrets]) nor the configuration: keep copies of
those elsewhere.")]
    Backup(BackupArgs),
    /// Check that a data folder, or a backup, holds together
    #[command(after_help = "\
Examples:
  postbell verify                                    the data folder of the configuration
  postbell verify /var/backups/postbell/2026-07-30   a backup, against its manifest as well

Nothing is changed, and a server may be running. All that is wrong is told, and the exit code is 1
where anything is.")]
    Verify(VerifyArgs),
    /// Make a data folder from a backup
    #[command(after_help = "\
Example:
  postbell restore /var/backups/postbell/2026-07-30 --held

What waited when the backup was taken may have been sent since. With --held none of it is sent until
`postbell queue release`; without it all of it is.")]
    Restore(RestoreArgs),
    /// Forget a recipient: counted first, done with --yes
    #[command(after_help = "\
Examples:
  postbell erase ann@example.org                    what is known of the address
  postbell erase ann@example.org --yes              cancels what waits, and erases it

A server may be running; it then takes back what waits. Backups, and whoever was told by webhooks,
keep what they have.

Who has complained, has unsubscribed or was put on the suppression list by hand stays on it, so that
this is heeded from then on; take the address off first where it must not stay. An address that is
there because it is dead goes.")]
    Erase(EraseArgs),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Tenants: each owns its domains, configuration sets and destinations
    #[command(subcommand)]
    Workspace(WorkspaceCommand),
    /// Domains that a workspace sends from
    #[command(subcommand)]
    Domain(DomainCommand),
    /// Credentials: usernames and passwords with which applications hand in mail
    #[command(subcommand)]
    Credential(CredentialCommand),
    /// API keys: what programs show to the HTTP API
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// Configuration sets: choices of destinations, retries, tracking and unsubscribing
    #[command(subcommand)]
    ConfigSet(ConfigSetCommand),
    /// Destinations: webhooks that hear of events
    #[command(subcommand)]
    Destination(DestinationCommand),
    /// Verified addresses: who the sandboxes of a workspace may send to
    #[command(subcommand)]
    VerifiedAddress(VerifiedAddressCommand),
    /// Suppression lists: addresses that a workspace sends no mail
    #[command(subcommand)]
    Suppression(SuppressionCommand),
    /// Tracked links: what one is, and which lead nowhere
    #[command(subcommand)]
    Link(LinkCommand),
    /// Certificates of tracking hosts: until when they hold, and what has failed
    #[command(subcommand)]
    Certificate(CertificateCommand),
    /// Print what makes a shell complete these commands
    #[command(after_help = "\
Examples:
  postbell completions bash > /usr/share/bash-completion/completions/postbell
  postbell completions zsh > /usr/share/zsh/site-functions/_postbell
  postbell completions fish > /usr/share/fish/vendor_completions.d/postbell.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one of each command
    #[command(after_help = "\
Examples:
  postbell man | man -l -
  postbell man --dir /usr/local/share/man/man1")]
    Man(ManArgs),
}

/// `postbell dev`
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Port of the submission listener; 0: any
    #[arg(long, default_value_t = 2525, value_name = "PORT")]
    pub smtp_port: u16,
    /// Port of the submission listener with TLS from the first octet; 0: any
    #[arg(long, default_value_t = 2465, value_name = "PORT")]
    pub smtps_port: u16,
    /// Port of the listener for mail that comes in; 0: any
    #[arg(long, default_value_t = 2526, value_name = "PORT")]
    pub inbound_port: u16,
    /// Port of the tracking host, where links and pixels lead; 0: any
    #[arg(long, default_value_t = 8026, value_name = "PORT")]
    pub tracking_port: u16,
    /// Port of the HTTP listener; 0: any
    #[arg(long, default_value_t = 8025, value_name = "PORT")]
    pub http_port: u16,
    /// Keep the data in this folder [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// End when all events of the sample mails have arrived
    #[arg(long)]
    pub once: bool,
    /// With --once: how long to wait for them
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = duration)]
    pub deadline: Duration,
}

/// `postbell explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The domain, or an address of it
    pub domain: String,
    /// The data folder of the server [default: that of the configuration]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say all that is wrong with the configuration, each with its line
    #[command(after_help = "\
Examples:
  postbell config check                 the file that serve would use, and the environment
  postbell config check staging.toml    another file")]
    Check {
        /// The file to check
        file: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Show every key, the value in force and where it comes from
    #[command(after_help = "\
Examples:
  postbell config show | grep retry
  postbell config show --json | jq '.[\"server.data_dir\"].value'")]
    Show {
        #[command(flatten)]
        output: Output,
    },
}

/// A list that can be narrowed.
#[derive(Debug, Args)]
pub struct InWorkspace {
    /// Only those of this workspace
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
    #[command(flatten)]
    pub output: Output,
}

/// For people or for machines.
#[derive(Debug, Args)]
pub struct Output {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("write it as on or off".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write it as 30s, 5m, 1h30m or 5d".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command) {
            for sub in command.get_subcommands() {
                check(sub);
            }
            if command.has_subcommands() {
                return;
            }
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            assert!(help.contains("postbell "), "{}: {help}", command.get_name());
        }
        check(&Cli::command());
    }

    /// Those that print nothing a machine could read.
    const NO_JSON: [(&str, &str); 6] = [
        (
            "serve",
            "it says where it listens and then writes its log, which log.format makes JSON",
        ),
        ("dev", "it shows a person how everything works together"),
        ("inbound raw", "it prints a message as it came"),
        ("inbound attachment", "it prints a part of a message"),
        ("completions", "it prints a script for a shell"),
        ("man", "it writes files for man"),
    ];

    #[test]
    fn every_command_that_prints_has_json() {
        fn check(command: &clap::Command, path: &str) {
            for sub in command.get_subcommands() {
                check(sub, format!("{path} {}", sub.get_name()).trim_start());
            }
            let prints = !command.has_subcommands() || path == "queue";
            let excepted = NO_JSON.iter().any(|(name, _)| *name == path);
            let has_json = command
                .get_arguments()
                .any(|a| a.get_long() == Some("json"));
            assert_eq!(has_json, prints && !excepted, "postbell {path}");
        }
        check(&Cli::command(), "");
    }

    #[test]
    fn reads_a_destination() {
        let line = "postbell destination add hook --workspace acme --url http://x/ \
                    --events Send,Bounce --json --config some.toml";
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        assert_eq!(cli.config, Some("some.toml".into()));
        let Command::Destination(DestinationCommand::Add(add)) = cli.command else {
            panic!("another command: {:?}", cli.command);
        };
        assert_eq!(add.events, ["Send", "Bounce"]);
        assert_eq!(
            (add.config_set.as_str(), add.format.as_str()),
            ("default", "postbell")
        );
        assert!(add.output.json && add.secret.is_none());
    }

    #[test]
    fn durations_are_read_and_faults_explained() {
        let parse = |value: &str| {
            let line = [
                "postbell",
                "config-set",
                "add",
                "x",
                "--workspace",
                "w",
                "--expire-after",
            ];
            Cli::try_parse_from(line.into_iter().chain([value]))
        };
        assert!(parse("1h30m").is_ok());
        let error = parse("1 fortnight").unwrap_err().to_string();
        assert!(
            error.contains("write it as 30s, 5m, 1h30m or 5d"),
            "{error}"
        );
    }
}
