//! Every way of asking for mail to be relayed, here as well: mail is for addresses of ours.

use super::super::relay::RECIPIENTS;
use super::World;

#[tokio::test]
async fn nothing_is_relayed() {
    let world = World::new().await;
    let mut client = world.greeted().await;
    for sender in [
        "<>",
        "<a@example.com>",
        "<postmaster@mx.test>",
        "<a@peer.test>",
    ] {
        client.say(&format!("MAIL FROM:{sender}")).await;
        client.expect(&["250"]).await;
        // Ours, wherever it is asked for.
        for (recipient, _) in RECIPIENTS.iter().filter(|(to, _)| *to != "<postmaster>") {
            client.say(&format!("RCPT TO:{recipient}")).await;
            let reply = client.reply().await;
            assert!(reply.starts_with('5'), "{recipient}: {reply}");
        }
        client.say("DATA").await;
        client.expect(&["554"]).await;
        client.say("RSET").await;
        client.expect(&["250"]).await;
    }
    assert_eq!(world.stored().len(), 0);
}

#[tokio::test]
async fn an_address_that_names_another_is_no_way_out() {
    let world = World::new().await;
    let mut client = world.greeted().await;
    client.say("MAIL FROM:<a@peer.test>").await;
    client.expect(&["250"]).await;
    for local in [
        "victim%elsewhere.example",
        "elsewhere.example!victim",
        "\"victim@elsewhere.example\"",
    ] {
        client
            .say(&format!("RCPT TO:<{local}@inbox.example>"))
            .await;
        let reply = client.reply().await;
        assert!(reply.starts_with('5'), "{local}: {reply}");
    }
}
