//! Mail of a configuration set that leaves from addresses and by a name of its own.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use postbell_model::{Domain, Egress, Fact};

use crate::world::{Setup, World};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn mail_leaves_from_the_sets_address_by_its_name() {
    let source = Ipv4Addr::new(127, 0, 0, 9);
    let world = World::with(Setup {
        egress: Egress {
            ipv4: Some(source),
            ipv6: None,
            ehlo_name: Some(Domain::parse("out9.sender.example").unwrap()),
        },
        ..Setup::default()
    })
    .await;
    world.route("example.com", &[Ipv4Addr::LOCALHOST]);
    let delivery = world.accept("bob@example.com");
    assert!(matches!(
        world.outcome(delivery).await,
        Fact::Delivery { .. }
    ));
    let message = world.mx.wait_for_message(LIMIT, |_| true).await.unwrap();
    assert_eq!(message.peer.ip(), IpAddr::V4(source));
    assert_eq!(message.helo, "out9.sender.example");
    world.end().await;
}

#[tokio::test]
async fn an_address_of_the_other_family_is_left_to_the_system() {
    let world = World::with(Setup {
        egress: Egress {
            ipv4: None,
            ipv6: Some("2001:db8::9".parse().unwrap()),
            ehlo_name: None,
        },
        ..Setup::default()
    })
    .await;
    world.route("example.com", &[Ipv4Addr::LOCALHOST]);
    let delivery = world.accept("bob@example.com");
    assert!(matches!(
        world.outcome(delivery).await,
        Fact::Delivery { .. }
    ));
    world.end().await;
}
