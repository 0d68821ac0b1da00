//! The page of unsubscribing, and everything that leads nowhere.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use postbell_model::inbound::UnsubscribeMethod;
use postbell_model::{Message, ReversePath, WorkspaceId};

use crate::world::{World, delivery_id, subscription};

const FORM: &str = "application/x-www-form-urlencoded";

async fn world() -> World {
    let world = World::start().await;
    let subscription = subscription("ann@example.org");
    world.store.subscribed(delivery_id(1), subscription);
    world
}

#[tokio::test]
async fn looking_at_the_page_changes_nothing() {
    let world = world().await;
    for method in ["GET", "HEAD"] {
        let answer = world.ask(method, &world.page(1), &[], "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.field("content-language"), "en");
    }
    let answer = world.get(&world.page(1)).await;
    assert!(answer.body.contains("ann@example.org"), "{}", answer.body);
    assert!(answer.body.contains("Acme &amp; Söhne"));
    assert!(answer.body.contains("background:#ffee00;color:#000000"));
    assert!(answer.body.contains("<form method=\"post\">"));
    let policy = answer.field("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'"));
    assert_eq!(answer.field("set-cookie"), "");
    assert_eq!(answer.field("x-robots-tag"), "noindex, nofollow");
    assert_eq!(world.finish().await.unsubscribed(), []);
}

#[tokio::test]
async fn the_page_looks_like_the_domain_that_its_address_is_of() {
    const BRAND: &str = "Acme &amp; Söhne";
    let world = World::start().await;
    // Tracked by the domain of MAIL FROM, as that of From is none of ours.
    let mut found = subscription("ann@example.org");
    let mut message = Message::clone(&found.message);
    message.source = "news@elsewhere.example".to_owned();
    found.message = Arc::new(message.clone());
    world.store.subscribed(delivery_id(1), found.clone());
    let page = world.get(&world.page(1)).await;
    assert!(page.body.contains(BRAND), "{}", page.body);
    // The domain is another tenant's by now.
    message.source = "news@acme.example".to_owned();
    message.workspace = WorkspaceId(8);
    found.message = Arc::new(message);
    world.store.subscribed(delivery_id(1), found);
    let page = world.get(&world.page(1)).await;
    assert!(page.body.contains("acme.example"), "{}", page.body);
    assert!(!page.body.contains(BRAND), "{}", page.body);
}

#[tokio::test]
async fn the_page_of_a_purged_message_looks_like_the_domain_whose_host_is_asked() {
    const BRAND: &str = "Acme &amp; Söhne";
    let world = World::start().await;
    let mut found = subscription("ann@example.org");
    let mut left = Message::clone(&found.message);
    left.source.clear();
    left.mail_from = ReversePath::Null;
    left.header_message_id = "<1@app.elsewhere.example>".to_owned();
    found.message = Arc::new(left.clone());
    world.store.subscribed(delivery_id(1), found.clone());
    let page = world.get(&world.page(1)).await;
    assert!(page.body.contains(BRAND), "{}", page.body);
    // A host that is nobody's, or everybody's.
    left.header_message_id = "<1@acme.example>".to_owned();
    found.message = Arc::new(left.clone());
    world.store.subscribed(delivery_id(1), found.clone());
    let path = world.page(1);
    let request = format!("GET {path} HTTP/1.1\r\nHost: t.example\r\nConnection: close\r\n\r\n");
    let page = world.say(&request).await;
    assert!(page.contains(BRAND), "{page}");
    // The domain is another tenant's.
    left.workspace = WorkspaceId(8);
    found.message = Arc::new(left);
    world.store.subscribed(delivery_id(1), found);
    let page = world.get(&world.page(1)).await;
    assert!(!page.body.contains(BRAND), "{}", page.body);
    assert!(page.body.contains(">track.acme.example<"), "{}", page.body);
}

