//! What each command does, and what the answers to questions lead to.

use postbell_model::reply::Severity;
use postbell_model::{Address, Reply, ReportRequest};

use super::pace::Pace;
use super::{
    Answer, Ask, Envelope, Hello, Incoming, Login, Receiving, Recipient, Reports, Server, State,
    Tls, replies,
};
use crate::command::{Command, CommandError, ForwardPath, MailParams, RcptParams};
use crate::data::DotReader;

/// Where a reply leaves the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Refused,
    /// It was the last reply.
    Over,
}

impl Server {
    pub(super) fn take_command(&mut self, command: Result<Command, CommandError>) {
        self.commands = self.commands.saturating_add(1);
        if self.commands > self.options.max_commands {
            return self.close_with(&replies::too_many_commands());
        }
        match command {
            Err(error) => self.refuse(&error.reply()),
            Ok(Command::Ehlo(name)) => self.greet(Hello { name, esmtp: true }),
            Ok(Command::Helo(name)) => self.greet(Hello { name, esmtp: false }),
            Ok(Command::StartTls) => self.start_tls(),
            Ok(Command::Auth(params)) => self.begin_login(params),
            Ok(Command::Mail(params)) => self.begin_envelope(params),
            Ok(Command::Rcpt(params)) => self.add_recipient(params),
            Ok(Command::Data) => self.begin_message(),
            Ok(Command::Rset) => self.reset(),
            Ok(Command::Noop) => self.say(&replies::done()),
            Ok(Command::Vrfy) => self.say(&replies::not_verified()),
            Ok(Command::Help) => self.say(&replies::help()),
            Ok(Command::Quit) => self.close_with(&replies::goodbye(&self.options)),
            Ok(Command::NotOffered) => self.refuse(&replies::not_offered()),
            Ok(Command::Foreign) => self.close_with(&replies::another_protocol()),
            Ok(Command::Unknown) => self.refuse(&replies::unknown_command()),
        }
    }

    // RFC 5321 §4.1.4: EHLO in mid-session drops what was said about a message.
    fn greet(&mut self, hello: Hello) {
        let reply = if hello.esmtp {
            replies::ehlo(&self.options, &self.keywords())
        } else {
            replies::helo(&self.options)
        };
        self.state = State::Idle(hello);
        self.say(&reply);
    }

