//! SCRAM-SHA-256: the messages of the exchange (RFC 5802 §7, RFC 7677), without a single hash.
//!
//! Whoever has the keys is asked twice: for salt and nonce, and whether the proof is right; here
//! is what is said, and that the two halves of the exchange belong together.
//!
//! Refused: channel binding (`p=`), which is announced by no name that ends in -PLUS, extensions
//! that must be understood, names that RFC 4013 would have to change.

use data_encoding::BASE64;

use crate::server::ScramChallenge;

/// Octets of a proof: one SHA-256.
const PROOF_LEN: usize = 32;

/// The client's first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct First {
    pub(super) username: String,
    /// Whom it wants to act for, where it says so.
    pub(super) identity: Option<String>,
    /// What stands before the message proper, to be repeated in base64 by the last message.
    gs2: String,
    nonce: String,
    bare: String,
}

/// The client's last message is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct Expected {
    binding: String,
    nonce: String,
    /// The client's first message and the server's, as the proof is over them.
    said: String,
}

/// The client's last message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Last {
    /// What the proof is over: `AuthMessage` of RFC 5802 §3.
    pub(super) auth_message: String,
    pub(super) proof: [u8; PROOF_LEN],
}

impl First {
    /// Reads the message; `None`: it is none.
    pub(super) fn parse(response: &[u8]) -> Option<Self> {
        let text = printable(response)?;
        let (flag, rest) = text.split_once(',')?;
        // `y`: the client could bind the channel and believes that we can't, which is so.
        if !matches!(flag, "n" | "y") {
            return None;
        }
        let (identity, bare) = rest.split_once(',')?;
        let gs2 = text.get(..text.len() - bare.len())?;
        let identity = match identity {
            "" => None,
            identity => Some(name(identity.strip_prefix("a=")?)?),
        };
        // RFC 5802 §5.1: `m=` stands first where there is an extension that must be understood;
        // what follows the nonce may be passed over.
        let mut parts = bare.split(',');
        let username = name(parts.next()?.strip_prefix("n=")?)?;
        let nonce = parts.next()?.strip_prefix("r=")?;
        if nonce.is_empty() || !parts.all(is_extension) {
            return None;
        }
        Some(Self {
            username,
            identity,
            gs2: gs2.to_owned(),
            nonce: nonce.to_owned(),
            bare: bare.to_owned(),
        })
    }

    /// The server's answer, and what is expected then.
    pub(super) fn answered(self, challenge: &ScramChallenge) -> (String, Expected) {
        let nonce = format!("{}{}", self.nonce, challenge.nonce);
        let salt = BASE64.encode(&challenge.salt);
        let answer = format!("r={nonce},s={salt},i={}", challenge.iterations);
        let expected = Expected {
            binding: BASE64.encode(self.gs2.as_bytes()),
            nonce,
            said: format!("{},{answer}", self.bare),
        };
        (answer, expected)
    }
}

impl Expected {
    /// Reads the client's last message; `None`: it is none, or belongs to another exchange.
    pub(super) fn parse(&self, response: &[u8]) -> Option<Last> {
        let text = printable(response)?;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let proof = BASE64.decode(proof.as_bytes()).ok()?.try_into().ok()?;
        let mut parts = without_proof.split(',');
        let binding = parts.next()?.strip_prefix("c=")?;
        let nonce = parts.next()?.strip_prefix("r=")?;
        if binding != self.binding || nonce != self.nonce || !parts.all(is_extension) {
            return None;
        }
        Some(Last {
            auth_message: format!("{},{without_proof}", self.said),
            proof,
        })
    }
}

/// The server's last message: that it knows the keys, too.
pub(super) fn verifier(signature: &[u8]) -> String {
    format!("v={}", BASE64.encode(signature))
}

/// RFC 5802 §5.1: `=2C` is a comma and `=3D` the sign itself. RFC 4013 leaves printable ASCII as
/// it is; no username has anything else.
fn name(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = match part.split_at_checked(2)? {
            ("2C", rest) => (',', rest),
            ("3D", rest) => ('=', rest),
            _ => return None,
        };
        name.push(escaped);
        name.push_str(rest);
    }
    (!name.is_empty()).then_some(name)
}

// RFC 5802 §7: a letter, an equals sign and a value. `m` is the one that must be understood.
fn is_extension(part: &str) -> bool {
    match part.as_bytes() {
        [b'm', ..] => false,
        [letter, b'=', _, ..] => letter.is_ascii_alphabetic(),
        _ => false,
    }
}

fn printable(octets: &[u8]) -> Option<&str> {
    let good = octets.iter().all(|b| (0x20..0x7f).contains(b));
    good.then(|| str::from_utf8(octets).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of RFC 7677 §3.
    const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const LAST: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn challenge() -> ScramChallenge {
        ScramChallenge {
            salt: BASE64.decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(),
            iterations: 4096,
            nonce: SERVER_NONCE.to_owned(),
        }
    }

    #[test]
    fn the_example_of_the_rfc() {
        let first = First::parse(FIRST.as_bytes()).unwrap();
        assert_eq!((first.username.as_str(), &first.identity), ("user", &None));
        let (answer, expected) = first.answered(&challenge());
        assert_eq!(
            answer,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = expected.parse(LAST.as_bytes()).unwrap();
        assert_eq!(
            last.auth_message,
            format!(
                "{},{answer},{}",
                &FIRST[3..],
                &LAST[..LAST.find(",p=").unwrap()]
            )
        );
        assert_eq!(last.proof[..2], [0x74, 0x7c]);
    }

    #[test]
    fn first_messages() {
        let read = |text: &str| First::parse(text.as_bytes()).map(|f| (f.username, f.identity));
        let user = |name: &str| Some((name.to_owned(), None));
        assert_eq!(read("y,,n=user,r=x"), user("user"));
        assert_eq!(read("n,,n=a=2Cb=3Dc,r=x"), user("a,b=c"));
        assert_eq!(read("n,,n=user,r=x,t=more"), user("user"));
        assert_eq!(
            read("n,a=other,n=user,r=x"),
            Some(("user".to_owned(), Some("other".to_owned())))
        );
        for bad in [
            "",
            "n",
            "n,,",
            "n,,n=user",
            "n,,n=user,r=",
            "n,,n=,r=x",
            "n,,r=x,n=user",
            "n,,m=new,n=user,r=x",
            "n,,n=user,r=x,m=new",
            "n,,n=user,r=x,",
            "n,,n=user,r=x,1=2",
            "n,,n=a=2cb,r=x",
            "n,,n=a=,r=x",
            "n,,n=jörg,r=x",
            "n,,n=us\ner,r=x",
            "n,b=other,n=user,r=x",
            "n,a=,n=user,r=x",
            "p=tls-exporter,,n=user,r=x",
            "N,,n=user,r=x",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn last_messages_belong_to_their_first() {
        let first = First::parse(FIRST.as_bytes()).unwrap();
        let (_, expected) = first.answered(&challenge());
        assert!(
            expected
                .parse(LAST.replace(",p=", ",x=y,p=").as_bytes())
                .is_some()
        );
        for (what, by) in [
            ("c=biws", "c=eSws"),
            ("c=biws,", ""),
            ("r=rOpr", "r=rOpR"),
            ("k0,", "k1,"),
            (",p=", ",q="),
            (",p=", ",m=x,p="),
            ("VQ=", "VQ"),
            ("dHzb", ""),
        ] {
            assert_eq!(
                expected.parse(LAST.replace(what, by).as_bytes()),
                None,
                "{by}"
            );
        }
    }
}
