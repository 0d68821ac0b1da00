//! What a client may say: the commands of RFC 5321 §4.1 and the parameters that the server
//! announces: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), AUTH (RFC 4954), and those of
//! delivery reports (RFC 3461).
//!
//! Refused: white space that the grammar has not (but for spaces at the end of a line, RFC 5321
//! §4.1.1), parameters that are unknown or given twice, source routes, and recipients that ask
//! their host to relay by `%`, `!` or a second `@`.

mod error;
mod path;
mod report;

use postbell_model::{Address, ReportRequest, Ret, ReversePath, Secret};

pub use error::CommandError;

/// A command, without its CRLF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// EHLO and the client's name.
    Ehlo(String),
    /// HELO and the client's name.
    Helo(String),
    /// MAIL FROM.
    Mail(MailParams),
    /// RCPT TO.
    Rcpt(RcptParams),
    /// DATA.
    Data,
    /// RSET.
    Rset,
    /// NOOP, with or without a word.
    Noop,
    /// QUIT.
    Quit,
    /// VRFY and what to verify.
    Vrfy,
    /// HELP, with or without a word.
    Help,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth(AuthParams),
    /// A command that exists but is not offered: EXPN, ETRN, TURN, BDAT …
    NotOffered,
    /// The first words of another protocol: HTTP's methods and header fields.
    Foreign,
    /// Anything else.
    Unknown,
}

/// MAIL FROM and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailParams {
    /// The reverse-path.
    pub from: ReversePath,
    /// Whether the path was written with octets over 127.
    pub non_ascii: bool,
    /// SIZE; `u64::MAX` for numbers that are even larger.
    pub size: Option<u64>,
    /// Whether BODY is 8BITMIME.
    pub eight_bit: bool,
    /// Whether SMTPUTF8 was given.
    pub smtputf8: bool,
    /// RET.
    pub ret: Option<Ret>,
    /// ENVID, decoded: printable ASCII, at most 100 characters.
    pub envid: Option<String>,
}

/// RCPT TO and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RcptParams {
    /// The forward-path.
    pub to: ForwardPath,
    /// Whether anything was written with octets over 127.
    pub non_ascii: bool,
    /// NOTIFY and ORCPT.
    pub report: ReportRequest,
}

/// AUTH and what came with it (RFC 4954 §4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthParams {
    /// The mechanism's name in capitals.
    pub mechanism: String,
    /// The initial response as it was sent, in base64 if it is any good.
    pub initial: Option<Secret>,
}

/// A recipient (RFC 5321 §4.1.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardPath {
    /// `<postmaster>` in any case: that of the host that is spoken to.
    Postmaster,
    /// A mailbox.
    Mailbox(Address),
}

/// Reads a command line without its CRLF.
///
/// # Errors
/// The verb is known but what follows is wrong.
pub fn parse(line: &[u8]) -> Result<Command, CommandError> {
    let line = line.trim_ascii_end();
    let verb_end = memchr::memchr(b' ', line).unwrap_or(line.len());
    let (verb, rest) = line.split_at_checked(verb_end).unwrap_or((line, b""));
    // Nothing, or the space and what follows it.
    let argument = rest.get(1..).unwrap_or_default();
    match verb.to_ascii_uppercase().as_slice() {
        b"EHLO" => client_name(argument).map(Command::Ehlo),
        b"HELO" => client_name(argument).map(Command::Helo),
        b"MAIL" => mail(argument).map(Command::Mail),
        b"RCPT" => rcpt(argument).map(Command::Rcpt),
        b"DATA" => without_argument(argument, Command::Data),
        b"RSET" => without_argument(argument, Command::Rset),
        b"QUIT" => without_argument(argument, Command::Quit),
        b"NOOP" => Ok(Command::Noop),
        b"HELP" => Ok(Command::Help),
        b"VRFY" if argument.is_empty() => Err(CommandError::ArgumentMissing),
        b"VRFY" => Ok(Command::Vrfy),
        b"STARTTLS" => without_argument(argument, Command::StartTls),
        b"AUTH" => auth(argument).map(Command::Auth),
        b"EXPN" | b"ETRN" | b"TURN" | b"ATRN" | b"SEND" | b"SOML" | b"SAML" | b"BDAT" | b"BURL" => {
            Ok(Command::NotOffered)
        }
        b"GET" | b"POST" | b"PUT" | b"HEAD" | b"OPTIONS" | b"CONNECT" | b"DELETE" | b"PATCH"
        | b"TRACE" | b"PRI" | b"HOST:" | b"USER-AGENT:" | b"CONTENT-TYPE:" | b"CONTENT-LENGTH:"
        | b"ACCEPT:" | b"REFERER:" | b"ORIGIN:" => Ok(Command::Foreign),
        _ => Ok(Command::Unknown),
    }
}

fn without_argument(argument: &[u8], command: Command) -> Result<Command, CommandError> {
    if argument.is_empty() {
        Ok(command)
    } else {
        Err(CommandError::ArgumentUnexpected)
    }
}

/// The client's name at EHLO.
///
/// Deviation: RFC 5321 §4.1.2 has a host name or an address literal; names with underscores or
/// without a dot are common and harmless, and the name is shown but never believed.
fn client_name(argument: &[u8]) -> Result<String, CommandError> {
    if argument.is_empty() {
        return Err(CommandError::ArgumentMissing);
    }
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(b);
    // RFC 5321 §4.5.3.1.2: a domain has at most 255 octets.
    if argument.len() > 255 || !argument.iter().all(plain) {
        return Err(CommandError::BadClientName);
    }
    String::from_utf8(argument.to_vec()).map_err(|_| CommandError::BadClientName)
}

