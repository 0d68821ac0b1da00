//! Every seed, and every input that once broke a law, through its target.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test that fails tells its last line")]

use std::fs;
use std::path::{Path, PathBuf};

use postbell_fuzz::TARGETS;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn replay(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let folder = corpus().join(name);
    let files = names(&folder);
    assert!(files.len() >= 3, "{name} has seeds");
    for file in files {
        // Told only where the target panics.
        println!("{name}/{file}");
        target(&fs::read(folder.join(file)).unwrap());
    }
    target(b"");
}

macro_rules! replayed {
    ($($name:ident)*) => {
        $(#[test] fn $name() { replay(stringify!($name)); })*

        #[test]
        fn every_target_has_a_program_seeds_and_a_test() {
            let known: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(known, [$(stringify!($name)),*]);
            assert_eq!(names(&corpus()), known);
            let programs: Vec<_> = known.iter().map(|name| format!("{name}.rs")).collect();
            assert_eq!(names(&corpus().with_file_name("fuzz_targets")), programs);
        }
    };
}

replayed!(
    address auth classify client command configuration data header inbound message reply report retry
    session token transfer, address classify client command configuration data header html_rewrite inbound message reply
    report retry session token transfer,
);
