//! What the program says to the person at the terminal.
//!
//! Everything printed goes through here. A reader that went away (`postbell config show | head`)
//! is no fault, so failed writes are let go.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use postbell_model::Timestamp;

use crate::table;

/// Standard output and standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    colour: bool,
}

/// How a word is set off from its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Strong,
    Faint,
    Good,
}

impl Console {
    /// Coloured where that is wanted on standard output.
    pub(crate) fn new() -> Self {
        Self {
            colour: colour_wanted(&io::stdout()),
        }
    }

    /// A line on standard output.
    pub(crate) fn say(self, line: impl AsRef<str>) {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{}", line.as_ref());
        let _ = out.flush();
    }

    /// A line on standard output, for who has to know whether anybody reads on.
    pub(crate) fn stream(self, line: impl AsRef<str>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", line.as_ref())?;
        out.flush()
    }

    /// A line on standard error.
    pub(crate) fn complain(self, line: impl AsRef<str>) {
        let _ = writeln!(io::stderr().lock(), "{}", line.as_ref());
    }

    /// A line on standard error that the next one replaces, for who watches a terminal.
    pub(crate) fn note(self, line: impl AsRef<str>) {
        let mut err = io::stderr().lock();
        let _ = write!(err, "\r\u{1b}[K{}", line.as_ref());
        let _ = err.flush();
    }

    /// `text`, set off where colours are wanted.
    pub(crate) fn styled(self, style: Style, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match style {
            Style::Strong => "1",
            Style::Faint => "2",
            Style::Good => "32",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// Whether what is said may be coloured.
    pub(crate) fn is_coloured(self) -> bool {
        self.colour
    }

    /// Rows in columns under a faint heading; on a terminal no wider than that.
    pub(crate) fn table(self, heading: &[&str], rows: &[Vec<String>]) {
        let mut lines = table::lines(heading, rows, terminal_width()).into_iter();
        if let Some(heading) = lines.next() {
            self.say(self.styled(Style::Faint, &heading));
        }
        for line in lines {
            self.say(line);
        }
    }
}

/// How wide the terminal on standard output is; `None` where there is none.
fn terminal_width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(usize::from(width.0))
}

/// Whether the stream is a terminal and nobody objects (<https://no-color.org>).
pub(crate) fn colour_wanted(stream: &impl IsTerminal) -> bool {
    let objected = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !objected
}

/// Text of others on one line of ours: nothing in it moves a cursor or turns what stands behind it.
pub(crate) fn plain(text: &str) -> String {
    let moves = |c: char| c.is_control() || turns(c);
    let plain = text.chars().map(|c| if moves(c) { ' ' } else { c });
    plain.collect()
}

/// Marks that have a terminal write from right to left, or end that.
const fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How long ago a moment was, in its two largest units: `3d 4h`, `12m 5s`.
pub(crate) fn age(moment: Timestamp, now: Timestamp) -> String {
    coarse(now.since(moment))
}

/// When a moment comes: `now`, `in 12m 5s`.
pub(crate) fn until(moment: Timestamp, now: Timestamp) -> String {
    match moment.since(now) {
        left if left.is_zero() => "now".to_owned(),
        left => format!("in {}", coarse(left)),
    }
}

fn coarse(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
    let first = units.iter().position(|(size, _)| seconds >= *size);
    let Some(first) = first else {
        return "0s".to_owned();
    };
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units.iter().skip(first).take(2) {
        if rest >= *size {
            parts.push(format!("{}{unit}", rest / size));
        }
        rest %= size;
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_661, "1h 1m"),
            (86_400 * 3 + 4 * 3_600 + 59, "3d 4h"),
        ] {
            assert_eq!(coarse(Duration::from_secs(seconds)), text);
        }
        let now = Timestamp::from_micros(1_000_000_000);
        let later = now.after(Duration::from_secs(90));
        assert_eq!(
            (until(now, later), until(later, now)),
            ("now".to_owned(), "in 1m 30s".to_owned())
        );
        assert_eq!(age(now, later), "1m 30s");
    }

    #[test]
    fn what_others_wrote_stays_where_it_stands() {
        let hostile = "a\r\n\u{1b}[2Jb\u{9b}c\u{202e}fdp.exe\u{2066}é";
        assert_eq!(plain(hostile), "a   [2Jb c fdp.exe é");
    }

    #[test]
    fn no_escape_codes_where_no_colour_is_wanted() {
        let plain = Console { colour: false };
        assert_eq!(plain.styled(Style::Good, "ok"), "ok");
        let coloured = Console { colour: true };
        assert_eq!(coloured.styled(Style::Good, "ok"), "\u{1b}[32mok\u{1b}[0m");
    }
}
