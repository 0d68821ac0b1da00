//! AUTH: how a client logs in at a relay (RFC 4954), with PLAIN (RFC 4616) or with LOGIN, which
//! no RFC has but which some relays offer alone.
//!
//! Refused: to say a password where somebody may listen. A session whose login is refused, or
//! that can't log in, ends before any transaction: the trouble is ours and not a message's.

use std::fmt;

use bytes::Bytes;
use data_encoding::BASE64;
use postbell_model::reply::Severity;
use postbell_model::{Monotonic, Phase, Reply, Secret};

use super::transaction::{After, Giver};
use super::{Client, Security, StartTls, State, out_of_turn};

/// Octets of a command, CRLF included (RFC 5321 §4.5.3.1.4); a longer response goes by itself.
const COMMAND_MAX: usize = 512;

/// Who a client is to a relay.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientLogin {
    /// The username.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// Whether nobody can listen, so that it may be said in the clear: on loopback.
    pub unheard: bool,
}

impl fmt::Debug for ClientLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientLogin").finish_non_exhaustive()
    }
}

/// What the host's next reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoginStep {
    /// `AUTH PLAIN` without the response, since it is too long for the line.
    PlainAsked,
    /// `AUTH LOGIN`.
    LoginAsked,
    /// The username of LOGIN.
    NameSaid,
    /// All that there is to say.
    AllSaid,
}

impl Client {
    /// A session that logs in before its first transaction, or else has none.
    #[must_use]
    pub fn with_login(mut self, login: Option<ClientLogin>) -> Self {
        self.login = login;
        self
    }

    /// Whether what is written now is a part of a login, and not to be shown.
    pub const fn is_logging_in(&self) -> bool {
        matches!(self.state, State::LoggingIn(_))
    }

    /// After the last EHLO or HELO: logs in where that is wanted, and is ready.
    pub(super) fn log_in_or_become_idle(&mut self, now: Monotonic) {
        if self.start_tls == StartTls::Required && self.security != Security::Secured {
            // RFC 3463 §3.8: X.7.10, encryption needed.
            let reply = Reply::new(451, 7, 10, "The host does not offer STARTTLS");
            return self.fail(Phase::Tls, reply, Giver::Us);
        }
        let Some(login) = self.login.clone() else {
            return self.become_idle(After::Clean);
        };
        if self.security != Security::Secured && !login.unheard {
            let reply = Reply::new(451, 7, 11, "A password is not said without TLS");
            return self.fail(Phase::Auth, reply, Giver::Us);
        }
        if self.extensions.auth_plain {
            self.say_plain(&login, now);
        } else if self.extensions.auth_login {
            self.ask(LoginStep::LoginAsked, "AUTH LOGIN\r\n".into(), now);
        } else {
            let reply = Reply::new(451, 7, 4, "The host offers neither AUTH PLAIN nor LOGIN");
            self.fail(Phase::Auth, reply, Giver::Us);
        }
    }

    fn say_plain(&mut self, login: &ClientLogin, now: Monotonic) {
        let line = format!("AUTH PLAIN {}\r\n", plain_response(login));
        if line.len() <= COMMAND_MAX {
            self.ask(LoginStep::AllSaid, line, now);
        } else {
            self.ask(LoginStep::PlainAsked, "AUTH PLAIN\r\n".into(), now);
        }
    }

    pub(super) fn take_login(&mut self, step: LoginStep, reply: Reply, now: Monotonic) {
        match reply.severity() {
            Severity::Success if step == LoginStep::AllSaid => self.become_idle(After::Clean),
            Severity::Intermediate if step != LoginStep::AllSaid => self.respond(step, now),
            Severity::Success | Severity::Intermediate => self.abandon(out_of_turn(&reply)),
            Severity::Transient | Severity::Permanent => {
                self.fail(Phase::Auth, reply, Giver::Host);
            }
        }
    }

    fn respond(&mut self, step: LoginStep, now: Monotonic) {
        let Some(login) = &self.login else {
            return self.abandon(Reply::new(451, 5, 0, "No login was begun"));
        };
        let (next, response) = match step {
            LoginStep::LoginAsked => {
                let name = BASE64.encode(login.username.as_bytes());
                (LoginStep::NameSaid, name)
            }
            LoginStep::NameSaid => {
                let password = BASE64.encode(login.password.expose());
                (LoginStep::AllSaid, password)
            }
            LoginStep::PlainAsked | LoginStep::AllSaid => {
                (LoginStep::AllSaid, plain_response(login))
            }
        };
        self.ask(next, format!("{response}\r\n"), now);
    }

    fn ask(&mut self, step: LoginStep, line: String, now: Monotonic) {
        self.state = State::LoggingIn(step);
        self.say(vec![Bytes::from(line)], now);
    }
}

