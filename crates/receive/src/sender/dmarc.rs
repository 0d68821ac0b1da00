//! DMARC: whether what passed belongs to the domain in From, and what its owner asks for
//! (RFC 7489 §6.6).
//!
//! Whose a domain is follows from the list of public suffixes that is compiled in.
//!
//! A From that is there twice, or can be read in two ways, is held to every domain that somebody
//! may read in it: it can fail, and never passes.

use futures_util::future::join_all;
use postbell_mail::authentication::dmarc::{Record, aligned, is_dmarc};
use postbell_mail::header::{Field, Header};
use postbell_mail::inbound::people;
use postbell_mail::mailbox::{LIST_MAX, read_list};
use postbell_model::Domain;
use postbell_model::authentication::{
    Aligned, DkimResult, DmarcPolicy, DmarcResult, SpfResult, Verdict,
};

use super::questions::{NoAnswer, Questions};

/// Domains in one From that are looked at.
const AUTHORS_MAX: usize = 4;

/// The domains in From.
#[derive(Debug)]
pub(super) enum Authors {
    /// At least one, each once.
    Known(Vec<Domain>),
    /// The same, of a From that is there twice or can be read in two ways.
    Claimed(Vec<Domain>),
    /// From is not there, or names nobody, or what can't be a domain.
    Unreadable,
}

/// What the DNS says of the domains in From.
#[derive(Debug)]
pub(super) enum Policies {
    Known(Vec<(Domain, Policy)>),
    Claimed(Vec<(Domain, Policy)>),
    Unreadable,
}

#[derive(Debug)]
pub(super) enum Policy {
    /// The record, and whose it is.
    Record(Record, Domain),
    None,
    Malformed,
    Unknown,
}

impl Authors {
    pub(super) fn of(header: Header<'_>) -> Self {
        let mut domains: Vec<Domain> = Vec::new();
        let (mut fields, mut is_plain) = (0, true);
        for field in header.fields().filter(|field| field.is("From")) {
            let strict = strictly(&field);
            fields += 1;
            is_plain &= strict.is_some() && fields == 1;
            let Some(named) = strict.or_else(|| loosely(&field)) else {
                return Self::Unreadable;
            };
            for domain in named {
                if !domains.contains(&domain) {
                    domains.push(domain);
                }
                if domains.len() > AUTHORS_MAX {
                    return Self::Unreadable;
                }
            }
        }
        match (domains.is_empty(), is_plain) {
            (true, _) => Self::Unreadable,
            (false, true) => Self::Known(domains),
            (false, false) => Self::Claimed(domains),
        }
    }

    pub(super) async fn policies(&self, questions: &Questions<'_>) -> Policies {
        let found = async |domains: &[Domain]| {
            let found = domains
                .iter()
                .map(|domain| async move { (domain.clone(), policy(questions, domain).await) });
            join_all(found).await
        };
        match self {
            Self::Known(domains) => Policies::Known(found(domains).await),
            Self::Claimed(domains) => Policies::Claimed(found(domains).await),
            Self::Unreadable => Policies::Unreadable,
        }
    }

    /// What is said where there was no time to look.
    pub(super) fn undecided(&self) -> DmarcResult {
        match self {
            Self::Known(domains) | Self::Claimed(domains) => {
                of(domains.first(), Verdict::TempError)
            }
            Self::Unreadable => of(None, Verdict::PermError),
        }
    }
}

/// The domains of a From that can be read in one way alone.
fn strictly(field: &Field<'_>) -> Option<Vec<Domain>> {
    let mailboxes = read_list(&field.unfolded()).ok()?;
    Some(
        mailboxes
            .iter()
            .map(|mailbox| mailbox.domain().clone())
            .collect(),
    )
}

/// The domains of all that looks like an address in another one, as events tell them. `None`:
/// one of them is no domain.
fn loosely(field: &Field<'_>) -> Option<Vec<Domain>> {
    let domain = |address: &str| Domain::parse(address.rsplit_once('@')?.1).ok();
    let found = people(field, LIST_MAX).into_iter();
    found.map(|person| domain(&person.address)).collect()
}

/// The result for From, of what SPF and DKIM found.
pub(super) fn evaluate(policies: Policies, spf: &SpfResult, dkim: &[DkimResult]) -> DmarcResult {
    // RFC 7489 §6.6.1: of several domains in From, that counts which is worst off.
    let worst = |found: Vec<(Domain, Policy)>| {
        found
            .into_iter()
            .map(|(from, policy)| evaluate_one(&from, &policy, spf, dkim))
            .max_by_key(severity)
            .unwrap_or_default()
    };
    match policies {
        Policies::Known(found) => worst(found),
        Policies::Claimed(found) => unproved(worst(found)),
        Policies::Unreadable => of(None, Verdict::PermError),
    }
}

