//! AUTH: what a client is asked until a username and a password are there (RFC 4954).
//!
//! Mechanisms: PLAIN (RFC 4616), and LOGIN, which no RFC has but many clients know alone.
//! Refused: to act for somebody else (an authorization identity that is not the username), and
//! AUTH in the clear where the connection's terms do not allow it.

use data_encoding::BASE64;
use postbell_model::{Reply, Secret};

use super::{Ask, Hello, Login, Server, State, Tls, replies};
use crate::command::{AuthParams, CommandError};

/// Octets of a client's line within an exchange, CRLF included (RFC 4954 §4).
pub const AUTH_LINE_MAX: usize = 12_288;

/// What the client's next line is.
#[derive(Debug)]
pub(super) enum Exchange {
    Plain,
    LoginName,
    LoginPassword { username: String },
}

/// Where a client's line leads.
enum Turn {
    Ask(Exchange),
    Known { username: String, password: Secret },
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
            Turn::Ask(exchange) => self.challenge(hello, exchange),
            Turn::Known { username, password } => {
                self.question = Some(Ask::Login { username, password });
                self.state = State::AskingLogin(hello);
            }
            Turn::Refused(refusal) => {
                self.state = State::Idle(hello);
                self.refuse(&refusal);
            }
        }
    }

    fn challenge(&mut self, hello: Hello, exchange: Exchange) {
        self.say(&replies::challenge(match exchange {
            Exchange::Plain => "",
            // "Username:" and "Password:", as all servers ask.
            Exchange::LoginName => "VXNlcm5hbWU6",
            Exchange::LoginPassword { .. } => "UGFzc3dvcmQ6",
        }));
        self.state = State::LoggingIn(hello, exchange);
    }
}

fn turn(exchange: Exchange, line: &[u8]) -> Turn {
    if line == b"*" {
        return Turn::Refused(replies::login_cancelled());
    }
    let Some(response) = decode(line) else {
        return Turn::Refused(replies::bad_base64());
    };
    match exchange {
        Exchange::Plain => plain(&response),
        Exchange::LoginName => match username(&response) {
            Some(username) => Turn::Ask(Exchange::LoginPassword { username }),
            None => Turn::Refused(replies::bad_response()),
        },
        Exchange::LoginPassword { username } => Turn::Known {
            username,
            password: Secret::new(response),
        },
    }
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
    Turn::Known {
        username,
        password: Secret::new(*password),
    }
}

fn username(octets: &[u8]) -> Option<String> {
    let text = str::from_utf8(octets).ok()?;
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}

fn decode(line: &[u8]) -> Option<Vec<u8>> {
    // RFC 4954 §4: "=" stands for an initial response of no octets.
    if line == b"=" {
        return Some(Vec::new());
    }
    BASE64.decode(line).ok()
}