    /// What is announced on this connection as it stands.
    fn keywords(&self) -> Vec<&'static str> {
        let mut keywords = Vec::with_capacity(3);
        if self.terms.reports == Reports::Offered {
            keywords.push("DSN");
        }
        if self.terms.tls == Tls::Offered {
            keywords.push("STARTTLS");
        }
        if self.offers_login() {
            keywords.push("AUTH SCRAM-SHA-256 PLAIN LOGIN");
        }
        keywords
    }

    fn start_tls(&mut self) {
        match self.terms.tls {
            Tls::None => return self.refuse(&replies::not_offered()),
            Tls::Active => return self.refuse(&replies::tls_twice()),
            Tls::Offered => {}
        }
        if matches!(self.state, State::Connected) {
            return self.refuse(&replies::ehlo_first());
        }
        // RFC 3207 §4: STARTTLS is the last command of a group. What stands behind it may be
        // somebody else's, put there to be answered as if it had come under TLS.
        if !self.input.is_empty() {
            return self.close_with(&replies::spoke_before_tls());
        }
        self.say(&replies::start_tls());
        self.state = State::StartingTls;
    }

    pub(super) fn end_login(&mut self, hello: Hello, answer: Answer) {
        self.state = match self.say_answer(answer, replies::logged_in()) {
            Verdict::Accepted => {
                self.authenticated = true;
                State::Idle(hello)
            }
            Verdict::Refused => State::Idle(hello),
            Verdict::Over => State::Closed,
        };
    }

    fn reset(&mut self) {
        if let State::Collecting(envelope) = &self.state {
            self.state = State::Idle(envelope.hello());
        }
        self.say(&replies::done());
    }

    fn begin_envelope(&mut self, params: MailParams) {
        let hello = match &self.state {
            State::Idle(hello) => hello.clone(),
            State::Connected => return self.refuse(&replies::ehlo_first()),
            _ => return self.refuse(&replies::mail_twice()),
        };
        if self.terms.login == Login::Required && !self.authenticated {
            return self.refuse(&replies::login_first());
        }
        if params.non_ascii && !params.smtputf8 {
            return self.refuse(&replies::needs_smtputf8());
        }
        if (params.ret.is_some() || params.envid.is_some())
            && let Err(refusal) = self.check_reports()
        {
            return self.refuse(&refusal);
        }
        let max = self.options.max_message_size;
        if params.size.is_some_and(|size| size > max) {
            return self.refuse(&replies::too_large(&self.options));
        }
        self.question = Some(Ask::Mail {
            from: params.from.clone(),
            size: params.size,
            eight_bit: params.eight_bit,
            smtputf8: params.smtputf8,
        });
        self.state = State::AskingMail(Envelope {
            helo: hello.name,
            esmtp: hello.esmtp,
            tls: self.terms.tls == Tls::Active,
            authenticated: self.authenticated,
            from: params.from,
            recipients: Vec::new(),
            eight_bit: params.eight_bit,
            smtputf8: params.smtputf8,
            size: params.size,
            ret: params.ret,
            envid: params.envid,
        });
    }

    pub(super) fn answer_mail(&mut self, envelope: Envelope, answer: Answer) {
        self.state = match self.say_answer(answer, replies::sender_taken()) {
            Verdict::Accepted => State::Collecting(envelope),
            Verdict::Refused => State::Idle(envelope.hello()),
            Verdict::Over => State::Closed,
        };
    }

    fn add_recipient(&mut self, params: RcptParams) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Collecting(envelope) => self.ask_recipient(envelope, params),
            state => {
                self.state = state;
                self.refuse(&replies::mail_first());
            }
        }
    }

    fn ask_recipient(&mut self, envelope: Envelope, params: RcptParams) {
        match self.check_recipient(&envelope, params) {
            Ok(to) => {
                self.question = Some(Ask::Rcpt {
                    to: to.address.clone(),
                });
                self.state = State::AskingRcpt(envelope, to);
            }
            Err(refusal) => {
                self.state = State::Collecting(envelope);
                self.refuse(&refusal);
            }
        }
    }

    // RFC 5321 §4.1.1.11: 555 is for a parameter of an extension that was not offered.
    fn check_reports(&self) -> Result<(), Reply> {
        match self.terms.reports {
            Reports::Offered => Ok(()),
            Reports::None => Err(CommandError::UnknownParameter.reply()),
        }
    }

    fn check_recipient(&self, envelope: &Envelope, params: RcptParams) -> Result<Recipient, Reply> {
        if params.report != ReportRequest::default() {
            self.check_reports()?;
        }
        if params.non_ascii && !envelope.smtputf8 {
            return Err(replies::needs_smtputf8());
        }
        if envelope.recipients.len() >= self.options.max_recipients {
            return Err(replies::too_many_recipients());
        }
        let address = mailbox(params.to, &self.options.hostname);
        Ok(Recipient {
            address: address.ok_or_else(replies::no_postmaster)?,
            report: params.report,
        })
    }

    pub(super) fn answer_rcpt(&mut self, mut envelope: Envelope, to: Recipient, answer: Answer) {
        self.state = match self.say_answer(answer, replies::recipient_taken()) {
            Verdict::Accepted => {
                envelope.recipients.push(to);
                // Accepted recipients have a limit of their own.
                self.commands = self.commands.saturating_sub(1);
                State::Collecting(envelope)
            }
            Verdict::Refused => State::Collecting(envelope),
            Verdict::Over => State::Closed,
        };
    }

    fn begin_message(&mut self) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Collecting(envelope) if !envelope.recipients.is_empty() => {
                self.receive(envelope);
            }
            state => {
                // RFC 5321 §3.3: 554 where MAIL was accepted but no RCPT.
                let refusal = match &state {
                    State::Collecting(_) => replies::no_recipient(),
                    _ => replies::mail_first(),
                };
                self.state = state;
                self.refuse(&refusal);
            }
        }
    }

    fn receive(&mut self, envelope: Envelope) {
        let reader = DotReader::new(self.options.max_message_size, self.options.bare_line_ends);
        self.state = State::Receiving(Box::new(Receiving {
            reader: reader.expecting(envelope.size),
            envelope,
            end_by: self.now.after(self.options.timeouts.data_total),
            pace: Pace::new(self.now, &self.options),
        }));
        self.input_by = self.now.after(self.options.timeouts.data_block);
        self.say(&replies::start_data());
    }

    /// The final dot was read: the message is asked about, or refused if it was not kept.
    pub(super) fn end_message(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Closed);
        let State::Receiving(receiving) = state else {
            self.state = state;
            return;
        };
        let Receiving {
            envelope, reader, ..
        } = *receiving;
        let hello = envelope.hello();
        match reader.finish() {
            Ok(body) => {
                self.question = Some(Ask::Message(Incoming { envelope, body }));
                self.state = State::AskingMessage(hello);
            }
            Err(error) => {
                self.state = State::Idle(hello);
                self.await_command();
                self.refuse(&error.reply());
            }
        }
    }

    pub(super) fn answer_message(&mut self, hello: Hello, answer: Answer) {
        self.state = match self.say_answer(answer, replies::message_taken()) {
            Verdict::Accepted => {
                (self.errors, self.commands) = (0, 0);
                State::Idle(hello)
            }
            Verdict::Refused => State::Idle(hello),
            Verdict::Over => State::Closed,
        };
    }

    fn say_answer(&mut self, answer: Answer, usual: Reply) -> Verdict {
        let reply = match answer {
            Answer::Accept => usual,
            Answer::Reply(reply) => reply,
            // These answer other questions.
            Answer::Challenge(_) | Answer::Proven(_) => replies::unanswered(),
        };
        // RFC 5321 §3.8: 421 announces the end of the session.
        if reply.code == 421 {
            self.close_with(&reply);
            return Verdict::Over;
        }
        if reply.severity() == Severity::Success {
            self.say(&reply);
            return Verdict::Accepted;
        }
        self.say_refusal(&reply)
    }

    pub(super) fn refuse(&mut self, reply: &Reply) {
        self.say_refusal(reply);
    }

    /// Counts what the client could have known; what is not to be had for now is no error.
    fn say_refusal(&mut self, reply: &Reply) -> Verdict {
        if reply.severity() == Severity::Permanent {
            self.errors = self.errors.saturating_add(1);
        }
        if self.errors > self.options.max_errors {
            self.close_with(&replies::too_many_errors());
            return Verdict::Over;
        }
        self.say(reply);
        Verdict::Refused
    }
}

impl Envelope {
    fn hello(&self) -> Hello {
        Hello {
            name: self.helo.clone(),
            esmtp: self.esmtp,
        }
    }
}

/// The recipient with a domain: RFC 5321 §4.5.1 makes a lone `postmaster` ours.
fn mailbox(path: ForwardPath, hostname: &str) -> Option<Address> {
    match path {
        ForwardPath::Mailbox(address) => Some(address),
        ForwardPath::Postmaster => Address::parse(&format!("postmaster@{hostname}")).ok(),
    }
}
