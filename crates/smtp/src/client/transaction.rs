//! One transaction of the client: what is said for it, and what the replies to it mean.

use bytes::{Bytes, BytesMut};
use postbell_model::reply::Severity;
use postbell_model::{Phase, Reply, ReversePath};

use super::{Extensions, Transaction};
use crate::data;

const RSET: &[u8] = b"RSET\r\n";
const DATA: &[u8] = b"DATA\r\n";

/// A transaction under way.
#[derive(Debug)]
pub(super) struct Exchange {
    awaited: Awaited,
    commands: Commands,
    /// The message as it goes over the wire.
    body: Vec<Bytes>,
    /// The first refusal, while replies to what was sent with it are yet to come.
    refusal: Option<(Phase, Reply)>,
}

/// Which command the next reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Reset,
    Mail,
    Rcpt,
    Data,
    FinalDot,
    /// The final dot of an empty message for nobody.
    LoneDot,
}

/// How the commands go out.
#[derive(Debug)]
enum Commands {
    /// All together; every one of them gets its reply.
    Grouped,
    /// One after the other.
    Single { mail: Bytes, rcpt: Bytes },
}

/// What a reply leads to.
#[derive(Debug)]
pub(super) enum Next {
    Wait,
    Say(Vec<Bytes>),
    End(Verdict, After),
}

/// What decided the transaction.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) phase: Phase,
    pub(super) reply: Reply,
    pub(super) from_peer: bool,
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It takes another transaction.
    Clean,
    /// It does, after a RSET.
    NeedsReset,
    /// It is over.
    Over,
}

impl Exchange {
    /// The transaction and what to say first.
    ///
    /// # Errors
    /// The host can't take the message; the reply says why.
    pub(super) fn begin(
        transaction: Transaction,
        extensions: &Extensions,
        before: After,
    ) -> Result<(Self, Bytes), Reply> {
        let mail = mail_line(&transaction, extensions)?;
        let rcpt = rcpt_line(&transaction, extensions);
        let body = data::stuff(transaction.body)
            .map_err(|error| Reply::new(554, 6, 0, error.to_string()))?;
        let needs_reset = before == After::NeedsReset;
        let mut first = BytesMut::with_capacity(mail.len() + rcpt.len() + 16);
        if needs_reset {
            first.extend_from_slice(RSET);
        }
        // RFC 2920 §3.1: RSET, MAIL and RCPT may stand anywhere in a group, DATA at its end.
        let commands = if extensions.pipelining {
            first.extend_from_slice(mail.as_bytes());
            first.extend_from_slice(rcpt.as_bytes());
            first.extend_from_slice(DATA);
            Commands::Grouped
        } else {
            if !needs_reset {
                first.extend_from_slice(mail.as_bytes());
            }
            Commands::Single {
                mail: mail.into(),
                rcpt: rcpt.into(),
            }
        };
        let awaited = if needs_reset {
            Awaited::Reset
        } else {
            Awaited::Mail
        };
        let exchange = Self {
            awaited,
            commands,
            body,
            refusal: None,
        };
        Ok((exchange, first.freeze()))
    }

    /// What is waited for.
    pub(super) const fn phase(&self) -> Phase {
        match self.awaited {
            Awaited::Reset | Awaited::Mail => Phase::Mail,
            Awaited::Rcpt => Phase::Rcpt,
            Awaited::Data => Phase::Data,
            Awaited::FinalDot | Awaited::LoneDot => Phase::Message,
        }
    }

    /// Takes the next reply.
    pub(super) fn take(&mut self, reply: Reply) -> Next {
        // RFC 5321 §3.8: 421 may answer anything, and ends the session.
        if reply.code == 421 {
            return self.end(reply, Giver::Host, After::Over);
        }
        match self.awaited {
            Awaited::Reset => self.take_reset(&reply),
            Awaited::Mail => self.take_mail(reply),
            Awaited::Rcpt => self.take_rcpt(reply),
            Awaited::Data => self.take_data(reply),
            Awaited::FinalDot => self.take_final_dot(reply),
            Awaited::LoneDot => self.end(reply, Giver::Host, After::NeedsReset),
        }
    }

    /// Ends the transaction for a reason of ours, unless it is decided already.
    pub(super) fn abandon(&mut self, reply: Reply) -> Verdict {
        self.verdict(reply, Giver::Us)
    }

    fn take_reset(&mut self, reply: &Reply) -> Next {
        if reply.severity() != Severity::Success {
            return self.nonsense(reply);
        }
        self.awaited = Awaited::Mail;
        match &self.commands {
            Commands::Grouped => Next::Wait,
            Commands::Single { mail, .. } => Next::Say(vec![mail.clone()]),
        }
    }

    fn take_mail(&mut self, reply: Reply) -> Next {
        match (reply.severity(), &self.commands) {
            (Severity::Intermediate, _) => return self.nonsense(&reply),
            (Severity::Success, Commands::Grouped) => {}
            (Severity::Success, Commands::Single { rcpt, .. }) => {
                let rcpt = rcpt.clone();
                self.awaited = Awaited::Rcpt;
                return Next::Say(vec![rcpt]);
            }
            (_, Commands::Grouped) => self.refusal = Some((Phase::Mail, reply)),
            (_, Commands::Single { .. }) => {
                return self.end(reply, Giver::Host, After::NeedsReset);
            }
        }
        self.awaited = Awaited::Rcpt;
        Next::Wait
    }

