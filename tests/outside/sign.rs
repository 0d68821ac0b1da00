//! Renders and signs files of mail as a delivery would, for verifiers that others wrote.
//!
//!     cargo run -p postbell-tests --example sign -- CORPUS FOLDER
//!
//! Every file below CORPUS becomes a mail in FOLDER, if it has an author that can be read; line
//! ends are normalised as the submission door does. `keys.json` holds the key records by name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;
use postbell_mail::dkim::key::{NewKey, SigningKey};
use postbell_mail::dkim::{Signer, record, sign};
use postbell_mail::summary::Mailboxes;
use postbell_mail::{Rendering, render, summarise};
use postbell_model::message::Received;
use postbell_model::{
    ConfigurationSetId, Domain, Instructions, KeyAlgorithm, Message, MessageId, ReversePath,
    Timestamp, WorkspaceId,
};

const DOMAIN: &str = "sender.test";

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1).map(PathBuf::from);
    let corpus = words.next().context("first the corpus")?;
    let folder = words.next().context("then the folder")?;
    let (signers, records) = keys()?;
    fs::write(folder.join("keys.json"), records.to_string())?;
    let (mut signed, mut others) = (0, 0);
    for file in files(&corpus)? {
        let raw = Bytes::from(with_crlf(&fs::read(&file)?));
        let is_mail = summarise(&raw).is_ok_and(|s| matches!(s.from, Mailboxes::Listed(_)));
        if !is_mail {
            others += 1;
            continue;
        }
        signed += 1;
        let mail = signed_mail(&raw, &signers).with_context(|| file.display().to_string())?;
        fs::write(folder.join(format!("{signed}.eml")), mail)?;
    }
    fs::write(folder.join("others"), others.to_string())?;
    Ok(())
}

fn keys() -> anyhow::Result<(Vec<Signer>, serde_json::Value)> {
    let mut signers = Vec::new();
    let mut records = serde_json::Map::new();
    for algorithm in KeyAlgorithm::ALL {
        let pair = NewKey::generate(algorithm)?;
        let signer = Signer {
            domain: Domain::parse(DOMAIN)?,
            selector: pair.selector("202611"),
            key: SigningKey::from_pkcs8(algorithm, &pair.secret)?,
        };
        let name = format!("{}._domainkey.{DOMAIN}", signer.selector);
        records.insert(name, record::text(algorithm, &pair.public).into());
        signers.push(signer);
    }
    Ok((signers, records.into()))
}

fn signed_mail(raw: &Bytes, signers: &[Signer]) -> anyhow::Result<Vec<u8>> {
    let message = message();
    let rendered = render(&Rendering {
        message: &message,
        body: raw,
        hostname: "postbell.sender.test",
        header_token: "token",
    })?;
    let fields = sign(&rendered.chunks, signers, message.accepted_at)?;
    Ok([&[fields][..], &rendered.chunks].concat().concat())
}

fn message() -> Message {
    Message {
        id: MessageId::from_bytes([7; 16]),
        workspace: WorkspaceId(1),
        configuration_set: ConfigurationSetId(2),
        mail_from: ReversePath::Null,
        source: String::new(),
        subject: String::new(),
        header_message_id: "<given@sender.test>".to_owned(),
        accepted_at: Timestamp::from_micros(1_777_811_697_456_123),
        size: 0,
        eight_bit: false,
        smtputf8: false,
        received: Received {
            helo: "app.sender.test".to_owned(),
            peer: None,
            with: "ESMTP".to_owned(),
        },
        reports: false,
        instructions: Instructions::default(),
    }
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn with_crlf(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut octets = raw.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        match octet {
            b'\r' | b'\n' => {
                octets.next_if(|&next| octet == b'\r' && next == b'\n');
                text.extend_from_slice(b"\r\n");
            }
            octet => text.push(octet),
        }
    }
    text
}
