//! Where a recipient unsubscribes: in the header, by a click or a mail.

use bytes::Bytes;
use postbell_mail::dkim::sign;
use postbell_mail::header::Header;
use postbell_model::token::Purpose;
use postbell_model::tracking::{DomainTracking, SetTracking};
use postbell_model::{Address, Clock, DeliveryId, Message, ReversePath};

use crate::track::{claim, keys, open, sent};
use crate::world::{Setup, World, signing};

const MAIL: &str = "From: <ann@sender.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\
    Message-ID: <1@sender.example>\r\nDate: Sun, 03 May 2026 12:34:57 +0000\r\n\r\n\
    <body><a href=https://shop.example/>x</a></body>\r\n";
const POST: &str = "List-Unsubscribe=One-Click";

fn offers(world: &World) {
    let set = SetTracking {
        unsubscribe: true,
        ..SetTracking::default()
    };
    world.queue.set_tracking(DomainTracking::default(), set);
}

/// The values of the fields of this name.
fn fields(text: &str, name: &str) -> Vec<String> {
    let header = Header::find(text.as_bytes()).unwrap();
    let fields = header.fields().filter(|field| field.is(name));
    fields.map(|field| field.text()).collect()
}

fn check_page(listed: &str, delivery: DeliveryId) {
    let token = listed
        .strip_prefix("<https://track.sender.example/u/")
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap_or_else(|| panic!("{listed}"));
    let page = keys().verify_url(Purpose::UnsubscribePage, token);
    assert_eq!(page, Ok(claim(delivery)));
}

fn check_mailbox(listed: &str, delivery: DeliveryId, host: &str) {
    let address = listed
        .strip_prefix("<mailto:unsub+")
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap_or_else(|| panic!("{listed}"));
    let (token, at) = address.split_once('@').unwrap();
    assert_eq!(at, host);
    let said = keys().verify(Purpose::Unsubscribe, token);
    assert_eq!(said, Ok(claim(delivery)));
}

