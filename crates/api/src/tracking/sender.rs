//! Whose mail it was that somebody unsubscribes from.
//!
//! What is left of a message that was purged does not say from which domain it was. Its recipient asks a
//! host that belongs to that domain, unless one host serves all; then there is its Message-ID, which is of
//! that domain unless somebody else has made it.

use hyper::header::HOST;
use hyper::http::request::Parts;
use postbell_model::{Domain, Message, SendingDomain};
use postbell_store::Directory;

/// The domain that a message is from. Never one of another tenant, whatever the client says.
pub(super) fn sender<'d>(
    directory: &'d Directory,
    message: &Message,
    host: Option<&Domain>,
) -> Option<&'d SendingDomain> {
    if !message.source.is_empty() {
        return directory.sender_of(message);
    }
    let own = |domain: &&SendingDomain| domain.workspace == message.workspace;
    let tracked = host.and_then(|host| directory.domain_tracked_at(host));
    let of_id = || directory.domain(&domain_of_id(&message.header_message_id)?);
    tracked.filter(own).or_else(|| of_id().filter(own))
}

/// The host that a client has asked.
pub(super) fn asked_host(head: &Parts) -> Option<Domain> {
    let named = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    host(head.uri.authority().map(|of| of.as_str()).or(named)?)
}

/// Whether a host is the one that serves the mail of all domains.
pub(super) fn serves_all(asked: &Domain, base_url: Option<&str>) -> bool {
    let rest = base_url.and_then(|url| url.split_once("://"));
    let of_all = rest.and_then(|(_, rest)| host(rest.split('/').next()?));
    of_all.as_ref() == Some(asked)
}

/// Without its port.
fn host(authority: &str) -> Option<Domain> {
    let name = authority
        .rsplit_once(':')
        .map_or(authority, |(name, _)| name);
    Domain::parse(name).ok()
}

fn domain_of_id(message_id: &str) -> Option<Domain> {
    let (_, domain) = message_id.trim_end_matches('>').rsplit_once('@')?;
    Domain::parse(domain).ok()
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn asked(host: &str) -> Option<Domain> {
        let request = Request::get("/u/x").header(HOST, host);
        let (head, ()) = request.body(()).unwrap().into_parts();
        asked_host(&head)
    }

    #[test]
    fn a_host_is_asked_at_any_port() {
        let host = asked("Track.Acme.example:8080").unwrap();
        assert_eq!(host.as_str(), "track.acme.example");
        assert_eq!(asked("::1]"), None);
    }

    #[test]
    fn one_host_may_serve_all() {
        let host = asked("track.acme.example").unwrap();
        assert!(serves_all(&host, Some("https://track.acme.example:8443/x")));
        assert!(!serves_all(&host, Some("https://t.example")));
        assert!(!serves_all(&host, None));
    }
}
