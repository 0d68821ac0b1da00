//! Relays: hosts that take mail in the place of the recipients' MX hosts, where the network
//! closes port 25 or the operator wants another way.
//!
//! A relay is the operator's word: no MX is looked up where one is set, and it may have any
//! address. What goes wrong with it is our trouble, so mail waits: a name that can't be found, a
//! certificate that does not hold, a login that is refused bounce nothing.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use postbell_model::attempt::{TlsUsed, Verification};
use postbell_model::{Domain, Phase, Reply, Secret};
use postbell_smtp::{ClientLogin, StartTls};
use serde::Deserialize;

use crate::pattern::DomainPattern;

/// An entry of `[[deliver.relay]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayOptions {
    /// Its name, or its address.
    pub host: String,
    /// Its port.
    #[serde(default = "submission_port")]
    pub port: u16,
    /// How connections to it are secured.
    #[serde(default)]
    pub tls: RelayTls,
    /// Which certificate it must show.
    #[serde(default)]
    pub certificate: RelayCertificate,
    /// Whom we log in as; absent: we don't.
    #[serde(default)]
    pub username: Option<String>,
    /// The file that holds the password, and nothing else.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The variable of the environment that holds the password.
    #[serde(default)]
    pub password_env: Option<String>,
    /// The lowest is tried first.
    #[serde(default = "usual_preference")]
    pub preference: u16,
    /// The recipient domains that it is for; empty: all that no other relay names.
    #[serde(default)]
    pub domains: Vec<DomainPattern>,
}

const fn submission_port() -> u16 {
    587
}

const fn usual_preference() -> u16 {
    10
}

/// How connections to a relay are secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayTls {
    /// By STARTTLS; without it there is no mail.
    #[default]
    StartTls,
    /// From the first octet.
    Implicit,
    /// Not at all.
    None,
}

impl RelayTls {
    /// The word in the configuration: `starttls`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StartTls => "starttls",
            Self::Implicit => "implicit",
            Self::None => "none",
        }
    }
}

/// Which certificate a relay must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayCertificate {
    /// One that an authority of the system vouches for, for its name.
    #[default]
    Verified,
    /// Any, also one of its own making.
    Any,
}

/// What is wrong with a relay's entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct RelayFault {
    /// The key within the entry.
    pub key: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl RelayOptions {
    /// What is wrong with it, the files that it names aside.
    pub fn faults(&self) -> Vec<RelayFault> {
        let mut faults = Vec::new();
        let mut broken = |key, message: String| faults.push(RelayFault { key, message });
        let host = host_name(&self.host);
        if let Err(message) = &host {
            broken("host", message.clone());
        }
        if self.port == 0 {
            broken("port", "must be 1 or more".to_owned());
        }
        let passwords = [self.password_file.is_some(), self.password_env.is_some()];
        match (&self.username, passwords) {
            (None, [true, _] | [_, true]) => {
                broken(
                    "username",
                    "is missing; a password alone is no login".to_owned(),
                );
            }
            (Some(_), [false, false]) => broken(
                "username",
                "needs its password; set password_file or password_env".to_owned(),
            ),
            (Some(_), [true, true]) => broken(
                "password_env",
                "is one too many beside password_file".to_owned(),
            ),
            _ => {}
        }
        let unheard = host.is_ok_and(|host| is_loopback(&host));
        if self.tls == RelayTls::None && self.username.is_some() && !unheard {
            broken(
                "tls",
                "must not be \"none\" where there is a login: others could hear the password"
                    .to_owned(),
            );
        }
        faults
    }

    /// The password, read where it is.
    ///
    /// # Errors
    /// It can't be read, or is empty.
    pub fn password(&self) -> Result<Option<Secret>, RelayFault> {
        let (key, read) = if let Some(path) = &self.password_file {
            let read = std::fs::read_to_string(path);
            (
                "password_file",
                read.map_err(|error| format!("{}: {error}", path.display())),
            )
        } else if let Some(name) = &self.password_env {
            let read = std::env::var(name);
            (
                "password_env",
                read.map_err(|_| format!("there is no variable {name} of text")),
            )
        } else {
            return Ok(None);
        };
        let fault = |message| RelayFault { key, message };
        let text = read.map_err(fault)?;
        let password = text.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            return Err(fault("holds no password".to_owned()));
        }
        Ok(Some(Secret::new(password)))
    }
}

