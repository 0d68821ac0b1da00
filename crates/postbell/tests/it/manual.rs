//! `postbell completions` and `postbell man`.

use std::process::{Command, Stdio};

use crate::kit::Place;

/// Runs a program on a file, where this machine has it.
#[expect(clippy::print_stdout, reason = "what was skipped is told")]
fn checked(program: &str, arguments: &[&str], file: &std::path::Path) -> Option<(bool, String)> {
    let outcome = Command::new(program)
        .args(arguments)
        .arg(file)
        .stdin(Stdio::null())
        .output();
    match outcome {
        Ok(output) => {
            let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
            said.push_str(&String::from_utf8_lossy(&output.stderr));
            Some((output.status.success(), said))
        }
        Err(_) => {
            println!("skipped: there is no {program} here");
            None
        }
    }
}

#[test]
fn shells_take_what_completes_the_commands() {
    let place = Place::new();
    for (shell, parsing) in [
        ("bash", Some(&["-n"][..])),
        ("zsh", Some(&["-n"])),
        ("fish", Some(&["--no-execute"])),
        ("elvish", None),
        ("powershell", None),
    ] {
        let script = place.ok(&["completions", shell]);
        for word in ["rotate-secret", "--queue", "api-key"] {
            assert!(
                script.contains(word.trim_start_matches('-')),
                "{shell}: {word}"
            );
        }
        let file = place.path().join(shell);
        std::fs::write(&file, script).unwrap();
        if let Some(arguments) = parsing
            && let Some((fine, said)) = checked(shell, arguments, &file)
        {
            assert!(fine, "{shell}: {said}");
        }
    }
    let unknown = place.run(&["completions", "tcsh"]);
    assert_eq!(unknown.code, Some(2));
}

#[test]
fn manual_pages_are_written_and_can_be_read() {
    let place = Place::new();
    let page = place.ok(&["man"]);
    assert!(
        page.contains(".TH") && page.contains("postbell\\-workspace"),
        "{page}"
    );
    let folder = place.path().join("man").join("man1");
    let said = place.ok(&["man", "--dir", folder.to_str().unwrap()]);
    let pages = std::fs::read_dir(&folder).unwrap().count();
    assert!(said.contains(&format!("wrote {pages} pages")), "{said}");
    let page = folder.join("postbell-workspace-pause.1");
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(
        text.contains("too many bounces"),
        "the examples stand in it: {text}"
    );
    for page in std::fs::read_dir(&folder).unwrap() {
        let page = page.unwrap().path();
        let Some((fine, said)) = checked(
            "groff",
            &["-K", "utf8", "-man", "-Tutf8", "-ww", "-z"],
            &page,
        ) else {
            break;
        };
        assert!(fine && said.is_empty(), "{}: {said}", page.display());
    }
    let file = place.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let failure = place.fails(&["man", "--dir", file.to_str().unwrap()]);
    assert!(failure.contains("can't be written to"), "{failure}");
}
