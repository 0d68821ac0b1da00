//! ARC: whether the chain of those who forwarded the message holds (RFC 8617 §5.2).

use postbell_mail::arc::Chain;
use postbell_mail::authentication::signature::Signature;
use postbell_mail::dkim::canonical::Canonicalization;
use postbell_mail::header::Header;
use postbell_model::authentication::{ArcResult, DkimAlgorithm, Verdict};

use super::body::Body;
use super::dkim::{Message, check_signature, malformed};
use super::key::{Fault, Lookup, fault};

pub(super) async fn verify(lookup: &Lookup<'_>, header: Header<'_>, body: &Body<'_>) -> ArcResult {
    let chain = match Chain::find(header) {
        Ok(Some(chain)) => chain,
        Ok(None) => return ArcResult::default(),
        Err(_) => return broken(header),
    };
    let verdict = match check(lookup, header, body, &chain).await {
        Ok(()) => Verdict::Pass,
        Err(Fault {
            verdict: Verdict::TempError,
            ..
        }) => Verdict::TempError,
        // RFC 8617 §4.4: a chain holds, or it does not.
        Err(_) => Verdict::Fail,
    };
    result(&chain, verdict)
}

/// What is said where there was no time to look.
pub(super) fn undecided(header: Header<'_>) -> ArcResult {
    match Chain::find(header) {
        Ok(Some(chain)) => result(&chain, Verdict::TempError),
        Ok(None) => ArcResult::default(),
        Err(_) => broken(header),
    }
}

/// A chain that can't hold, whatever its keys.
fn broken(header: Header<'_>) -> ArcResult {
    let seals = header.fields().filter(|field| field.is("ARC-Seal"));
    ArcResult {
        verdict: Verdict::Fail,
        sets: u8::try_from(seals.count()).unwrap_or(u8::MAX),
        sealer: None,
    }
}

fn result(chain: &Chain<'_>, verdict: Verdict) -> ArcResult {
    ArcResult {
        verdict,
        sets: u8::try_from(chain.sets.len()).unwrap_or(u8::MAX),
        sealer: Some(chain.newest().sealed.domain.clone()),
    }
}

// RFC 8617 §5.2, steps 4 and 6; step 5, where the message was last changed, is left out.
async fn check(
    lookup: &Lookup<'_>,
    header: Header<'_>,
    body: &Body<'_>,
    chain: &Chain<'_>,
) -> Result<(), Fault> {
    let message = Message::of(header, body);
    let field = &chain.newest().signature;
    let (_, signature) = Signature::arc(field.value()).map_err(|error| malformed(&error))?;
    check_algorithm(signature.algorithm)?;
    check_signature(lookup, &message, field, &signature).await?;
    for (index, set) in chain.sets.iter().enumerate().rev() {
        check_algorithm(set.sealed.algorithm)?;
        let key = lookup.key(&set.sealed.selector, &set.sealed.domain).await?;
        let covered = chain.covered(index);
        let mut octets = Vec::with_capacity(covered.len() + 1_024);
        octets.extend_from_slice(covered);
        Canonicalization::Relaxed.own_field(header, &set.seal, &mut octets);
        key.verify(set.sealed.algorithm, &octets, &set.sealed.value)?;
    }
    Ok(())
}

// RFC 8617 §4.1: RSA with SHA-256.
// Deviation: Ed25519 counts as well, as it does for DKIM (RFC 8463).
fn check_algorithm(algorithm: DkimAlgorithm) -> Result<(), Fault> {
    match algorithm {
        DkimAlgorithm::RsaSha256 | DkimAlgorithm::Ed25519Sha256 => Ok(()),
        DkimAlgorithm::RsaSha1 => Err(fault(Verdict::Fail, "rsa-sha1 does not count")),
    }
}
