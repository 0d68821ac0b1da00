use std::path::PathBuf;

use postbell::config::{Fault, Loaded, Origin, Sources, load};

const FILE: &str = "postbell.toml";

/// Each fault names a line of the file that there is, a variable that was set, or the defaults;
/// what holds and is shown is loaded as the same again. The text is a file; behind a NUL, each line
/// `NAME=VALUE` is a variable.
pub fn configuration(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (file, variables) = text.split_once('\0').unwrap_or((text, ""));
    let variables: Vec<_> = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    match loaded(file, variables.clone()) {
        Ok(loaded) => check_shown(&loaded),
        Err(faults) => {
            let faults: Vec<_> = faults.iter().cloned().collect();
            assert!(!faults.is_empty());
            for fault in &faults {
                check_fault(fault, file, &variables);
            }
        }
    }
}

fn loaded(
    file: &str,
    variables: Vec<(String, String)>,
) -> Result<Loaded, postbell::config::Faults> {
    let file = Some((PathBuf::from(FILE), file.to_owned()));
    load(&Sources::of(file, variables))
}

fn check_fault(fault: &Fault, file: &str, variables: &[(String, String)]) {
    match &fault.origin {
        Origin::File { path, line } => {
            assert_eq!(path.as_os_str(), FILE);
            let lines = file.split('\n').count();
            assert!((1..=lines).contains(line), "{fault} of {lines} lines");
        }
        Origin::Environment(name) => assert!(variables.iter().any(|(set, _)| set == name)),
        Origin::Default => assert!(!fault.key.is_empty()),
    }
    assert!(!fault.message.is_empty());
    let told = fault.to_string();
    assert!(!told.chars().any(char::is_control), "{told:?}");
}

fn check_shown(before: &Loaded) {
    let shown = before.show();
    let again = loaded(&shown, Vec::new());
    let again = again.unwrap_or_else(|faults| panic!("{faults}\n{shown}"));
    assert_eq!(
        format!("{:?}", again.config),
        format!("{:?}", before.config)
    );
}
