//! What a door says while new mail is put off.

use postbell_accept::Obstacle;

use super::{ENVELOPE, MESSAGE, World};

#[tokio::test]
async fn a_session_that_is_open_hears_it_at_mail_and_a_new_one_at_once() {
    let world = World::new().await;
    let mut open = world.client().await;
    open.expect(&["220"]).await;
    open.say("EHLO app.test").await;
    open.expect(&["250"]).await;

    for (obstacle, greeting, mail) in [
        (Obstacle::StoreStopped, "421 4.3.0 ", "451 4.3.0 "),
        (Obstacle::DiskLow, "421 4.3.1 ", "452 4.3.1 "),
        (Obstacle::MemoryHigh, "421 4.3.2 ", "451 4.3.2 "),
    ] {
        world.admission.set(obstacle);
        open.say("MAIL FROM:<a@example.com>").await;
        let reply = open.reply().await;
        assert_eq!(reply, format!("{mail}{}", obstacle.sentence()));
        let mut new = world.client().await;
        let reply = new.reply().await;
        assert_eq!(reply, format!("{greeting}{}", obstacle.sentence()));
        world.admission.clear(obstacle);
    }
    open.say("MAIL FROM:<a@example.com>").await;
    open.expect(&["250"]).await;
}

#[tokio::test]
async fn a_message_that_has_begun_is_taken() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.send(ENVELOPE.as_bytes()).await;
    client.expect(&["220", "250", "250", "250", "354"]).await;
    world.admission.set(Obstacle::DiskLow);
    client.send(format!("{MESSAGE}.\r\n").as_bytes()).await;
    client.expect(&["250"]).await;
    assert_eq!(world.stored().len(), 1);
}
