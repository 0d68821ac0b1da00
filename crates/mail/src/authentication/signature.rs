//! What a signature says of itself: DKIM-Signature (RFC 6376 §3.5), ARC-Message-Signature and
//! ARC-Seal (RFC 8617 §4.1).
//!
//! Only what is said is checked here; whether it is true takes a key.

use data_encoding::{BASE64, BASE64_NOPAD};
use postbell_model::{DkimAlgorithm, Domain, Timestamp};

use super::tags::{TagError, Tags, items, squeezed};
use crate::dkim::canonical::Canonicalization;

/// A signature that names more fields is not checked: each is looked for in the whole header.
const FIELDS_MAX: usize = 256;
/// RFC 1035 §2.3.4, for the name that a selector is part of.
const SELECTOR_MAX: usize = 253;
/// RFC 8617 §4.2.1: a chain has at most 50 sets.
pub const SETS_MAX: u8 = 50;

/// What a signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// `d=`
    pub domain: Domain,
    /// `s=`
    pub selector: String,
    /// `a=`
    pub algorithm: DkimAlgorithm,
    /// Of the header, `c=`.
    pub header: Canonicalization,
    /// Of the body, `c=`.
    pub body: Canonicalization,
    /// `bh=`
    pub body_hash: Vec<u8>,
    /// How much of the body is signed, where it is not all, `l=`.
    pub length: Option<u64>,
    /// The names of the fields that are signed, `h=`.
    pub fields: Vec<String>,
    /// `b=`
    pub value: Vec<u8>,
    /// The domain of `i=`; `d=` where there is none.
    pub identity: Domain,
    /// In seconds, `t=`.
    pub made_at: Option<u64>,
    /// In seconds, `x=`.
    pub ends_at: Option<u64>,
}

/// What a seal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// `i=`, from 1 to 50.
    pub instance: u8,
    /// `d=`
    pub domain: Domain,
    /// `s=`
    pub selector: String,
    /// `a=`
    pub algorithm: DkimAlgorithm,
    /// What the sealer found of the chain before, `cv=`.
    pub chain: ChainState,
    /// `b=`
    pub value: Vec<u8>,
}

/// `cv=` (RFC 8617 §4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainState {
    /// There was none.
    None,
    /// It held.
    Pass,
    /// It did not.
    Fail,
}

