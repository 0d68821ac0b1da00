//! What the server says, in one place.

use postbell_model::Reply;

use super::ServerOptions;

pub(super) fn greeting(options: &ServerOptions) -> Reply {
    Reply::plain(220, format!("{} ESMTP Postbell", options.hostname))
}

// RFC 5321 §4.1.1.1: a keyword a line.
pub(super) fn ehlo(options: &ServerOptions, more: &[&str]) -> Reply {
    let mut text = format!(
        "{}\nPIPELINING\nSIZE {}\n8BITMIME\nSMTPUTF8\nENHANCEDSTATUSCODES",
        options.hostname, options.max_message_size
    );
    for keyword in more {
        text.push('\n');
        text.push_str(keyword);
    }
    Reply::plain(250, text)
}

pub(super) fn helo(options: &ServerOptions) -> Reply {
    Reply::plain(250, options.hostname.clone())
}

pub(super) fn start_data() -> Reply {
    Reply::plain(354, "End data with <CR><LF>.<CR><LF>")
}

pub(super) fn done() -> Reply {
    Reply::new(250, 0, 0, "OK")
}

pub(super) fn sender_taken() -> Reply {
    Reply::new(250, 1, 0, "Sender OK")
}

pub(super) fn recipient_taken() -> Reply {
    Reply::new(250, 1, 5, "Recipient OK")
}

pub(super) fn message_taken() -> Reply {
    Reply::new(250, 0, 0, "Message accepted")
}

pub(super) fn help() -> Reply {
    Reply::new(
        214,
        0,
        0,
        "EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT VRFY HELP",
    )
}

// RFC 5321 §3.5.3: 252 says nothing about the address.
pub(super) fn not_verified() -> Reply {
    Reply::new(252, 0, 0, "Not verified; send a message to find out")
}

pub(super) fn goodbye(options: &ServerOptions) -> Reply {
    Reply::new(221, 0, 0, format!("{} goodbye", options.hostname))
}

pub(super) fn unknown_command() -> Reply {
    Reply::new(500, 5, 1, "Unknown command")
}

pub(super) fn not_offered() -> Reply {
    Reply::new(502, 5, 1, "Command not offered")
}

// RFC 3207 §4
pub(super) fn start_tls() -> Reply {
    Reply::new(220, 0, 0, "Begin TLS")
}

pub(super) fn tls_twice() -> Reply {
    Reply::new(503, 5, 1, "TLS is active already")
}

pub(super) fn spoke_before_tls() -> Reply {
    Reply::new(421, 7, 0, "Something was sent behind STARTTLS, goodbye")
}

pub(super) fn challenge(text: &str) -> Reply {
    Reply::plain(334, text)
}

// RFC 4954 §6, as are the codes of the following.
pub(super) fn logged_in() -> Reply {
    Reply::new(235, 7, 0, "Authenticated")
}

pub(super) fn login_first() -> Reply {
    Reply::new(530, 7, 0, "Authentication required")
}

pub(super) fn login_needs_tls() -> Reply {
    Reply::new(538, 7, 11, "Authentication needs TLS; send STARTTLS first")
}

pub(super) fn login_twice() -> Reply {
    Reply::new(503, 5, 1, "Authenticated already")
}

pub(super) fn login_in_transaction() -> Reply {
    Reply::new(503, 5, 1, "No AUTH between MAIL and the end of the message")
}

pub(super) fn login_for_another() -> Reply {
    Reply::new(535, 7, 8, "Nobody can log in for somebody else")
}

pub(super) fn login_cancelled() -> Reply {
    Reply::new(501, 7, 0, "Authentication cancelled")
}

pub(super) fn unknown_mechanism() -> Reply {
    Reply::new(
        504,
        5,
        4,
        "Unknown mechanism; there are SCRAM-SHA-256, PLAIN and LOGIN",
    )
}

// RFC 4954 §6
pub(super) fn unanswered() -> Reply {
    Reply::new(454, 7, 0, "This can't be decided now; try again later")
}

pub(super) fn bad_base64() -> Reply {
    Reply::new(501, 5, 2, "Not base64")
}

pub(super) fn bad_response() -> Reply {
    Reply::new(501, 5, 2, "Not what the mechanism asks for")
}

pub(super) fn response_too_long() -> Reply {
    Reply::new(500, 5, 6, "Authentication line too long")
}

pub(super) fn ehlo_first() -> Reply {
    Reply::new(503, 5, 1, "Send EHLO or HELO first")
}

pub(super) fn mail_first() -> Reply {
    Reply::new(503, 5, 1, "Send MAIL first")
}

pub(super) fn mail_twice() -> Reply {
    Reply::new(503, 5, 1, "A sender was given already")
}

pub(super) fn no_recipient() -> Reply {
    Reply::new(554, 5, 1, "No recipient was accepted")
}

pub(super) fn no_postmaster() -> Reply {
    Reply::new(550, 1, 1, "There is no postmaster here")
}

// RFC 5321 §4.5.3.1.10
pub(super) fn too_many_recipients() -> Reply {
    Reply::new(452, 5, 3, "Too many recipients; send the others separately")
}

// RFC 1870 §6.1
pub(super) fn too_large(options: &ServerOptions) -> Reply {
    Reply::new(
        552,
        3,
        4,
        format!(
            "Message is larger than the limit of {} octets",
            options.max_message_size
        ),
    )
}

// RFC 6531 §3.5
pub(super) fn needs_smtputf8() -> Reply {
    Reply::new(553, 6, 7, "An address outside ASCII needs SMTPUTF8 at MAIL")
}

pub(super) fn too_many_errors() -> Reply {
    Reply::new(421, 7, 0, "Too many errors, goodbye")
}

pub(super) fn too_many_commands() -> Reply {
    Reply::new(421, 7, 0, "Too many commands without a message, goodbye")
}

pub(super) fn another_protocol() -> Reply {
    Reply::new(421, 7, 0, "This is an SMTP server, goodbye")
}

pub(super) fn too_far_ahead() -> Reply {
    Reply::new(421, 7, 0, "Too much was sent ahead, goodbye")
}

pub(super) fn timed_out() -> Reply {
    Reply::new(421, 4, 2, "Nothing came in time, goodbye")
}

pub(super) fn too_slow() -> Reply {
    Reply::new(421, 4, 2, "The message comes too slowly, goodbye")
}

pub(super) fn shutting_down() -> Reply {
    Reply::new(421, 3, 2, "The server is going down, try again later")
}
