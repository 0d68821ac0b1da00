//! `postbell backup`, `postbell verify`, `postbell restore` and `postbell erase`.

mod backup;
mod erase;
mod restore;
mod verify;

use postbell_store::BackupProgress;

use crate::cli::{BackupArgs, EraseArgs, RestoreArgs, VerifyArgs};
use crate::config::Config;
use crate::console::Console;

/// What an operator asks for.
#[derive(Debug)]
pub(crate) enum Request {
    Backup(BackupArgs),
    Verify(VerifyArgs),
    Restore(RestoreArgs),
    Erase(EraseArgs),
}

/// Carries a request out.
pub(crate) async fn run(
    request: &Request,
    config: &Config,
    console: Console,
) -> anyhow::Result<()> {
    match request {
        Request::Backup(args) => backup::run(args, config, console).await,
        Request::Verify(args) => verify::run(args, config, console).await,
        Request::Restore(args) => restore::run(args, config, console).await,
        Request::Erase(args) => erase::run(args, config, console).await,
    }
}

/// Tells how far a copy has come, on standard error and at most some twenty times.
fn tell(progress: BackupProgress, console: Console) {
    match progress {
        BackupProgress::Database(octets) => {
            console.complain(format!("the database: {}", size(octets)));
        }
        BackupProgress::Bodies { done, of } => {
            let step = of.div_ceil(20).max(1);
            if done % step == 0 || done == of {
                console.complain(format!("files of bodies: {done} of {of}"));
            }
        }
    }
}

/// `12.3 MiB`.
fn size(octets: u64) -> String {
    const UNITS: [&str; 4] = ["octets", "KiB", "MiB", "GiB"];
    let mut unit = 0;
    let mut tenths = octets.saturating_mul(10);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1_024;
        unit += 1;
    }
    match unit {
        0 => format!("{octets} octets"),
        _ => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_at_a_glance() {
        for (octets, text) in [
            (0, "0 octets"),
            (1_023, "1023 octets"),
            (1_536, "1.5 KiB"),
            (12 << 20, "12.0 MiB"),
            (5_000 << 30, "5000.0 GiB"),
        ] {
            assert_eq!(size(octets), text);
        }
    }
}