/// Why a signature can't be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is no list of tags.
    #[error(transparent)]
    Tags(#[from] TagError),
    /// A tag that has to be there is not.
    #[error("{0}= is missing")]
    Missing(&'static str),
    /// A tag has a value that it can't have.
    #[error("{0}= has a value that it can't have")]
    Value(&'static str),
    /// Nobody knows this algorithm.
    #[error("the algorithm is unknown")]
    Algorithm,
    /// From is not signed (RFC 6376 §5.4).
    #[error("From is not signed")]
    FromUnsigned,
    /// It names more than 256 fields.
    #[error("it names too many fields")]
    TooManyFields,
}

/// The names in a signature, as far as they can be read, however broken the rest is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// `d=`
    pub domain: Option<Domain>,
    /// `s=`
    pub selector: Option<String>,
    /// `a=`
    pub algorithm: Option<DkimAlgorithm>,
}

impl Names {
    /// Reads them out of the value of a field.
    pub fn read(value: &[u8]) -> Self {
        let Ok(tags) = Tags::read(value) else {
            return Self::default();
        };
        Self {
            domain: domain(&tags).ok(),
            selector: selector(&tags).ok(),
            algorithm: algorithm(&tags).ok(),
        }
    }
}

impl Signature {
    /// Reads the value of a DKIM-Signature field.
    ///
    /// # Errors
    /// It is malformed, or says what nobody can check.
    pub fn dkim(value: &[u8]) -> Result<Self, SignatureError> {
        let tags = Tags::read(value)?;
        // RFC 6376 §3.5: a signature of another version, as of the drafts, is another thing.
        match tags.get("v") {
            None => return Err(SignatureError::Missing("v")),
            Some("1") => {}
            Some(_) => return Err(SignatureError::Value("v")),
        }
        check_query(&tags)?;
        let mut signature = Self::of(&tags)?;
        signature.identity = identity(&tags, &signature.domain)?;
        if signature.fields.is_empty() {
            return Err(SignatureError::Value("h"));
        }
        // RFC 6376 §6.1.1: From has to be signed.
        let signs_from = signature.fields.iter().any(|name| is(name, "from"));
        signs_from
            .then_some(signature)
            .ok_or(SignatureError::FromUnsigned)
    }

    /// Reads the value of an ARC-Message-Signature field, and its instance.
    ///
    /// # Errors
    /// It is malformed, or says what nobody can check.
    pub fn arc(value: &[u8]) -> Result<(u8, Self), SignatureError> {
        let tags = Tags::read(value)?;
        let instance = instance(&tags)?;
        // RFC 8617 §4.1.2: i= is the instance here, and there is no identity.
        let signature = Self::of(&tags)?;
        if signature.fields.iter().any(|name| is(name, "arc-seal")) {
            return Err(SignatureError::Value("h"));
        }
        Ok((instance, signature))
    }

    fn of(tags: &Tags<'_>) -> Result<Self, SignatureError> {
        let domain = domain(tags)?;
        let (header, body) = canonicalization(tags)?;
        let (made_at, ends_at) = (number(tags, "t")?, number(tags, "x")?);
        // RFC 6376 §3.5: x= has to be later than t=.
        if let (Some(made), Some(ends)) = (made_at, ends_at)
            && ends <= made
        {
            return Err(SignatureError::Value("x"));
        }
        Ok(Self {
            selector: selector(tags)?,
            algorithm: algorithm(tags)?,
            header,
            body,
            body_hash: base64(tags, "bh")?,
            length: number(tags, "l")?,
            fields: fields(tags)?,
            value: base64(tags, "b")?,
            identity: domain.clone(),
            made_at,
            ends_at,
            domain,
        })
    }

    /// Whether it says of itself that it counts no longer.
    pub fn is_over(&self, at: Timestamp) -> bool {
        let now = u64::try_from(at.as_seconds()).unwrap_or(0);
        self.ends_at.is_some_and(|end| end < now)
    }
}

impl Seal {
    /// Reads the value of an ARC-Seal field.
    ///
    /// # Errors
    /// It is malformed, or says what nobody can check.
    pub fn read(value: &[u8]) -> Result<Self, SignatureError> {
        let tags = Tags::read(value)?;
        // RFC 8617 §4.1.3: which fields are sealed is fixed, and so is their form.
        for name in ["h", "bh"] {
            if tags.get(name).is_some() {
                return Err(SignatureError::Value(name));
            }
        }
        number(&tags, "t")?;
        let chain = match tags.get("cv") {
            None => return Err(SignatureError::Missing("cv")),
            Some(cv) if is(cv, "none") => ChainState::None,
            Some(cv) if is(cv, "pass") => ChainState::Pass,
            Some(cv) if is(cv, "fail") => ChainState::Fail,
            Some(_) => return Err(SignatureError::Value("cv")),
        };
        Ok(Self {
            instance: instance(&tags)?,
            domain: domain(&tags)?,
            selector: selector(&tags)?,
            algorithm: algorithm(&tags)?,
            chain,
            value: base64(&tags, "b")?,
        })
    }
}

/// The instance of an ARC-Message-Signature field, whatever else it says.
///
/// # Errors
/// It has none, or is no list of tags.
pub fn signature_instance(value: &[u8]) -> Result<u8, SignatureError> {
    instance(&Tags::read(value)?)
}

/// The instance of an ARC-Authentication-Results field: `i=1; mx.example.net; …`.
///
/// # Errors
/// It does not begin with one.
// RFC 8617 §4.1.1: the instance comes first, before the authserv-id.
pub fn results_instance(value: &[u8]) -> Result<u8, SignatureError> {
    let end = memchr::memchr(b';', value).ok_or(SignatureError::Missing("i"))?;
    let tags = Tags::read(value.get(..end).unwrap_or_default())?;
    instance(&tags)
}

fn is(text: &str, word: &str) -> bool {
    text.eq_ignore_ascii_case(word)
}

fn required<'a>(tags: &Tags<'a>, name: &'static str) -> Result<&'a str, SignatureError> {
    tags.get(name).ok_or(SignatureError::Missing(name))
}

fn instance(tags: &Tags<'_>) -> Result<u8, SignatureError> {
    let text = required(tags, "i")?;
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|instance| digits && (1..=SETS_MAX).contains(instance))
        .ok_or(SignatureError::Value("i"))
}

