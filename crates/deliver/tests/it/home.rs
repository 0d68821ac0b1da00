//! Mail to a domain whose mail comes in at this very server.

use std::net::{IpAddr, Ipv4Addr};

use postbell_model::Fact;
use postbell_peers::dns::Entry;

use crate::world::{Setup, World};

/// Where replies to mail of the world's domain are caught, at the world's MX under our own name.
fn route_home(world: &World) {
    let here = Entry::addresses([IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    world.dns.table().set("us.example", here);
    for domain in ["reply.sender.example", "else.example"] {
        let mx = Entry::mx([(10, "us.example")]);
        world.dns.table().set(domain, mx);
    }
}

async fn code(world: &World, recipient: &str) -> u16 {
    match world.outcome(world.accept(recipient)).await {
        Fact::Delivery { .. } => 250,
        Fact::Bounce { attempt, .. } => attempt.last().unwrap().reply.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn mail_to_a_host_of_ours_comes_in_again() {
    let world = World::new().await;
    route_home(&world);
    assert_eq!(code(&world, "reply+x@reply.sender.example").await, 250);
    // A domain that nobody has set up here and leads here is a loop (RFC 5321 §5.1).
    assert_eq!(code(&world, "x@else.example").await, 550);
    world.end().await;
}

#[tokio::test]
async fn it_is_a_loop_where_nothing_can_come_in() {
    let world = World::with(Setup {
        change: |options| options.inbound_open = false,
        ..Setup::default()
    })
    .await;
    route_home(&world);
    assert_eq!(code(&world, "reply+x@reply.sender.example").await, 550);
    world.end().await;
}
