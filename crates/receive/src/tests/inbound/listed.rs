//! Lists of addresses that mail is not taken from.

use postbell_model::Domain;
use postbell_peers::dns::Entry;

use super::world::{ZONE, list};
use super::{InboundDoorOptions, World, behind_a_proxy};

async fn world() -> World {
    World::with(InboundDoorOptions {
        dnsbl: vec![
            Domain::parse("other.test").unwrap(),
            Domain::parse(ZONE).unwrap(),
        ],
        ..behind_a_proxy()
    })
    .await
}

async fn reply_at_rcpt(world: &World, ip: &str, to: &str) -> String {
    let mut client = world.client_from(ip).await;
    client
        .send(format!("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<{to}>\r\nQUIT\r\n").as_bytes())
        .await;
    client.expect(&["220", "250", "250"]).await;
    client.reply().await
}

#[tokio::test]
async fn who_is_on_a_list_is_told_so_at_every_address_but_two() {
    let world = world().await;
    list(&world, "7.2.0.192", [127, 0, 0, 2]);
    list(
        &world,
        "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2",
        [127, 0, 0, 4],
    );
    for ip in ["192.0.2.7", "2001:db8::7"] {
        for to in ["ada@inbox.example", "nobody@elsewhere.example"] {
            let reply = reply_at_rcpt(&world, ip, to).await;
            let told = format!("554 5.7.1 Mail from {ip} is not taken: it is listed by {ZONE}");
            assert_eq!(reply, told);
        }
        for to in ["postmaster", "Postmaster@inbox.example", "abuse@mx.test"] {
            let reply = reply_at_rcpt(&world, ip, to).await;
            assert!(reply.starts_with("250"), "{to}: {reply}");
        }
    }
    let reply = reply_at_rcpt(&world, "192.0.2.8", "ada@inbox.example").await;
    assert!(reply.starts_with("250"), "{reply}");
}

#[tokio::test]
async fn what_is_no_listing_lets_mail_in() {
    let world = world().await;
    // The list refuses to answer us; its domain was sold; it is silent.
    list(&world, "1.2.0.192", [127, 255, 255, 254]);
    list(&world, "2.2.0.192", [203, 0, 113, 1]);
    let broken = Entry::new(postbell_peers::dns::Answer::ServerFailure);
    world.dns.table().set(&format!("3.2.0.192.{ZONE}"), broken);
    for ip in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        let reply = reply_at_rcpt(&world, ip, "ada@inbox.example").await;
        assert!(reply.starts_with("250"), "{ip}: {reply}");
    }
}

#[tokio::test]
async fn a_session_asks_once() {
    let world = world().await;
    let mut client = world.client_from("192.0.2.9").await;
    client.send(b"EHLO c\r\nMAIL FROM:<>\r\n").await;
    client.expect(&["220", "250", "250"]).await;
    for _ in 0..3 {
        client.say("RCPT TO:<ada@inbox.example>").await;
        client.expect(&["250"]).await;
    }
    let name = format!("9.2.0.192.{ZONE}");
    assert_eq!(world.dns.table().queries_for(&name), 1);
}