fn domain(tags: &Tags<'_>) -> Result<Domain, SignatureError> {
    named(required(tags, "d")?).ok_or(SignatureError::Value("d"))
}

/// A name in the DNS: no address, and more than one label.
fn named(text: &str) -> Option<Domain> {
    let domain = Domain::parse(text).ok()?;
    let is_name = domain.literal().is_none() && domain.as_str().contains('.');
    is_name.then_some(domain)
}

fn selector(tags: &Tags<'_>) -> Result<String, SignatureError> {
    let text = required(tags, "s")?;
    // RFC 6376 §3.1: labels with dots between them.
    let parsed = Domain::parse(text).map_err(|_| SignatureError::Value("s"))?;
    if parsed.literal().is_some() || parsed.as_str().len() > SELECTOR_MAX {
        return Err(SignatureError::Value("s"));
    }
    Ok(parsed.as_str().to_owned())
}

fn algorithm(tags: &Tags<'_>) -> Result<DkimAlgorithm, SignatureError> {
    let text = required(tags, "a")?;
    let known = DkimAlgorithm::ALL;
    let found = known.iter().find(|algorithm| is(algorithm.name(), text));
    found.copied().ok_or(SignatureError::Algorithm)
}

fn canonicalization(
    tags: &Tags<'_>,
) -> Result<(Canonicalization, Canonicalization), SignatureError> {
    // RFC 6376 §3.5: simple where nothing is said, of the body alone as well.
    let Some(text) = tags.get("c") else {
        return Ok((Canonicalization::Simple, Canonicalization::Simple));
    };
    let (header, body) = text.split_once('/').unwrap_or((text, "simple"));
    let read = |name: &str| match name.trim() {
        name if is(name, "simple") => Ok(Canonicalization::Simple),
        name if is(name, "relaxed") => Ok(Canonicalization::Relaxed),
        _ => Err(SignatureError::Value("c")),
    };
    Ok((read(header)?, read(body)?))
}

fn base64(tags: &Tags<'_>, name: &'static str) -> Result<Vec<u8>, SignatureError> {
    let text = squeezed(required(tags, name)?);
    let decoded = BASE64
        .decode(text.as_bytes())
        .or_else(|_| BASE64_NOPAD.decode(text.trim_end_matches('=').as_bytes()));
    match decoded {
        Ok(octets) if !octets.is_empty() => Ok(octets),
        _ => Err(SignatureError::Value(name)),
    }
}

fn number(tags: &Tags<'_>, name: &'static str) -> Result<Option<u64>, SignatureError> {
    let Some(text) = tags.get(name) else {
        return Ok(None);
    };
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if !digits {
        return Err(SignatureError::Value(name));
    }
    // RFC 6376 §3.5: up to 76 digits; what is too large is as good as the largest.
    Ok(Some(text.parse().unwrap_or(u64::MAX)))
}

fn fields(tags: &Tags<'_>) -> Result<Vec<String>, SignatureError> {
    let text = required(tags, "h")?;
    if items(text).take(FIELDS_MAX + 1).count() > FIELDS_MAX {
        return Err(SignatureError::TooManyFields);
    }
    let names = items(text).filter(|name| !name.is_empty());
    Ok(names.map(str::to_ascii_lowercase).collect())
}

// RFC 6376 §3.5: the domain of i= is that of d= or lies below it.
fn identity(tags: &Tags<'_>, domain: &Domain) -> Result<Domain, SignatureError> {
    let Some(text) = tags.get("i") else {
        return Ok(domain.clone());
    };
    let text = squeezed(text);
    text.rsplit_once('@')
        .and_then(|(_, of)| named(of))
        .filter(|of| of.is_within(domain))
        .ok_or(SignatureError::Value("i"))
}

