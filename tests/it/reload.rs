//! SIGHUP: what changes while the program runs, and what does not.

use std::fs;
use std::path::Path;
use std::time::Duration;

use postbell_peers::client::SmtpClient;
use postbell_peers::dns::Entry;
use postbell_tests::{LIMIT, World, mail};
use tokio::time::{Instant, sleep};

/// Waits until the log has a line about it.
async fn logged(world: &World, text: &str) -> anyhow::Result<String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let log = fs::read_to_string(world.folder().join("log"))?;
        if log.contains(text) {
            return Ok(log);
        }
        anyhow::ensure!(Instant::now() < deadline, "not logged: {text}\n{log}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The configuration of the world, with more of it.
fn configure(world: &World, more: &str) -> anyhow::Result<String> {
    let path = world.folder().join("postbell.toml");
    let old = fs::read_to_string(&path)?;
    fs::write(path, format!("{old}\n{more}"))?;
    Ok(old)
}

#[tokio::test]
async fn limits_change_for_new_sessions_and_no_connection_is_lost() -> anyhow::Result<()> {
    let world = World::start().await?;
    let mut before = world.client().await?;
    assert!(offers(&before, "SIZE 26214400"), "{}", before.hello());
    configure(
        &world,
        "[submission.limits]\nmax_message_size = \"1 MiB\"\n",
    )?;
    world.reload().await?;
    logged(&world, "changed: submission.limits.max_message_size").await?;

    let after = world.client().await?;
    assert!(offers(&after, "SIZE 1048576"), "{}", after.hello());
    let outcome = before.send(&mail(&["ann@recipient.test"])).await?;
    assert!(outcome.is_taken(), "{}", outcome.deciding());
    world.told("Delivery", "ann@recipient.test").await?;
    world.finish().await
}

#[tokio::test]
async fn all_faults_are_told_and_the_old_configuration_stays() -> anyhow::Result<()> {
    let world = World::start().await?;
    let wrong = "[notify]\ntimeout = \"soon\"\n[submission.limits]\nmax_recipient = 5\n";
    let old = configure(&world, wrong)?;
    let line = |text: &str| {
        let lines = format!("{old}\n{wrong}");
        1 + lines
            .lines()
            .position(|l| l.starts_with(text))
            .expect("it is there")
    };
    world.reload().await?;
    let log = logged(&world, "the old one stays in force").await?;
    for text in ["timeout = \"soon\"", "max_recipient = 5"] {
        let place = format!("postbell.toml:{}: ", line(text));
        assert!(log.contains(&place), "{place} is not in\n{log}");
    }
    world.submit(&["ann@recipient.test"]).await?;
    world.told("Delivery", "ann@recipient.test").await?;

    // What can only be seen by the server: a workspace that is not there.
    let path = world.folder().join("postbell.toml");
    fs::write(
        &path,
        old.replace("workspace = \"acme\"", "workspace = \"no\""),
    )?;
    world.reload().await?;
    logged(&world, "there is no workspace \"no\"").await?;
    world.submit(&["bob@recipient.test"]).await?;

    // And the way back.
    fs::write(&path, old)?;
    world.reload().await?;
    logged(&world, "nothing has changed").await?;
    world.finish().await
}

#[tokio::test]
async fn what_needs_a_restart_is_named() -> anyhow::Result<()> {
    let world = World::start().await?;
    configure(
        &world,
        "[store]\ncommit_queue = 17\n[reports]\nwarn_unasked = false\n",
    )?;
    world.reload().await?;
    logged(
        &world,
        "the new value of store.commit_queue needs a restart",
    )
    .await?;
    logged(&world, "changed: reports.warn_unasked").await?;
    world.finish().await
}

#[tokio::test]
async fn trusted_networks_and_relays_are_followed() -> anyhow::Result<()> {
    let world = World::start().await?;
    let path = world.folder().join("postbell.toml");
    let old = fs::read_to_string(&path)?;
    let relay = format!(
        "[[deliver.relay]]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
         domains = [\"relayed.test\"]\n",
        world.mx.addr().port()
    );
    world.dns.table().set("relayed.test", Entry::null_mx());
    fs::write(&path, format!("{old}\n{relay}"))?;
    world.reload().await?;
    logged(&world, "changed: deliver.relay").await?;
    world.submit(&["ann@relayed.test"]).await?;
    world.delivered("ann@relayed.test").await?;

    let nobody = old.replace(
        "trusted = [{ network = \"127.0.0.0/8\", workspace = \"acme\" }]",
        "trusted = []",
    );
    fs::write(&path, nobody)?;
    world.reload().await?;
    logged(&world, "changed: deliver.relay, submission.trusted").await?;
    let outcome = world.offer(mail(&["bob@recipient.test"])).await?;
    assert!(!outcome.is_taken());
    world.finish().await
}

#[tokio::test]
async fn a_certificate_that_is_no_good_leaves_the_old_one() -> anyhow::Result<()> {
    let certs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../certs");
    let folder = tempfile::tempdir()?;
    let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("key.pem"));
    fs::copy(certs.join("dev.pem"), &certificate)?;
    fs::copy(certs.join("dev-key.pem"), &key)?;
    let (certificate, key) = (certificate.to_string_lossy(), key.to_string_lossy());
    let world = World::with(&[("tls.certificate", &certificate), ("tls.key", &key)]).await?;
    assert!(offers(&world.client().await?, "STARTTLS"));
    fs::write(&*certificate, "no certificate")?;
    world.reload().await?;
    let log = logged(&world, "the old one stays in force").await?;
    assert!(log.contains("tls.certificate: "), "{log}");
    assert!(offers(&world.client().await?, "STARTTLS"));

    fs::copy(certs.join("ca.pem"), &*certificate)?;
    fs::copy(certs.join("ca-key.pem"), &*key)?;
    world.reload().await?;
    logged(&world, "nothing has changed but perhaps the files").await?;
    assert!(offers(&world.client().await?, "STARTTLS"));
    world.finish().await
}

fn offers(client: &SmtpClient, extension: &str) -> bool {
    client.hello().lines().any(|line| line == extension)
}
