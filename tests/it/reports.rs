//! What a sender hears of mail that it handed in at the door.

use postbell_tests::{World, mail};

const SENDER: &str = "orders@sender.test";

#[tokio::test]
async fn a_bounce_is_reported_at_the_senders_own_mx() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.submit(&["bounce@recipient.test"]).await?;
    let report = world.delivered(SENDER).await?;
    assert_eq!(report.from, "");
    let text = String::from_utf8(report.body.to_vec())?;
    for line in [
        "Subject: Undelivered mail: Your order",
        "Final-Recipient: rfc822; bounce@recipient.test",
        "Status: 5.1.1",
        "It is on its way.",
    ] {
        assert!(text.contains(&format!("\r\n{line}\r\n")), "{line}: {text}");
    }
    world.told("Bounce", "bounce@recipient.test").await?;
    assert!(
        world.kinds("hook", SENDER).is_empty(),
        "nobody hears of the report"
    );
    world.finish().await
}

#[tokio::test]
async fn a_report_survives_a_kill() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    world.submit(&["bounce@recipient.test"]).await?;
    world.told("Bounce", "bounce@recipient.test").await?;
    world.kill_program().await?;
    world.start_program().await?;
    world.delivered(SENDER).await?;
    world.finish().await
}

#[tokio::test]
async fn mail_from_nobody_is_not_reported() -> anyhow::Result<()> {
    let world = World::start().await?;
    let mut null = mail(&["bounce@recipient.test"]);
    null.from = String::new();
    assert!(world.offer(null).await?.is_taken());
    world.told("Bounce", "bounce@recipient.test").await?;
    world.submit(&["bounce+2@recipient.test"]).await?;
    let report = world.delivered(SENDER).await?;
    let text = String::from_utf8_lossy(&report.body).into_owned();
    assert!(text.contains("rfc822; bounce+2@recipient.test"), "{text}");
    assert_eq!(world.mx.messages().len(), 1);
    world.finish().await
}