#[tokio::test]
async fn one_click_unsubscribes_before_it_is_answered() {
    let world = world().await;
    let answer = world
        .post(&world.page(1), FORM, "List-Unsubscribe=One-Click")
        .await;
    assert_eq!((answer.status, answer.field("location")), (200, ""));
    let expected = [(delivery_id(1), UnsubscribeMethod::OneClick)];
    assert_eq!(world.store.unsubscribed(), expected);
    let again = world
        .post(&world.page(1), FORM, "List-Unsubscribe=One-Click")
        .await;
    assert_eq!(again.status, 200);
    assert_eq!(world.store.unsubscribed(), expected);
    let page = world.get(&world.page(1)).await;
    assert!(
        page.body.contains("You were unsubscribed already"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("<form"));
}

#[tokio::test]
async fn one_click_may_come_as_multipart() {
    let world = world().await;
    let body = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\n\
        One-Click\r\n--x--\r\n";
    let answer = world
        .post(&world.page(1), "multipart/form-data; boundary=x", body)
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(world.store.unsubscribed()[0].1, UnsubscribeMethod::OneClick);
}

#[tokio::test]
async fn the_button_of_the_page_is_told_apart() {
    let world = world().await;
    let answer = world.post(&world.page(1), FORM, "confirm=yes").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("You are unsubscribed"));
    assert!(answer.body.contains("ann@example.org"));
    let expected = [(delivery_id(1), UnsubscribeMethod::Link)];
    assert_eq!(world.finish().await.unsubscribed(), expected);
}

#[tokio::test]
async fn what_says_nothing_is_asked_once_more() {
    let world = world().await;
    for body in ["", "confirm=no", &"x".repeat(100_000)] {
        let answer = world.post(&world.page(1), FORM, body).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.body.contains("<form"));
    }
    assert_eq!(world.finish().await.unsubscribed(), []);
}

#[tokio::test]
async fn trouble_is_never_a_success() {
    let world = world().await;
    world.store.is_down.store(true, Ordering::SeqCst);
    for body in ["List-Unsubscribe=One-Click", "confirm=yes"] {
        let answer = world.post(&world.page(1), FORM, body).await;
        assert_eq!((answer.status, answer.field("retry-after")), (503, "2"));
        assert!(answer.body.contains("Please try again"), "{}", answer.body);
    }
    assert_eq!(world.get(&world.page(1)).await.status, 503);
    world.store.is_down.store(false, Ordering::SeqCst);
    assert_eq!(
        world.post(&world.page(1), FORM, "confirm=yes").await.status,
        200
    );
}

#[tokio::test]
async fn of_what_nobody_knows_any_more_the_page_says_so() {
    let world = world().await;
    let answers = [
        world.get(&world.page(2)).await,
        world
            .post(&world.page(2), FORM, "List-Unsubscribe=One-Click")
            .await,
    ];
    for answer in answers {
        assert_eq!(answer.status, 410);
        assert!(answer.body.contains("This link is too old"));
    }
}

#[tokio::test]
async fn pages_are_in_the_language_of_the_browser() {
    let world = world().await;
    for (accept, lang, words) in [
        ("de-AT,de;q=0.9,en;q=0.5", "de", "Abbestellen"),
        ("ja", "ja", "配信を停止する"),
        ("fr-CA", "fr", "Se désabonner"),
        ("tlh, en;q=0.1", "en", "Unsubscribe"),
    ] {
        let fields = [("Accept-Language", accept)];
        let answer = world.ask("GET", &world.page(1), &fields, "").await;
        assert_eq!(answer.field("content-language"), lang);
        assert!(answer.body.contains(&format!("<html lang=\"{lang}\">")));
        assert!(answer.body.contains(words), "{}", answer.body);
    }
}

#[tokio::test]
async fn an_address_is_text() {
    let world = World::start().await;
    let hostile = subscription("\"<script>alert(1)</script>&'\"@example.org");
    world.store.subscribed(delivery_id(1), hostile);
    let page = world.get(&world.page(1)).await;
    let done = world.post(&world.page(1), FORM, "confirm=yes").await;
    for answer in [page, done] {
        assert_eq!(answer.status, 200);
        assert!(!answer.body.contains("<script"), "{}", answer.body);
        assert!(answer.body.contains("&lt;script&gt;"));
    }
}

#[tokio::test]
async fn nobody_is_to_look_around() {
    let world = world().await;
    let robots = world.get("/robots.txt").await;
    assert_eq!(
        (robots.status, robots.body.as_str()),
        (200, "User-agent: *\nDisallow: /\n")
    );
    let nowhere = world.get("/").await.timeless();
    assert_eq!(nowhere.status, 404);
    let token = world.page(1).replace("/u/", "/.well-known/acme-challenge/");
    assert_eq!(world.get(&token).await.timeless(), nowhere);
    let link = world.link(1, "https://shop.example/");
    assert_eq!(world.post(&link, FORM, "x").await.timeless(), nowhere);
}
