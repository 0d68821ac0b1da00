//! What `postbell config` says of a configuration.

use postbell_tests::World;

#[tokio::test]
async fn a_configuration_that_holds_is_said_to() -> anyhow::Result<()> {
    let world = World::prepare(&[]).await?;
    world.run(&["config", "check"]).await?;
    world.finish().await
}

#[tokio::test]
async fn all_faults_are_told_at_once() -> anyhow::Result<()> {
    let faults = [
        ("submission.limits.max_recipients", "many"),
        ("deliver.retry.first", "soon"),
        ("dns.attemts", "3"),
    ];
    let world = World::prepare(&faults).await?;
    let refused = world.run(&["config", "check"]).await;
    let said = refused.expect_err("there are faults").to_string();
    for (key, _) in faults {
        let variable = format!("POSTBELL_{}", key.to_uppercase().replace('.', "__"));
        assert!(
            said.contains(key) || said.contains(&variable),
            "{key}: {said}"
        );
    }
    world.finish().await
}

#[tokio::test]
async fn the_server_does_not_start_with_a_fault() -> anyhow::Result<()> {
    let world = World::prepare(&[("deliver.retry.first", "soon")]).await?;
    let refused = world.run(&["serve"]).await;
    let said = refused.expect_err("there is a fault").to_string();
    assert!(
        said.contains("deliver.retry.first") || said.contains("RETRY__FIRST"),
        "{said}"
    );
    world.finish().await
}

#[tokio::test]
async fn every_value_in_force_is_shown_with_its_origin() -> anyhow::Result<()> {
    let world = World::prepare(&[("accept.max_hops", "30")]).await?;
    let shown = world.run(&["config", "show"]).await?;
    let line = shown.lines().find(|line| line.contains("max_hops = 30"));
    let line = line.unwrap_or_default();
    assert!(line.contains("POSTBELL_ACCEPT__MAX_HOPS"), "{shown}");
    assert!(shown.contains("longest_site_pause = \"5m\""), "{shown}");
    world.finish().await
}
