//! A backup that is taken under load, checked, and made a server of elsewhere.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use postbell_tests::{World, deferring};
use serde_json::Value;

/// Clients that hand in mail at the same time.
const CLIENTS: usize = 3;
/// What each has handed in before the backup begins.
const BEFORE: usize = 10;

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// Hands in mail until it is told to stop, and says to whom.
async fn load(world: &World, client: usize, enough: &AtomicBool) -> anyhow::Result<Vec<String>> {
    let mut sent = Vec::new();
    while !enough.load(Ordering::Relaxed) || sent.len() < BEFORE {
        let to = format!("u{}@d{client}.test", sent.len());
        world.submit(&[&to]).await?;
        sent.push(to);
    }
    Ok(sent)
}

/// A world whose mail waits, with a backup that was taken while more of it came in: the world, the
/// backup, and who was written to before the backup began and altogether.
async fn backed_up() -> anyhow::Result<(World, PathBuf, Vec<String>, HashSet<String>)> {
    let world = World::start().await?;
    world.mx.script_always(deferring());
    let mut before = Vec::new();
    for client in 0..CLIENTS {
        before.extend(load(&world, client + CLIENTS, &AtomicBool::new(true)).await?);
    }
    let folder = world.folder().join("backup");
    let enough = AtomicBool::new(false);
    let backup = async {
        let said = world.run(&["backup", text(&folder)]).await;
        enough.store(true, Ordering::Relaxed);
        said
    };
    let (said, first, second, third) = tokio::join!(
        backup,
        load(&world, 0, &enough),
        load(&world, 1, &enough),
        load(&world, 2, &enough),
    );
    assert!(said?.contains("waiting"));
    let during = [first?, second?, third?].concat();
    let all = before.iter().cloned().chain(during).collect();
    Ok((world, folder, before, all))
}

#[tokio::test]
async fn a_backup_under_load_is_whole_and_can_be_served_from() -> anyhow::Result<()> {
    let (mut first, backup, before, all) = backed_up().await?;
    first.run(&["verify"]).await?;
    first.kill_program().await?;
    first.run(&["verify"]).await?;
    first.run(&["verify", text(&backup)]).await?;

    let mut second = World::prepare(&[]).await?;
    let data = second.folder().join("data");
    fs::create_dir(&data)?;
    fs::copy(
        first.folder().join("data/secret.key"),
        data.join("secret.key"),
    )?;
    let said = second.run(&["restore", text(&backup), "--held"]).await?;
    assert!(said.contains("deliveries are held"), "{said}");
    let verified = second.run(&["verify", "--json"]).await?;
    let verified: Value = serde_json::from_str(&verified)?;
    assert_eq!(verified["ok"], true, "{verified}");

    let list = [
        "events", "list", "--kind", "Send", "--limit", "100000", "--json",
    ];
    let sent = second.run(&list).await?;
    let kept: HashSet<&str> = all
        .iter()
        .map(String::as_str)
        .filter(|to| sent.contains(&format!("\"{to}\"")))
        .collect();
    for to in &before {
        assert!(
            kept.contains(to.as_str()),
            "{to} was answered and is not kept"
        );
    }

    // Held mail stays where it is, until it is released.
    second.start_program().await?;
    let new = second
        .offer(postbell_tests::mail(&["new@new.test"]))
        .await?;
    assert!(new.is_taken());
    second.delivered("new@new.test").await?;
    assert_eq!(second.mx.counts().messages, 1);
    second.stop_program().await?;
    second.run(&["queue", "release", "--all", "--yes"]).await?;
    second.start_program().await?;
    for to in kept {
        second.delivered(to).await?;
        // The destination is still that of the first.
        first.told("Delivery", to).await?;
    }
    second.finish().await?;
    first.finish().await
}

#[tokio::test]
async fn a_damaged_backup_is_told_of_and_not_restored() -> anyhow::Result<()> {
    let (world, backup, ..) = backed_up().await?;
    let bodies = fs::read_dir(backup.join("bodies"))?
        .next()
        .expect("mail waits")?
        .path();
    let mut octets = fs::read(&bodies)?;
    octets[100] ^= 1;
    fs::write(&bodies, octets)?;
    let said = world.run(&["verify", text(&backup)]).await;
    let said = said.expect_err("it is damaged").to_string();
    assert!(said.contains("2 faults"), "{said}");

    let to = world.folder().join("restored");
    let restore = ["restore", text(&backup), "--data-dir", text(&to)];
    let said = world.run(&restore).await;
    let said = said.expect_err("it is damaged").to_string();
    assert!(said.contains("the backup is damaged: bodies/"), "{said}");
    assert!(!to.join("postbell.db").exists());
    world.finish().await
}

#[tokio::test]
async fn nothing_is_written_over() -> anyhow::Result<()> {
    let world = World::start().await?;
    let backup = world.folder().join("backup");
    world.run(&["backup", text(&backup)]).await?;
    let again = world.run(&["backup", text(&backup)]).await;
    let said = again.expect_err("there is one").to_string();
    assert!(said.contains("is not empty"), "{said}");
    let restored = world.run(&["restore", text(&backup)]).await;
    let said = restored.expect_err("there is a store").to_string();
    assert!(said.contains("holds a store already"), "{said}");
    let data = world.folder().join("data");
    let from = text(&data);
    let to = world.folder().join("x");
    let restored = world.run(&["restore", from, "--data-dir", text(&to)]).await;
    let said = restored.expect_err("it is no backup").to_string();
    assert!(said.contains("is no backup"), "{said}");
    world.finish().await
}
