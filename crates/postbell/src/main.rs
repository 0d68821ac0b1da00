//! The `postbell` command.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use postbell::cli::Cli;

/// docs/decisions/0009: why not the system's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    postbell::program::run(Cli::parse())
}
