//! Who a message is from, as far as SPF, DKIM, DMARC and ARC could tell, in the words of RFC 8601.

use std::borrow::Cow;

use postbell_model::{Aligned, Authentication, DkimResult, Domain};
use serde::Serialize;

use super::one_line;

#[derive(Serialize)]
pub(super) struct Verdicts<'a> {
    spf: Spf<'a>,
    dkim: Vec<Dkim<'a>>,
    dmarc: Dmarc<'a>,
    arc: Arc<'a>,
}

#[derive(Serialize)]
struct Spf<'a> {
    result: &'static str,
    identity: &'static str,
    domain: Option<&'a str>,
}

#[derive(Serialize)]
struct Dkim<'a> {
    result: &'static str,
    domain: Option<&'a str>,
    selector: Option<Cow<'a, str>>,
    algorithm: Option<&'static str>,
    reason: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Dmarc<'a> {
    result: &'static str,
    from: Option<&'a str>,
    policy: Option<&'static str>,
    percent: Option<u8>,
    aligned: Vec<AlignedDomain<'a>>,
}

#[derive(Serialize)]
struct AlignedDomain<'a> {
    by: &'static str,
    domain: &'a str,
}

#[derive(Serialize)]
struct Arc<'a> {
    result: &'static str,
    sets: u8,
    sealer: Option<&'a str>,
}

impl<'a> Verdicts<'a> {
    pub(super) fn new(found: &'a Authentication) -> Self {
        let Authentication {
            spf,
            dkim,
            dmarc,
            arc,
        } = found;
        Self {
            spf: Spf {
                result: spf.verdict.name(),
                identity: spf.identity.name(),
                domain: spf.domain.as_ref().map(Domain::as_str),
            },
            dkim: dkim.iter().map(signature).collect(),
            dmarc: Dmarc {
                result: dmarc.verdict.name(),
                from: dmarc.from.as_ref().map(Domain::as_str),
                policy: dmarc.request.map(|request| request.policy.name()),
                percent: dmarc.request.map(|request| request.percent),
                aligned: dmarc.aligned.iter().map(aligned).collect(),
            },
            arc: Arc {
                result: arc.verdict.name(),
                sets: arc.sets,
                sealer: arc.sealer.as_ref().map(Domain::as_str),
            },
        }
    }
}

fn signature(found: &DkimResult) -> Dkim<'_> {
    Dkim {
        result: found.verdict.name(),
        domain: found.domain.as_ref().map(Domain::as_str),
        selector: found.selector.as_deref().map(one_line),
        algorithm: found.algorithm.map(|algorithm| algorithm.name()),
        reason: found.reason.as_deref().map(one_line),
    }
}

fn aligned(found: &Aligned) -> AlignedDomain<'_> {
    let (by, domain) = match found {
        Aligned::Spf(domain) => ("spf", domain),
        Aligned::Dkim(domain) => ("dkim", domain),
    };
    let domain = domain.as_str();
    AlignedDomain { by, domain }
}
