//! The DNS, as far as one message may ask it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use postbell_net::{LookupError, Record, RecordKind, Records, Resolver};

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// There is no such name, or it has no such records.
    Nothing,
    /// Nobody could say, or the message has asked too much.
    Unknown,
}

/// The questions about one message.
#[derive(Debug)]
pub(super) struct Questions<'r> {
    resolver: &'r Resolver,
    left: AtomicU32,
}

impl<'r> Questions<'r> {
    pub(super) const fn new(resolver: &'r Resolver, most: u32) -> Self {
        Self {
            resolver,
            left: AtomicU32::new(most),
        }
    }

    /// The records of a name; at least one.
    pub(super) async fn ask(&self, name: &str, kind: RecordKind) -> Result<Records, NoAnswer> {
        self.take_one()?;
        self.resolver.records(name, kind).await.map_err(no_answer)
    }

    /// The TXT records of a name; at least one.
    pub(super) async fn texts(&self, name: &str) -> Result<Vec<Vec<u8>>, NoAnswer> {
        let answer = self.ask(name, RecordKind::Txt).await?;
        Ok(texts(answer))
    }

    /// The addresses of a name, of the kind of `like`; at least one.
    pub(super) async fn addresses(
        &self,
        name: &str,
        like: IpAddr,
    ) -> Result<Vec<IpAddr>, NoAnswer> {
        let kind = match like {
            IpAddr::V4(_) => RecordKind::A,
            IpAddr::V6(_) => RecordKind::Aaaa,
        };
        let answer = self.ask(name, kind).await?;
        let address = |record| match record {
            Record::Address(ip) => Some(ip),
            _ => None,
        };
        Ok(answer.records.into_iter().filter_map(address).collect())
    }

    /// The mail hosts of a name, the most preferred first; at least one.
    pub(super) async fn hosts(&self, name: &str) -> Result<Vec<String>, NoAnswer> {
        let answer = self.ask(name, RecordKind::Mx).await?;
        Ok(hosts(answer))
    }

    /// The names of an address; at least one.
    pub(super) async fn names(&self, ip: IpAddr) -> Result<Vec<String>, NoAnswer> {
        self.take_one()?;
        let answer = self.resolver.reverse(ip).await.map_err(no_answer)?;
        Ok(hosts(answer))
    }

    fn take_one(&self) -> Result<(), NoAnswer> {
        let take = |left: u32| left.checked_sub(1);
        match self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(NoAnswer::Unknown),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn no_answer(error: LookupError) -> NoAnswer {
    match error {
        LookupError::NoSuchDomain | LookupError::NoData => NoAnswer::Nothing,
        LookupError::Temporary(_) => NoAnswer::Unknown,
    }
}

pub(super) fn texts(answer: Records) -> Vec<Vec<u8>> {
    let text = |record| match record {
        Record::Text(text) => Some(text),
        _ => None,
    };
    answer.records.into_iter().filter_map(text).collect()
}

fn hosts(answer: Records) -> Vec<String> {
    let host = |record| match record {
        Record::Host(host) => Some(host),
        _ => None,
    };
    answer.records.into_iter().filter_map(host).collect()
}