// RFC 6376 §3.5: of the ways to get a key one has to be known, and the DNS is the only one.
fn check_query(tags: &Tags<'_>) -> Result<(), SignatureError> {
    let known = tags
        .get("q")
        .is_none_or(|query| items(query).any(|method| is(method, "dns/txt")));
    known.then_some(()).ok_or(SignatureError::Value("q"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "v=1; a=rsa-sha256; c=relaxed; d=Example.com; s=Sel;\r\n\th=From : to;\r\n\t\
        bh=AQID; b=A Q\r\n I D; i=a@news.example.com; t=1; x=2; q=dns/txt";

    #[test]
    fn a_signature_is_read() {
        let signature = Signature::dkim(GOOD.as_bytes()).unwrap();
        assert_eq!(signature.domain.as_str(), "example.com");
        assert_eq!(signature.selector, "sel");
        assert_eq!(signature.header, Canonicalization::Relaxed);
        assert_eq!(signature.body, Canonicalization::Simple);
        assert_eq!(signature.fields, ["from", "to"]);
        assert_eq!(signature.value, [1, 2, 3]);
        assert_eq!(signature.identity.as_str(), "news.example.com");
        assert!(signature.is_over(Timestamp::from_micros(3_000_000)));
        assert!(!signature.is_over(Timestamp::from_micros(2_000_000)));
    }

    #[test]
    fn what_nobody_can_check_is_told() {
        let check = |from: &str, to: &str, expected| {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD);
            assert_eq!(Signature::dkim(text.as_bytes()), Err(expected), "{text}");
        };
        check("v=1", "v=2", SignatureError::Value("v"));
        check("v=1", "V=1", SignatureError::Missing("v"));
        check("From : to", "to", SignatureError::FromUnsigned);
        check("rsa-sha256", "rsa-md5", SignatureError::Algorithm);
        check("c=relaxed", "c=", SignatureError::Value("c"));
        check("bh=AQID", "bh=*", SignatureError::Value("bh"));
        check("bh=AQID", "bh=", SignatureError::Value("bh"));
        check("s=Sel", "s=", SignatureError::Value("s"));
        check("Example.com", "[192.0.2.1]", SignatureError::Value("d"));
        check("news.example", "newsexample", SignatureError::Value("i"));
        check("x=2", "x=1", SignatureError::Value("x"));
        check("t=1", "t=now", SignatureError::Value("t"));
        check("dns/txt", "http", SignatureError::Value("q"));
        let many = format!("From : to{}", ":a".repeat(256));
        check("From : to", &many, SignatureError::TooManyFields);
    }

    #[test]
    fn names_are_read_of_what_is_broken() {
        let names = Names::read(b"v=0.5; d=example.com; s=a; a=dsa-sha1");
        assert_eq!(names.domain, Domain::parse("example.com").ok());
        assert_eq!(names.selector.as_deref(), Some("a"));
        assert_eq!(names.algorithm, None);
        assert_eq!(
            Names::read(b"d=example.com; d=example.org"),
            Names::default()
        );
    }

    #[test]
    fn a_seal_is_read() {
        let good = "i=1; a=rsa-sha256; cv=none; d=example.com; s=a; t=1; b=AQID";
        let seal = Seal::read(good.as_bytes()).unwrap();
        assert_eq!((seal.instance, seal.chain), (1, ChainState::None));
        let check = |from: &str, to: &str, expected| {
            let text = good.replace(from, to);
            assert_eq!(Seal::read(text.as_bytes()), Err(expected), "{text}");
        };
        check("i=1", "i=0", SignatureError::Value("i"));
        check("i=1", "i=51", SignatureError::Value("i"));
        check("i=1", "i=+1", SignatureError::Value("i"));
        check("none", "maybe", SignatureError::Value("cv"));
        check("t=1", "h=from", SignatureError::Value("h"));
        assert_eq!(results_instance(b" i=7; mx.example.net; none"), Ok(7));
        assert!(results_instance(b"mx.example.net; i=7").is_err());
        assert!(results_instance(b"i=7").is_err());
    }
}
