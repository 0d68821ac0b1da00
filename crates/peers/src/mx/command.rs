//! The commands that the server reads (RFC 5321 §4.1.1).

/// A line from the client, as far as the server understands it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Ehlo(&'a str),
    Helo(&'a str),
    Mail {
        path: &'a str,
        parameters: &'a str,
    },
    Rcpt {
        path: &'a str,
        parameters: &'a str,
    },
    Data,
    StartTls,
    Auth(&'a str),
    Rset,
    Noop,
    Vrfy,
    Quit,
    /// Known, with arguments that it can't have.
    Malformed,
    Unknown,
}

impl<'a> Command<'a> {
    /// Reads a line without its CRLF.
    pub(super) fn parse(line: &'a str) -> Self {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let is = |wanted: &str| verb.eq_ignore_ascii_case(wanted);
        let bare = |command| {
            if rest.is_empty() {
                command
            } else {
                Self::Malformed
            }
        };
        if is("MAIL") {
            return match path_of(rest, "FROM:") {
                Some((path, parameters)) => Self::Mail { path, parameters },
                None => Self::Malformed,
            };
        }
        if is("RCPT") {
            return match path_of(rest, "TO:") {
                Some((path, parameters)) if !path.is_empty() => Self::Rcpt { path, parameters },
                _ => Self::Malformed,
            };
        }
        match () {
            () if is("DATA") => bare(Self::Data),
            () if is("EHLO") && !rest.is_empty() => Self::Ehlo(rest),
            () if is("HELO") && !rest.is_empty() => Self::Helo(rest),
            () if is("EHLO") || is("HELO") => Self::Malformed,
            () if is("STARTTLS") => bare(Self::StartTls),
            () if is("AUTH") && !rest.is_empty() => Self::Auth(rest),
            () if is("RSET") => bare(Self::Rset),
            () if is("QUIT") => bare(Self::Quit),
            () if is("NOOP") => Self::Noop,
            () if is("VRFY") => Self::Vrfy,
            () => Self::Unknown,
        }
    }
}

/// The path between the angle brackets, and the parameters after them.
fn path_of<'a>(arguments: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let head = arguments.get(..keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    // RFC 5321 §3.3: no space stands after the colon.
    let inner = arguments[keyword.len()..].strip_prefix('<')?;
    let end = closing_bracket(inner)?;
    let parameters = &inner[end + 1..];
    if parameters.is_empty() {
        return Some((&inner[..end], ""));
    }
    Some((&inner[..end], parameters.strip_prefix(' ')?))
}

/// The bracket that closes the path: one outside a quoted string.
fn closing_bracket(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(index),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let mail = |path, parameters| Command::Mail { path, parameters };
        for (line, command) in [
            ("ehlo a.example", Command::Ehlo("a.example")),
            ("MAIL FROM:<>", mail("", "")),
            (
                "mail from:<a@b> SIZE=3 BODY=8BITMIME",
                mail("a@b", "SIZE=3 BODY=8BITMIME"),
            ),
            ("MAIL FROM:<\"a>b\"@c>", mail("\"a>b\"@c", "")),
            (
                "RCPT TO:<a@b>",
                Command::Rcpt {
                    path: "a@b",
                    parameters: "",
                },
            ),
            ("DATA", Command::Data),
            ("NOOP x", Command::Noop),
            ("STARTTLS", Command::StartTls),
            ("AUTH PLAIN", Command::Auth("PLAIN")),
            ("HELP", Command::Unknown),
        ] {
            assert_eq!(Command::parse(line), command, "{line}");
        }
    }

    #[test]
    fn wrong_arguments_are_malformed() {
        for line in [
            "EHLO",
            "MAIL FROM: <a@b>",
            "MAIL FROM:a@b",
            "MAIL FROM:<a@b",
            "MAIL FROM:<a@b>SIZE=1",
            "RCPT TO:<>",
            "DATA now",
            "QUIT now",
            "MAIL é",
        ] {
            assert_eq!(Command::parse(line), Command::Malformed, "{line}");
        }
    }
}