/// A relay as deliveries see it.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) host: Domain,
    pub(crate) port: u16,
    pub(crate) preference: u16,
    tls: RelayTls,
    certificate: RelayCertificate,
    login: Option<(String, Secret)>,
    domains: Vec<DomainPattern>,
    /// Whether its last answer to our login was a refusal, which is told once.
    refuses: AtomicBool,
}

impl PartialEq for Relay {
    fn eq(&self, other: &Self) -> bool {
        (&self.host, self.port, self.preference) == (&other.host, other.port, other.preference)
    }
}

impl Eq for Relay {}

impl Relay {
    fn new(options: &RelayOptions, password: Option<Secret>) -> Result<Self, RelayFault> {
        let host = host_name(&options.host);
        Ok(Self {
            host: host.map_err(|message| RelayFault {
                key: "host",
                message,
            })?,
            port: options.port,
            preference: options.preference,
            tls: options.tls,
            certificate: options.certificate,
            login: options.username.clone().zip(password),
            domains: options.domains.clone(),
            refuses: AtomicBool::new(false),
        })
    }

    /// How connections to it are secured.
    pub(crate) const fn tls(&self) -> RelayTls {
        self.tls
    }

    /// How a session with it asks for TLS.
    pub(crate) const fn start_tls(&self) -> StartTls {
        match self.tls {
            RelayTls::StartTls => StartTls::Required,
            RelayTls::Implicit => StartTls::Active,
            RelayTls::None => StartTls::Never,
        }
    }

    /// How a session logs in that reaches it at this address.
    pub(crate) fn login_at(&self, ip: IpAddr) -> Option<ClientLogin> {
        let (username, password) = self.login.clone()?;
        Some(ClientLogin {
            username,
            password,
            unheard: ip.is_loopback(),
        })
    }

    /// Why a connection secured like this is of no use.
    pub(crate) fn mistrusts(&self, used: &TlsUsed) -> Option<Reply> {
        if self.certificate == RelayCertificate::Any || used.verification == Verification::Verified
        {
            return None;
        }
        let text = format!(
            "The certificate of relay {} does not hold: {}",
            self.host,
            used.verification.name()
        );
        // RFC 3463 §3.8: X.7.5, cryptographic failure.
        Some(Reply::new(451, 7, 5, text))
    }

    /// Where a reply speaks of who we are and not of the message, it counts as one to the login.
    ///
    /// RFC 4954 §6: 530, 534, 535 and 538 are about the authentication of the client.
    pub(crate) const fn phase_of(phase: Phase, reply: &Reply) -> Phase {
        match (phase, reply.code) {
            (Phase::Mail | Phase::Rcpt, 530 | 534 | 535 | 538) => Phase::Auth,
            _ => phase,
        }
    }

    /// Tells an operator that the relay does not take our login, once until it does.
    pub(crate) fn note_refusal(&self, reply: &Reply) {
        if !self.refuses.swap(true, Ordering::Relaxed) {
            tracing::error!(
                mx.host = self.host.as_str(),
                smtp.code = reply.code,
                "the relay does not take our login, and mail waits: {reply}"
            );
        }
    }

    /// Takes note that it let us in.
    pub(crate) fn note_welcome(&self) {
        if self.refuses.swap(false, Ordering::Relaxed) {
            tracing::info!(
                mx.host = self.host.as_str(),
                "the relay takes our login again"
            );
        }
    }
}

/// All relays, the most preferred first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Relays(Vec<Arc<Relay>>);

impl Relays {
    /// The relays with their passwords.
    pub(crate) fn read(options: &[RelayOptions]) -> Result<Self, RelayFault> {
        Self::of_options(options, RelayOptions::password)
    }

    /// The relays for whoever only asks where mail would go.
    pub(crate) fn without_passwords(options: &[RelayOptions]) -> Result<Self, RelayFault> {
        Self::of_options(options, |_| Ok(None))
    }

    fn of_options(
        options: &[RelayOptions],
        password: impl Fn(&RelayOptions) -> Result<Option<Secret>, RelayFault>,
    ) -> Result<Self, RelayFault> {
        let relays = options
            .iter()
            .map(|entry| Ok(Arc::new(Relay::new(entry, password(entry)?)?)));
        let mut relays: Vec<_> = relays.collect::<Result<_, RelayFault>>()?;
        relays.sort_by_key(|relay| relay.preference);
        Ok(Self(relays))
    }

