//! Links that report a click, and pixels: each recipient's own, and only where they are asked for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use postbell_deliver::TrackedAddresses;
use postbell_mail::track::PLACEHOLDER;
use postbell_model::token::{Claim, LINK_URL_MAX, LinkTarget, Purpose, domain_tag, stored_link};
use postbell_model::tracking::{DomainTracking, SetTracking};
use postbell_model::{
    Address, Authentication, DeliveryId, Domain, Fact, Forward, ForwardWay, InboundId, Message,
    Phase, ReversePath, Secret, Timestamp, TokenKeys,
};
use postbell_peers::mx::MxOptions;
use postbell_store::{Claimed, Links, StoreError};

use crate::queue::{KEY, WORKSPACE};
use crate::world::{Setup, World, mail_from};

const LIMIT: Duration = Duration::from_secs(10);
const HEAD: &str = "From: <ann@sender.example>\r\nTo: <bob@example.com>\r\nMIME-Version: 1.0\r\n\
    Message-ID: <1@sender.example>\r\nDate: Sun, 03 May 2026 12:34:57 +0000\r\n";
const HTML: &str = "Content-Type: text/html; charset=utf-8\r\n";
const PAGE: &str = "<body><a href=\"https://shop.example/?a=1&amp;b=%C3%A4\">x</a> \
    <a href='mailto:ann@sender.example'>y</a> <a href=http://other.example>z</a></body>";
const URLS: [&str; 2] = ["https://shop.example/?a=1&b=%C3%A4", "http://other.example"];
const LEFT: &str = "there is no address to put in place of {{postbell.unsubscribe_url}}";
const BOTH: DomainTracking = DomainTracking {
    opens: true,
    clicks: true,
};

pub(crate) fn open(setup: Setup) -> Setup {
    Setup {
        change: |options| options.tracking.open = true,
        ..setup
    }
}

/// A world with an open door, in which all is tracked.
async fn tracking_world(setup: Setup) -> World {
    let world = World::with(open(setup)).await;
    world.queue.set_tracking(BOTH, SetTracking::default());
    world
}

/// Sends a message of these octets, and gives it as its MX got it.
pub(crate) async fn sent(
    world: &World,
    body: &str,
    envelope: impl Fn(&mut Message),
) -> (DeliveryId, String) {
    let delivery = send(world, "bob@example.com", body, envelope);
    let fact = world.outcome(delivery).await;
    assert!(matches!(fact, Fact::Delivery { .. }), "{fact:?}");
    (delivery, received(world, delivery).await)
}

fn send(world: &World, recipient: &str, body: &str, envelope: impl Fn(&mut Message)) -> DeliveryId {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let mut claimed = world.claimed(recipient, mail_from(), body);
    let mut message = Message::clone(&claimed.message);
    envelope(&mut message);
    claimed.message = Arc::new(message);
    world.accept_this(claimed)
}

/// The message of a delivery as its MX got it.
async fn received(world: &World, delivery: DeliveryId) -> String {
    let received = world.mx.wait_for_message(LIMIT, |received| {
        let text = str::from_utf8(&received.body).unwrap();
        let token = text.split_once("X-Postbell-Delivery: ").unwrap().1;
        let claim = keys().verify(Purpose::Header, token.lines().next().unwrap());
        claim.unwrap().delivery == delivery
    });
    String::from_utf8(received.await.unwrap().body.to_vec()).unwrap()
}

/// What is told of what was left alone.
async fn notes(world: &World, delivery: DeliveryId) -> Vec<String> {
    match world.outcome(delivery).await {
        Fact::Delivery { attempt } => attempt.tracking_notes,
        fact => panic!("{fact:?}"),
    }
}

pub(crate) fn keys() -> TokenKeys {
    TokenKeys::new([(0, &Secret::new(KEY))]).unwrap()
}

pub(crate) const fn claim(delivery: DeliveryId) -> Claim {
    Claim {
        workspace: WORKSPACE,
        delivery,
    }
}

