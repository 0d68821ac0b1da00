//! DKIM: who signed the message (RFC 6376 §6).

use futures_util::future::join_all;
use postbell_mail::authentication::signature::{Names, Signature, SignatureError};
use postbell_mail::dkim::canonical::Canonicalization;
use postbell_mail::header::{Field, Header};
use postbell_model::authentication::{DkimAlgorithm, DkimResult, Verdict};

use super::body::Body;
use super::key::{Fault, Lookup, fault};

/// Signatures that are looked at; the first ones in the header are the newest.
const SIGNATURES_MAX: usize = 10;
/// Each name of a signature is looked for among all fields, so there is a limit to both.
const FIELDS_MAX: usize = 1_000;

pub(super) async fn verify(
    lookup: &Lookup<'_>,
    header: Header<'_>,
    body: &Body<'_>,
) -> Vec<DkimResult> {
    let signatures: Vec<_> = signatures(header).collect();
    if signatures.is_empty() {
        return Vec::new();
    }
    let message = Message::of(header, body);
    let checks = signatures.iter().map(|field| async {
        let checked = check(lookup, &message, field).await;
        result(field, checked.err())
    });
    join_all(checks).await
}

/// What is said where there was no time to look.
pub(super) fn undecided(header: Header<'_>) -> Vec<DkimResult> {
    let slow = fault(Verdict::TempError, "it took too long");
    signatures(header)
        .map(|field| result(&field, Some(slow)))
        .collect()
}

fn signatures(header: Header<'_>) -> impl Iterator<Item = Field<'_>> {
    header
        .fields()
        .filter(|field| field.is("DKIM-Signature"))
        .take(SIGNATURES_MAX)
}

fn result(field: &Field<'_>, fault: Option<Fault>) -> DkimResult {
    let names = Names::read(field.value());
    DkimResult {
        verdict: fault.map_or(Verdict::Pass, |fault| fault.verdict),
        domain: names.domain,
        selector: names.selector,
        algorithm: names.algorithm,
        reason: fault.map(|fault| fault.reason.to_owned()),
    }
}

/// What a signature is about.
pub(super) struct Message<'a> {
    header: Header<'a>,
    /// One more than is looked at, where there are more.
    fields: Vec<Field<'a>>,
    body: &'a Body<'a>,
}

impl<'a> Message<'a> {
    pub(super) fn of(header: Header<'a>, body: &'a Body<'a>) -> Self {
        Self {
            header,
            fields: header.fields().take(FIELDS_MAX + 1).collect(),
            body,
        }
    }
}

async fn check(lookup: &Lookup<'_>, message: &Message<'_>, field: &Field<'_>) -> Result<(), Fault> {
    let signature = Signature::dkim(field.value()).map_err(|error| malformed(&error))?;
    check_signature(lookup, message, field, &signature).await
}

/// Everything that DKIM-Signature and ARC-Message-Signature have in common.
pub(super) async fn check_signature(
    lookup: &Lookup<'_>,
    message: &Message<'_>,
    field: &Field<'_>,
    signature: &Signature,
) -> Result<(), Fault> {
    // RFC 8301 §3.1: SHA-1 does not count, whatever else.
    if signature.algorithm == DkimAlgorithm::RsaSha1 {
        return Err(fault(Verdict::Policy, "rsa-sha1 does not count"));
    }
    if signature.is_over(lookup.clock.now()) {
        return Err(fault(Verdict::Policy, "the signature has expired"));
    }
    if message.fields.len() > FIELDS_MAX {
        return Err(fault(Verdict::Policy, "the header has too many fields"));
    }
    let key = lookup.key(&signature.selector, &signature.domain).await?;
    // RFC 6376 §3.6.1: t=s wants the identity in the very domain.
    if key.is_exact && signature.identity != signature.domain {
        return Err(fault(Verdict::PermError, "the key is for another identity"));
    }
    let (hash, length) = message.body.hash(signature.body).await;
    match signature.length {
        // RFC 6376 §8.2: what others may append to is not signed.
        Some(signed) if signed < length => {
            return Err(fault(Verdict::Policy, "only a part of the body is signed"));
        }
        Some(signed) if signed > length => {
            return Err(fault(
                Verdict::Fail,
                "the body is shorter than what was signed",
            ));
        }
        _ => {}
    }
    if signature.body_hash != hash {
        return Err(fault(Verdict::Fail, "the body was changed"));
    }
    let signed = signed_octets(message, field, signature);
    key.verify(signature.algorithm, &signed, &signature.value)
}

// RFC 6376 §3.7, §5.4.2
fn signed_octets(message: &Message<'_>, field: &Field<'_>, signature: &Signature) -> Vec<u8> {
    let mut octets = Vec::with_capacity(2_048);
    let form: Canonicalization = signature.header;
    for (index, name) in signature.fields.iter().enumerate() {
        let earlier = signature.fields.iter().take(index);
        let used = earlier.filter(|earlier| *earlier == name).count();
        // Of several fields of a name, the last one counts first.
        let mut named = message.fields.iter().rev().filter(|field| field.is(name));
        if let Some(field) = named.nth(used) {
            form.field(message.header, field, &mut octets);
            octets.extend_from_slice(b"\r\n");
        }
    }
    form.own_field(message.header, field, &mut octets);
    octets
}

// RFC 8601 §2.7.1: what can't be read is neutral; what has to be there and is not, an error.
pub(super) fn malformed(error: &SignatureError) -> Fault {
    match error {
        SignatureError::Tags(_) => fault(Verdict::Neutral, "the signature is malformed"),
        SignatureError::Missing(_) => fault(Verdict::PermError, "the signature lacks a tag"),
        SignatureError::Value("v") => fault(Verdict::Neutral, "the version is unknown"),
        SignatureError::Value(_) => fault(Verdict::Neutral, "a tag has an impossible value"),
        SignatureError::Algorithm => fault(Verdict::Neutral, "the algorithm is unknown"),
        SignatureError::FromUnsigned => fault(Verdict::PermError, "From is not signed"),
        SignatureError::TooManyFields => fault(Verdict::Policy, "too many fields are named"),
    }
}
