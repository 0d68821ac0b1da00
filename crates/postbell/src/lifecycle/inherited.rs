//! Sockets that a service manager has opened for us: `sd_listen_fds(3)`.
//!
//! Each has a name, and the name is a key of the configuration: the sockets take the place of the
//! addresses that the key has.

use std::net::TcpListener;

use anyhow::{Context, bail};
use listenfd::ListenFd;

/// The keys of listeners.
const KEYS: [&str; 6] = [
    "submission.listen",
    "submission.listen_tls",
    "inbound.listen",
    "http.listen",
    "tracking.listen",
    "tracking.listen_tls",
];
/// The names of the sockets, divided by colons.
const NAMES: &str = "LISTEN_FDNAMES";

/// Sockets that were handed over, by the key that they are for.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(&'static str, TcpListener)>);

impl Inherited {
    /// Takes what was handed over to this process. To be called once, before there are threads:
    /// it takes the variables away, which say the same to no child.
    ///
    /// # Errors
    /// One is no TCP socket that listens, or has a name that is no key.
    pub(crate) fn take() -> anyhow::Result<Self> {
        let names = std::env::var(NAMES).unwrap_or_default();
        let mut handed = ListenFd::from_env();
        let mut names = names.split(':');
        let mut sockets = Vec::with_capacity(handed.len());
        for index in 0..handed.len() {
            let key = key_of(names.next().unwrap_or_default())?;
            let socket = handed.take_tcp_listener(index);
            let socket = socket.with_context(|| format!("the socket handed over for {key}"))?;
            sockets.extend(socket.map(|socket| (key, socket)));
        }
        Ok(Self(sockets))
    }

    /// Takes those that are for a key.
    pub(crate) fn of_key(&mut self, key: &str) -> Vec<TcpListener> {
        let (of_key, others) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(of, _)| *of == key);
        self.0 = others;
        of_key.into_iter().map(|(_, socket)| socket).collect()
    }
}

fn key_of(name: &str) -> anyhow::Result<&'static str> {
    match KEYS.into_iter().find(|key| *key == name) {
        Some(key) => Ok(key),
        None => bail!(
            "a socket named \"{}\" was handed over; FileDescriptorName= must be one of {}",
            name.escape_debug(),
            KEYS.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_keys() {
        assert_eq!(key_of("http.listen").unwrap(), "http.listen");
        for name in ["", "unknown", "postbell.socket", "server.hostname"] {
            let error = key_of(name).unwrap_err().to_string();
            assert!(error.contains("submission.listen_tls"), "{error}");
        }
    }

    #[test]
    fn sockets_are_taken_once() {
        let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
        let mut inherited = Inherited(vec![
            ("submission.listen", socket()),
            ("http.listen", socket()),
            ("submission.listen", socket()),
        ]);
        assert_eq!(inherited.of_key("submission.listen").len(), 2);
        assert_eq!(inherited.of_key("submission.listen").len(), 0);
        assert_eq!(inherited.of_key("http.listen").len(), 1);
    }
}
