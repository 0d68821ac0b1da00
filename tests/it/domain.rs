//! The life of a domain: added, verified, changed, lost, removed.

use std::time::Duration;

use anyhow::{Context, ensure};
use postbell_peers::webhook::Post;
use postbell_tests::installation::SENDER_DOMAIN;
use postbell_tests::{LIMIT, World, deferring, mail};
use serde_json::Value;

use crate::identity::{publish, show};

const RETURN_PATH: &str = "bounce.sender.test";

/// The document of the first event of this kind that the whole workspace hears of.
async fn told(world: &World, kind: &str) -> anyhow::Result<Value> {
    let wanted = |post: &Post| post.path == "/all" && post.header("x-postbell-event") == kind;
    let post = world.webhook.wait_for_post(LIMIT, wanted).await;
    Ok(post
        .with_context(|| format!("no {kind} was told"))?
        .json()?)
}

#[tokio::test]
async fn the_server_sees_records_come_and_vanish() -> anyhow::Result<()> {
    let settings = [
        ("domains.round_every", "100ms"),
        ("domains.check_every", "200ms"),
    ];
    let mut world = World::set_up(&settings).await?;
    world.add_destination("all", &["--whole-workspace"]).await?;
    publish(&world, &show(&world).await?);
    world.start_program().await?;
    let verified = told(&world, "DomainVerified").await?;
    let seen = &verified["domainVerified"];
    ensure!(
        seen["domain"] == SENDER_DOMAIN && seen["dkim"] == true,
        "{seen}"
    );
    ensure!(
        show(&world).await?["verified"] == true,
        "show does not say so"
    );

    world.dns.table().remove(RETURN_PATH);
    let lost = told(&world, "DomainUnverified").await?;
    let missing = lost["domainUnverified"]["missing"].to_string();
    ensure!(missing.contains("MX bounce.sender.test"), "{missing}");
    let shown = show(&world).await?;
    ensure!(shown["verifiedAt"].is_null(), "{shown:#}");
    let list = world.run(&["domain", "list"]).await?;
    ensure!(list.contains("missing: MX bounce.sender.test"), "{list}");
    // One event for a turn, however often it is seen.
    let count = |kind: &str| {
        let posts = world.webhook.posts();
        let of_kind = posts
            .iter()
            .filter(|post| post.header("x-postbell-event") == kind);
        of_kind.count()
    };
    ensure!(
        count("DomainVerified") == 1 && count("DomainUnverified") == 1,
        "told again"
    );
    world.finish().await
}

#[tokio::test]
async fn a_removed_domain_takes_its_waiting_mail_with_it() -> anyhow::Result<()> {
    let mut world = World::set_up(&[("deliver.retry.first", "1h")]).await?;
    world.add_destination("all", &["--whole-workspace"]).await?;
    world.start_program().await?;
    world.mx.script_always(deferring());
    world
        .submit(&["ann@recipient.test", "bob@recipient.test"])
        .await?;
    for to in ["ann@recipient.test", "bob@recipient.test"] {
        world.told("DeliveryDelay", to).await?;
    }
    let counted = world.run(&["domain", "remove", SENDER_DOMAIN]).await?;
    ensure!(
        counted.contains("2 deliveries that wait would be rejected"),
        "{counted}"
    );
    let done = world
        .run(&["domain", "remove", SENDER_DOMAIN, "--yes", "--json"])
        .await?;
    let done: Value = serde_json::from_str(&done)?;
    ensure!(
        done["deliveries"] == 2 && done["leftAlone"] == 0,
        "{done:#}"
    );
    for to in ["ann@recipient.test", "bob@recipient.test"] {
        let rejected = world.told("Reject", to).await?.document;
        ensure!(
            rejected["reject"]["cause"] == "domain_deleted",
            "{rejected:#}"
        );
        let kinds = world.kinds("hook", to);
        ensure!(kinds == ["Send", "DeliveryDelay", "Reject"], "{kinds:?}");
    }
    let deleted = told(&world, "DomainDeleted").await?;
    ensure!(
        deleted["domainDeleted"]["domain"] == SENDER_DOMAIN,
        "{deleted:#}"
    );

    let refused = async {
        while world
            .offer(mail(&["late@recipient.test"]))
            .await?
            .is_taken()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    let refused = tokio::time::timeout(LIMIT, refused).await;
    refused.context("mail from the domain is still taken")??;
    world.run(&["workspace", "add", "other"]).await?;
    let add = ["domain", "add", SENDER_DOMAIN, "--workspace", "other"];
    world.run(&add).await?;
    world.finish().await
}

#[tokio::test]
async fn without_a_server_the_command_rejects_by_itself() -> anyhow::Result<()> {
    let mut world = World::set_up(&[("deliver.retry.first", "1h")]).await?;
    world.start_program().await?;
    world.mx.script_always(deferring());
    world.submit(&["ann@recipient.test"]).await?;
    world.told("DeliveryDelay", "ann@recipient.test").await?;
    world.stop_program().await?;
    let said = world
        .run(&["domain", "remove", SENDER_DOMAIN, "--yes"])
        .await?;
    ensure!(
        said.contains("1 deliveries that waited were rejected"),
        "{said}"
    );
    let listed = world
        .run(&["events", "list", "--kind", "Reject", "--json"])
        .await?;
    let rejected: Value = serde_json::from_str(&listed)?;
    ensure!(
        rejected["mail"]["destination"][0] == "ann@recipient.test",
        "{listed}"
    );
    // Whoever serves next tells of it.
    world.start_program().await?;
    world.told("Reject", "ann@recipient.test").await?;
    world.finish().await
}

#[tokio::test]
async fn a_change_is_told_with_what_was() -> anyhow::Result<()> {
    let mut world = World::set_up(&[]).await?;
    world.add_destination("all", &["--whole-workspace"]).await?;
    world.start_program().await?;
    let update = [
        "domain",
        "update",
        SENDER_DOMAIN,
        "--tracking-host",
        "links.sender.test",
    ];
    let said = world.run(&update).await?;
    let expected = "changed sender.test: trackingHost from track.sender.test to links.sender.test";
    ensure!(said.starts_with(expected), "{said}");
    let again = world.run(&update).await?;
    ensure!(again.contains("has these settings already"), "{again}");
    let updated = told(&world, "DomainUpdated").await?;
    let change = &updated["domainUpdated"]["changes"]["trackingHost"];
    ensure!(change["old"] == "track.sender.test", "{updated:#}");
    ensure!(change["new"] == "links.sender.test", "{updated:#}");
    let zone = world.run(&["domain", "show", SENDER_DOMAIN]).await?;
    let alias = "links.sender.test. 3600 IN CNAME postbell.test.";
    ensure!(zone.contains(alias), "{zone}");
    let away = [
        "domain",
        "update",
        SENDER_DOMAIN,
        "--return-path",
        "bounce.other.test",
    ];
    ensure!(world.run(&away).await.is_err(), "SPF would not align");
    world.finish().await
}
