//! Key records in the DNS (RFC 6376 §3.6.1).

use data_encoding::BASE64;
use postbell_model::KeyAlgorithm;

/// What a record says of a key of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It is this key.
    Same,
    /// It is another one.
    Other,
    /// The key is revoked: `p=` is empty.
    Revoked,
    /// It is no key record.
    Unreadable,
}

/// The text of the record that publishes a key.
pub fn text(algorithm: KeyAlgorithm, public: &[u8]) -> String {
    format!("v=DKIM1; k={algorithm}; p={}", BASE64.encode(public))
}

/// What this record says of that key.
pub fn published(record: &str, algorithm: KeyAlgorithm, public: &[u8]) -> Published {
    let tag = |name: &str| {
        let tags = record.split(';').filter_map(|tag| tag.split_once('='));
        tags.map(|(name, value)| (name.trim(), value))
            .find(|(tag, _)| *tag == name)
            .map(|(_, value)| value.trim())
    };
    if tag("v").is_some_and(|version| version != "DKIM1") {
        return Published::Unreadable;
    }
    let Some(key) = tag("p") else {
        return Published::Unreadable;
    };
    let key: String = key.split_ascii_whitespace().collect();
    if key.is_empty() {
        return Published::Revoked;
    }
    // RFC 6376 §3.6.1: without k= it is RSA.
    let same = tag("k").unwrap_or("rsa") == algorithm.name() && key == BASE64.encode(public);
    if same {
        Published::Same
    } else {
        Published::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_compared_with_a_key() {
        let (public, algorithm) = ([1; 32], KeyAlgorithm::Ed25519);
        let check = |record: &str, expected| {
            assert_eq!(published(record, algorithm, &public), expected, "{record}");
        };
        let ours = text(algorithm, &public);
        check(&ours, Published::Same);
        check(&ours.replace("; ", ";"), Published::Same);
        let (front, back) = ours.split_at(40);
        check(&format!("{front} \t{back} ; n=x"), Published::Same);
        check(&ours.replace("ed25519", "rsa"), Published::Other);
        check(&text(algorithm, &[2; 32]), Published::Other);
        check("v=DKIM1; k=ed25519; p=", Published::Revoked);
        check("v=spf1 -all", Published::Unreadable);
        check("v=DKIM2; p=x", Published::Unreadable);
        check("", Published::Unreadable);
    }
}