fn mail(argument: &[u8]) -> Result<MailParams, CommandError> {
    let text = after_keyword(argument, "FROM:")?;
    let (path, rest) = path::split(text).ok_or(CommandError::BadSender)?;
    let mut params = MailParams {
        from: path::reverse_path(path)?,
        non_ascii: !path.is_ascii(),
        size: None,
        eight_bit: false,
        smtputf8: false,
        ret: None,
        envid: None,
    };
    let (mut body, mut auth) = (None, None);
    for parameter in parameters(rest)? {
        let (keyword, value) = split_parameter(parameter);
        let twice = match (keyword.to_ascii_uppercase().as_str(), value) {
            ("SIZE", Some(value)) => params.size.replace(size(value)?).is_some(),
            ("BODY", Some(value)) => body.replace(is_eight_bit(value)?).is_some(),
            ("SMTPUTF8", None) => std::mem::replace(&mut params.smtputf8, true),
            ("AUTH", Some(value)) => auth.replace(sender_identity(value)?).is_some(),
            ("RET", value) => params.ret.replace(report::ret(value)?).is_some(),
            ("ENVID", value) => params.envid.replace(report::envid(value)?).is_some(),
            ("SIZE" | "BODY" | "SMTPUTF8" | "AUTH", _) => return Err(CommandError::BadParameter),
            _ => return Err(CommandError::UnknownParameter),
        };
        if twice {
            return Err(CommandError::ParameterTwice);
        }
    }
    params.eight_bit = body.unwrap_or(false);
    Ok(params)
}

fn rcpt(argument: &[u8]) -> Result<RcptParams, CommandError> {
    let text = after_keyword(argument, "TO:")?;
    let (path, rest) = path::split(text).ok_or(CommandError::BadRecipient)?;
    let mut params = RcptParams {
        to: path::forward_path(path)?,
        non_ascii: !text.is_ascii(),
        report: ReportRequest::default(),
    };
    for parameter in parameters(rest)? {
        let (keyword, value) = split_parameter(parameter);
        let keyword = keyword.to_ascii_uppercase();
        match report::of_recipient(&mut params.report, &keyword, value) {
            None => return Err(CommandError::UnknownParameter),
            Some(twice) if twice? => return Err(CommandError::ParameterTwice),
            Some(_) => {}
        }
    }
    Ok(params)
}

/// What follows `FROM:` or `TO:`; RFC 5321 §3.3: no space stands on either side of the colon.
fn after_keyword<'a>(argument: &'a [u8], keyword: &str) -> Result<&'a str, CommandError> {
    let text = str::from_utf8(argument).map_err(|_| CommandError::NotUtf8)?;
    match text.split_at_checked(keyword.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(keyword) => Ok(rest),
        _ => Err(CommandError::KeywordMissing),
    }
}

fn parameters(rest: &str) -> Result<impl Iterator<Item = &str>, CommandError> {
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(CommandError::BadParameter);
    }
    Ok(rest.split(' ').filter(|word| !word.is_empty()))
}

fn split_parameter(parameter: &str) -> (&str, Option<&str>) {
    match parameter.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (parameter, None),
    }
}

// RFC 1870 §3: one to twenty digits.
fn size(value: &str) -> Result<u64, CommandError> {
    let digits = (1..=20).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        return Err(CommandError::BadParameter);
    }
    Ok(value.parse().unwrap_or(u64::MAX))
}

// RFC 6152 §2
fn is_eight_bit(value: &str) -> Result<bool, CommandError> {
    match value.to_ascii_uppercase().as_str() {
        "8BITMIME" => Ok(true),
        "7BIT" => Ok(false),
        _ => Err(CommandError::BadParameter),
    }
}

/// Checks the value of MAIL's AUTH. Who submitted the mail first is said by its sender alone,
/// so it is believed by nobody and goes nowhere.
// RFC 4954 §5: "<>" or a mailbox in xtext (RFC 3461 §4).
fn sender_identity(value: &str) -> Result<(), CommandError> {
    if report::xtext(value).is_some_and(|text| !text.is_empty()) {
        Ok(())
    } else {
        Err(CommandError::BadParameter)
    }
}

// RFC 4954 §4: AUTH mechanism [initial-response]
fn auth(argument: &[u8]) -> Result<AuthParams, CommandError> {
    if argument.is_empty() {
        return Err(CommandError::ArgumentMissing);
    }
    let mut words = argument.split(|octet| *octet == b' ');
    let mechanism = words.next().unwrap_or_default();
    let initial = words.next();
    // RFC 4422 §3.1: one to twenty of these.
    let named = |b: &u8| b.is_ascii_alphanumeric() || b"-_".contains(b);
    let sound = (1..=20).contains(&mechanism.len()) && mechanism.iter().all(named);
    if !sound || initial.is_some_and(<[u8]>::is_empty) || words.next().is_some() {
        return Err(CommandError::BadParameter);
    }
    Ok(AuthParams {
        mechanism: String::from_utf8_lossy(mechanism).to_ascii_uppercase(),
        initial: initial.map(Secret::new),
    })
}

#[cfg(test)]
mod tests;
