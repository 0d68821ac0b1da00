//! How a configuration set's mail leaves, as it is typed.

use std::net::IpAddr;

use clap::Args;
use postbell_model::{Domain, Egress};

/// The word for "as configured".
const AS_CONFIGURED: &str = "default";

/// `--source-address`, `--ehlo-name`
#[derive(Debug, Clone, Default, Args)]
pub struct EgressArgs {
    /// Addresses that its mail is sent from, one of each family at most; "default": as configured
    #[arg(long, value_name = "IP[,IP6]", group = "change", value_parser = sources)]
    pub source_address: Option<Sources>,
    /// Our name at EHLO for its mail; "default": server.hostname
    #[arg(long, value_name = "NAME", group = "change", value_parser = ehlo_name)]
    pub ehlo_name: Option<EhloName>,
}

/// What `--source-address` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sources {
    ipv4: Option<std::net::Ipv4Addr>,
    ipv6: Option<std::net::Ipv6Addr>,
}

/// What `--ehlo-name` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EhloName(Option<Domain>);

impl EgressArgs {
    /// How mail leaves that left like `before`.
    pub(crate) fn over(&self, before: Egress) -> Egress {
        let mut egress = before;
        if let Some(sources) = self.source_address {
            (egress.ipv4, egress.ipv6) = (sources.ipv4, sources.ipv6);
        }
        if let Some(EhloName(name)) = &self.ehlo_name {
            egress.ehlo_name.clone_from(name);
        }
        egress
    }
}

fn sources(text: &str) -> Result<Sources, String> {
    let mut sources = Sources::default();
    if text == AS_CONFIGURED {
        return Ok(sources);
    }
    for part in text.split(',') {
        let ip = part.trim().parse::<IpAddr>();
        let ip = ip.map_err(|_| format!("\"{}\" is no address", part.escape_debug()))?;
        let twice = match ip {
            IpAddr::V4(ip) => sources.ipv4.replace(ip).is_some(),
            IpAddr::V6(ip) => sources.ipv6.replace(ip).is_some(),
        };
        if twice {
            return Err("one IPv4 and one IPv6 address at most".to_owned());
        }
    }
    Ok(sources)
}

fn ehlo_name(text: &str) -> Result<EhloName, String> {
    if text == AS_CONFIGURED {
        return Ok(EhloName(None));
    }
    let name = Domain::parse(text).map_err(|error| error.to_string())?;
    Ok(EhloName(Some(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_one_of_each_family() {
        let both = sources("192.0.2.1, 2001:db8::1").unwrap();
        assert!(both.ipv4.is_some() && both.ipv6.is_some());
        assert_eq!(sources("default"), Ok(Sources::default()));
        for wrong in ["", "192.0.2.1,192.0.2.2", "mx.example.org", "192.0.2.1,"] {
            assert!(sources(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_said_stays() {
        let name = EhloName(Some(Domain::parse("out.example").unwrap()));
        let args = EgressArgs {
            source_address: None,
            ehlo_name: Some(name),
        };
        let before = Egress {
            ipv4: Some([192, 0, 2, 1].into()),
            ..Egress::default()
        };
        let after = args.over(before.clone());
        assert_eq!(after.ipv4, before.ipv4);
        assert_eq!(after.ehlo_name.unwrap().as_str(), "out.example");
        assert!(ehlo_name("not a name").is_err());
    }
}