/// The tokens of addresses that begin like this, in their order.
fn tokens(text: &str, begin: &str) -> Vec<String> {
    let text = text.replace("&#45;", "-");
    let behind = text.split(begin).skip(1);
    let in_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    behind
        .map(|rest| rest.split(|c| !in_token(c)).next().unwrap().to_owned())
        .collect()
}

/// Where the links of a delivery's message lead.
fn targets(delivery: DeliveryId, text: &str) -> Vec<LinkTarget> {
    let tokens = tokens(text, "https://track.sender.example/c/");
    let links = tokens.iter().enumerate().map(|(index, token)| {
        let (said, link) = keys().verify_link(token).unwrap();
        assert_eq!(said, claim(delivery));
        assert_eq!(usize::from(link.index), index);
        let domain = Domain::parse("sender.example").unwrap();
        assert_eq!(link.domain_tag, domain_tag(&domain));
        link.target
    });
    links.collect()
}

fn urls(urls: &[&str]) -> Vec<LinkTarget> {
    let urls = urls.iter().map(|url| LinkTarget::Url((*url).to_owned()));
    urls.collect()
}

#[tokio::test]
async fn each_recipient_has_links_and_a_pixel_of_its_own() {
    let world = tracking_world(Setup::default()).await;
    let body = format!("{HEAD}Bcc: eve@example.com\r\n{HTML}\r\n{PAGE}\r\n");
    let first = world.claimed("bob@example.com", mail_from(), Bytes::from(body.clone()));
    let mut deliveries = vec![first.delivery.id];
    let recipients: Vec<_> = (0..10).map(|n| format!("user{n}@example.com")).collect();
    for recipient in &recipients {
        let other = world.claimed(recipient, mail_from(), Bytes::from(body.clone()));
        deliveries.push(other.delivery.id);
        world.accept_this(Claimed {
            message: Arc::clone(&first.message),
            ..other
        });
    }
    world.accept_this(first);
    for delivery in deliveries {
        world.outcome(delivery).await;
        let text = received(&world, delivery).await;
        assert_eq!(targets(delivery, &text), urls(&URLS), "{text}");
        let pixels = tokens(&text, "<img src=\"https://track.sender.example/o/");
        let [pixel] = &pixels[..] else {
            panic!("{} pixels", pixels.len());
        };
        let opened = keys().verify_url(Purpose::Open, pixel);
        assert_eq!(opened, Ok(claim(delivery)));
        assert!(text.contains("<a href='mailto:ann@sender.example'>y</a>"));
        assert!(!text.contains("eve@"));
        assert!(text.lines().all(|line| line.len() <= 998));
    }
    world.end().await;
}

