//! What the machine says of the server that runs on the data folder, or of this process where
//! none does: Linux's `/proc`. Elsewhere it says nothing, and nothing is made of that.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::Config;

const LOCK: &str = "postbell.lock";
const CGROUPS: &str = "/sys/fs/cgroup";

/// The process that is looked at.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// The server's process, where one runs.
    pub(super) server: Option<u32>,
    /// Open files that it may have.
    pub(super) descriptors: Option<u64>,
    /// Octets of memory that it may have.
    pub(super) memory: Option<u64>,
}

impl Machine {
    pub(super) fn look(config: &Config) -> Self {
        let server = lock_holder(&config.server.data_dir.join(LOCK));
        let process = server.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
        let process = Path::new("/proc").join(process);
        let read = |name: &str| fs::read_to_string(process.join(name)).ok();
        Self {
            server,
            descriptors: read("limits").as_deref().and_then(open_files),
            memory: read("cgroup")
                .as_deref()
                .and_then(cgroup_limit)
                .into_iter()
                .chain(total_memory())
                .min(),
        }
    }
}

/// Who has the lock of the store.
fn lock_holder(lock: &Path) -> Option<u32> {
    let inode = fs::metadata(lock).ok()?.ino();
    holder_of(&fs::read_to_string("/proc/locks").ok()?, inode)
}

/// `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`: the process that has locked an inode.
fn holder_of(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (kind, pid) = (words.next()?, words.nth(2)?);
        let locked = words.next()?.rsplit(':').next()?;
        let is_it = kind == "FLOCK" && locked.parse() == Ok(inode);
        pid.parse().ok().filter(|_| is_it)
    })
}

/// The soft limit of `Max open files`.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// The least that the control groups above a process allow.
fn cgroup_limit(cgroup: &str) -> Option<u64> {
    let path = cgroup
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))?
        .trim();
    let folder = PathBuf::from(CGROUPS).join(path);
    let limits = folder
        .ancestors()
        .take_while(|folder| folder.starts_with(CGROUPS))
        .filter_map(|folder| fs::read_to_string(folder.join("memory.max")).ok())
        .filter_map(|text| text.trim().parse().ok());
    limits.min()
}

fn total_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_found() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 08:01:5678 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 12 08:01:56 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 13 08:01:5678 0 EOF\n4:";
        assert_eq!(holder_of(locks, 5_678), Some(13));
        assert_eq!(holder_of(locks, 7), None);
    }

    #[test]
    fn the_limit_of_open_files_is_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(open_files(limits), Some(1_024));
        assert_eq!(
            open_files("Max open files  unlimited unlimited"),
            Some(u64::MAX)
        );
        assert_eq!(open_files(""), None);
    }
}
