//! Our own set on a message that we forward (RFC 8617 §5.1).

use std::fmt::Write;

use bytes::Bytes;
use data_encoding::BASE64;
use postbell_model::authentication::{Authentication, Verdict};
use postbell_model::{Domain, KeyAlgorithm, Timestamp};

use super::chain::Chain;
use crate::authentication::results;
use crate::authentication::signature::SETS_MAX;
use crate::dkim::canonical::relaxed_field;
use crate::dkim::key::KeyError;
use crate::dkim::{Message, Signer, fields, push_folded};
use crate::header::{Header, HeaderError};

/// Octets of a line of field names.
const LINE: usize = 72;

/// Why a message is not sealed. It can be forwarded all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The chain that it came with did not hold.
    #[error("its chain is broken")]
    Broken,
    /// It came with 50 sets (RFC 8617 §5.1.3).
    #[error("its chain is as long as chains may be")]
    Full,
    /// Nobody could say whether its chain holds, or it is not the chain that was looked at.
    #[error("its chain was not verified")]
    Unverified,
    /// RFC 8617 §4.1.2: ARC is signed with RSA.
    #[error("the key is not an RSA key")]
    Algorithm,
    /// Its header is too long.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The key does not work.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The three fields of our set, to be put in front of a message as it goes out.
///
/// `chunks` are the octets as they go out, signed by DKIM already; `found` is what was found out
/// when it came in. Costs one look at each octet and two private key operations.
///
/// # Errors
/// Says why nobody could make anything of our seal.
pub fn seal(
    chunks: &[Bytes],
    signer: &Signer,
    authserv_id: &Domain,
    found: &Authentication,
    at: Timestamp,
) -> Result<Bytes, SealError> {
    if signer.key.algorithm() != KeyAlgorithm::Rsa {
        return Err(SealError::Algorithm);
    }
    let message = Message::find(chunks)?;
    let header = Header::of(&message.head);
    let chain = chain_to_seal(header, found)?;
    let before = chain.as_ref().map_or(0, |chain| chain.sets.len());
    let maker = Maker {
        signer,
        instance: before + 1,
        at,
    };
    let results = results::value(authserv_id, None, found);
    let results = format!(
        "ARC-Authentication-Results: i={}; {results}",
        maker.instance
    );
    let signature = maker.signature(header, &message.body_hash())?;
    let mut covered = chain.map_or_else(Vec::new, |chain| chain.octets().to_vec());
    for field in [&results, &signature] {
        push_relaxed(field, &mut covered);
        covered.extend_from_slice(b"\r\n");
    }
    let state = if before == 0 { "none" } else { "pass" };
    let seal = maker.seal(state, covered)?;
    Ok(Bytes::from(format!("{seal}{signature}{results}\r\n")))
}

fn chain_to_seal<'a>(
    header: Header<'a>,
    found: &Authentication,
) -> Result<Option<Chain<'a>>, SealError> {
    match found.arc.verdict {
        Verdict::None | Verdict::Pass => {}
        Verdict::Fail => return Err(SealError::Broken),
        _ => return Err(SealError::Unverified),
    }
    let chain = Chain::find(header).map_err(|_| SealError::Broken)?;
    let sets = chain.as_ref().map_or(0, |chain| chain.sets.len());
    let held = (found.arc.verdict == Verdict::Pass) == (sets > 0);
    if !held || sets != usize::from(found.arc.sets) {
        return Err(SealError::Unverified);
    }
    if sets >= usize::from(SETS_MAX) {
        return Err(SealError::Full);
    }
    Ok(chain)
}

struct Maker<'s> {
    signer: &'s Signer,
    instance: usize,
    at: Timestamp,
}

impl Maker<'_> {
    /// ARC-Message-Signature, with its line end.
    // RFC 8617 §4.1.2: like a DKIM-Signature, which are covered as well; no field of ARC is.
    fn signature(&self, header: Header<'_>, body_hash: &[u8]) -> Result<String, KeyError> {
        let (names, mut signed) = fields::signed(header, &["DKIM-Signature"]);
        let mut field = format!(
            "ARC-Message-Signature: i={}; a=rsa-sha256; c=relaxed/relaxed;\r\n\t{};\r\n\th=",
            self.instance,
            self.signer_and_time()
        );
        let mut column = 10;
        for (index, name) in names.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            if column + name.len() > LINE {
                let _ = write!(field, "{colon}\r\n\t {name}");
                column = name.len() + 9;
            } else {
                let _ = write!(field, "{colon}{name}");
                column += name.len() + 1;
            }
        }
        let _ = write!(field, ";\r\n\tbh={};\r\n\tb=", BASE64.encode(body_hash));
        self.sign(field, &mut signed)
    }

    /// ARC-Seal, with its line end.
    // RFC 8617 §4.1.3, §5.1.1
    fn seal(&self, state: &str, mut covered: Vec<u8>) -> Result<String, KeyError> {
        let field = format!(
            "ARC-Seal: i={}; a=rsa-sha256; cv={state};\r\n\t{};\r\n\tb=",
            self.instance,
            self.signer_and_time()
        );
        self.sign(field, &mut covered)
    }

    fn signer_and_time(&self) -> String {
        let Signer {
            domain, selector, ..
        } = self.signer;
        format!("d={domain}; s={selector}; t={}", self.at.as_seconds())
    }

    /// The field with the signature of what is covered and of the field itself.
    fn sign(&self, mut field: String, covered: &mut Vec<u8>) -> Result<String, KeyError> {
        push_relaxed(&field, covered);
        let signature = self.signer.key.sign(covered)?;
        push_folded(&mut field, &BASE64.encode(&signature));
        Ok(field)
    }
}

fn push_relaxed(field: &str, out: &mut Vec<u8>) {
    let (name, value) = field.split_once(':').unwrap_or((field, ""));
    relaxed_field(name.as_bytes(), value.trim_end().as_bytes(), out);
}
