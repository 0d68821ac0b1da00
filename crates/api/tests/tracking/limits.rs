//! What clients can not do: come in too often, stay for ever, say too much.

use std::sync::Arc;
use std::time::Duration;

use postbell_api::tracking::{TrackingLimits, TrackingOptions, TrackingTimeouts};
use postbell_model::token::LinkTarget;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::world::{World, options};

const SOON: Duration = Duration::from_secs(20);
const A_MOMENT: Duration = Duration::from_millis(50);

/// What a test that asks very often needs.
pub(crate) fn generous() -> TrackingOptions {
    TrackingOptions {
        max_unrecorded: 10_000,
        limits: TrackingLimits {
            max_requests: 10_000_000,
            ..options().limits
        },
        timeouts: TrackingTimeouts {
            connection: Duration::from_secs(3_600),
            ..options().timeouts
        },
        ..options()
    }
}

/// Reads until the host closes.
async fn closed(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = stream.read_to_end(&mut said);
    let _reset = tokio::time::timeout(SOON, read).await.unwrap();
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn who_dawdles_is_closed() {
    let world = World::with(TrackingOptions {
        timeouts: TrackingTimeouts {
            head: A_MOMENT,
            ..options().timeouts
        },
        ..options()
    })
    .await;
    for said in ["", "GET / HTTP/1.1\r\nHost: x\r\nX: "] {
        let mut stream = TcpStream::connect(world.addr).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        closed(&mut stream).await;
    }
    // Between requests as well.
    let mut stream = TcpStream::connect(world.addr).await.unwrap();
    stream
        .write_all(b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(closed(&mut stream).await.starts_with("HTTP/1.1 200"));
    world.finish().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let world = World::with(TrackingOptions {
        timeouts: TrackingTimeouts {
            body: A_MOMENT,
            ..options().timeouts
        },
        ..options()
    })
    .await;
    let subscription = crate::world::subscription("ann@example.org");
    world
        .store
        .subscribed(crate::world::delivery_id(1), subscription);
    let path = world.page(1);
    let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nL");
    let answer = world.say(&request).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(world.finish().await.unsubscribed(), []);
}

#[tokio::test]
async fn a_connection_lives_as_long_as_it_may() {
    let world = World::with(TrackingOptions {
        timeouts: TrackingTimeouts {
            connection: A_MOMENT,
            ..options().timeouts
        },
        ..options()
    })
    .await;
    let mut stream = TcpStream::connect(world.addr).await.unwrap();
    assert_eq!(closed(&mut stream).await, "");
    world.finish().await;
}

#[tokio::test]
async fn a_connection_has_as_many_requests_as_it_may() {
    let world = World::with(TrackingOptions {
        limits: TrackingLimits {
            max_requests: 3,
            ..options().limits
        },
        ..options()
    })
    .await;
    let mut stream = TcpStream::connect(world.addr).await.unwrap();
    for _ in 0..5 {
        stream
            .write_all(b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
    }
    let said = closed(&mut stream).await;
    assert_eq!(said.matches("HTTP/1.1 200").count(), 3, "{said}");
    assert_eq!(said.matches("connection: close").count(), 1);
    world.finish().await;
}

#[tokio::test]
async fn an_address_has_as_many_connections_as_it_may() {
    let world = World::with(TrackingOptions {
        limits: TrackingLimits {
            max_connections_per_ip: 2,
            ..options().limits
        },
        ..options()
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(world.addr).await.unwrap();
        stream
            .write_all(b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
        held.push(stream);
    }
    let mut third = TcpStream::connect(world.addr).await.unwrap();
    assert_eq!(closed(&mut third).await, "");
    let name = "postbell_tracking_connections_closed_total{reason=\"too_many_of_address\"}";
    assert_eq!(world.metric(name), "1");
    drop(held);
    world.finish().await;
}

#[tokio::test]
async fn heads_are_as_long_as_they_may_be() {
    let world = World::start().await;
    let long = "x".repeat(20 << 10);
    for request in [
        format!("GET /c/{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"),
        format!(
            "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
            "X: x\r\n".repeat(100)
        ),
    ] {
        let answer = world.say(&request).await;
        assert!(
            answer.starts_with("HTTP/1.1 431") || answer.starts_with("HTTP/1.1 414"),
            "{answer}"
        );
    }
    assert_eq!(world.get("/robots.txt").await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn look_ups_of_long_links_take_places_at_the_store() {
    const PLACES: usize = 256;
    let world = World::with(TrackingOptions {
        limits: TrackingLimits {
            max_connections: 2 * PLACES,
            max_connections_per_ip: 2 * PLACES,
            ..options().limits
        },
        ..options()
    });
    let world = Arc::new(world.await);
    let name = world.store.keep_link("https://shop.example/");
    let known = world.link_to(1, LinkTarget::Stored(name));
    assert_eq!(world.get(&known).await.status, 302);
    // The store answers nobody any more.
    world.store.look_ups.forget_permits(usize::MAX >> 3);
    let mut asking = JoinSet::new();
    for _ in 0..=PLACES {
        let world = Arc::clone(&world);
        let unknown = world.link_to(1, LinkTarget::Stored([9; 16]));
        asking.spawn(async move { world.get(&unknown).await.status });
    }
    assert_eq!(asking.join_next().await.unwrap().unwrap(), 503);
    assert_eq!(world.get(&world.page(1)).await.status, 503);
    // What is remembered needs no place.
    assert_eq!(world.get(&known).await.status, 302);
    world.store.look_ups.add_permits(PLACES);
    let answered = asking.join_all().await;
    assert_eq!(answered, [404; PLACES]);
}
