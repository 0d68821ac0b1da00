//! What a client says, line by line, for whoever watches; what belongs to a login is left out.

use postbell_net::trace::{SessionTrace, Speaker};

/// Octets of a line that is not whole yet: more than any command or response has.
const MAX_PARTIAL: usize = 16 * 1024;

/// The trace of one session.
#[derive(Debug)]
pub(crate) struct Trace {
    session: SessionTrace,
    partial: Vec<u8>,
    /// Whether the next octet begins a line, watched or not.
    at_line_start: bool,
    /// Whether what comes is the rest of a line whose beginning nobody saw.
    skipping: bool,
}

/// What a client is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    Commands,
    Login,
    Message,
}

impl Trace {
    pub(crate) const fn new(session: SessionTrace) -> Self {
        Self {
            session,
            partial: Vec::new(),
            at_line_start: true,
            skipping: false,
        }
    }

    pub(crate) fn note(&mut self, text: &str) {
        self.session.note(text);
    }

    pub(crate) fn server_said(&mut self, octets: &[u8]) {
        self.session.said(Speaker::Server, octets);
    }

    pub(crate) fn client_said(&mut self, talk: Talk, octets: &[u8]) {
        let began_line = std::mem::replace(&mut self.at_line_start, octets.ends_with(b"\n"));
        if !self.session.is_watched() {
            self.partial = Vec::new();
            self.skipping = false;
            return;
        }
        if talk == Talk::Message {
            return self.session.data(octets);
        }
        // Its beginning may have been that of a login.
        self.skipping |= self.partial.is_empty() && !began_line;
        self.partial.extend_from_slice(octets);
        let mut secret = talk == Talk::Login;
        while let Some(end) = self.partial.iter().position(|octet| *octet == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            // What follows AUTH in the same breath is its response.
            secret |= is_auth(&line);
            if secret {
                self.session.said_secret(Speaker::Client, "AUTH");
            } else {
                self.session.said(Speaker::Client, &line);
            }
        }
        if self.partial.len() > MAX_PARTIAL {
            self.partial = Vec::new();
            self.skipping = true;
        }
    }
}

fn is_auth(line: &[u8]) -> bool {
    let word = line.trim_ascii_start().get(..4);
    word.is_some_and(|word| word.eq_ignore_ascii_case(b"AUTH"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use postbell_net::Tracer;
    use postbell_net::trace::{Role, Watch};

    use super::*;
    use crate::tests::paper::RestlessClock;

    async fn shown(said: &[(Talk, &str)]) -> String {
        let tracer = Tracer::new(Arc::new(RestlessClock::default()));
        let mut watching = tracer.watch(Watch::default()).unwrap();
        let session = tracer.session(Role::Submission, 1, Ipv4Addr::LOCALHOST.into());
        let mut trace = Trace::new(session);
        for (talk, text) in said {
            trace.client_said(*talk, text.as_bytes());
        }
        trace.note("end");
        let mut lines = Vec::new();
        loop {
            let (line, _) = watching.next().await.unwrap();
            if line.text == "end" {
                return lines.join("|");
            }
            lines.push(line.text);
        }
    }

    #[tokio::test]
    async fn no_part_of_a_login_is_shown() {
        let auth = "AUTH [not shown]";
        for said in [
            &[(Talk::Commands, "auth plain c2VjcmV0\r\n")][..],
            &[
                (Talk::Commands, "AU"),
                (Talk::Commands, "TH PLAIN c2Vj"),
                (Talk::Commands, "cmV0\r\n"),
            ],
            &[(Talk::Login, "c2VjcmV0\r\n")],
        ] {
            assert_eq!(shown(said).await, auth, "{said:?}");
        }
        let pipelined = [(
            Talk::Commands,
            "EHLO x\r\nAUTH LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\n",
        )];
        let told = shown(&pipelined).await;
        assert_eq!(told, format!("EHLO x|{auth}|{auth}|{auth}"));
    }

    #[tokio::test]
    async fn a_line_whose_beginning_nobody_saw_is_left_out() {
        let tracer = Tracer::new(Arc::new(RestlessClock::default()));
        let session = tracer.session(Role::Submission, 1, Ipv4Addr::LOCALHOST.into());
        let mut trace = Trace::new(session);
        trace.client_said(Talk::Commands, b"AUTH PLA");
        let mut watching = tracer.watch(Watch::default()).unwrap();
        trace.client_said(Talk::Commands, b"IN c2VjcmV0\r\nNOOP\r\n");
        let (line, _) = watching.next().await.unwrap();
        assert_eq!(line.text, "NOOP");
        drop(Arc::new(watching));
    }
}