#[tokio::test]
async fn a_message_is_asked_before_its_set_and_that_before_its_domain() {
    let world = World::with(open(Setup::default())).await;
    let body = format!("{HEAD}{HTML}\r\n{PAGE}\r\n");
    let (yes, no) = (Some(true), Some(false));
    for (of_domain, of_set, of_message, is_tracked) in [
        (true, None, None, true),
        (false, None, None, false),
        (true, no, None, false),
        (false, yes, None, true),
        (false, no, yes, true),
        (true, yes, no, false),
    ] {
        for opens in [true, false] {
            let only = |asked: Option<bool>| {
                let (other, asked) = (asked.map(|_| false), asked);
                if opens {
                    (asked, other)
                } else {
                    (other, asked)
                }
            };
            let (set_opens, set_clicks) = only(of_set);
            world.queue.set_tracking(
                DomainTracking {
                    opens: of_domain && opens,
                    clicks: of_domain && !opens,
                },
                SetTracking {
                    opens: set_opens,
                    clicks: set_clicks,
                    ..SetTracking::default()
                },
            );
            let (message_opens, message_clicks) = only(of_message);
            let (delivery, text) = sent(&world, &body, |message| {
                message.instructions.track_opens = message_opens;
                message.instructions.track_clicks = message_clicks;
            })
            .await;
            let has_pixel = !tokens(&text, "https://track.sender.example/o/").is_empty();
            let has_links = !targets(delivery, &text).is_empty();
            let wanted = (is_tracked && opens, is_tracked && !opens);
            assert_eq!((has_pixel, has_links), wanted, "{text}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_set_says_what_is_added_and_what_is_left() {
    let world = World::with(open(Setup::default())).await;
    let set = SetTracking {
        plain_text: true,
        additions: vec![("utm_source".to_owned(), "news".to_owned())],
        untracked: vec!["*://other.example*".to_owned()],
        ..SetTracking::default()
    };
    world.queue.set_tracking(BOTH, set);
    let text = format!("{HEAD}\r\nhttps://shop.example/ and http://other.example\r\n");
    let (delivery, text) = sent(&world, &text, |_| {}).await;
    let wanted = urls(&["https://shop.example/?utm_source=news"]);
    assert_eq!(targets(delivery, &text), wanted, "{text}");
    assert!(text.ends_with(" and http://other.example\r\n"), "{text}");
    world.end().await;
}

#[tokio::test]
async fn the_placeholder_is_filled_in_whatever_is_tracked() {
    let world = World::with(open(Setup::default())).await;
    let (open, close) = PLACEHOLDER.split_at(12);
    let quoted =
        format!("Content-Transfer-Encoding: quoted-printable\r\n\r\n{open}=\r\n{close}\r\n");
    for rest in [
        format!("{HTML}\r\n<a href=\"{PLACEHOLDER}\">x</a> <a href=http://other.example>z</a>\r\n"),
        format!("\r\nIt is {PLACEHOLDER} and http://other.example\r\n"),
        quoted,
    ] {
        let (delivery, text) = sent(&world, &format!("{HEAD}{rest}"), |_| {}).await;
        let text = text.replace("=\r\n", "");
        let tokens = tokens(&text, "https://track.sender.example/u/");
        let [token] = &tokens[..] else {
            panic!("{text}");
        };
        let page = keys().verify_url(Purpose::UnsubscribePage, token);
        assert_eq!(page, Ok(claim(delivery)), "{text}");
        assert!(targets(delivery, &text).is_empty() && !text.contains("/o/"));
    }
    world.end().await;
}

#[tokio::test]
async fn the_address_of_the_door_may_be_another() {
    let world = World::with(Setup {
        change: |options| {
            options.tracking = TrackedAddresses {
                open: true,
                base_url: Some("http://127.0.0.1:8080/".to_owned()),
            };
        },
        ..Setup::default()
    })
    .await;
    world.queue.set_tracking(BOTH, SetTracking::default());
    let (_, text) = sent(&world, &format!("{HEAD}{HTML}\r\n{PAGE}\r\n"), |_| {}).await;
    assert_eq!(tokens(&text, "http://127.0.0.1:8080/c/").len(), 2);
    assert_eq!(tokens(&text, "\"http://127.0.0.1:8080/o/").len(), 1);
    world.end().await;
}

#[tokio::test]
async fn without_a_door_nothing_is_tracked() {
    let world = World::new().await;
    world.queue.set_tracking(BOTH, SetTracking::default());
    let body = format!("{HEAD}{HTML}\r\n{PAGE} {PLACEHOLDER}\r\n");
    let (delivery, text) = sent(&world, &body, |_| {}).await;
    assert!(text.ends_with(&body), "{text}");
    assert_eq!(notes(&world, delivery).await, [LEFT]);
    let (delivery, _) = sent(&world, &format!("{HEAD}{HTML}\r\n{PAGE}\r\n"), |_| {}).await;
    assert_eq!(notes(&world, delivery).await, [""; 0]);
    world.end().await;
}

#[tokio::test]
async fn what_is_not_ours_to_change_is_left_alone() {
    let world = tracking_world(Setup::default()).await;
    let body = format!("{HEAD}{HTML}\r\n{PAGE} {PLACEHOLDER}\r\n");
    let forward = |message: &mut Message| {
        message.forward = Some(Box::new(Forward {
            of: InboundId::from_bytes([7; 16]),
            via: Address::parse("support@sender.example").unwrap(),
            way: ForwardWay::Exchangers,
            authentication: Authentication::default(),
        }));
    };
    let report = |message: &mut Message| message.mail_from = ReversePath::Null;
    let removed = |message: &mut Message| {
        let address = Address::parse("ann@removed.example").unwrap();
        message.source = address.as_str().to_owned();
        message.mail_from = ReversePath::Mailbox(address);
    };
    for (envelope, told) in [
        (&forward as &dyn Fn(&mut Message), &[][..]),
        (&report, &[]),
        (&removed, &[LEFT]),
    ] {
        let (delivery, text) = sent(&world, &body, envelope).await;
        assert!(text.ends_with(&body), "{text}");
        assert_eq!(notes(&world, delivery).await, told);
    }
    world.end().await;
}

#[tokio::test]
async fn what_is_left_alone_is_told_with_the_outcome() {
    let world = tracking_world(Setup::default()).await;
    let signed = format!(
        "{HEAD}Content-Type: multipart/signed; boundary=x\r\n\r\n--x\r\n{HTML}\r\n{PAGE}\r\n--x--\r\n"
    );
    for (body, notes) in [
        (
            signed,
            &["what is signed or encrypted is left as it is"][..],
        ),
        (format!("{HEAD}{HTML}\r\n{PAGE}\r\n"), &[]),
    ] {
        let delivery = send(&world, "bob@example.com", &body, |_| {});
        let Fact::Delivery { attempt } = world.outcome(delivery).await else {
            panic!("not delivered");
        };
        assert_eq!(attempt.tracking_notes, notes);
        let text = received(&world, delivery).await;
        assert_eq!(text.ends_with(&body), !notes.is_empty(), "{text}");
    }
    world.end().await;
}

/// A store of links that may refuse.
#[derive(Debug, Default)]
struct KeptLinks {
    is_full: AtomicBool,
    urls: Mutex<Vec<String>>,
}

#[async_trait]
impl Links for KeptLinks {
    async fn keep_links(&self, urls: Vec<String>, _: Timestamp) -> Result<(), StoreError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(StoreError::Full);
        }
        self.urls.lock().unwrap().extend(urls);
        Ok(())
    }

    async fn link(&self, _: [u8; 16]) -> Result<Option<String>, StoreError> {
        unreachable!("delivery follows no link")
    }
}

#[tokio::test]
async fn links_too_long_for_a_token_are_kept_before_anything_is_sent() {
    let links = Arc::new(KeptLinks::default());
    let world = tracking_world(Setup {
        links: Some(links.clone()),
        ..Setup::default()
    })
    .await;
    let fits = format!("https://a.example/{}", "x".repeat(LINK_URL_MAX - 18));
    let long = format!("{fits}y");
    let body = format!("{HEAD}{HTML}\r\n<a href={long}>x</a>\r\n<a href={fits}>y</a>\r\n");
    links.is_full.store(true, Ordering::Relaxed);
    let delivery = send(&world, "bob@example.com", &body, |_| {});
    let Fact::DeliveryDelay { attempt, .. } = world.outcome(delivery).await else {
        panic!("not delayed");
    };
    let last = attempt.last().unwrap();
    assert_eq!((last.phase, last.reply.code), (Phase::Render, 451));
    assert!(world.mx.messages().is_empty());

    links.is_full.store(false, Ordering::Relaxed);
    world.clock.turn(Duration::from_secs(331));
    world.queue.wait_for_facts(delivery, 2).await;
    let text = received(&world, delivery).await.replace("=\r\n", "");
    let wanted = [
        LinkTarget::Stored(stored_link(&long)),
        LinkTarget::Url(fits),
    ];
    assert_eq!(targets(delivery, &text), wanted, "{text}");
    assert_eq!(*links.urls.lock().unwrap(), [long]);
    world.end().await;
}

#[tokio::test]
async fn links_are_looked_for_and_kept_once_for_all_recipients() {
    let links = Arc::new(KeptLinks::default());
    let world = tracking_world(Setup {
        links: Some(links.clone()),
        ..Setup::default()
    })
    .await;
    let long = format!("https://a.example/{}", "x".repeat(LINK_URL_MAX));
    let body = Bytes::from(format!("{HEAD}{HTML}\r\n<a href={long}>x</a>\r\n"));
    let first = world.claimed("bob@example.com", mail_from(), body.clone());
    let others = (0..20).map(|n| {
        let recipient = format!("user{n}@site{n}.example.com");
        world.claimed(&recipient, mail_from(), body.clone())
    });
    let others: Vec<_> = others.collect();
    let mut deliveries = Vec::new();
    for other in others {
        deliveries.push(world.accept_this(Claimed {
            message: Arc::clone(&first.message),
            ..other
        }));
    }
    deliveries.push(world.accept_this(first));
    for delivery in deliveries {
        world.queue.wait_for_facts(delivery, 1).await;
    }
    assert_eq!(*links.urls.lock().unwrap(), [long]);
    world.end().await;
}

#[tokio::test]
async fn without_a_store_for_them_long_links_stay() {
    let world = tracking_world(Setup::default()).await;
    let long = format!("https://a.example/{}", "x".repeat(LINK_URL_MAX));
    let body = format!("{HEAD}{HTML}\r\n<a href={long}>x</a>\r\n{PAGE}\r\n");
    let (_, text) = sent(&world, &body, |_| {}).await;
    let text = text.replace("=\r\n", "").replace("=3D", "=");
    assert!(text.contains(&format!("<a href={long}>x</a>")), "{text}");
    assert_eq!(tokens(&text, "https://track.sender.example/c/").len(), 2);
    world.end().await;
}

fn host_with(extensions: &[&str]) -> Setup {
    Setup {
        mx: MxOptions {
            extensions: extensions.iter().map(|word| (*word).to_owned()).collect(),
            ..MxOptions::default()
        },
        ..Setup::default()
    }
}

#[tokio::test]
async fn a_tracked_message_is_made_to_fit_its_host() {
    let world = tracking_world(host_with(&["PIPELINING"])).await;
    let body =
        format!("{HEAD}{HTML}Content-Transfer-Encoding: 8bit\r\n\r\n<p>Gr\u{fc}\u{df}e {PAGE}\r\n");
    let (delivery, text) = sent(&world, &body, |_| {}).await;
    assert!(text.is_ascii());
    assert!(text.contains("Content-Transfer-Encoding: quoted-printable\r\n"));
    let text = text.replace("=\r\n", "");
    assert!(text.contains("<p>Gr=C3=BC=C3=9Fe "), "{text}");
    assert_eq!(targets(delivery, &text), urls(&URLS), "{text}");
    world.end().await;
}

#[tokio::test]
async fn the_size_that_counts_is_the_one_that_is_sent() {
    let body = format!("{HEAD}{HTML}\r\n{}\r\n", PAGE.repeat(10));
    let size = body.len() + 1_000;
    let world = tracking_world(host_with(&["PIPELINING", &format!("SIZE {size}")])).await;
    let delivery = send(&world, "bob@example.com", &body, |_| {});
    let Fact::Bounce { attempt, .. } = world.outcome(delivery).await else {
        panic!("not bounced");
    };
    let reply = &attempt.last().unwrap().reply;
    assert_eq!(reply.enhanced.unwrap().to_string(), "5.3.4", "{reply}");
    world
        .queue
        .set_tracking(DomainTracking::default(), SetTracking::default());
    sent(&world, &body, |_| {}).await;
    world.end().await;
}
