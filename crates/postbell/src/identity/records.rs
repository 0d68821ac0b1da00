//! The DNS records of a sending domain.

use std::fmt;
use std::time::Duration;

use postbell_mail::dkim::record;
use postbell_model::tracking::Tracking;
use postbell_model::{
    ConfigurationSet, Domain, DomainKey, Instructions, KeyState, SendingDomain, Timestamp,
};

use super::keys::is_over;

/// A string of a TXT record has one octet for its length (RFC 1035 §3.3).
const STRING_MAX: usize = 255;

/// The kind of a record whose value only the owner of the server's name can fill in.
const ADDRESSES: &str = "A/AAAA";

/// What a domain's records follow from.
#[derive(Debug, Clone)]
pub(crate) struct Identity<'a> {
    pub(crate) domain: &'a SendingDomain,
    pub(crate) keys: &'a [DomainKey],
    /// The configuration set of its mail.
    pub(crate) set: Option<&'a ConfigurationSet>,
    /// The name of this server.
    pub(crate) host: &'a str,
    pub(crate) retire_after: Duration,
    pub(crate) now: Timestamp,
}

/// What is asked of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The key that a DKIM record publishes.
    Key(DomainKey),
    /// A record of a key that has retired, to be removed.
    NoKey(DomainKey),
    /// An MX record that leads to this server, where these come in.
    Mx(&'static str),
    /// An SPF policy that this server is in.
    Spf,
    /// A DMARC policy.
    Dmarc,
    /// An address or an alias that leads to this server.
    Host,
}

/// Whether mail suffers without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Importance {
    Required,
    Advised,
}

impl fmt::Display for Importance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "required",
            Self::Advised => "advised",
        })
    }
}

/// A record to publish.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) name: String,
    /// `TXT`, `MX`, `CNAME`, `A/AAAA`
    pub(crate) kind: &'static str,
    pub(crate) value: String,
    pub(crate) importance: Importance,
    /// What it is for.
    pub(crate) purpose: String,
    pub(crate) expected: Expected,
}

impl Record {
    /// As a line of a zone file, its text in strings of at most 255 octets.
    pub(crate) fn zone_line(&self) -> String {
        let Self { name, kind, .. } = self;
        match *kind {
            "TXT" => {}
            ADDRESSES => return format!("; {name}. 3600 IN {kind} {}", self.value),
            _ => return format!("{name}. 3600 IN {kind} {}.", self.value),
        }
        let strings = self.value.as_bytes().chunks(STRING_MAX).map(|string| {
            let text = String::from_utf8_lossy(string);
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        });
        let strings: Vec<_> = strings.collect();
        format!("{name}. 3600 IN TXT {}", strings.join(" "))
    }
}

/// All records of a domain, in the order in which they matter.
pub(crate) fn records(identity: &Identity<'_>) -> Vec<Record> {
    let (domain, host) = (identity.domain, identity.host);
    let return_path = &domain.return_path_host;
    let mut records: Vec<Record> = identity.keys.iter().map(|key| identity.key(key)).collect();
    records.push(Record {
        name: return_path.to_string(),
        kind: "MX",
        value: format!("10 {host}"),
        importance: Importance::Required,
        purpose: "bounces come back to this server".to_owned(),
        expected: Expected::Mx("bounces"),
    });
    records.push(Record {
        name: return_path.to_string(),
        kind: "TXT",
        value: format!("v=spf1 a:{host} -all"),
        importance: Importance::Required,
        purpose: "SPF: this server may send with this return path".to_owned(),
        expected: Expected::Spf,
    });
    if *return_path != domain.name {
        records.push(Record {
            name: domain.name.to_string(),
            kind: "TXT",
            value: format!("v=spf1 a:{host} ~all"),
            importance: Importance::Advised,
            purpose:
                "SPF for the domain itself, which a few receivers look at; into a policy that \
                      is there, put its a: alone"
                    .to_owned(),
            expected: Expected::Spf,
        });
    }
    records.push(dmarc(&domain.name));
    records.extend(hosts(domain, host));
    records.extend(identity.tracking_host());
    records
}

