//! The data folder: whose it is, what is in it, how much room there is, and whether the keys in
//! it can be opened.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::check::Check;
use super::limits::size;
use super::setup::Setup;
use crate::config::{Config, KeyPlace};
use crate::identity::{SEALING_KEY_FILE, check_opens, sealing_key};

const NAME: &str = "data folder";
const OTHERS: u32 = 0o077;
/// Below this the store stops taking mail soon.
const LITTLE: u64 = 2 << 30;

pub(super) async fn look(config: &Config, setup: &Setup) -> Vec<Check> {
    let folder = &config.server.data_dir;
    let Ok(metadata) = folder.metadata() else {
        let found = format!("{} is not there", folder.display());
        let advice = "the first `postbell workspace add` makes it (server.data_dir)";
        return vec![Check::fault(NAME, found, advice)];
    };
    let mut checks = vec![belongs(folder, &metadata)];
    checks.push(match (&setup.trouble, &setup.directory) {
        (Some(why), _) => Check::fault(
            "database",
            why.clone(),
            "see docs/operations: the data folder",
        ),
        (None, None) => Check::fault(
            "database",
            "there is none yet",
            "the first `postbell workspace add` makes it",
        ),
        (None, Some(directory)) => Check::ok(
            "database",
            format!("can be read; {} workspaces", directory.workspaces().len()),
        ),
    });
    checks.push(sealing(config, setup));
    checks
}

fn belongs(folder: &Path, metadata: &std::fs::Metadata) -> Check {
    let ours = std::fs::metadata("/proc/self").map(|process| process.uid());
    if !metadata.is_dir() {
        let found = format!("{} is no folder", folder.display());
        return Check::fault(NAME, found, "name a folder (server.data_dir)");
    }
    if ours.is_ok_and(|uid| uid != 0 && uid != metadata.uid()) {
        let found = format!("{} belongs to user {}", folder.display(), metadata.uid());
        let advice = "run postbell as that user, or give it to this one (chown -R)";
        return Check::fault(NAME, found, advice);
    }
    if metadata.mode() & OTHERS != 0 {
        let found = format!("others may look into {}", folder.display());
        let advice = format!("keys and mail lie in it: chmod 700 {}", folder.display());
        return Check::warning(NAME, found, advice);
    }
    Check::ok(NAME, format!("{} is for its owner alone", folder.display()))
}

/// Whether the keys that mail is signed with can be opened. Nothing is made here.
fn sealing(config: &Config, setup: &Setup) -> Check {
    let name = "sealing key";
    let in_folder = config.secrets.place() == Some(KeyPlace::DataFolder);
    if in_folder && !config.server.data_dir.join(SEALING_KEY_FILE).exists() {
        let advice =
            "the first `postbell domain add` makes it; for a server, set secrets.key before";
        return match setup.directory.as_deref() {
            Some(directory) if directory.all_domain_keys().next().is_some() => Check::fault(
                name,
                "it is gone, and there are keys that were sealed with it",
                "bring it back from a copy, or rotate the keys of every domain",
            ),
            _ => Check::warning(name, "there is none yet", advice),
        };
    }
    let opened = sealing_key(config).and_then(|key| match setup.directory.as_deref() {
        Some(directory) => check_opens(&key, directory),
        None => Ok(()),
    });
    if let Err(error) = opened {
        let advice = "without it no mail is signed, and the server does not start (secrets.key)";
        return Check::fault(name, format!("{error:#}"), advice);
    }
    if in_folder {
        let found = "opens every key, and lies beside them";
        let advice = "a backup of the folder holds both lock and key: set secrets.key";
        return Check::warning(name, found, advice);
    }
    Check::ok(name, "opens every key")
}

/// How much room there is where the data folder lies.
pub(super) async fn disk(config: &Config) -> Vec<Check> {
    let folder = config.server.data_dir.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let asked = Command::new("df")
            .arg("-Pk")
            .arg("--")
            .arg(&folder)
            .output();
        asked.ok().filter(|output| output.status.success())
    });
    let said = asked.await.ok().flatten();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let Some(free) = said.as_deref().and_then(available) else {
        let advice = "see that there is some: `df`";
        return vec![Check::warning(
            "disk",
            "the free space can't be told",
            advice,
        )];
    };
    vec![room(free, config.store.segment_octets)]
}

fn room(free: u64, segment: u64) -> Check {
    let found = format!("{} are free", size(free));
    let advice = "make room: mail is refused with 452 when the disk is full";
    if free < segment.saturating_mul(4) {
        return Check::fault("disk", found, advice);
    }
    if free < LITTLE {
        return Check::warning("disk", found, advice);
    }
    Check::ok("disk", found)
}

/// The fourth column of the second line, in KiB, as POSIX has it.
fn available(df: &str) -> Option<u64> {
    let line = df.lines().nth(1)?;
    let kibibytes: u64 = line.split_ascii_whitespace().nth(3)?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::check::Mark;
    use super::*;

    #[test]
    fn free_space_is_held_against_what_is_written() {
        let df = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                  /dev/sda1 41152736 9126320 29903200 24% /\n";
        assert_eq!(available(df), Some(29_903_200 << 10));
        assert_eq!(available("df: no such file"), None);
        let marks = [20 << 30, 1 << 30, 100 << 20].map(|free| room(free, 64 << 20).mark);
        assert_eq!(marks, [Mark::Ok, Mark::Warning, Mark::Fault]);
    }

    #[test]
    fn a_folder_that_others_look_into_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, mark) in [(0o700, Mark::Ok), (0o750, Mark::Warning)] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(folder.path(), permissions).unwrap();
            let metadata = folder.path().metadata().unwrap();
            assert_eq!(belongs(folder.path(), &metadata).mark, mark);
        }
    }
}