    /// The relays for mail to this domain: those that name it, else those that name none.
    pub(crate) fn of(&self, domain: &Domain) -> Vec<Arc<Relay>> {
        let named = |relay: &&Arc<Relay>| relay.domains.iter().any(|p| p.matches(domain));
        let mut chosen: Vec<_> = self.0.iter().filter(named).cloned().collect();
        if chosen.is_empty() {
            let general = self.0.iter().filter(|relay| relay.domains.is_empty());
            chosen.extend(general.cloned());
        }
        chosen
    }
}

/// A host's name; an address becomes its literal.
fn host_name(text: &str) -> Result<Domain, String> {
    let name = match text.parse() {
        Ok(IpAddr::V4(ip)) => format!("[{ip}]"),
        Ok(IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
        Err(_) => text.to_owned(),
    };
    Domain::parse(&name).map_err(|error| error.to_string())
}

fn is_loopback(host: &Domain) -> bool {
    match host.literal() {
        Some(ip) => ip.is_loopback(),
        None => host.as_str() == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(host: &str) -> RelayOptions {
        RelayOptions {
            host: host.to_owned(),
            port: 587,
            tls: RelayTls::StartTls,
            certificate: RelayCertificate::Verified,
            username: None,
            password_file: None,
            password_env: None,
            preference: 10,
            domains: Vec::new(),
        }
    }

    fn faults(change: impl FnOnce(&mut RelayOptions)) -> Vec<&'static str> {
        let mut options = relay("relay.example");
        change(&mut options);
        options.faults().iter().map(|fault| fault.key).collect()
    }

    #[test]
    fn entries_are_looked_at() {
        assert!(faults(|_| {}).is_empty());
        assert_eq!(faults(|o| o.host = "not a name".to_owned()), ["host"]);
        assert_eq!(faults(|o| o.username = Some("u".to_owned())), ["username"]);
        assert_eq!(
            faults(|o| o.password_env = Some("P".to_owned())),
            ["username"]
        );
        let login = |o: &mut RelayOptions| {
            o.username = Some("u".to_owned());
            o.password_env = Some("P".to_owned());
            o.tls = RelayTls::None;
        };
        assert_eq!(faults(login), ["tls"]);
        for unheard in ["localhost", "127.0.0.1", "::1"] {
            let local = |o: &mut RelayOptions| {
                login(o);
                o.host = unheard.to_owned();
            };
            assert!(faults(local).is_empty(), "{unheard}");
        }
    }

    #[test]
    fn the_password_is_the_content_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let mut options = relay("relay.example");
        options.password_file = Some(path.clone());
        assert_eq!(options.password().unwrap_err().key, "password_file");
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(options.password().unwrap_err().message, "holds no password");
        std::fs::write(&path, " pass word\r\n").unwrap();
        let password = options.password().unwrap().unwrap();
        assert_eq!(password.expose(), b" pass word");
        assert!(!format!("{password:?}").contains("word"));
    }

    #[test]
    fn a_named_domain_goes_to_its_own_relays_alone() {
        let mut special = relay("special.example");
        special.domains = vec![DomainPattern::parse("*.bank.example").unwrap()];
        let mut second = relay("second.example");
        second.preference = 20;
        let relays = [second, special, relay("first.example")];
        let relays = Relays::without_passwords(&relays).unwrap();
        let of = |domain: &str| -> Vec<_> {
            let relays = relays.of(&Domain::parse(domain).unwrap());
            relays.iter().map(|relay| relay.host.to_string()).collect()
        };
        assert_eq!(of("mail.bank.example"), ["special.example"]);
        assert_eq!(of("other.example"), ["first.example", "second.example"]);
    }

    #[test]
    fn replies_about_who_we_are_are_not_about_the_message() {
        let auth = |phase, code| Relay::phase_of(phase, &Reply::plain(code, "x"));
        assert_eq!(auth(Phase::Mail, 530), Phase::Auth);
        assert_eq!(auth(Phase::Mail, 550), Phase::Mail);
        assert_eq!(auth(Phase::Message, 535), Phase::Message);
    }
}