fn dmarc(domain: &Domain) -> Record {
    Record {
        name: format!("_dmarc.{domain}"),
        kind: "TXT",
        value: format!("v=DMARC1; p=none; rua=mailto:dmarc@{domain}"),
        importance: Importance::Advised,
        purpose: "DMARC, which large receivers ask for; rua gets their reports, so name a mailbox \
                  that is there; p=quarantine or reject once they show that all is well"
            .to_owned(),
        expected: Expected::Dmarc,
    }
}

/// The hosts that replies and mail to the domain lead to, where they have names of their own.
fn hosts(domain: &SendingDomain, host: &str) -> Vec<Record> {
    let mut records = Vec::new();
    let mx = |name: &Domain, importance, purpose: &str, what| Record {
        name: name.to_string(),
        kind: "MX",
        value: format!("10 {host}"),
        importance,
        purpose: purpose.to_owned(),
        expected: Expected::Mx(what),
    };
    if domain.reply_capture && domain.reply_host != domain.return_path_host {
        let purpose = "replies come to this server, which tells of them; without it they are lost, \
                       unless reply capture is off";
        let importance = Importance::Required;
        records.push(mx(&domain.reply_host, importance, purpose, "replies"));
    }
    // A domain that takes no mail here has mailboxes elsewhere.
    let has_one = domain.name == domain.return_path_host
        || domain.reply_capture && domain.name == domain.reply_host;
    if domain.inbound && !has_one {
        let purpose = "mail to the domain comes to this server, as inbound is on";
        let importance = Importance::Advised;
        records.push(mx(&domain.name, importance, purpose, "messages to it"));
    }
    records
}

impl Identity<'_> {
    /// The host that links lead to, where it has a name of its own. Mail that is tracked needs it.
    fn tracking_host(&self) -> Option<Record> {
        let Self { domain, host, .. } = self;
        let name = &domain.tracking_host;
        if name.as_str() == *host {
            return None;
        }
        let tracking = Tracking::of(&Instructions::default(), self.set, Some(domain));
        let is_used = tracking.opens || tracking.clicks || tracking.unsubscribe;
        // RFC 1034 §3.6.2: beside an alias there is no other record of that name.
        let is_shared = *name == domain.name
            || *name == domain.return_path_host
            || domain.reply_capture && *name == domain.reply_host;
        let purpose = "links and pixels that are tracked lead to this server";
        Some(Record {
            name: name.to_string(),
            kind: if is_shared { ADDRESSES } else { "CNAME" },
            value: match is_shared {
                true => format!("the addresses of {host}"),
                false => (*host).to_owned(),
            },
            importance: match is_used {
                true => Importance::Required,
                false => Importance::Advised,
            },
            purpose: match is_used {
                true => format!("{purpose}; without it those of mail that is sent lead nowhere"),
                false => purpose.to_owned(),
            },
            expected: Expected::Host,
        })
    }

    fn key(&self, key: &DomainKey) -> Record {
        let gone = is_over(key, self.retire_after, self.now);
        // New keys are asked for while the old ones sign; mail does not suffer meanwhile.
        let replaces =
            |other: &DomainKey| other.algorithm == key.algorithm && other.state == KeyState::Active;
        let has_predecessor = self.keys.iter().any(replaces);
        let purpose = match key.state {
            KeyState::Pending => "DKIM: signs once this record is seen",
            KeyState::Active => "DKIM: signs",
            KeyState::Retiring if gone => "DKIM: has retired; remove this record",
            KeyState::Retiring => "DKIM: has retired; keep this record for mail under way",
        };
        Record {
            name: key.record_name(),
            kind: "TXT",
            value: record::text(key.algorithm, &key.public),
            importance: match key.state {
                KeyState::Retiring => Importance::Advised,
                KeyState::Pending if has_predecessor => Importance::Advised,
                KeyState::Pending | KeyState::Active => Importance::Required,
            },
            purpose: purpose.to_owned(),
            expected: if gone {
                Expected::NoKey(key.clone())
            } else {
                Expected::Key(key.clone())
            },
        }
    }
}

/// The name of a record as the resolver takes it.
pub(super) fn name_of(record: &Record) -> Option<Domain> {
    Domain::parse(&record.name).ok()
}

#[cfg(test)]
mod tests {
    use postbell_model::{ConfigurationSetId, KeyAlgorithm, WorkspaceId};

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(0);

