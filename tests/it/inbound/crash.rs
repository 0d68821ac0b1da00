//! A 250 at the inbound door is a promise: what the process dies behind it changes nothing.

use super::{inbound_id, taking_mail, told_of, written};

#[tokio::test]
async fn what_was_taken_survives_a_kill() -> anyhow::Result<()> {
    let mut world = taking_mail(&[]).await?;
    let mut stranger = world.stranger().await?;
    let mut ids = Vec::new();
    for number in 0..20 {
        let text = format!("This is the {number}th.\r\n");
        let mail = written(
            "joe@peer.test",
            "support@sender.test",
            "Subject: Hi\r\n",
            &text,
        );
        let outcome = stranger.send(&mail).await?;
        assert!(outcome.is_taken(), "{}", outcome.deciding());
        ids.push((inbound_id(&outcome)?, text));
    }
    world.kill_program().await?;
    world.start_program().await?;
    for (id, text) in ids {
        let told = told_of(&world, "hook", "Received", &id).await?;
        assert_eq!(told["received"]["text_body"], text);
        let raw = world.run(&["inbound", "raw", &id]).await?;
        assert!(raw.ends_with(&text), "{raw}");
    }
    world.finish().await
}
