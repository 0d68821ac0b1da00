//! Mail to the address of List-Unsubscribe, by the doors of a server in this process to its webhook.

use postbell_model::TokenKeys;
use postbell_model::token::Purpose;
use postbell_peers::client::{ClientOptions, Mail, Outcome, SmtpClient};

use crate::world::World;

const ANN: &str = "ann@recipient.test";

/// `unsub+<token>@` of the delivery to this recipient.
async fn address(world: &World, to: &str) -> String {
    let received = world.delivered(to).await;
    let token = received.from.strip_prefix("bounce+").unwrap();
    let (token, _) = token.split_once('@').unwrap();
    let keys = world.server().store().token_keys();
    let keys = TokenKeys::new(keys.iter().map(|(id, key)| (*id, key))).unwrap();
    let claim = keys.verify(Purpose::Bounce, token).unwrap();
    let token = keys.sign(Purpose::Unsubscribe, claim);
    format!("unsub+{token}@track.sender.test")
}

async fn bring(world: &World, to: &str, header: &str) -> Outcome {
    let door = world.server().addresses().inbound[0];
    let options = ClientOptions::default();
    let mut client = SmtpClient::connect(door, &options).await.unwrap();
    let body = format!("From: <{ANN}>\r\nTo: <{to}>\r\n{header}\r\n\r\n");
    let mail = Mail {
        from: ANN.to_owned(),
        to: vec![to.to_owned()],
        parameters: String::new(),
        body: body.into(),
    };
    let outcome = client.send(&mail).await.unwrap();
    client.quit().await.unwrap();
    outcome
}

#[tokio::test]
async fn a_mail_to_the_address_in_list_unsubscribe_is_a_wish() {
    let world = World::start().await;
    world.submit(ANN, "").await;
    let to = address(&world, ANN).await;
    world.told("hook", ANN, &["Delivery"]).await;
    // A program that is away wishes nothing.
    let away = "Subject: Away\r\nAuto-Submitted: auto-replied\r\n";
    assert!(bring(&world, &to, away).await.is_taken());
    assert!(
        bring(&world, &to, "Subject: unsubscribe\r\n")
            .await
            .is_taken()
    );
    let told = world.told("hook", ANN, &["Unsubscribe"]).await;
    assert_eq!(told["unsubscribe"]["recipients"][0], ANN);
    assert_eq!(told["unsubscribe"]["method"], "one-click");
    assert!(told["unsubscribe"]["inboundId"].is_string(), "{told}");
    let kinds = ["Send", "Delivery", "Unsubscribe"];
    assert_eq!(world.kinds("hook", ANN), kinds);

    // The same token is none for an answer, and a changed one is none at all.
    for wrong in [
        to.replace("unsub+", "reply+"),
        to.replace("unsub+c", "unsub+d"),
    ] {
        let outcome = bring(&world, &wrong, "Subject: Hi\r\n").await;
        assert_eq!(outcome.deciding().code, 550, "{}", outcome.deciding());
    }
    world.end().await;
}