/// Of a From that others may read in another way nothing is proved by what passes.
fn unproved(found: DmarcResult) -> DmarcResult {
    match found.verdict {
        Verdict::Fail | Verdict::TempError => found,
        _ => DmarcResult {
            verdict: Verdict::PermError,
            aligned: Vec::new(),
            ..found
        },
    }
}

fn severity(result: &DmarcResult) -> (u8, Option<DmarcPolicy>) {
    let rank = match result.verdict {
        Verdict::Fail => 4,
        Verdict::TempError => 3,
        Verdict::PermError => 2,
        Verdict::Pass => 0,
        _ => 1,
    };
    (rank, result.request.map(|request| request.policy))
}

fn evaluate_one(
    from: &Domain,
    policy: &Policy,
    spf: &SpfResult,
    dkim: &[DkimResult],
) -> DmarcResult {
    let (record, owner) = match policy {
        Policy::Record(record, owner) => (record, owner),
        Policy::None => return of(Some(from), Verdict::None),
        Policy::Malformed => return of(Some(from), Verdict::PermError),
        Policy::Unknown => return of(Some(from), Verdict::TempError),
    };
    let with = |verdict: Verdict| -> Vec<Aligned> {
        let spf = spf.domain.as_ref().filter(|_| spf.verdict == verdict);
        let dkim: Vec<_> = dkim
            .iter()
            .filter(|result| result.verdict == verdict)
            .filter_map(|result| result.domain.as_ref())
            .collect();
        aligned(record, from, spf, &dkim, organization)
    };
    let passed = with(Verdict::Pass);
    let verdict = if !passed.is_empty() {
        Verdict::Pass
    } else if !with(Verdict::TempError).is_empty() {
        // RFC 7489 §6.6.2: what might have passed is not held against the message.
        Verdict::TempError
    } else {
        Verdict::Fail
    };
    DmarcResult {
        verdict,
        from: Some(from.clone()),
        request: Some(record.request(from, owner)),
        aligned: passed,
    }
}

fn of(from: Option<&Domain>, verdict: Verdict) -> DmarcResult {
    DmarcResult {
        verdict,
        from: from.cloned(),
        ..DmarcResult::default()
    }
}

// RFC 7489 §6.6.3
async fn policy(questions: &Questions<'_>, from: &Domain) -> Policy {
    if from.literal().is_some() {
        return Policy::None;
    }
    match record_of(questions, from).await {
        Policy::None => {}
        found => return found,
    }
    let owner = organization(from);
    if owner == *from {
        return Policy::None;
    }
    record_of(questions, &owner).await
}

async fn record_of(questions: &Questions<'_>, owner: &Domain) -> Policy {
    let texts = match questions.texts(&format!("_dmarc.{owner}")).await {
        Ok(texts) => texts,
        Err(NoAnswer::Nothing) => return Policy::None,
        Err(NoAnswer::Unknown) => return Policy::Unknown,
    };
    let mut records = texts.iter().filter(|text| is_dmarc(text));
    match (records.next(), records.next()) {
        (None, _) => Policy::None,
        (Some(text), None) => match Record::read(text) {
            Ok(record) => Policy::Record(record, owner.clone()),
            Err(_) => Policy::Malformed,
        },
        // RFC 7489 §6.6.3: several records are as good as none, and end the search.
        (Some(_), Some(_)) => Policy::Malformed,
    }
}

/// The organizational domain: the public suffix and one label more (RFC 7489 §3.2).
pub(super) fn organization(domain: &Domain) -> Domain {
    psl::domain_str(domain.as_str())
        .and_then(|organization| Domain::parse(organization).ok())
        .unwrap_or_else(|| domain.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    // RFC 7489 §3.2
    #[test]
    fn organizations_by_the_list() {
        let check = |of: &str, expected: &str| {
            assert_eq!(organization(&domain(of)).as_str(), expected);
        };
        check("a.b.example.com", "example.com");
        check("a.example.co.uk", "example.co.uk");
        check("example.com", "example.com");
        check("co.uk", "co.uk");
        check("a.b.example.test", "example.test");
        check("[192.0.2.1]", "[192.0.2.1]");
    }

    #[test]
    fn authors_are_the_domains_in_from() {
        let check = |header: &str, expected: Option<&[&str]>| {
            let found = Authors::of(Header::find(header.as_bytes()).unwrap());
            let known = match &found {
                Authors::Known(domains) => Some(domains.iter().map(Domain::as_str).collect()),
                Authors::Claimed(_) | Authors::Unreadable => None,
            };
            assert_eq!(known, expected.map(<[&str]>::to_vec), "{header}");
        };
        check("From: A <a@Example.com>\r\n", Some(&["example.com"]));
        check(
            "From: a@a.example, b@b.example, c@a.example\r\n",
            Some(&["a.example", "b.example"]),
        );
        check("From: a@a.example\r\nFrom: a@b.example\r\n", None);
        check("To: a@a.example\r\n", None);
        check("From: a\r\n", None);
        check("From: a@a.a, a@b.a, a@c.a, a@d.a, a@e.a\r\n", None);
    }
}
