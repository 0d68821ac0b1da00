//! DMARC policy records, and what follows from them (RFC 7489 §6.3, §6.6).
//!
//! Which domain is whose is told by a list of public suffixes that the caller has: the domain in
//! From and what passed belong together where their organizational domains are the same.
//!
//! Not read: where reports go, beyond whether there is such a place. Reports are not sent.

use postbell_model::{Address, Aligned, DmarcPolicy, DmarcRequest, Domain};

use super::tags::{TagError, Tags};

/// More places for reports than any record has.
const REPORTS_MAX: usize = 32;

/// A policy record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// `p=`
    pub policy: DmarcPolicy,
    /// `sp=`, for what lies below the domain of the record.
    pub below: DmarcPolicy,
    /// `pct=`
    pub percent: u8,
    /// `aspf=`
    pub spf: Alignment,
    /// `adkim=`
    pub dkim: Alignment,
}

/// How closely an identifier has to fit the domain in From (RFC 7489 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// `r`: the same organization.
    Relaxed,
    /// `s`: the same domain.
    Strict,
}

/// Why a record is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DmarcError {
    /// It is no list of tags.
    #[error(transparent)]
    Tags(#[from] TagError),
    /// It does not begin with `v=DMARC1`.
    #[error("it is no DMARC record")]
    Version,
    /// It asks for nothing that is understood, and nobody wants to hear of it.
    #[error("its policy can't be read")]
    Policy,
}

/// Whether a TXT record is a DMARC record.
// RFC 7489 §6.6.3: records that do not begin with this version are left aside.
pub fn is_dmarc(text: &[u8]) -> bool {
    let end = memchr::memchr(b';', text).unwrap_or(text.len());
    let version = Tags::read(text.get(..end).unwrap_or_default());
    version.is_ok_and(|tags| is_version(&tags))
}

fn is_version(tags: &Tags<'_>) -> bool {
    // RFC 7489 §6.3: the value is told apart by case, the name is not.
    tags.first()
        .is_some_and(|(name, value)| name.eq_ignore_ascii_case("v") && value == "DMARC1")
}

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    /// It is none, or it says nothing of what to do.
    pub fn read(text: &[u8]) -> Result<Self, DmarcError> {
        let tags = Tags::read(text)?;
        if !is_version(&tags) {
            return Err(DmarcError::Version);
        }
        let asked = tags.get_in_any_case("p").map(policy);
        let below = tags.get_in_any_case("sp").map(policy);
        // RFC 7489 §6.6.3: with p= or sp= that can't be read a record is one of p=none if
        // somebody wants reports, else it is none.
        let (policy, below) = match (asked, below) {
            (Some(Some(policy)), None) => (policy, policy),
            (Some(Some(policy)), Some(Some(below))) => (policy, below),
            _ if wants_reports(&tags) => (DmarcPolicy::None, DmarcPolicy::None),
            _ => return Err(DmarcError::Policy),
        };
        Ok(Self {
            policy,
            below,
            percent: percent(&tags),
            spf: alignment(&tags, "aspf"),
            dkim: alignment(&tags, "adkim"),
        })
    }

    /// What it asks for of mail from `from`, where it is the record of `owner`.
    pub fn request(&self, from: &Domain, owner: &Domain) -> DmarcRequest {
        let policy = if from == owner {
            self.policy
        } else {
            self.below
        };
        DmarcRequest {
            policy,
            percent: self.percent,
        }
    }
}

impl Alignment {
    /// Whether an identifier belongs to the domain in From.
    pub fn holds(
        self,
        identifier: &Domain,
        from: &Domain,
        organization: impl Fn(&Domain) -> Domain,
    ) -> bool {
        match self {
            Self::Strict => identifier == from,
            Self::Relaxed => identifier == from || organization(identifier) == organization(from),
        }
    }
}

/// Those of what passed that are aligned with From.
pub fn aligned(
    record: &Record,
    from: &Domain,
    spf: Option<&Domain>,
    dkim: &[&Domain],
    organization: impl Fn(&Domain) -> Domain,
) -> Vec<Aligned> {
    let spf = spf
        .filter(|domain| record.spf.holds(domain, from, &organization))
        .map(|domain| Aligned::Spf(domain.clone()));
    let dkim = dkim
        .iter()
        .filter(|domain| record.dkim.holds(domain, from, &organization))
        .map(|domain| Aligned::Dkim((*domain).clone()));
    spf.into_iter().chain(dkim).collect()
}

fn policy(text: &str) -> Option<DmarcPolicy> {
    let known = DmarcPolicy::ALL.iter();
    known
        .copied()
        .find(|policy| policy.name().eq_ignore_ascii_case(text))
}

