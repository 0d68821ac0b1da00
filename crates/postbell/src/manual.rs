//! What is made of the command line's own definition: completions of shells and manual pages.

use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::{Cli, ManArgs};
use crate::console::Console;

const NAME: &str = "postbell";

/// Prints what a shell is to read.
pub(crate) fn completions(shell: Shell, console: Console) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    print(script, console)
}

/// Prints the first page, or writes all of them.
pub(crate) fn man(args: &ManArgs, console: Console) -> anyhow::Result<()> {
    let Some(folder) = &args.dir else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        return print(page, console);
    };
    let unusable = || format!("the pages can't be written to {}", folder.display());
    std::fs::create_dir_all(folder).with_context(unusable)?;
    let pages = pages(&Cli::command());
    for (name, page) in &pages {
        write(folder, name, page).with_context(unusable)?;
    }
    let (count, folder) = (pages.len(), folder.display());
    console.say(format!("wrote {count} pages to {folder}"));
    Ok(())
}

fn print(text: Vec<u8>, console: Console) -> anyhow::Result<()> {
    let text = String::from_utf8(text).context("what was made is no text")?;
    console.say(text.trim_end());
    Ok(())
}

fn write(folder: &Path, name: &str, command: &clap::Command) -> std::io::Result<()> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    // Choices would stand in the synopsis as one word, which may be longer than a line.
    let page = String::from_utf8_lossy(&page).replace(r"\fR|\fB", r"\fR | \fB");
    std::fs::write(folder.join(format!("{name}.1")), page)
}

/// Each command with the name of its page, as `postbell-queue-hold`.
fn pages(command: &clap::Command) -> Vec<(String, clap::Command)> {
    let mut command = command.clone();
    // Gives each command its whole name.
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages);
    pages
}

fn collect(command: &clap::Command, pages: &mut Vec<(String, clap::Command)>) {
    let name = command.get_display_name().unwrap_or(NAME);
    pages.push((name.to_owned(), command.clone()));
    for sub in command.get_subcommands() {
        collect(sub, pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(command: &clap::Command, name: &str, found: &mut Vec<String>) {
        if !command.has_subcommands() {
            found.push(name.to_owned());
        }
        for sub in command.get_subcommands() {
            leaves(sub, &format!("{name}-{}", sub.get_name()), found);
        }
    }

    #[test]
    fn every_command_has_its_page() {
        let pages = pages(&Cli::command());
        let mut wanted = Vec::new();
        leaves(&Cli::command(), NAME, &mut wanted);
        assert!(wanted.len() > 30);
        for name in wanted {
            assert!(pages.iter().any(|(page, _)| *page == name), "{name}");
        }
        assert!(pages.iter().any(|(page, _)| page == NAME));
        assert!(!pages.iter().any(|(page, _)| page.ends_with("-help")));
    }
}
