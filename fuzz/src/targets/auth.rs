use std::net::{IpAddr, Ipv6Addr};

use bytes::Bytes;
use postbell_mail::arc::Chain;
use postbell_mail::authentication::signature::{Names, Seal, Signature};
use postbell_mail::authentication::spf::{Expansion, Mechanism, Record, is_spf};
use postbell_mail::authentication::tags::{Tags, emptied};
use postbell_mail::authentication::{dmarc, field, without};
use postbell_mail::header::Header;
use postbell_model::Domain;
use postbell_model::authentication::{Authentication, DkimResult};

use crate::input::Input;

/// What strangers write about who they are: a record, a signature, a header with a chain. Names
/// that are asked for are short enough to be asked for; a tag that is left out is nowhere else
/// changed; a result stays in its field, whatever is in it, and a forged one is found.
pub fn auth(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.octet() % 4;
    let rest = input.rest();
    match kind {
        0 => spf(rest),
        1 => signature(rest),
        2 => policy(rest),
        _ => header(rest),
    }
}

fn spf(data: &[u8]) {
    let text = [b"v=spf1 ", data].concat();
    assert!(is_spf(&text));
    let Ok(record) = Record::read(&text) else {
        return;
    };
    assert!(record.terms.len() <= data.len());
    let name = String::from_utf8_lossy(data);
    let expansion = Expansion {
        ip: IpAddr::V6(Ipv6Addr::LOCALHOST),
        local_part: &name,
        sender_domain: &name,
        domain: "example.com",
        helo: &name,
        client_name: "unknown",
    };
    let specs = record
        .terms
        .iter()
        .filter_map(|term| match &term.mechanism {
            Mechanism::Include(spec) | Mechanism::Exists(spec) => Some(spec),
            Mechanism::A(spec, _) | Mechanism::Mx(spec, _) | Mechanism::Ptr(spec) => spec.as_ref(),
            _ => None,
        });
    for spec in specs.chain(&record.redirect) {
        assert!(spec.expand(&expansion).len() <= 253);
    }
}

fn signature(data: &[u8]) {
    let names = Names::read(data);
    if let Ok(signature) = Signature::dkim(data) {
        assert_eq!(names.domain.as_ref(), Some(&signature.domain));
        assert_eq!(names.selector.as_ref(), Some(&signature.selector));
        assert!(signature.identity.is_within(&signature.domain));
        assert!(signature.fields.iter().any(|name| name == "from"));
        let without_value = emptied(data, "b");
        let tags = Tags::read(&without_value).expect("it is a list still");
        assert_eq!(tags.get("b"), Some(""));
        let before = Tags::read(data).expect("it was read");
        for name in before.names().filter(|name| *name != "b") {
            assert_eq!(tags.get(name), before.get(name));
        }
    }
    if let Ok(seal) = Seal::read(data) {
        assert!((1..=50).contains(&seal.instance));
    }
}

fn policy(data: &[u8]) {
    let text = [b"v=DMARC1;", data].concat();
    assert!(dmarc::is_dmarc(&text));
    if let Ok(record) = dmarc::Record::read(&text) {
        assert!(record.percent <= 100);
    }
}

fn header(data: &[u8]) {
    let ours = Domain::parse("mx.example.net").expect("a domain");
    let found = Authentication {
        dkim: vec![DkimResult {
            selector: Some(String::from_utf8_lossy(data).into_owned()),
            reason: Some(String::from_utf8_lossy(data).into_owned()),
            ..DkimResult::default()
        }],
        ..Authentication::default()
    };
    let written = field(&ours, None, &found);
    let fields = Header::find(written.as_bytes()).expect("it is short");
    assert_eq!(fields.fields().count(), 1);
    assert_eq!(fields.as_bytes().len(), written.len());
    let Ok(header) = Header::find(data) else {
        return;
    };
    if let Ok(Some(chain)) = Chain::find(header) {
        assert!((1..=50).contains(&chain.sets.len()));
        for index in 0..chain.sets.len() {
            assert!(chain.octets().starts_with(chain.covered(index)));
        }
    }
    let message = Bytes::from([written.as_bytes(), data].concat());
    let cleaned = without(&message, &ours).expect("it is short");
    assert!(cleaned.len() + written.len() <= message.len());
    let again = without(&cleaned, &ours).expect("it is short");
    assert_eq!(again, cleaned);
}
