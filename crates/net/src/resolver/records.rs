//! Records as they stand, for who verifies senders: whatever a stranger's record says has to be
//! asked about, also what is no host name.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::{LookupError, Resolver, valid_for};

// More than any answer has for a reason; a UDP answer has no room for so many.
const RECORDS_MAX: usize = 256;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail hosts.
    Mx,
    /// The names of an address.
    Ptr,
    /// Texts.
    Txt,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// At least one, all of the kind that was asked for. Mail hosts are ordered by preference.
    pub records: Vec<Record>,
    /// How long the answer may be kept.
    pub valid_for: Duration,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Of A and AAAA.
    Address(IpAddr),
    /// Of MX and PTR, in lower case and without its last dot; empty for the root.
    Host(String),
    /// Of TXT, its strings put together.
    Text(Vec<u8>),
}

impl Resolver {
    /// The records of this kind of a name, which may have any octets between its dots.
    ///
    /// # Errors
    /// There are none, or none could be had. A name that can't be asked about does not exist.
    pub async fn records(&self, name: &str, kind: RecordKind) -> Result<Records, LookupError> {
        let lookup = self.ask_of(any_name(name), kind.into()).await?;
        let mut found: Vec<(u16, Record)> = lookup
            .answers()
            .iter()
            .filter_map(|answer| record(&answer.data, kind))
            .take(RECORDS_MAX)
            .collect();
        if found.is_empty() {
            return Err(LookupError::NoData);
        }
        found.sort_by_key(|(preference, _)| *preference);
        Ok(Records {
            records: found.into_iter().map(|(_, record)| record).collect(),
            valid_for: valid_for(&lookup),
        })
    }

    /// The names of an address: its PTR records.
    ///
    /// # Errors
    /// There are none, or none could be had.
    pub async fn reverse(&self, ip: IpAddr) -> Result<Records, LookupError> {
        let name = Name::from(ip).to_ascii();
        self.records(&name, RecordKind::Ptr).await
    }
}

impl From<RecordKind> for RecordType {
    fn from(kind: RecordKind) -> Self {
        match kind {
            RecordKind::A => Self::A,
            RecordKind::Aaaa => Self::AAAA,
            RecordKind::Mx => Self::MX,
            RecordKind::Ptr => Self::PTR,
            RecordKind::Txt => Self::TXT,
        }
    }
}

/// A name of labels of any octets; none where one is empty or too long.
fn any_name(name: &str) -> Option<Name> {
    let name = name.strip_suffix('.').unwrap_or(name);
    Name::from_labels(name.split('.').map(str::as_bytes)).ok()
}

fn record(data: &RData, kind: RecordKind) -> Option<(u16, Record)> {
    match (data, kind) {
        (RData::A(a), RecordKind::A) => Some((0, Record::Address(IpAddr::V4(a.0)))),
        (RData::AAAA(aaaa), RecordKind::Aaaa) => Some((0, Record::Address(IpAddr::V6(aaaa.0)))),
        (RData::MX(mx), RecordKind::Mx) => {
            Some((mx.preference, Record::Host(plain(&mx.exchange)?)))
        }
        (RData::PTR(ptr), RecordKind::Ptr) => Some((0, Record::Host(plain(&ptr.0)?))),
        (RData::TXT(txt), RecordKind::Txt) => {
            let octets = txt.txt_data.iter().flatten().copied().collect();
            Some((0, Record::Text(octets)))
        }
        _ => None,
    }
}

/// The labels with dots between them; none where one has a dot of its own, or is no text.
fn plain(name: &Name) -> Option<String> {
    let mut text = String::with_capacity(64);
    for label in name.iter() {
        let label = std::str::from_utf8(label).ok()?;
        if label.contains('.') {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(label);
    }
    text.make_ascii_lowercase();
    Some(text)
}
