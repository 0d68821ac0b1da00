//! The `postbell` command.

use std::process::ExitCode;

use clap::Parser;
use postbell::cli::Cli;

fn main() -> ExitCode {
    postbell::program::run(Cli::parse())
}
