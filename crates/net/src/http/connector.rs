//! From a URL to a connection: find the host's addresses, check and dial each in turn, secure.
//!
//! The check stands here and not where the URL was given, since a name may lead elsewhere by the
//! time that it is dialled.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::Uri;
use ::http::uri::Scheme;
use hyper_util::rt::TokioIo;
use postbell_model::Domain;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::HttpError;

use crate::{ConnectError, Guard, LookupError, Resolver, Stream, connect};

// A host with more addresses gets no more tries.
const TRIES_MAX: usize = 4;

/// Makes the connections of hyper's client.
#[derive(Clone)]
pub(crate) struct Connector {
    reach: Arc<Reach>,
}

struct Reach {
    resolver: Resolver,
    guard: Guard,
    /// Or why there is none.
    tls: Result<TlsConnector, rustls::Error>,
    limit: Duration,
}

impl Connector {
    pub(super) fn new(
        resolver: Resolver,
        guard: Guard,
        tls: Result<Arc<ClientConfig>, rustls::Error>,
        limit: Duration,
    ) -> Self {
        Self {
            reach: Arc::new(Reach {
                resolver,
                guard,
                tls: tls.map(TlsConnector::from),
                limit,
            }),
        }
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, HttpError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HttpError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let reach = Arc::clone(&self.reach);
        Box::pin(async move { reach.reach(&url).await.map(TokioIo::new) })
    }
}

/// Where a URL leads, before any name is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    host: Host,
    port: u16,
    secured: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Name(Domain),
    Address(IpAddr),
}

/// Whether a URL can be posted to at all: `http` or `https`, a host, no user name. Where it leads
/// is looked at when it is posted to.
///
/// # Errors
/// Says why it can't.
pub fn check_url(url: &Uri) -> Result<(), &'static str> {
    target(url).map(drop)
}

fn target(url: &Uri) -> Result<Target, &'static str> {
    let secured = match url.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err("it is neither http nor https"),
    };
    let authority = url.authority().ok_or("it has no host")?;
    if authority.as_str().contains('@') {
        return Err("it has a user name in it");
    }
    Ok(Target {
        host: host(authority.host())?,
        port: authority
            .port_u16()
            .unwrap_or(if secured { 443 } else { 80 }),
        secured,
    })
}

fn host(text: &str) -> Result<Host, &'static str> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    if let Ok(ip) = bare.parse() {
        return Ok(Host::Address(ip));
    }
    // A trailing dot marks a whole name (RFC 1034 §3.1), which every name is here.
    Domain::parse(text.strip_suffix('.').unwrap_or(text))
        .map(Host::Name)
        .map_err(|_| "its host is no host name")
}

impl Reach {
    async fn reach(&self, url: &Uri) -> Result<Stream, HttpError> {
        let target = target(url).map_err(HttpError::BadUrl)?;
        let deadline = Instant::now() + self.limit;
        let ips = timeout_at(deadline, self.addresses(&target.host))
            .await
            .map_err(|_| HttpError::TimedOut(self.limit))??;
        let tcp = self.dial(&ips, target.port, deadline).await?;
        if !target.secured {
            return Ok(Stream::Plain(tcp));
        }
        timeout_at(deadline, self.secure(tcp, &target.host))
            .await
            .map_err(|_| HttpError::TimedOut(self.limit))?
    }

    async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, HttpError> {
        match host {
            Host::Address(ip) => Ok(vec![*ip]),
            Host::Name(name) => match self.resolver.addresses(name).await {
                Ok(found) => Ok(found.ips),
                Err(error) => Err(HttpError::Lookup(error)),
            },
        }
    }

    /// Dials the addresses in turn. Each gets its share of the time that is left, so that one
    /// that swallows everything does not use up that of the others.
    async fn dial(
        &self,
        ips: &[IpAddr],
        port: u16,
        deadline: Instant,
    ) -> Result<TcpStream, HttpError> {
        let mut failure = HttpError::Lookup(LookupError::NoData);
        let ips = &ips[..ips.len().min(TRIES_MAX)];
        for (tried, ip) in ips.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(ips.len() - tried).unwrap_or(1);
            let addr = SocketAddr::new(*ip, port);
            match connect(addr, &self.guard, None, share).await {
                Ok(stream) => return Ok(stream),
                Err(ConnectError::Forbidden(forbidden)) => {
                    failure = HttpError::Forbidden(forbidden);
                }
                Err(error) => failure = HttpError::Connect(error.to_string()),
            }
        }
        Err(failure)
    }

    async fn secure(&self, tcp: TcpStream, host: &Host) -> Result<Stream, HttpError> {
        let name = match host {
            Host::Address(ip) => ServerName::from(*ip),
            Host::Name(name) => ServerName::try_from(name.as_str().to_owned())
                .map_err(|_| HttpError::BadUrl("no certificate can have its host's name"))?,
        };
        let tls = self.tls.as_ref().map_err(|error| {
            HttpError::Tls(format!(
                "no certificate authority can be read here: {error}"
            ))
        })?;
        match tls.connect(name, tcp).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(error) => Err(HttpError::Tls(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lead_somewhere_or_are_refused() {
        let name = |name: &str| Host::Name(Domain::parse(name).unwrap());
        let ip = |ip: &str| Host::Address(ip.parse().unwrap());
        for (url, host, port, secured) in [
            (
                "https://Hooks.example/a?b",
                name("hooks.example"),
                443,
                true,
            ),
            (
                "http://hooks.example.:8080/",
                name("hooks.example"),
                8080,
                false,
            ),
            ("http://192.0.2.1/", ip("192.0.2.1"), 80, false),
            ("https://[2001:db8::1]:8443/", ip("2001:db8::1"), 8443, true),
            // Not addresses to us: names that no name server knows.
            ("http://2130706433/", name("2130706433"), 80, false),
            ("http://0x7f.1/", name("0x7f.1"), 80, false),
        ] {
            let wanted = Target {
                host,
                port,
                secured,
            };
            assert_eq!(target(&url.parse().unwrap()), Ok(wanted), "{url}");
        }
        for url in [
            "/path",
            "ftp://hooks.example/",
            "hooks.example:443",
            "https://user:secret@hooks.example/",
            "https://a..b/",
        ] {
            let refused = target(&url.parse().unwrap());
            assert!(refused.is_err(), "{url}");
        }
    }
}
