//! AUTH: what a client is asked until it is known, or not (RFC 4954).
//!
//! Mechanisms: SCRAM-SHA-256 (RFC 7677), by which no password is told, PLAIN (RFC 4616), and
//! LOGIN, which no RFC has but many clients know alone.
//! Refused: to act for somebody else (an authorization identity that is not the username), and
//! AUTH in the clear where the connection's terms do not allow it.

mod scram;

use data_encoding::BASE64;
use postbell_model::reply::Severity;
use postbell_model::{Reply, Secret};

use super::{Answer, Ask, Hello, Login, Server, State, Tls, replies};
use crate::command::{AuthParams, CommandError};

/// Octets of a client's line within an exchange, CRLF included (RFC 4954 §4).
pub const AUTH_LINE_MAX: usize = 12_288;

/// What the client's next line is.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) enum Exchange {
    Plain,
    LoginName,
    LoginPassword {
        username: String,
    },
    ScramFirst,
    ScramLast(Box<scram::Expected>),
    /// The proof was right, and the server's is on the way; nothing is to be said to it.
    ScramEnd,
}

/// What was asked about a login.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) enum LoginAsked {
    /// Whether it is one.
    Verdict,
    /// Salt and nonce for this user.
    Challenge(Box<scram::First>),
    /// Whether the proof is right.
    Proof,
}

/// Where a client's line leads.
enum Turn {
    Next(Exchange),
    Ask(Ask, LoginAsked),
    Done,
    Refused(Reply),
}

impl Server {
    pub(super) fn begin_login(&mut self, params: AuthParams) {
        let hello = match self.login_hello() {
            Ok(hello) => hello,
            Err(refusal) => return self.refuse(&refusal),
        };
        let exchange = match params.mechanism.as_str() {
            "PLAIN" => Exchange::Plain,
            "LOGIN" => Exchange::LoginName,
            "SCRAM-SHA-256" => Exchange::ScramFirst,
            _ => return self.refuse(&replies::unknown_mechanism()),
        };
        match params.initial {
            None => self.challenge(hello, exchange),
            Some(initial) => self.take_response(hello, exchange, initial.expose()),
        }
    }

    /// What the client says within an exchange; `None` where its line is not whole yet.
    pub(super) fn next_response(&mut self) -> Option<()> {
        let line = self
            .input
            .next_line(AUTH_LINE_MAX, |line| Ok(Secret::new(line)))?;
        let State::LoggingIn(hello, exchange) = std::mem::replace(&mut self.state, State::Closed)
        else {
            return None;
        };
        self.await_command();
        match line {
            Ok(line) => self.take_response(hello, exchange, line.expose()),
            Err(error) => {
                self.state = State::Idle(hello);
                self.refuse(&match error {
                    CommandError::TooLong => replies::response_too_long(),
                    error => error.reply(),
                });
            }
        }
        Some(())
    }

    /// The client's name where it may log in now.
    fn login_hello(&self) -> Result<Hello, Reply> {
        if self.terms.login == Login::None {
            return Err(replies::not_offered());
        }
        let hello = match &self.state {
            State::Idle(hello) if hello.esmtp => hello.clone(),
            State::Connected | State::Idle(_) => return Err(replies::ehlo_first()),
            // RFC 4954 §4: no AUTH during a mail transaction, and none after a successful one.
            _ => return Err(replies::login_in_transaction()),
        };
        if self.authenticated {
            return Err(replies::login_twice());
        }
        if !self.offers_login() {
            return Err(replies::login_needs_tls());
        }
        Ok(hello)
    }

    pub(super) fn offers_login(&self) -> bool {
        self.terms.login != Login::None
            && (self.terms.tls == Tls::Active || self.terms.cleartext_login)
    }

    fn take_response(&mut self, hello: Hello, exchange: Exchange, line: &[u8]) {
        match turn(exchange, line) {
            Turn::Next(exchange) => self.challenge(hello, exchange),
            Turn::Ask(question, asked) => {
                self.question = Some(question);
                self.state = State::AskingLogin(hello, asked);
            }
            Turn::Done => {
                self.authenticated = true;
                self.state = State::Idle(hello);
                self.say(&replies::logged_in());
            }
            Turn::Refused(refusal) => {
                self.state = State::Idle(hello);
                self.refuse(&refusal);
            }
        }
    }

    fn challenge(&mut self, hello: Hello, exchange: Exchange) {
        self.say(&replies::challenge(match exchange {
            // "Username:" and "Password:", as all servers ask.
            Exchange::LoginName => "VXNlcm5hbWU6",
            Exchange::LoginPassword { .. } => "UGFzc3dvcmQ6",
            _ => "",
        }));
        self.state = State::LoggingIn(hello, exchange);
    }

