//! Real and malformed messages of other projects' test suites, and whatever lies beside them,
//! where they are there.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use postbell_model::message::Received;
use postbell_model::{
    ConfigurationSetId, Instructions, Message, MessageId, ReversePath, Timestamp, WorkspaceId,
};

use crate::header::Header;
use crate::summary::Mailboxes;
use crate::{Rendering, render, summarise};

#[test]
fn every_message_is_summarised_and_rendered_with_its_body() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/mime");
    let files = files(&root);
    if files.is_empty() {
        println!("skipped: {} is not there", root.display());
        return;
    }
    let message = message();
    let mut authors = 0;
    for file in &files {
        let raw = with_crlf(&fs::read(file).unwrap());
        let summary = summarise(&raw).unwrap();
        authors += u32::from(matches!(summary.from, Mailboxes::Listed(_)));
        if let Mailboxes::Malformed(error) = summary.from {
            println!("{}: {error}", file.display());
        }
        assert!(!summary.bare_line_end, "{}", file.display());
        check_rendering(&message, &Bytes::from(raw), file);
    }
    println!(
        "{} messages, {authors} with a From that can be read",
        files.len()
    );
}

fn check_rendering(message: &Message, body: &Bytes, file: &Path) {
    let rendered = render(&Rendering {
        message,
        body: std::slice::from_ref(body),
        hostname: "mail.example.net",
        header_token: "token",
        reply_to: Some("reply+token@reply.example.net"),
        unsubscribe: None,
    })
    .unwrap();
    let whole = rendered.chunks.concat();
    let header_len = Header::find(body).unwrap().as_bytes().len();
    let mut content = body.slice(header_len..).to_vec();
    if !body.ends_with(b"\r\n") {
        content.extend(b"\r\n");
    }
    assert!(whole.ends_with(&content), "{}", file.display());
    let again = summarise(&whole).unwrap();
    assert!(again.has_date && again.message_id.is_some() && !again.has_bcc);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// What a door that normalises would have made of the file.
fn with_crlf(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut last = 0;
    for &octet in raw {
        if last == b'\r' && octet != b'\n' {
            text.push(b'\n');
        }
        if octet == b'\n' && last != b'\r' {
            text.push(b'\r');
        }
        text.push(octet);
        last = octet;
    }
    if last == b'\r' {
        text.push(b'\n');
    }
    text
}

fn message() -> Message {
    Message {
        id: MessageId::from_bytes([7; 16]),
        workspace: WorkspaceId(1),
        configuration_set: ConfigurationSetId(2),
        mail_from: ReversePath::Null,
        source: String::new(),
        subject: String::new(),
        header_message_id: "<given@example.com>".to_owned(),
        accepted_at: Timestamp::from_micros(1_777_811_697_456_123),
        size: 0,
        eight_bit: false,
        smtputf8: false,
        received: Received {
            helo: "app.example.com".to_owned(),
            peer: None,
            with: "ESMTP".to_owned(),
        },
        reports: false,
        instructions: Instructions::default(),
        forward: None,
    }
}
