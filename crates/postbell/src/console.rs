//! What the program says to the person at the terminal.
//!
//! Everything printed goes through here. A reader that went away (`postbell config show | head`)
//! is no fault, so failed writes are let go.

use std::io::{self, IsTerminal, Write};

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

    /// Rows in columns as wide as their widest cell, two spaces between, under a faint heading.
    pub(crate) fn table(self, heading: &[&str], rows: &[Vec<String>]) {
        let widths: Vec<usize> = heading
            .iter()
            .enumerate()
            .map(|(column, title)| {
                let cells = rows.iter().filter_map(|row| row.get(column));
                let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
                widest.max(title.chars().count())
            })
            .collect();
        let heading: Vec<_> = heading.iter().map(|title| (*title).to_owned()).collect();
        self.say(self.styled(Style::Faint, &aligned(&heading, &widths)));
        for row in rows {
            self.say(aligned(row, &widths));
        }
    }
}

/// Whether the stream is a terminal and nobody objects (<https://no-color.org>).
pub(crate) fn colour_wanted(stream: &impl IsTerminal) -> bool {
    let objected = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !objected
}

fn aligned(cells: &[String], widths: &[usize]) -> String {
    let padded: Vec<_> = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:<width$}"))
        .collect();
    padded.join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_without_trailing_space() {
        let cells = ["ab".to_owned(), "c".to_owned(), String::new()];
        assert_eq!(aligned(&cells, &[4, 1, 3]), "ab    c");
    }

    #[test]
    fn no_escape_codes_where_no_colour_is_wanted() {
        let plain = Console { colour: false };
        assert_eq!(plain.styled(Style::Good, "ok"), "ok");
        let coloured = Console { colour: true };
        assert_eq!(coloured.styled(Style::Good, "ok"), "\u{1b}[32mok\u{1b}[0m");
    }
}
