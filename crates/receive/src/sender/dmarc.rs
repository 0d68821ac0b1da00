//! DMARC: whether what passed belongs to the domain in From, and what its owner asks for
//! (RFC 7489 §6.6).
//!
//! Whose a domain is follows from the list of public suffixes that is compiled in.

use futures_util::future::join_all;
use postbell_mail::authentication::dmarc::{Record, aligned, is_dmarc};
use postbell_mail::header::Header;
use postbell_mail::mailbox::read_list;
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
    /// From is not there, is there twice, or can be read in two ways.
    Unreadable,
}

/// What the DNS says of the domains in From.
#[derive(Debug)]
pub(super) enum Policies {
    Found(Vec<(Domain, Policy)>),
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
        let mut fields = header.fields().filter(|field| field.is("From"));
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Self::Unreadable;
        };
        let Ok(mailboxes) = read_list(&field.unfolded()) else {
            return Self::Unreadable;
        };
        let mut domains: Vec<Domain> = Vec::new();
        for mailbox in mailboxes {
            if !domains.contains(mailbox.domain()) {
                domains.push(mailbox.domain().clone());
            }
            if domains.len() > AUTHORS_MAX {
                return Self::Unreadable;
            }
        }
        Self::Known(domains)
    }

    pub(super) async fn policies(&self, questions: &Questions<'_>) -> Policies {
        let Self::Known(domains) = self else {
            return Policies::Unreadable;
        };
        let found = domains
            .iter()
            .map(|domain| async move { (domain.clone(), policy(questions, domain).await) });
        Policies::Found(join_all(found).await)
    }

    /// What is said where there was no time to look.
    pub(super) fn undecided(&self) -> DmarcResult {
        match self {
            Self::Known(domains) => of(domains.first(), Verdict::TempError),
            Self::Unreadable => of(None, Verdict::PermError),
        }
    }
}

/// The result for From, of what SPF and DKIM found.
pub(super) fn evaluate(policies: Policies, spf: &SpfResult, dkim: &[DkimResult]) -> DmarcResult {
    let Policies::Found(found) = policies else {
        return of(None, Verdict::PermError);
    };
    // RFC 7489 §6.6.1: of several domains in From, that counts which is worst off.
    found
        .into_iter()
        .map(|(from, policy)| evaluate_one(&from, &policy, spf, dkim))
        .max_by_key(severity)
        .unwrap_or_default()
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
                Authors::Unreadable => None,
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
