//! Mail that comes in while the server is killed, and its ledger: of what got a 250 the event must be
//! told, and whole.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_peers::client::{ClientOptions, Mail, SmtpClient};
use postbell_tests::installation::SENDER_DOMAIN;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::ledger::Ledgers;

/// Who brings mail at the same time; a host may open 50 sessions.
const SESSIONS: u32 = 4;
/// Messages of one round of each: a network may bring 1,000 a minute, which is raised here.
const MESSAGES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);
const LINES: usize = 40;

/// What came in.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    /// Recipients whose message got a 250.
    pub(crate) acknowledged: HashSet<String>,
    /// The ids of the events of each recipient, and whether what they tell is whole.
    pub(crate) told: HashMap<String, Vec<(String, bool)>>,
}

impl Inbound {
    /// Notes a `Received`; `false`: the document is another's.
    pub(crate) fn told(&mut self, document: &Value) -> bool {
        let text = |pointer| document.pointer(pointer).and_then(Value::as_str);
        let (Some(recipient), Some(id)) = (text("/received/recipient"), text("/id")) else {
            return false;
        };
        let is_whole = text("/received/text_body")
            .zip(recipient.split('@').next())
            .is_some_and(|(body, id)| body.ends_with(&format!("\r\nend of {id}\r\n")));
        let told = (id.to_owned(), is_whole);
        let events = self.told.entry(recipient.to_owned()).or_default();
        // A post that is repeated has the same id.
        if !events.contains(&told) {
            events.push(told);
        }
        true
    }

    /// Those that got a 250 and of which nothing was told.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &String> {
        let told = |recipient: &&String| !self.told.contains_key(*recipient);
        self.acknowledged.iter().filter(told)
    }
}

/// Brings mail until `end`, for the whole round.
pub(crate) async fn run(to: SocketAddr, round: u32, ledgers: Arc<Ledgers>, end: CancellationToken) {
    let mut sessions = JoinSet::new();
    for number in 0..SESSIONS {
        let (ledgers, end) = (Arc::clone(&ledgers), end.clone());
        sessions.spawn(async move {
            let session = session(to, format!("in-r{round}-s{number}"), &ledgers);
            end.run_until_cancelled(session).await;
        });
    }
    while sessions.join_next().await.is_some() {}
    end.cancelled().await;
}

async fn session(to: SocketAddr, name: String, ledgers: &Ledgers) {
    let options = ClientOptions::default();
    let mut number = 0;
    while number < MESSAGES {
        let Ok(mut client) = SmtpClient::connect(to, &options).await else {
            sleep(PAUSE).await;
            continue;
        };
        while number < MESSAGES {
            number += 1;
            let mail = mail(&format!("{name}-m{number}"));
            let Ok(outcome) = client.send(&mail).await else {
                break;
            };
            if outcome.is_taken() {
                ledgers.brought(&mail.to[0]);
            }
        }
    }
}

fn mail(id: &str) -> Mail {
    let to = format!("{id}@{SENDER_DOMAIN}");
    let body = format!(
        "From: <joe@peer.test>\r\nTo: <{to}>\r\nSubject: {id}\r\nMessage-ID: <{id}@peer.test>\r\n\r\n\
         {}end of {id}\r\n",
        "Nothing of this may get lost.\r\n".repeat(LINES)
    );
    Mail {
        from: "joe@peer.test".to_owned(),
        to: vec![to],
        parameters: String::new(),
        body: Bytes::from(body),
    }
}
