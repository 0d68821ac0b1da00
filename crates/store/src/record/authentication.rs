//! What was found out about a sender: in payloads and in columns.

use postbell_model::Domain;
use postbell_model::authentication::{
    Aligned, ArcResult, Authentication, DkimResult, DmarcRequest, DmarcResult, SpfResult,
};
use serde::{Deserialize, Serialize};

use super::inbound::{named, parse};
use super::json;

/// What was found out about a sender; in payloads and in a column.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct AuthenticationRecord {
    spf: (String, String, Option<String>),
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dkim: Vec<DkimRecord>,
    dmarc: DmarcRecord,
    arc: (String, u8, Option<String>),
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct DkimRecord {
    verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct DmarcRecord {
    verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<(String, u8)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aligned: Vec<(String, String)>,
}

/// What was found out about a sender, as it stands in a column.
pub(crate) fn write_authentication(authentication: &Authentication) -> String {
    json(&authentication_record(authentication))
}

/// Reads the column back.
pub(crate) fn read_authentication(column: &str) -> Result<Authentication, String> {
    sender(parse(column)?)
}

pub(super) fn authentication_record(authentication: &Authentication) -> AuthenticationRecord {
    let Authentication {
        spf,
        dkim,
        dmarc,
        arc,
    } = authentication;
    let text = |domain: &Option<Domain>| domain.as_ref().map(|domain| domain.as_str().to_owned());
    let dkim = dkim.iter().map(|signature| DkimRecord {
        verdict: signature.verdict.name().to_owned(),
        domain: text(&signature.domain),
        selector: signature.selector.clone(),
        algorithm: signature
            .algorithm
            .map(|algorithm| algorithm.name().to_owned()),
        reason: signature.reason.clone(),
    });
    let aligned = dmarc.aligned.iter().map(|aligned| match aligned {
        Aligned::Spf(domain) => ("spf".to_owned(), domain.as_str().to_owned()),
        Aligned::Dkim(domain) => ("dkim".to_owned(), domain.as_str().to_owned()),
    });
    let request = dmarc
        .request
        .map(|request| (request.policy.name().to_owned(), request.percent));
    AuthenticationRecord {
        spf: (
            spf.verdict.name().to_owned(),
            spf.identity.name().to_owned(),
            text(&spf.domain),
        ),
        dkim: dkim.collect(),
        dmarc: DmarcRecord {
            verdict: dmarc.verdict.name().to_owned(),
            from: text(&dmarc.from),
            request,
            aligned: aligned.collect(),
        },
        arc: (arc.verdict.name().to_owned(), arc.sets, text(&arc.sealer)),
    }
}

pub(super) fn sender(record: AuthenticationRecord) -> Result<Authentication, String> {
    let domain = |text: Option<String>| text.and_then(|text| Domain::parse(&text).ok());
    let dkim = record.dkim.into_iter().map(|signature| {
        let algorithm = signature.algorithm;
        Ok::<_, String>(DkimResult {
            verdict: named(Some(signature.verdict), "verdict")?,
            domain: domain(signature.domain),
            selector: signature.selector,
            algorithm: algorithm
                .map(|name| named(Some(name), "algorithm"))
                .transpose()?,
            reason: signature.reason,
        })
    });
    let aligned = record.dmarc.aligned.into_iter().filter_map(|(by, name)| {
        let domain = Domain::parse(&name).ok()?;
        Some(match by.as_str() {
            "spf" => Aligned::Spf(domain),
            _ => Aligned::Dkim(domain),
        })
    });
    let request = record.dmarc.request.map(|(policy, percent)| {
        let policy = named(Some(policy), "policy")?;
        Ok::<_, String>(DmarcRequest { policy, percent })
    });
    let (spf_verdict, identity, spf_domain) = record.spf;
    let (arc_verdict, sets, sealer) = record.arc;
    Ok(Authentication {
        spf: SpfResult {
            verdict: named(Some(spf_verdict), "verdict")?,
            identity: named(Some(identity), "identity")?,
            domain: domain(spf_domain),
        },
        dkim: dkim.collect::<Result<_, _>>()?,
        dmarc: DmarcResult {
            verdict: named(Some(record.dmarc.verdict), "verdict")?,
            from: domain(record.dmarc.from),
            request: request.transpose()?,
            aligned: aligned.collect(),
        },
        arc: ArcResult {
            verdict: named(Some(arc_verdict), "verdict")?,
            sets,
            sealer: domain(sealer),
        },
    })
}
