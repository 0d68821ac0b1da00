//! What an operator types to keep the store safe.

use std::path::PathBuf;

use clap::Args;

use super::Output;

/// `postbell backup`
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The folder of the backup: new or empty
    #[arg(value_name = "DIR")]
    pub to: PathBuf,
    /// The data folder of the server [default: that of the configuration]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A data folder or a backup [default: the data folder of the configuration]
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell restore`
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The folder of the backup
    #[arg(value_name = "BACKUP")]
    pub backup: PathBuf,
    /// Keep back all mail that waits, until it is released
    #[arg(long)]
    pub held: bool,
    /// The data folder to be made; it must have no store [default: that of the configuration]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}
