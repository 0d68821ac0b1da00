use std::fmt::Write as _;

use bytes::BytesMut;
use postbell_model::{OriginalRecipient, Ret};
use postbell_smtp::command::{AuthParams, Command, ForwardPath, MailParams, RcptParams, parse};
use postbell_smtp::reply;

/// A command that is read, and written as plainly as can be, is read as the same again. One that
/// is refused gets a reply that fits a line.
pub fn command(data: &[u8]) {
    let line = data.split(|octet| *octet == b'\n').next().unwrap_or(data);
    match parse(line) {
        Ok(read) => {
            let Some(written) = write(&read) else {
                return;
            };
            let again = parse(&written).map(without_spelling);
            let shown = String::from_utf8_lossy(&written);
            assert_eq!(again, Ok(without_spelling(read)), "{shown}");
        }
        Err(error) => {
            let refusal = error.reply();
            assert!((500..=555).contains(&refusal.code), "{refusal}");
            assert!(refusal.enhanced.is_some_and(|code| code.class == 5));
            let mut wire = BytesMut::new();
            reply::write(&refusal, &mut wire);
            assert!(wire.len() <= 512);
        }
    }
}

/// Whether U-labels were written is not kept.
fn without_spelling(mut command: Command) -> Command {
    match &mut command {
        Command::Mail(params) => params.non_ascii = false,
        Command::Rcpt(params) => params.non_ascii = false,
        _ => {}
    }
    command
}

/// The command's line; `None` where what was read does not tell it.
fn write(command: &Command) -> Option<Vec<u8>> {
    let line = match command {
        Command::Ehlo(name) => format!("EHLO {name}"),
        Command::Helo(name) => format!("HELO {name}"),
        Command::Mail(params) => mail(params),
        Command::Rcpt(params) => rcpt(params),
        Command::Auth(params) => return Some(auth(params)),
        Command::Data => "DATA".to_owned(),
        Command::Rset => "RSET".to_owned(),
        Command::Noop => "NOOP".to_owned(),
        Command::Quit => "QUIT".to_owned(),
        Command::Vrfy => "VRFY x".to_owned(),
        Command::Help => "HELP".to_owned(),
        Command::StartTls => "STARTTLS".to_owned(),
        Command::NotOffered | Command::Foreign | Command::Unknown => return None,
    };
    Some(line.into_bytes())
}

fn mail(params: &MailParams) -> String {
    let from = params.from.mailbox();
    let mut line = format!(
        "MAIL FROM:<{}>",
        from.map_or("", |address| address.as_str())
    );
    if let Some(size) = params.size {
        let _ = write!(line, " SIZE={size}");
    }
    if params.eight_bit {
        line.push_str(" BODY=8BITMIME");
    }
    if params.smtputf8 {
        line.push_str(" SMTPUTF8");
    }
    if let Some(ret) = params.ret {
        line.push_str(match ret {
            Ret::Full => " RET=FULL",
            Ret::Headers => " RET=HDRS",
        });
    }
    if let Some(envid) = &params.envid {
        let _ = write!(line, " ENVID={}", xtext(envid));
    }
    line
}

fn rcpt(params: &RcptParams) -> String {
    let mut line = match &params.to {
        ForwardPath::Postmaster => "RCPT TO:<postmaster>".to_owned(),
        ForwardPath::Mailbox(address) => format!("RCPT TO:<{address}>"),
    };
    if let Some(notify) = params.report.notify {
        let words = [
            (notify.success, "SUCCESS"),
            (notify.failure, "FAILURE"),
            (notify.delay, "DELAY"),
        ];
        let words = words
            .iter()
            .filter(|(wanted, _)| *wanted)
            .map(|(_, word)| *word);
        let words: Vec<_> = words.collect();
        let words = if words.is_empty() {
            "NEVER".to_owned()
        } else {
            words.join(",")
        };
        let _ = write!(line, " NOTIFY={words}");
    }
    if let Some(orcpt) = &params.report.orcpt {
        let _ = write!(line, " ORCPT={};{}", orcpt.kind(), recipient(orcpt));
    }
    line
}

fn auth(params: &AuthParams) -> Vec<u8> {
    let mut line = format!("AUTH {}", params.mechanism).into_bytes();
    if let Some(initial) = &params.initial {
        line.push(b' ');
        line.extend_from_slice(initial.expose());
    }
    line
}

fn recipient(orcpt: &OriginalRecipient) -> String {
    if !orcpt.kind().eq_ignore_ascii_case("utf-8") {
        return xtext(orcpt.address());
    }
    let mut text = String::new();
    for c in orcpt.address().chars() {
        if !c.is_ascii() || (c.is_ascii_graphic() && !"+=\\".contains(c)) {
            text.push(c);
        } else {
            let _ = write!(text, "\\x{{{:02X}}}", u32::from(c));
        }
    }
    text
}

// RFC 3461 §4
fn xtext(text: &str) -> String {
    let mut written = String::new();
    for octet in text.bytes() {
        if octet.is_ascii_graphic() && !b"+=".contains(&octet) {
            written.push(char::from(octet));
        } else {
            let _ = write!(written, "+{octet:02X}");
        }
    }
    written
}
