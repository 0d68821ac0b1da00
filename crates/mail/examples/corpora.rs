//! Prints how well mail that came in is understood, on a collection of labelled mail:
//! `corpora FOLDER`; with `--misses` what was wrong in the half that was looked at, with
//! `--hostile` how many broken files were read and how long it took.

#[path = "../tests/corpora/mod.rs"]
mod corpora;

use std::path::PathBuf;
use std::time::Instant;

use postbell_mail::Classifier;
use postbell_mail::inbound::Reader;

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let folder = arguments
        .iter()
        .find(|argument| !argument.starts_with("--"));
    let root = folder.map_or_else(corpora::root, PathBuf::from);
    let Some(rows) = corpora::rows(&root) else {
        println!("SKIPPED: {} is not there", root.display());
        return;
    };
    let scores = corpora::measure(&rows);
    println!("{scores}");
    for broken in corpora::broken(&scores) {
        println!("{broken}");
    }
    for (figure, half, file, how) in &scores.misses {
        if has("--misses") && (*half == "seen" || has("--all")) {
            println!("{figure}: {file}\n    {how}");
        }
    }
    if has("--hostile") {
        let reader = Reader::new(Classifier::standard());
        let begin = Instant::now();
        let count: usize = rows
            .iter()
            .map(|row| corpora::hostile::torment(row, &reader, corpora::hostile::CUTS))
            .sum();
        println!(
            "{count} readings of whole, cut and turned files in {:.1?}, no panic",
            begin.elapsed()
        );
    }
}
