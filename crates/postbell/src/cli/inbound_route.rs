//! `postbell inbound route`, and what a domain does with mail that comes in.

use clap::{Args, Subcommand};
use postbell_model::{Address, DmarcMode, Domain, ForwardTo, LocalPattern};

use super::{InWorkspace, Output, on_or_off};

/// `postbell inbound route …`
#[derive(Debug, Subcommand)]
pub enum InboundRouteCommand {
    /// Say what becomes of mail to some addresses of a domain
    #[command(after_help = "\
Examples:
  postbell inbound route set acme.example support
  postbell inbound route set acme.example 'sales-*' --forward-to team@acme.example.net
  postbell inbound route set acme.example '*' --no-event --forward-host mailbox.acme.example:25

PATTERN is a local part, which stands for what has a + and more behind it as well; a beginning of
local parts, sales-*; or * for all. The narrowest decides. A domain without routes takes mail to all
of its addresses; once it has one, what no route names is refused. `postbell domain update DOMAIN
--inbound on` has a domain take mail at all.")]
    Set(InboundRouteSet),
    /// List routes
    #[command(after_help = "\
Examples:
  postbell inbound route list
  postbell inbound route list --workspace acme --json")]
    List(InWorkspace),
    /// Remove a route: another one takes its mail, or it is refused
    #[command(after_help = "Example:\n  postbell inbound route remove acme.example 'sales-*'")]
    Remove(InboundRouteNamed),
}

/// `postbell inbound route set`
#[derive(Debug, Args)]
pub struct InboundRouteSet {
    #[command(flatten)]
    pub which: WhichRoute,
    /// Tell no event of its mail; it is forwarded alone
    #[arg(long)]
    pub no_event: bool,
    /// Forward its mail to this address
    #[arg(long, value_name = "ADDRESS", value_parser = forward_address)]
    pub forward_to: Option<Address>,
    /// Forward its mail to this server, the address as it is; an IPv6 address in brackets
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_parser = forward_host,
        conflicts_with = "forward_to"
    )]
    pub forward_host: Option<ForwardTo>,
    #[command(flatten)]
    pub output: Output,
}

/// A command about one route.
#[derive(Debug, Args)]
pub struct InboundRouteNamed {
    #[command(flatten)]
    pub which: WhichRoute,
    #[command(flatten)]
    pub output: Output,
}

/// A route by its domain and its pattern.
#[derive(Debug, Args)]
pub struct WhichRoute {
    /// The domain
    pub domain: String,
    /// Which of its addresses: support, sales-* or *
    #[arg(value_parser = pattern)]
    pub pattern: LocalPattern,
}

/// `--reply-capture`, `--inbound`, `--dmarc`
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ComingIn {
    /// Whether mail without a Reply-To gets one of ours, so that answers are told; on for new domains
    #[arg(long, value_name = "on|off", group = "change", value_parser = on_or_off)]
    pub reply_capture: Option<bool>,
    /// Whether it takes mail to its own addresses; off for new domains
    #[arg(long, value_name = "on|off", group = "change", value_parser = on_or_off)]
    pub inbound: Option<bool>,
    /// What it does with mail whose sender fails DMARC: nothing, say so in events, or refuse it where
    /// the sender's policy is to reject; mark for new domains
    #[arg(long, value_name = "off|mark|enforce", group = "change", value_parser = dmarc)]
    pub dmarc: Option<DmarcMode>,
}

fn pattern(text: &str) -> Result<LocalPattern, String> {
    let read = text.parse::<LocalPattern>();
    read.map_err(|error| error.to_string())
}

fn forward_address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| error.to_string())
}

/// `mailbox.example:25`, `192.0.2.7:25`, `[2001:db8::7]:25`.
fn forward_host(text: &str) -> Result<ForwardTo, String> {
    let how = || "write it as mailbox.example:25, 192.0.2.7:25 or [2001:db8::7]:25".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(how)?;
    let port = port.parse().ok().filter(|port| *port != 0);
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let bare = bare.map_or(host, |bare| bare.strip_prefix("IPv6:").unwrap_or(bare));
    let host = match bare.parse::<std::net::IpAddr>() {
        Ok(ip) if ip.is_ipv4() || host.starts_with('[') => Domain::from(ip),
        Ok(_) => return Err(how()),
        Err(_) => Domain::parse(host).map_err(|error| format!("{error}; {}", how()))?,
    };
    Ok(ForwardTo::Host {
        host,
        port: port.ok_or_else(how)?,
    })
}

fn dmarc(text: &str) -> Result<DmarcMode, String> {
    let found = DmarcMode::ALL.iter().find(|mode| mode.name() == text);
    let found = found.copied();
    found.ok_or_else(|| "write it as off, mark or enforce".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses() {
        for (text, shown) in [
            ("mailbox.example:25", "smtp://mailbox.example:25"),
            ("192.0.2.7:2525", "smtp://[192.0.2.7]:2525"),
            ("[192.0.2.7]:25", "smtp://[192.0.2.7]:25"),
            ("[2001:db8::7]:25", "smtp://[IPv6:2001:db8::7]:25"),
            ("[IPv6:2001:db8::7]:25", "smtp://[IPv6:2001:db8::7]:25"),
        ] {
            assert_eq!(
                forward_host(text).map(|to| to.to_string()),
                Ok(shown.to_owned())
            );
        }
        for wrong in [
            "mailbox.example",
            "mailbox.example:0",
            "a b:25",
            ":25",
            "2001:db8::7:25",
            "x:99999",
        ] {
            assert!(forward_host(wrong).is_err(), "{wrong}");
        }
    }
}