    pub(super) fn answer_login(&mut self, hello: Hello, asked: LoginAsked, answer: Answer) {
        match (asked, answer) {
            (LoginAsked::Challenge(first), Answer::Challenge(challenge)) => {
                let (text, expected) = first.answered(&challenge);
                self.challenge_with(hello, &text, Exchange::ScramLast(Box::new(expected)));
            }
            // RFC 4954 §4: what the server has to say at the end is a challenge of its own, since
            // 235 carries nothing, and the client's answer is empty.
            (LoginAsked::Proof, Answer::Proven(signature)) => {
                let text = scram::verifier(&signature);
                self.challenge_with(hello, &text, Exchange::ScramEnd);
            }
            (LoginAsked::Verdict, answer) => self.end_login(hello, answer),
            (LoginAsked::Challenge(_) | LoginAsked::Proof, Answer::Reply(refusal))
                if refusal.severity() != Severity::Success =>
            {
                self.end_login(hello, Answer::Reply(refusal));
            }
            // A yes without the words that the exchange needs is none.
            (LoginAsked::Challenge(_) | LoginAsked::Proof, _) => {
                self.end_login(hello, Answer::Reply(replies::unanswered()));
            }
        }
    }

    fn challenge_with(&mut self, hello: Hello, text: &str, exchange: Exchange) {
        self.say(&replies::challenge(&BASE64.encode(text.as_bytes())));
        self.state = State::LoggingIn(hello, exchange);
    }
}

fn turn(exchange: Exchange, line: &[u8]) -> Turn {
    if line == b"*" {
        return Turn::Refused(replies::login_cancelled());
    }
    let Some(response) = decode(line, &exchange) else {
        return Turn::Refused(replies::bad_base64());
    };
    match exchange {
        Exchange::Plain => plain(&response),
        Exchange::LoginName => match username(&response) {
            Some(username) => Turn::Next(Exchange::LoginPassword { username }),
            None => Turn::Refused(replies::bad_response()),
        },
        Exchange::LoginPassword { username } => known(username, response),
        Exchange::ScramFirst => scram_first(&response),
        Exchange::ScramLast(expected) => match expected.parse(&response) {
            Some(last) => Turn::Ask(
                Ask::ScramProof {
                    auth_message: last.auth_message,
                    proof: last.proof,
                },
                LoginAsked::Proof,
            ),
            None => Turn::Refused(replies::bad_response()),
        },
        Exchange::ScramEnd if response.is_empty() => Turn::Done,
        Exchange::ScramEnd => Turn::Refused(replies::bad_response()),
    }
}

fn known(username: String, password: impl Into<Vec<u8>>) -> Turn {
    let password = Secret::new(password);
    Turn::Ask(Ask::Login { username, password }, LoginAsked::Verdict)
}

/// RFC 4616 §2: `[authzid] NUL authcid NUL passwd`.
fn plain(response: &[u8]) -> Turn {
    let parts: Vec<_> = response.split(|octet| *octet == 0).collect();
    let [identity, name, password] = parts.as_slice() else {
        return Turn::Refused(replies::bad_response());
    };
    let Some(username) = username(name) else {
        return Turn::Refused(replies::bad_response());
    };
    if !identity.is_empty() && identity != name {
        return Turn::Refused(replies::login_for_another());
    }
    known(username, *password)
}

fn scram_first(response: &[u8]) -> Turn {
    let Some(first) = scram::First::parse(response) else {
        return Turn::Refused(replies::bad_response());
    };
    if first
        .identity
        .as_ref()
        .is_some_and(|identity| *identity != first.username)
    {
        return Turn::Refused(replies::login_for_another());
    }
    Turn::Ask(
        Ask::ScramChallenge {
            username: first.username.clone(),
        },
        LoginAsked::Challenge(Box::new(first)),
    )
}

fn username(octets: &[u8]) -> Option<String> {
    let text = str::from_utf8(octets).ok()?;
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}

fn decode(line: &[u8], exchange: &Exchange) -> Option<Vec<u8>> {
    // RFC 4954 §4: "=" stands for an initial response of no octets.
    if line == b"=" {
        return Some(Vec::new());
    }
    // Everywhere else an empty line is no answer, and what it would lead to is told as that.
    if line.is_empty() && matches!(exchange, Exchange::ScramEnd) {
        return Some(Vec::new());
    }
    BASE64.decode(line).ok()
}
