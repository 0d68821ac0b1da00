//! `postbell inbound raw` and `attachment`: octets, for a file or a pipe.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, bail};
use postbell_mail::inbound::mime::{Kind, Mail};

use super::{find, read};
use crate::cli::InboundAttachment;
use crate::operator::Window;

pub(super) async fn raw(window: &Window<'_>, id: &str) -> anyhow::Result<()> {
    let kept = find(window, id).await?;
    let octets = read(window, &kept).await?;
    if io::stdout().is_terminal() {
        let text = String::from_utf8_lossy(&octets);
        window.console.say(harmless(&text));
        return Ok(());
    }
    print(&octets)
}

pub(super) async fn attachment(
    window: &Window<'_>,
    wanted: &InboundAttachment,
) -> anyhow::Result<()> {
    let kept = find(window, &wanted.id).await?;
    let octets = read(window, &kept).await?;
    let mail = Mail::read(&octets);
    let number = usize::try_from(wanted.part)?;
    let content = match mail.parts().get(number).map(|part| part.kind) {
        Some(Kind::Leaf | Kind::Message) => mail.octets(number),
        Some(Kind::Multipart) => bail!(
            "part {number} is made of other parts; see `postbell inbound show {}`",
            wanted.id
        ),
        None => bail!(
            "it has no part {number}; see `postbell inbound show {}`",
            wanted.id
        ),
    };
    match &wanted.out {
        Some(file) => {
            write(file, &content)?;
            let said = format!("{} octets are in {}", content.len(), file.display());
            window.console.complain(said);
            Ok(())
        }
        None if io::stdout().is_terminal() => {
            bail!("a part is not shown on a terminal: name a file with --out, or use a pipe")
        }
        None => print(&content),
    }
}

/// Makes the file: one that is there already is somebody's.
fn write(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    let unwritable = || format!("{} can't be written", file.display());
    let mut made = File::create_new(file).with_context(unwritable)?;
    made.write_all(content).with_context(unwritable)
}

fn print(octets: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(octets).and_then(|()| out.flush()) {
        // Whoever read it has had enough: `postbell inbound raw ID | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output can't be written"),
    }
}

/// A message's lines, with nothing in them that moves a cursor.
fn harmless(text: &str) -> String {
    let kept = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().filter(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_lines_and_nothing_else() {
        assert_eq!(harmless("a\r\n\u{1b}[2J\tb\u{9b}c\0"), "a\n[2J\tbc");
    }

    #[test]
    fn a_file_that_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.pdf");
        write(&file, b"one").unwrap();
        let error = write(&file, b"two").unwrap_err();
        assert!(error.to_string().ends_with("a.pdf can't be written"));
        assert_eq!(std::fs::read(&file).unwrap(), b"one");
    }
}