    fn acme() -> SendingDomain {
        let name = Domain::parse("acme.example").unwrap();
        SendingDomain::new(name, WorkspaceId(1), ConfigurationSetId(1), NOW)
    }

    fn identity<'a>(domain: &'a SendingDomain, keys: &'a [DomainKey]) -> Identity<'a> {
        Identity {
            domain,
            keys,
            set: None,
            host: "mx.acme.example",
            retire_after: Duration::from_secs(1),
            now: NOW,
        }
    }

    #[test]
    fn records_stand_ready_to_paste() {
        let domain = acme();
        let key = DomainKey {
            domain: domain.name.clone(),
            selector: "s".to_owned(),
            algorithm: KeyAlgorithm::Rsa,
            sealed: Vec::new(),
            public: vec![0; 294],
            state: KeyState::Pending,
            created_at: NOW,
            activated_at: None,
            retired_at: None,
        };
        let records = records(&identity(&domain, &[key]));
        let lines: Vec<_> = records.iter().map(Record::zone_line).collect();
        let [dkim, mx, spf, own, dmarc, reply, track] = lines.as_slice() else {
            panic!("{lines:?}");
        };
        let (first, second) = (
            format!("v=DKIM1; k=rsa; p={}", "A".repeat(237)),
            "A".repeat(155),
        );
        let expected = format!("s._domainkey.acme.example. 3600 IN TXT \"{first}\" \"{second}\"");
        assert_eq!(*dkim, expected);
        assert_eq!(mx, "bounce.acme.example. 3600 IN MX 10 mx.acme.example.");
        assert_eq!(
            spf,
            "bounce.acme.example. 3600 IN TXT \"v=spf1 a:mx.acme.example -all\""
        );
        assert_eq!(
            own,
            "acme.example. 3600 IN TXT \"v=spf1 a:mx.acme.example ~all\""
        );
        assert!(dmarc.starts_with("_dmarc.acme.example. 3600 IN TXT \"v=DMARC1; p=none; rua="));
        assert_eq!(reply, "reply.acme.example. 3600 IN MX 10 mx.acme.example.");
        assert_eq!(track, "track.acme.example. 3600 IN CNAME mx.acme.example.");
    }

    #[test]
    fn an_mx_record_is_asked_for_where_mail_is_to_come() {
        let mx = |change: fn(&mut SendingDomain)| {
            let mut domain = acme();
            change(&mut domain);
            let mut records = records(&identity(&domain, &[]));
            records.retain(|record| record.kind == "MX");
            let names = records.into_iter().map(|record| record.name);
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(mx(|_| {}), "bounce.acme.example reply.acme.example");
        assert_eq!(mx(|d| d.reply_capture = false), "bounce.acme.example");
        assert_eq!(
            mx(|d| d.inbound = true),
            "bounce.acme.example reply.acme.example acme.example"
        );
        let at_itself = |d: &mut SendingDomain| {
            d.inbound = true;
            d.reply_host = d.name.clone();
        };
        assert_eq!(mx(at_itself), "bounce.acme.example acme.example");
    }

    #[test]
    fn mail_that_is_tracked_needs_its_host() {
        let host = |change: fn(&mut SendingDomain)| {
            let mut domain = acme();
            change(&mut domain);
            let record = identity(&domain, &[]).tracking_host()?;
            Some((record.importance, record.zone_line()))
        };
        let alias = "track.acme.example. 3600 IN CNAME mx.acme.example.".to_owned();
        assert_eq!(host(|_| {}), Some((Importance::Advised, alias.clone())));
        let tracked = |d: &mut SendingDomain| d.tracking.clicks = true;
        assert_eq!(host(tracked), Some((Importance::Required, alias)));
        let at_itself = |d: &mut SendingDomain| d.tracking_host = d.name.clone();
        let line = "; acme.example. 3600 IN A/AAAA the addresses of mx.acme.example".to_owned();
        assert_eq!(host(at_itself), Some((Importance::Advised, line)));
        let at_server = |d: &mut SendingDomain| {
            d.tracking_host = Domain::parse("mx.acme.example").unwrap();
        };
        assert_eq!(host(at_server), None);
    }
}
