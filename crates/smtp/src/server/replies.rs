//! What the server says, in one place.

use postbell_model::Reply;

use super::ServerOptions;

pub(super) fn greeting(options: &ServerOptions) -> Reply {
    Reply::plain(220, format!("{} ESMTP Postbell", options.hostname))
}

// RFC 5321 §4.1.1.1: a keyword a line.
pub(super) fn ehlo(options: &ServerOptions) -> Reply {
    Reply::plain(
        250,
        format!(
            "{}\nPIPELINING\nSIZE {}\n8BITMIME\nSMTPUTF8\nENHANCEDSTATUSCODES",
            options.hostname, options.max_message_size
        ),
    )
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
        "EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP",
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

pub(super) fn shutting_down() -> Reply {
    Reply::new(421, 3, 2, "The server is going down, try again later")
}
