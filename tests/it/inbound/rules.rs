//! What an operator's rules say of refusals holds for those that come as reports, too.

use std::fs;
use std::time::Duration;

use postbell_peers::answer::Answering;
use postbell_tests::{LIMIT, World};
use tokio::time::{Instant, sleep};

use super::{answer, bring, sent, told_of};

fn rules(class: &str) -> String {
    format!("[[rule]]\nclass = \"{class}\"\nany = [\"user unknown\"]\n")
}

#[tokio::test]
async fn the_rules_of_the_operator_hold_at_the_start_and_anew() -> anyhow::Result<()> {
    let mut world = World::set_up(&[]).await?;
    let table = world.folder().join("rules.toml");
    fs::write(&table, rules("policy_rejected"))?;
    let path = world.folder().join("postbell.toml");
    let config = format!("\n[classify]\ntable = \"{}\"\n", table.display());
    fs::write(&path, fs::read_to_string(&path)? + &config)?;
    world.start_program().await?;
    let class = async |to: &str| {
        let original = sent(&world, to).await?;
        let report = answer(Answering::Report, &original);
        let id = bring(&world, &report).await?;
        let told = told_of(&world, "hook", "Bounce", &id).await?;
        anyhow::Ok(told["bounce"]["bounceSubType"].clone())
    };
    assert_eq!(class("ann@recipient.test").await?, "policy_rejected");

    fs::write(&table, rules("mailbox_full"))?;
    world.reload().await?;
    let deadline = Instant::now() + LIMIT;
    while !fs::read_to_string(world.folder().join("log"))?.contains("nothing has changed") {
        anyhow::ensure!(Instant::now() < deadline, "it is not read anew");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(class("bob@recipient.test").await?, "mailbox_full");
    world.finish().await
}
