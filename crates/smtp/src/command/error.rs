//! Why a line is no command, and what the client is told.

use postbell_model::Reply;

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CommandError {
    /// A CR or LF stands alone.
    #[error("bare CR or LF")]
    BareLineEnd,
    /// There is a NUL.
    #[error("NUL octet")]
    Nul,
    /// The line is longer than [`crate::server::LINE_MAX`].
    #[error("line too long")]
    TooLong,
    /// The command needs a word.
    #[error("argument missing")]
    ArgumentMissing,
    /// The command takes no word.
    #[error("argument unexpected")]
    ArgumentUnexpected,
    /// The name at EHLO has octets that no host name and no address literal has.
    #[error("bad client name")]
    BadClientName,
    /// An address is neither ASCII nor UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// `FROM:` or `TO:` is missing, or a space stands beside the colon.
    #[error("FROM: or TO: missing")]
    KeywordMissing,
    /// The reverse-path is none.
    #[error("bad sender address")]
    BadSender,
    /// The forward-path is none.
    #[error("bad recipient address")]
    BadRecipient,
    /// The path names hosts to go through.
    #[error("source route")]
    SourceRoute,
    /// The recipient's local part asks its host to relay.
    #[error("relaying by local part")]
    RoutedLocalPart,
    /// A parameter's value is wrong or missing.
    #[error("bad parameter")]
    BadParameter,
    /// RET is neither FULL nor HDRS.
    #[error("bad RET")]
    BadRet,
    /// ENVID is not xtext of 1 to 100 printable characters.
    #[error("bad ENVID")]
    BadEnvid,
    /// NOTIFY is neither NEVER nor a list of SUCCESS, FAILURE and DELAY.
    #[error("bad NOTIFY")]
    BadNotify,
    /// ORCPT is not a kind of address, a semicolon and an address in xtext.
    #[error("bad ORCPT")]
    BadOrcpt,
    /// A parameter was given twice.
    #[error("parameter given twice")]
    ParameterTwice,
    /// A parameter was not announced.
    #[error("unknown parameter")]
    UnknownParameter,
}

impl CommandError {
    /// What the client is told.
    pub fn reply(self) -> Reply {
        match self {
            Self::BareLineEnd => Reply::new(500, 5, 2, "Bare CR or LF in a command"),
            Self::Nul => Reply::new(500, 5, 2, "NUL in a command"),
            // RFC 5321 §4.5.3.1.10
            Self::TooLong => Reply::new(500, 5, 2, "Line too long"),
            Self::ArgumentMissing => Reply::new(501, 5, 4, "The command needs an argument"),
            Self::ArgumentUnexpected => Reply::new(501, 5, 4, "The command takes no argument"),
            Self::BadClientName => {
                Reply::new(501, 5, 4, "Not a host name and not an address literal")
            }
            Self::NotUtf8 => Reply::new(501, 5, 2, "Neither ASCII nor UTF-8"),
            Self::KeywordMissing => Reply::new(
                501,
                5,
                2,
                "Syntax: MAIL FROM:<address> or RCPT TO:<address>",
            ),
            Self::BadSender => Reply::new(501, 1, 7, "Bad sender address"),
            Self::BadRecipient => Reply::new(501, 1, 3, "Bad recipient address"),
            // RFC 5321 §3.6.1, Appendix C: a server may refuse source routes.
            Self::SourceRoute => Reply::new(553, 1, 3, "Source routes are refused"),
            Self::RoutedLocalPart => {
                Reply::new(553, 1, 3, "Relaying by %, ! or a second @ is refused")
            }
            Self::BadParameter => Reply::new(501, 5, 4, "Bad parameter"),
            Self::BadRet => Reply::new(501, 5, 4, "RET is FULL or HDRS"),
            Self::BadEnvid => {
                Reply::new(501, 5, 4, "ENVID is 1 to 100 printable characters in xtext")
            }
            Self::BadNotify => Reply::new(
                501,
                5,
                4,
                "NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY, each once",
            ),
            Self::BadOrcpt => Reply::new(
                501,
                5,
                4,
                "ORCPT is a kind of address, a semicolon and an address in xtext",
            ),
            Self::ParameterTwice => Reply::new(501, 5, 4, "A parameter was given twice"),
            // RFC 5321 §4.1.1.11
            Self::UnknownParameter => Reply::new(555, 5, 4, "Unknown parameter"),
        }
    }
}
