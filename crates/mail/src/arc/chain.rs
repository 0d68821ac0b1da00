//! The sets of a message: results, signature and seal of each that forwarded it (RFC 8617 §4).

use crate::authentication::signature::{
    ChainState, Seal, SignatureError, results_instance, signature_instance,
};
use crate::dkim::canonical::relaxed_field;
use crate::header::{Field, Header};

const RESULTS: &str = "ARC-Authentication-Results";
const SIGNATURE: &str = "ARC-Message-Signature";
const SEAL: &str = "ARC-Seal";

/// Why a message has no chain that could hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// One of its fields is malformed, or says that it is of a 51st set (RFC 8617 §4.2.1).
    #[error("a field of the chain is malformed: {0}")]
    Malformed(#[from] SignatureError),
    /// A set lacks one of its fields, or has one twice.
    #[error("a set of the chain is not complete")]
    Incomplete,
    /// A seal says of the chain before it what can't be (RFC 8617 §5.2).
    #[error("a seal says that the chain was broken already")]
    Broken,
}

/// The fields of one who forwarded the message.
#[derive(Debug, Clone)]
pub struct Set<'a> {
    /// What was found.
    pub results: Field<'a>,
    /// Over the message.
    pub signature: Field<'a>,
    /// Over the chain.
    pub seal: Field<'a>,
    /// What the seal says.
    pub sealed: Seal,
}

/// All sets of a message, the oldest first.
#[derive(Debug, Clone)]
pub struct Chain<'a> {
    /// At least one and at most 50.
    pub sets: Vec<Set<'a>>,
    /// The fields of all sets in canonical form.
    octets: Vec<u8>,
    /// Where in `octets` each set's seal begins.
    seals: Vec<usize>,
}

#[derive(Default, Clone)]
struct Places<'a> {
    results: Option<Field<'a>>,
    signature: Option<Field<'a>>,
    seal: Option<(Field<'a>, Seal)>,
}

impl<'a> Chain<'a> {
    /// Finds the chain of a message; none where there is no field of one. Linear in the header.
    ///
    /// # Errors
    /// There are such fields, and they are no chain that could hold.
    // RFC 8617 §5.2, steps 1 to 3.
    pub fn find(header: Header<'a>) -> Result<Option<Self>, ChainError> {
        let mut places: Vec<Places<'a>> = Vec::new();
        for field in header.fields() {
            let known = [RESULTS, SIGNATURE, SEAL];
            let Some(name) = known.into_iter().find(|name| field.is(name)) else {
                continue;
            };
            place(&mut places, name, field)?;
        }
        if places.is_empty() {
            return Ok(None);
        }
        let sets: Option<Vec<_>> = places.into_iter().map(Set::of).collect();
        let sets = sets.ok_or(ChainError::Incomplete)?;
        for (index, set) in sets.iter().enumerate() {
            let expected = match index {
                0 => ChainState::None,
                _ => ChainState::Pass,
            };
            if set.sealed.chain != expected {
                return Err(ChainError::Broken);
            }
        }
        Ok(Some(Self::of(sets)))
    }

    fn of(sets: Vec<Set<'a>>) -> Self {
        let mut chain = Self {
            octets: Vec::with_capacity(2048 * sets.len()),
            seals: Vec::with_capacity(sets.len()),
            sets: Vec::new(),
        };
        for set in &sets {
            chain.push(&set.results);
            chain.push(&set.signature);
            chain.seals.push(chain.octets.len());
            chain.push(&set.seal);
        }
        chain.sets = sets;
        chain
    }

    fn push(&mut self, field: &Field<'_>) {
        relaxed_field(field.name(), field.value(), &mut self.octets);
        self.octets.extend_from_slice(b"\r\n");
    }

    /// What the seal of a set covers before its own field: all sets before it, and the other two
    /// fields of its own (RFC 8617 §5.1.1).
    pub fn covered(&self, index: usize) -> &[u8] {
        let end = self.seals.get(index).copied().unwrap_or_default();
        self.octets.get(..end).unwrap_or_default()
    }

    /// All fields of the chain in canonical form.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The newest set.
    pub fn newest(&self) -> &Set<'a> {
        self.sets.last().expect("invariant: a chain has a set")
    }
}

impl<'a> Set<'a> {
    fn of(places: Places<'a>) -> Option<Self> {
        let (seal, sealed) = places.seal?;
        Some(Self {
            results: places.results?,
            signature: places.signature?,
            seal,
            sealed,
        })
    }
}

fn place<'a>(places: &mut Vec<Places<'a>>, name: &str, field: Field<'a>) -> Result<(), ChainError> {
    let (instance, seal) = match name {
        RESULTS => (results_instance(field.value())?, None),
        SIGNATURE => (signature_instance(field.value())?, None),
        _ => {
            let seal = Seal::read(field.value())?;
            (seal.instance, Some(seal))
        }
    };
    let index = usize::from(instance) - 1;
    if places.len() <= index {
        places.resize(index + 1, Places::default());
    }
    let Some(set) = places.get_mut(index) else {
        return Err(ChainError::Incomplete);
    };
    let twice = match (name, seal) {
        (_, Some(seal)) => set.seal.replace((field, seal)).is_some(),
        (RESULTS, None) => set.results.replace(field).is_some(),
        (_, None) => set.signature.replace(field).is_some(),
    };
    if twice {
        return Err(ChainError::Incomplete);
    }
    Ok(())
}
