//! A tracked mail through the doors of a server in this process: from submission to the recipient, and
//! from the recipient's clicks to the log.

use std::time::Duration;

use postbell_model::inbound::UnsubscribeMethod;
use postbell_model::{EventKind, Fact};
use postbell_store::Logged;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{LIMIT, SENDER, World, mail};

const ANN: &str = "ann@recipient.test";
const HOST: &str = "https://track.sender.test";
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0";
const SHOP: &str = "https://shop.test/sale?a=1&b=2";

/// A mail with a link and all that can be tracked, as the recipient gets it.
async fn tracked(world: &World) -> String {
    let text = format!(
        "From: a@{SENDER}\r\nSubject: x\r\nX-Postbell-Track-Opens: yes\r\n\
         X-Postbell-Track-Clicks: yes\r\nX-Postbell-Unsubscribe: yes\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/html; charset=utf-8\r\n\r\n\
         <html><body><a href=\"https://shop.test/sale?a=1&amp;b=2\">Sale</a></body></html>\r\n"
    );
    let mut client = world.client().await;
    let outcome = client.send(&mail(&[ANN], text.into())).await.unwrap();
    client.quit().await.unwrap();
    assert!(outcome.is_taken(), "{}", outcome.deciding());
    let received = world.delivered(ANN).await;
    let text = String::from_utf8_lossy(&received.body).into_owned();
    text.replace("\r\n ", " ")
        .replace("=\r\n", "")
        .replace("=3D", "=")
}

/// The path of the first address of this kind in a mail.
fn path(text: &str, kind: &str) -> String {
    let start = format!("{HOST}/{kind}/");
    let at = text
        .find(&start)
        .unwrap_or_else(|| panic!("no {start} in {text}"));
    let rest = &text[at + HOST.len()..];
    let end = rest.find(['"', '>', ' ', '\r']).unwrap();
    rest[..end].replace("&#45;", "-")
}

async fn ask(world: &World, request: &str, body: &str) -> String {
    let address = world.server().addresses().tracking[0];
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{request} HTTP/1.1\r\nHost: track.sender.test\r\nUser-Agent: {BROWSER}\r\n\
         Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(LIMIT, read).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Lets the time go on until there is so much of a kind.
async fn told(world: &World, kind: EventKind, count: usize) -> Vec<Logged> {
    for _ in 0..LIMIT.as_secs() * 10 {
        let events = world.events(kind).await;
        if events.len() >= count {
            return events;
        }
        world.clock.turn(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    panic!("{kind:?} was not told");
}

fn fact(logged: &Logged) -> &Fact {
    match logged {
        Logged::Delivery(logged) => &logged.event.fact,
        Logged::Workspace(_) => panic!("{logged:?}"),
    }
}

#[tokio::test]
async fn a_click_and_an_open_stand_in_the_log() {
    let world = World::start().await;
    let text = tracked(&world).await;
    world.told("hook", ANN, &["Delivery"]).await;
    world.clock.turn(Duration::from_mins(1));
    let opened = ask(&world, &format!("GET {}", path(&text, "o")), "").await;
    assert!(opened.starts_with("HTTP/1.1 200"), "{opened}");
    let clicked = ask(&world, &format!("GET {}", path(&text, "c")), "").await;
    assert!(clicked.starts_with("HTTP/1.1 302"), "{clicked}");
    assert!(
        clicked.contains(&format!("location: {SHOP}\r\n")),
        "{clicked}"
    );

    let clicks = told(&world, EventKind::Click, 1).await;
    let Fact::Click(click) = fact(&clicks[0]) else {
        panic!("{clicks:?}");
    };
    assert_eq!((click.url.as_str(), click.index), (SHOP, 0));
    assert_eq!(click.engagement.count, Some(1));
    assert_eq!(click.engagement.user_agent, BROWSER);
    assert_eq!(click.engagement.machine_reasons, []);
    let opens = told(&world, EventKind::Open, 1).await;
    let Fact::Open(open) = fact(&opens[0]) else {
        panic!("{opens:?}");
    };
    assert_eq!(open.is_first(), Some(true));
    world.end().await;
}

#[tokio::test]
async fn what_was_seen_before_the_end_is_told_after_the_next_start() {
    let mut world = World::start().await;
    let text = tracked(&world).await;
    world.told("hook", ANN, &["Delivery"]).await;
    let clicked = ask(&world, &format!("GET {}", path(&text, "c")), "").await;
    assert!(clicked.starts_with("HTTP/1.1 302"), "{clicked}");
    world.stop_server().await;
    world.start_server().await;
    assert_eq!(told(&world, EventKind::Click, 1).await.len(), 1);
    world.end().await;
}

#[tokio::test]
async fn one_click_unsubscribes() {
    let world = World::start().await;
    let text = tracked(&world).await;
    assert!(
        text.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"),
        "{text}"
    );
    let path = path(&text, "u");
    let page = ask(&world, &format!("GET {path}"), "").await;
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains(ANN),
        "{page}"
    );
    assert_eq!(world.events(EventKind::Unsubscribe).await.len(), 0);
    let done = ask(
        &world,
        &format!("POST {path}"),
        "List-Unsubscribe=One-Click",
    )
    .await;
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    // It stands in the log when it is answered.
    let events = world.events(EventKind::Unsubscribe).await;
    let Fact::Unsubscribe { method, inbound } = fact(&events[0]) else {
        panic!("{events:?}");
    };
    assert_eq!((*method, *inbound), (UnsubscribeMethod::OneClick, None));
    world.end().await;
}