// RFC 4616 §2: no authorization identity, the username, the password.
fn plain_response(login: &ClientLogin) -> String {
    let mut message = vec![0];
    message.extend_from_slice(login.username.as_bytes());
    message.push(0);
    message.extend_from_slice(login.password.expose());
    BASE64.encode(&message)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::client::{ClientOptions, ClientStep};

    const NOW: Monotonic = Monotonic(std::time::Duration::ZERO);
    const GREETING: &str = "220 relay.test\r\n";

    fn login(password: &str, unheard: bool) -> ClientLogin {
        ClientLogin {
            username: "tim".to_owned(),
            password: Secret::new(password),
            unheard,
        }
    }

    /// What a session says and tells, given these answers one after the other.
    fn talk(start_tls: StartTls, login: ClientLogin, answers: &[&str]) -> Vec<String> {
        let options = Arc::new(ClientOptions::default());
        let mut client = Client::new(options, start_tls, NOW).with_login(Some(login));
        let mut told = Vec::new();
        for answer in answers {
            client.handle(answer.as_bytes(), NOW);
            loop {
                told.push(match client.poll() {
                    ClientStep::Read => break,
                    ClientStep::Close => {
                        told.push("close".to_owned());
                        break;
                    }
                    ClientStep::Write(chunks) => {
                        let said = String::from_utf8(chunks.concat()).unwrap();
                        format!(
                            "{}{said}",
                            if client.is_logging_in() {
                                "secret "
                            } else {
                                ""
                            }
                        )
                    }
                    ClientStep::StartTls => {
                        client.secured(NOW);
                        "handshake".to_owned()
                    }
                    ClientStep::Failed { phase, reply, .. } => format!("failed {phase} {reply}"),
                    other => format!("{other:?}"),
                });
            }
        }
        told.split_off(1)
    }

    // RFC 4616 §4, its first example.
    #[test]
    fn plain_goes_with_its_command() {
        let ehlo = "250-relay.test\r\n250 AUTH LOGIN PLAIN\r\n";
        let answers = [GREETING, ehlo, "235 2.7.0 Welcome\r\n"];
        let told = talk(StartTls::Active, login("tanstaaftanstaaf", false), &answers);
        let auth = "secret AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n";
        assert_eq!(told, [auth, "Ready"]);
    }

    #[test]
    fn a_long_password_goes_by_itself() {
        let ehlo = "250-relay.test\r\n250 AUTH PLAIN\r\n";
        let answers = [GREETING, ehlo, "334 \r\n", "235 2.7.0 Welcome\r\n"];
        let told = talk(StartTls::Active, login(&"x".repeat(500), false), &answers);
        assert_eq!(told[0], "secret AUTH PLAIN\r\n");
        assert_eq!(
            told[1].len(),
            "secret ".len() + (1 + 3 + 1 + 500_usize).div_ceil(3) * 4 + 2
        );
        assert_eq!(told[2], "Ready");
    }

    #[test]
    fn login_is_asked_twice() {
        for ehlo in [
            "250-relay.test\r\n250 AUTH LOGIN\r\n",
            "250-relay.test\r\n250 AUTH=LOGIN\r\n",
        ] {
            let answers = [
                GREETING,
                ehlo,
                "334 VXNlcm5hbWU6\r\n",
                "334 UGFzc3dvcmQ6\r\n",
                "235 ok\r\n",
            ];
            let told = talk(StartTls::Active, login("secret", false), &answers);
            let said = [
                "secret AUTH LOGIN\r\n",
                "secret dGlt\r\n",
                "secret c2VjcmV0\r\n",
                "Ready",
            ];
            assert_eq!(told, said);
        }
    }

    #[test]
    fn a_login_that_is_refused_ends_the_session() {
        let ehlo = "250-relay.test\r\n250 AUTH PLAIN\r\n";
        let answers = [GREETING, ehlo, "535 5.7.8 No\r\n"];
        let told = talk(StartTls::Active, login("x", false), &answers);
        assert_eq!(told[1..], ["failed auth 535 5.7.8 No", "QUIT\r\n", "close"]);
    }

    #[test]
    fn nothing_is_said_where_somebody_may_listen() {
        let ehlo = "250-relay.test\r\n250 AUTH PLAIN\r\n";
        let told = talk(StartTls::Never, login("x", false), &[GREETING, ehlo]);
        assert!(told[0].starts_with("failed auth 451 4.7.11"), "{told:?}");
        let told = talk(StartTls::Never, login("x", true), &[GREETING, ehlo]);
        assert!(told[0].starts_with("secret AUTH PLAIN"), "{told:?}");
    }

    #[test]
    fn a_host_without_a_mechanism_that_is_known_gets_nothing() {
        for ehlo in [
            "250 relay.test\r\n",
            "250-relay.test\r\n250 AUTH GSSAPI\r\n",
        ] {
            let told = talk(StartTls::Active, login("x", false), &[GREETING, ehlo]);
            assert!(told[0].starts_with("failed auth 451 4.7.4"), "{told:?}");
        }
    }

    #[test]
    fn required_tls_is_not_done_without() {
        let offered = "250-relay.test\r\n250 STARTTLS\r\n";
        let plain = "250-relay.test\r\n250 AUTH PLAIN\r\n";
        let required = |answers: &[&str]| talk(StartTls::Required, login("x", false), answers);
        let told = required(&[GREETING, offered, "220 go\r\n", plain]);
        assert_eq!(told[1], "handshake");
        assert!(told[3].starts_with("secret AUTH PLAIN"), "{told:?}");
        assert!(required(&[GREETING, plain])[0].starts_with("failed tls 451 4.7.10"));
        let told = required(&[GREETING, offered, "454 4.7.0 not now\r\n"]);
        assert_eq!(told[1], "failed tls 454 4.7.0 not now");
        let told = required(&[GREETING, "502 what\r\n", "250 relay.test\r\n"]);
        assert!(told[1].starts_with("failed tls"), "{told:?}");
    }

    #[test]
    fn answers_that_make_no_sense_end_the_session() {
        let ehlo = "250-relay.test\r\n250 AUTH LOGIN\r\n";
        let told = talk(
            StartTls::Active,
            login("x", false),
            &[GREETING, ehlo, "235 what\r\n"],
        );
        assert!(told[1].starts_with("failed auth 451 4.5.0"), "{told:?}");
        let ehlo = "250-relay.test\r\n250 AUTH PLAIN\r\n";
        let told = talk(
            StartTls::Active,
            login("x", false),
            &[GREETING, ehlo, "334 more\r\n"],
        );
        assert!(told[1].starts_with("failed auth 451 4.5.0"), "{told:?}");
    }
}
