//! The source tree, as the tests about its shape read it.

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust file of a crate.
pub(crate) struct Source {
    /// `smtp`.
    pub(crate) krate: String,
    /// Relative to the workspace: `crates/smtp/src/command.rs`.
    pub(crate) path: String,
    text: String,
    /// The whole file is compiled for tests alone.
    is_test: bool,
}

impl Source {
    /// The whole file.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the file's own tests; nothing where the whole file is tests.
    pub(crate) fn without_tests(&self) -> &str {
        if self.is_test {
            return "";
        }
        let end = self.text.find("#[cfg(test)]\nmod tests {");
        &self.text[..end.unwrap_or(self.text.len())]
    }

    /// [`Self::without_tests`], line by line with numbers from 1, without comments.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.without_tests().lines().enumerate().map(|(at, line)| {
            let comment = if line.trim_start().starts_with("//") {
                Some(0)
            } else {
                line.find(" // ")
            };
            (at + 1, &line[..comment.unwrap_or(line.len())])
        })
    }
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("tests/ lies in the workspace")
        .to_owned()
}

/// A file of the workspace.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file of the crates, of one crate after another.
pub(crate) fn sources() -> Vec<Source> {
    let mut all = Vec::new();
    for krate in crates() {
        let folder = root().join("crates").join(&krate).join("src");
        for path in rust_files(&folder) {
            let relative = path.strip_prefix(root()).expect("it lies in the workspace");
            let relative = relative.to_string_lossy().into_owned();
            all.push(Source {
                krate: krate.clone(),
                text: read(&relative),
                path: relative,
                is_test: is_test(&path),
            });
        }
    }
    assert!(!all.is_empty(), "there is no source to look at");
    all
}

/// The names of the folders in `crates/`, sorted.
pub(crate) fn crates() -> Vec<String> {
    let mut names: Vec<_> = entries(&root().join("crates"))
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names
}

/// Whether the module is declared for tests alone, or lies in one that is. It is declared in the
/// `lib.rs`, `main.rs` or `mod.rs` of the folder around it.
fn is_test(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(path);
    let name = path.file_stem().unwrap_or_default();
    if name == "mod" {
        return is_test(folder);
    }
    if folder.file_name().is_some_and(|folder| folder == "crates") {
        return false;
    }
    let declaration = format!("#[cfg(test)]\nmod {};", name.to_string_lossy());
    let declared = ["lib.rs", "main.rs", "mod.rs"]
        .iter()
        .filter_map(|file| fs::read_to_string(folder.join(file)).ok())
        .any(|text| text.contains(&declaration));
    declared || is_test(folder)
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(folder) {
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listing = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    listing
        .map(|entry| entry.expect("the folder can be listed").path())
        .collect()
}