    fn take_rcpt(&mut self, reply: Reply) -> Next {
        match (reply.severity(), &self.commands) {
            (Severity::Intermediate, _) => return self.nonsense(&reply),
            (Severity::Success, Commands::Grouped) => {}
            (Severity::Success, Commands::Single { .. }) => {
                self.awaited = Awaited::Data;
                return Next::Say(vec![Bytes::from_static(DATA)]);
            }
            (_, Commands::Grouped) => {
                self.refusal.get_or_insert((Phase::Rcpt, reply));
            }
            (_, Commands::Single { .. }) => {
                return self.end(reply, Giver::Host, After::NeedsReset);
            }
        }
        self.awaited = Awaited::Data;
        Next::Wait
    }

    fn take_data(&mut self, reply: Reply) -> Next {
        match reply.severity() {
            Severity::Success => self.nonsense(&reply),
            Severity::Intermediate if self.refusal.is_none() => {
                self.awaited = Awaited::FinalDot;
                Next::Say(std::mem::take(&mut self.body))
            }
            // RFC 2920 §3.1: a 354 although no recipient was taken is answered by a lone dot.
            Severity::Intermediate => {
                self.awaited = Awaited::LoneDot;
                Next::Say(vec![Bytes::from_static(b".\r\n")])
            }
            Severity::Transient | Severity::Permanent => {
                self.end(reply, Giver::Host, After::NeedsReset)
            }
        }
    }

    fn take_final_dot(&mut self, reply: Reply) -> Next {
        match reply.severity() {
            Severity::Intermediate => self.nonsense(&reply),
            // RFC 5321 §4.1.1.4: the end of data clears the buffers, taken or not.
            Severity::Success | Severity::Transient | Severity::Permanent => {
                self.end(reply, Giver::Host, After::Clean)
            }
        }
    }

    /// A reply that means nothing here: the two sides no longer agree where they are.
    fn nonsense(&mut self, reply: &Reply) -> Next {
        let text = format!("Unexpected reply: {reply}");
        self.end(Reply::new(451, 5, 0, text), Giver::Us, After::Over)
    }

    fn end(&mut self, reply: Reply, giver: Giver, after: After) -> Next {
        Next::End(self.verdict(reply, giver), after)
    }

    fn verdict(&mut self, reply: Reply, giver: Giver) -> Verdict {
        match self.refusal.take() {
            Some((phase, reply)) => Verdict {
                phase,
                reply,
                from_peer: true,
            },
            None => Verdict {
                phase: self.phase(),
                reply,
                from_peer: giver == Giver::Host,
            },
        }
    }
}

/// Whose reply it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Giver {
    Host,
    Us,
}

/// MAIL FROM with the parameters that the message needs.
fn mail_line(transaction: &Transaction, extensions: &Extensions) -> Result<String, Reply> {
    let mut line = format!("MAIL FROM:<{}>", transaction.from);
    if let Some(limit) = extensions.size {
        let size: u64 = transaction.body.iter().map(octets).sum();
        if limit.is_some_and(|limit| size > limit) {
            let text = format!("The message of {size} octets is larger than the host takes");
            return Err(Reply::new(552, 3, 4, text));
        }
        line.push_str(&format!(" SIZE={size}"));
    }
    let smtputf8 = needs_smtputf8(transaction);
    if transaction.eight_bit || smtputf8 {
        line.push_str(eight_bit_parameter(transaction, extensions)?);
    }
    if smtputf8 {
        // RFC 6531 §3.5
        if !extensions.smtputf8 {
            let text = "The message needs SMTPUTF8, which the host does not offer";
            return Err(Reply::new(553, 6, 7, text));
        }
        line.push_str(" SMTPUTF8");
    }
    if extensions.dsn {
        line.push_str(&transaction.dsn.mail_parameters());
    }
    line.push_str("\r\n");
    Ok(line)
}

fn rcpt_line(transaction: &Transaction, extensions: &Extensions) -> String {
    let to = &transaction.to;
    if extensions.dsn {
        let parameters = transaction.dsn.rcpt_parameters(to);
        return format!("RCPT TO:<{to}>{parameters}\r\n");
    }
    format!("RCPT TO:<{to}>\r\n")
}

fn octets(chunk: &Bytes) -> u64 {
    u64::try_from(chunk.len()).unwrap_or(u64::MAX)
}

fn needs_smtputf8(transaction: &Transaction) -> bool {
    let from_needs = match &transaction.from {
        ReversePath::Null => false,
        ReversePath::Mailbox(address) => address.needs_smtputf8(),
    };
    transaction.smtputf8 || from_needs || transaction.to.needs_smtputf8()
}

// RFC 6152 §3; RFC 6531 §3.1 (8): a host with SMTPUTF8 has 8BITMIME.
fn eight_bit_parameter(
    transaction: &Transaction,
    extensions: &Extensions,
) -> Result<&'static str, Reply> {
    match (transaction.eight_bit, extensions.eight_bit_mime) {
        (_, true) => Ok(" BODY=8BITMIME"),
        (false, false) => Ok(""),
        (true, false) => Err(Reply::new(
            554,
            6,
            3,
            "The message has 8-bit content, which the host does not take",
        )),
    }
}