// RFC 7489 §6.3: what is wrong in the rest of a record counts as if it were not there.
fn percent(tags: &Tags<'_>) -> u8 {
    let text = tags.get_in_any_case("pct").unwrap_or_default();
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    let percent = text.parse().ok();
    percent
        .filter(|percent| digits && *percent <= 100)
        .unwrap_or(100)
}

fn alignment(tags: &Tags<'_>, name: &str) -> Alignment {
    match tags.get_in_any_case(name) {
        Some(mode) if mode.eq_ignore_ascii_case("s") => Alignment::Strict,
        _ => Alignment::Relaxed,
    }
}

fn wants_reports(tags: &Tags<'_>) -> bool {
    let places = tags.get_in_any_case("rua").unwrap_or_default();
    places.split(',').take(REPORTS_MAX).any(is_place)
}

// RFC 7489 §6.2: a URI, and perhaps how large a report may be: `mailto:a@example.com!10m`.
fn is_place(text: &str) -> bool {
    let text = text.trim();
    let (uri, size) = text.split_once('!').unwrap_or((text, "1"));
    let digits = size.trim_end_matches(['k', 'm', 'g', 't', 'K', 'M', 'G', 'T']);
    let is_size = size.len() - digits.len() <= 1 && digits.parse::<u64>().is_ok();
    let address = uri
        .split_at_checked("mailto:".len())
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("mailto:"));
    is_size && address.is_some_and(|(_, address)| Address::parse(address).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Record, DmarcError> {
        Record::read(text.as_bytes())
    }

    #[test]
    fn records_are_read() {
        let record = read("v=DMARC1; p=reject; sp=none; pct=20; aspf=s; adkim=r").unwrap();
        assert_eq!(
            (record.policy, record.below),
            (DmarcPolicy::Reject, DmarcPolicy::None)
        );
        assert_eq!(record.percent, 20);
        assert_eq!(
            (record.spf, record.dkim),
            (Alignment::Strict, Alignment::Relaxed)
        );
        assert_eq!(
            read("V = DMARC1 ; P = Quarantine").unwrap().below,
            DmarcPolicy::Quarantine
        );
    }

    #[test]
    fn what_is_wrong_in_the_rest_counts_as_if_it_were_not_there() {
        let plain = read("v=DMARC1; p=reject").unwrap();
        assert_eq!(
            read("v=DMARC1; p=reject; pct=101; aspf=x; moo=1"),
            Ok(plain)
        );
        assert_eq!(read("v=DMARC1; p=reject; pct="), Ok(plain));
    }

    // RFC 7489 §6.6.3
    #[test]
    fn without_a_policy_a_record_wants_reports_or_is_none() {
        let none = read("v=DMARC1; p=none").unwrap();
        assert_eq!(
            read("v=DMARC1; rua=mailto:a@example.com!10m, x:y"),
            Ok(none)
        );
        assert_eq!(
            read("v=DMARC1; p=reject; sp=x; rua=MAILTO:a@example.com"),
            Ok(none)
        );
        assert_eq!(read("v=DMARC1; rua=a@example.com"), Err(DmarcError::Policy));
        assert_eq!(
            read("v=DMARC1; rua=mailto:a@example.com!"),
            Err(DmarcError::Policy)
        );
        assert_eq!(read("v=DMARC1;"), Err(DmarcError::Policy));
        assert_eq!(read("p=none; v=DMARC1"), Err(DmarcError::Version));
        assert_eq!(read("v=dmarc1; p=none"), Err(DmarcError::Version));
        assert!(is_dmarc(b"v=DMARC1;;") && !is_dmarc(b"v=DMARC12; p=none"));
    }

    #[test]
    fn domains_are_aligned_by_their_organization() {
        let domain = |text: &str| Domain::parse(text).unwrap();
        let organization = |of: &Domain| {
            let mut labels = of.as_str().rsplit('.');
            let (top, second) = (labels.next().unwrap(), labels.next().unwrap());
            domain(&format!("{second}.{top}"))
        };
        let from = domain("news.example.com");
        let check = |mode: Alignment, identifier: &str, expected| {
            let holds = mode.holds(&domain(identifier), &from, organization);
            assert_eq!(holds, expected, "{identifier}");
        };
        check(Alignment::Strict, "news.example.com", true);
        check(Alignment::Strict, "example.com", false);
        check(Alignment::Relaxed, "example.com", true);
        check(Alignment::Relaxed, "a.b.example.com", true);
        check(Alignment::Relaxed, "badexample.com", false);
        let record = read("v=DMARC1; p=reject; sp=quarantine; adkim=s").unwrap();
        let (own, other) = (domain("example.com"), domain("example.org"));
        let found = aligned(&record, &from, Some(&own), &[&own, &other], organization);
        assert_eq!(found, [Aligned::Spf(own.clone())]);
        assert_eq!(record.request(&from, &own).policy, DmarcPolicy::Quarantine);
        assert_eq!(record.request(&own, &own).policy, DmarcPolicy::Reject);
    }
}
