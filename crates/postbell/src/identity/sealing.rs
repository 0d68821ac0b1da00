//! The key that private keys are sealed with: read from where the configuration says.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, bail};
use postbell_model::Secret;
use postbell_store::{Directory, SealingKey};
use tempfile::NamedTempFile;

use crate::config::{Config, KeyPlace};

/// Its file in the data folder.
pub(crate) const FILE: &str = "secret.key";

/// Reads the sealing key. Where none is configured it lies in the data folder, and is made there
/// when it is first asked for.
pub(crate) fn sealing_key(config: &Config) -> anyhow::Result<SealingKey> {
    match config.secrets.place() {
        Some(KeyPlace::File(path)) => read(&path),
        Some(KeyPlace::Variable(name)) => {
            let text = std::env::var(&name)
                .with_context(|| format!("secrets.key: no text in the variable {name}"))?;
            SealingKey::parse(&Secret::new(text))
                .with_context(|| format!("secrets.key: the variable {name}"))
        }
        Some(KeyPlace::DataFolder) => sealing_key_in(&config.server.data_dir),
        None => bail!("secrets.key must be \"file:PATH\" or \"env:NAME\""),
    }
}

/// The sealing key of a data folder, made where there is none.
pub(crate) fn sealing_key_in(folder: &Path) -> anyhow::Result<SealingKey> {
    let path = folder.join(FILE);
    make(folder, &path).with_context(|| format!("{} can't be made", path.display()))?;
    read(&path)
}

/// Whether every key in the store was sealed with this one.
pub(crate) fn check_opens(sealing: &SealingKey, directory: &Directory) -> anyhow::Result<()> {
    for key in directory.all_domain_keys() {
        sealing
            .open(&key.record_name(), &key.sealed)
            .with_context(|| {
                format!(
                    "the key {} of {} can't be opened with the secret key of secrets.key",
                    key.selector, key.domain
                )
            })?;
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<SealingKey> {
    let text = std::fs::read(path)
        .with_context(|| format!("the secret key {} can't be read", path.display()))?;
    SealingKey::parse(&Secret::new(text)).with_context(|| path.display().to_string())
}

/// Made whole or not at all, for its owner alone, and never over one that is there.
fn make(folder: &Path, path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let text = SealingKey::new_text().map_err(io::Error::other)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.expose())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => std::fs::File::open(folder)?.sync_all(),
        // Another command was faster.
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        make(folder.path(), &path).unwrap();
        let text = std::fs::read(&path).unwrap();
        make(folder.path(), &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), text);
        assert!(read(&path).is_ok());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
