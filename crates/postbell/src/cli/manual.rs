//! `postbell man`.

use std::path::PathBuf;

use clap::Args;

/// `postbell man`
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page of each command into this folder, which is made where there is none
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
