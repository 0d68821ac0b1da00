//! What a backup holds: a list of its files with their sums, written last.
//!
//! A folder without it is no backup, so that one that was interrupted is never taken for whole.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::BackupError;

/// Its name in the folder of a backup.
pub(crate) const MANIFEST: &str = "manifest.json";
/// What it is called until it is whole.
pub(super) const PARTIAL: &str = "manifest.partial";
/// What this program writes; members are only ever added to it.
const FORMAT: u32 = 1;
const CHUNK: usize = 1 << 20;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    format: u32,
    /// The version of the program that took it.
    pub program: String,
    /// The version of the database's schema.
    pub schema: usize,
    /// When it was begun, as the clock of that machine said.
    pub taken_at: String,
    /// What the database has.
    pub counts: Counts,
    /// Every file but this one.
    pub files: Vec<FileSum>,
}

/// What the database of a backup has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Messages, ended or not.
    pub messages: u64,
    /// Deliveries, ended or not.
    pub deliveries: u64,
    /// Deliveries that have not ended: queued, held or scheduled.
    pub waiting: u64,
    /// Events.
    pub events: u64,
    /// Messages that came in.
    #[serde(default)]
    pub inbound: u64,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// Its path from the backup's folder.
    pub path: String,
    /// Its length.
    pub octets: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    pub(super) fn new(schema: usize, taken_at: String, counts: Counts) -> Self {
        Self {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            schema,
            taken_at,
            counts,
            files: Vec::new(),
        }
    }

    /// Octets of all files together.
    pub fn octets(&self) -> u64 {
        self.files.iter().map(|file| file.octets).sum()
    }

    /// Reads the manifest of a backup.
    ///
    /// # Errors
    /// The folder is no backup, or one of a later program.
    pub fn read(backup: &Path) -> Result<Self, BackupError> {
        let path = backup.join(MANIFEST);
        let text = std::fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => BackupError::NoBackup(backup.to_owned()),
            _ => BackupError::file(&path, source),
        })?;
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|error| BackupError::Manifest(path.clone(), error.to_string()))?;
        match manifest.format {
            FORMAT => Ok(manifest),
            later => Err(BackupError::Manifest(
                path,
                format!("it has format {later} and this version knows {FORMAT}"),
            )),
        }
    }

    /// Writes it, whole or not at all.
    pub(super) fn write(&self, backup: &Path) -> Result<(), BackupError> {
        let path = backup.join(MANIFEST);
        let partial = backup.join(PARTIAL);
        let text = serde_json::to_vec_pretty(self);
        let text = text.expect("invariant: numbers and strings are always JSON");
        let write = || -> io::Result<()> {
            let mut file = super::create(&partial)?;
            file.write_all(&text)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            std::fs::rename(&partial, &path)?;
            File::open(backup)?.sync_all()
        };
        write().map_err(|source| BackupError::file(&path, source))
    }

    /// What of the backup is not as it says, each in a sentence. Reads all of it; blocks.
    pub(crate) fn check_files(&self, backup: &Path) -> Vec<String> {
        let wrong = |file: &FileSum| file.fault(backup);
        self.files.iter().filter_map(wrong).collect()
    }
}

impl FileSum {
    /// What is wrong with the file, in a sentence.
    fn fault(&self, backup: &Path) -> Option<String> {
        let Some(path) = place(backup, &self.path) else {
            return Some(format!("{} leads out of the backup", self.path));
        };
        let (octets, sha256) = match sum_of(&path) {
            Ok(sum) => sum,
            Err(error) => return Some(format!("{} can't be read: {error}", self.path)),
        };
        if octets != self.octets {
            let (name, said) = (&self.path, self.octets);
            return Some(format!(
                "{name} has {octets} octets, the manifest says {said}"
            ));
        }
        (sha256 != self.sha256).then(|| format!("{} is not what was written (SHA-256)", self.path))
    }
}

/// Where a file of the manifest lies; `None` where the path leads out of the folder.
pub(super) fn place(backup: &Path, path: &str) -> Option<PathBuf> {
    let inside = Path::new(path)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    inside.then(|| backup.join(path))
}

/// Length and sum of a file. Blocks.
pub(super) fn sum_of(path: &Path) -> io::Result<(u64, String)> {
    sum(File::open(path)?, io::sink())
}

/// Copies all that is read, and says its length and sum. Blocks.
pub(super) fn sum(mut from: impl Read, mut to: impl Write) -> io::Result<(u64, String)> {
    let mut digest = Context::new(&SHA256);
    let mut buffer = vec![0; CHUNK];
    let mut octets = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        digest.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
        octets += read as u64;
    }
    Ok((octets, HEXLOWER.encode(digest.finish().as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_others() {
        let mut copy = Vec::new();
        let (octets, sha256) = sum(&b"abc"[..], &mut copy).unwrap();
        assert_eq!((octets, copy.as_slice()), (3, &b"abc"[..]));
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn what_differs_is_told_and_no_path_leads_out() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        write("same", "abc").unwrap();
        write("longer", "abcd").unwrap();
        write("bent", "abd").unwrap();
        let (octets, sha256) = sum_of(&folder.path().join("same")).unwrap();
        let mut manifest = Manifest::new(1, "now".to_owned(), Counts::default());
        for name in ["same", "longer", "bent", "gone", "../same", "/etc/passwd"] {
            manifest.files.push(FileSum {
                path: name.to_owned(),
                octets,
                sha256: sha256.clone(),
            });
        }
        manifest.write(folder.path()).unwrap();
        let read = Manifest::read(folder.path()).unwrap();
        assert_eq!(read, manifest);
        let wrong = read.check_files(folder.path()).join("\n");
        assert!(wrong.contains("longer has 4 octets"), "{wrong}");
        assert!(wrong.contains("bent is not what was written"), "{wrong}");
        assert!(wrong.contains("gone can't be read"), "{wrong}");
        assert!(wrong.contains("../same leads out"), "{wrong}");
        assert!(wrong.contains("/etc/passwd leads out"), "{wrong}");
        assert_eq!(wrong.lines().count(), 5, "{wrong}");
    }

    #[test]
    fn a_folder_without_manifest_is_no_backup() {
        let folder = tempfile::tempdir().unwrap();
        let error = Manifest::read(folder.path()).unwrap_err();
        assert!(matches!(error, BackupError::NoBackup(_)), "{error}");
        std::fs::write(folder.path().join(MANIFEST), "{}").unwrap();
        let error = Manifest::read(folder.path()).unwrap_err();
        assert!(matches!(error, BackupError::Manifest(..)), "{error}");
    }
}
