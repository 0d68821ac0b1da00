//! What records say of a name beside where its mail goes: TXT and PTR.

use std::net::IpAddr;

use hickory_resolver::proto::rr::{Name, RData, RecordType};
use postbell_model::Domain;

use super::{LookupError, Resolver, host_name};

// More than a name has for any reason that concerns mail.
const TXT_MAX: usize = 64;
const PTR_MAX: usize = 16;

impl Resolver {
    /// The TXT records of a name, the strings of each put together (RFC 7208 §3.3).
    ///
    /// # Errors
    /// There are none, or none could be had.
    pub async fn txt(&self, name: &Domain) -> Result<Vec<String>, LookupError> {
        let lookup = self.ask(name, RecordType::TXT).await?;
        let mut texts = Vec::new();
        for answer in lookup.answers().iter().take(TXT_MAX) {
            if let RData::TXT(txt) = &answer.data {
                let octets: Vec<u8> = txt.txt_data.iter().flatten().copied().collect();
                texts.push(String::from_utf8_lossy(&octets).into_owned());
            }
        }
        if texts.is_empty() {
            return Err(LookupError::NoData);
        }
        Ok(texts)
    }

    /// The names of an address: its PTR records.
    ///
    /// # Errors
    /// There are none, or none could be had.
    pub async fn names(&self, ip: IpAddr) -> Result<Vec<Domain>, LookupError> {
        let reverse = Name::from(ip).to_ascii();
        let reverse = Domain::parse(reverse.trim_end_matches('.'));
        let reverse = reverse.map_err(|_| LookupError::NoSuchDomain)?;
        let lookup = self.ask(&reverse, RecordType::PTR).await?;
        let mut names = Vec::new();
        for answer in lookup.answers().iter().take(PTR_MAX) {
            if let RData::PTR(name) = &answer.data {
                names.extend(host_name(&name.0));
            }
        }
        if names.is_empty() {
            return Err(LookupError::NoData);
        }
        Ok(names)
    }
}