#[tokio::test]
async fn a_click_or_a_mail_is_enough() {
    let world = World::with(open(Setup::default())).await;
    offers(&world);
    let (delivery, text) = sent(&world, MAIL, |_| {}).await;
    let listed = fields(&text, "List-Unsubscribe");
    let [listed] = &listed[..] else {
        panic!("{text}");
    };
    let (page, mailbox) = listed.split_once(", ").unwrap();
    check_page(page, delivery);
    check_mailbox(mailbox, delivery, "reply.sender.example");
    assert_eq!(fields(&text, "List-Unsubscribe-Post"), [POST]);
    // Nothing else is tracked.
    assert!(text.contains("<a href=https://shop.example/>x</a></body>"));

    let (_, text) = sent(&world, MAIL, |m| m.instructions.unsubscribe = Some(false)).await;
    assert!(!text.contains("List-Unsubscribe"));
    world
        .queue
        .change(|_, set| set.tracking.unsubscribe = false);
    let (_, text) = sent(&world, MAIL, |m| m.instructions.unsubscribe = Some(true)).await;
    assert_eq!(fields(&text, "List-Unsubscribe").len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_mail_goes_where_mail_comes_in() {
    let world = World::with(open(Setup::default())).await;
    offers(&world);
    world.queue.change(|domain, _| domain.reply_capture = false);
    let (delivery, text) = sent(&world, MAIL, |_| {}).await;
    let listed = fields(&text, "List-Unsubscribe").remove(0);
    let mailbox = listed.split_once(", ").unwrap().1;
    check_mailbox(mailbox, delivery, "rp.sender.example");
    world.end().await;
}

#[tokio::test]
async fn only_doors_that_are_open_are_named() {
    let changes: [fn(&mut postbell_deliver::DeliverOptions); 3] = [
        |options| options.tracking.open = false,
        |options| (options.tracking.open, options.inbound_open) = (true, false),
        |options| options.inbound_open = false,
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let setup = Setup {
            change,
            ..Setup::default()
        };
        let world = World::with(setup).await;
        offers(&world);
        let (delivery, text) = sent(&world, MAIL, |_| {}).await;
        let listed = fields(&text, "List-Unsubscribe");
        let post = fields(&text, "List-Unsubscribe-Post");
        match (at, &listed[..]) {
            (0, [mailbox]) => check_mailbox(mailbox, delivery, "reply.sender.example"),
            (1, [page]) => check_page(page, delivery),
            (2, []) => {}
            _ => panic!("{text}"),
        }
        // RFC 8058 §3.1: a promise about the address on the web.
        assert_eq!(post.len(), usize::from(at == 1), "{text}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_message_that_names_its_own_keeps_it() {
    let world = World::with(open(Setup::default())).await;
    offers(&world);
    let own = "List-Unsubscribe: <https://sender.example/u?x=1>\r\n";
    let (_, text) = sent(&world, &format!("{own}{MAIL}"), |_| {}).await;
    assert!(text.ends_with(&format!("{own}{MAIL}")), "{text}");
    assert_eq!(fields(&text, "List-Unsubscribe").len(), 1);
    assert!(fields(&text, "List-Unsubscribe-Post").is_empty());
    world.end().await;
}

#[tokio::test]
async fn a_field_without_an_address_is_replaced() {
    let world = World::with(open(Setup::default())).await;
    offers(&world);
    for own in [
        "List-Unsubscribe: <{{postbell.unsubscribe_url}}>\r\nList-Unsubscribe-Post: x\r\n",
        "List-Unsubscribe: <>\r\n",
        "List-Unsubscribe: none\r\n",
    ] {
        let (delivery, text) = sent(&world, &format!("{own}{MAIL}"), |_| {}).await;
        let listed = fields(&text, "List-Unsubscribe");
        let [listed] = &listed[..] else {
            panic!("{text}");
        };
        let (page, mailbox) = listed.split_once(", ").unwrap();
        check_page(page, delivery);
        check_mailbox(mailbox, delivery, "reply.sender.example");
        assert_eq!(fields(&text, "List-Unsubscribe-Post"), [POST]);
    }
    world.end().await;
}

#[tokio::test]
async fn the_placeholder_is_filled_in_where_nothing_is_added() {
    let world = World::with(open(Setup::default())).await;
    let own = "List-Unsubscribe: <https://{{postbell.unsubscribe_url}}>\r\n";
    let (delivery, text) = sent(&world, &format!("{own}{MAIL}"), |_| {}).await;
    let [listed] = &fields(&text, "List-Unsubscribe")[..] else {
        panic!("{text}");
    };
    check_page(listed, delivery);
    offers(&world);
    let beside = "List-Unsubscribe: <mailto:u@sender.example>, <{{postbell.unsubscribe_url}}>\r\n";
    let (delivery, text) = sent(&world, &format!("{beside}{MAIL}"), |_| {}).await;
    let listed = fields(&text, "List-Unsubscribe").remove(0);
    let (own, page) = listed.split_once(", ").unwrap();
    assert_eq!(own, "<mailto:u@sender.example>");
    check_page(page, delivery);
    world.end().await;
}

#[tokio::test]
async fn nobody_unsubscribes_from_mail_of_nobody() {
    let world = World::with(open(Setup::default())).await;
    offers(&world);
    let removed = |message: &mut Message| {
        let address = Address::parse("ann@removed.example").unwrap();
        message.source = address.as_str().to_owned();
        message.mail_from = ReversePath::Mailbox(address);
    };
    let report = |message: &mut Message| message.mail_from = ReversePath::Null;
    for envelope in [&removed as &dyn Fn(&mut Message), &report] {
        let (_, text) = sent(&world, MAIL, envelope).await;
        assert!(!text.contains("List-Unsubscribe"), "{text}");
    }
    world.end().await;
}

// RFC 8058 §4
#[tokio::test]
async fn what_is_tracked_and_added_is_signed() {
    let (signing, keys, signers) = signing();
    let world = World::with(open(Setup {
        signing: Some((signing, keys)),
        ..Setup::default()
    }))
    .await;
    offers(&world);
    world
        .queue
        .change(|domain, _| domain.tracking.clicks = true);
    let (_, text) = sent(&world, MAIL, |_| {}).await;
    assert!(
        text.contains("<a href=\"https://track.sender.example/c/")
            || text.contains("<a href=https://track.sender.example/c/"),
        "{text}"
    );
    let (signatures, rest) = text.split_at(text.find("Received: ").unwrap());
    // Both algorithms sign the same octets with the same signature.
    let at = world.clock.now();
    let again = sign(&[Bytes::copy_from_slice(rest.as_bytes())], &signers, at).unwrap();
    assert_eq!(signatures.as_bytes(), again);
    for field in fields(&text, "DKIM-Signature") {
        let names = field.split_once("h=").unwrap().1.split_once(';').unwrap().0;
        let names: Vec<_> = names.split(':').map(str::trim).collect();
        for name in ["List-Unsubscribe", "List-Unsubscribe-Post"] {
            assert!(names.contains(&name), "{names:?}");
        }
    }
    assert_eq!(fields(&text, "DKIM-Signature").len(), 2);
    world.end().await;
}
