//! Pixels and links: what is answered, what is written down, what is told.

use std::sync::atomic::Ordering;
use std::time::Duration;

use postbell_api::tracking::{AgentKept, IpKept, TrackingOptions};
use postbell_model::Fact;
use postbell_model::engagement::{Hit, HitTarget, ImageProxy, MachineReason};
use postbell_model::token::LinkTarget;
use postbell_model::tracking::LinkBlock;
use postbell_store::BlockedLinks;

use crate::world::{BROWSER, NOW, World, acme, delivery_id, directory, options};

const SHOP: &str = "https://shop.example/sale?a=1&b=2#top";

#[tokio::test]
async fn a_link_leads_on_and_is_written_down() {
    let world = World::start().await;
    let answer = world.get(&world.link(1, SHOP)).await;
    assert_eq!((answer.status, answer.field("location")), (302, SHOP));
    assert_eq!(answer.field("referrer-policy"), "no-referrer");
    assert!(answer.field("cache-control").contains("no-store"));
    assert_eq!(answer.field("set-cookie"), "");
    let store = world.finish().await;
    let [hit] = &store.hits()[..] else {
        panic!("{:?}", store.hits());
    };
    let url = SHOP.to_owned();
    assert_eq!(hit.target, HitTarget::Link { url, index: 3 });
    assert_eq!((hit.delivery, hit.at), (delivery_id(1), NOW));
    assert_eq!(hit.ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(hit.user_agent, BROWSER);
    assert_eq!((hit.signs.as_slice(), hit.proxy), (&[][..], None));
}

#[tokio::test]
async fn addresses_in_unicode_are_written_as_browsers_do() {
    let world = World::start().await;
    let answer = world
        .get(&world.link(1, "https://bücher.example/ü?q=ä b"))
        .await;
    assert_eq!(
        answer.field("location"),
        "https://xn--bcher-kva.example/%C3%BC?q=%C3%A4%20b"
    );
    world.finish().await;
}

#[tokio::test]
async fn the_pixel_is_shown_anew_each_time() {
    let world = World::start().await;
    let path = world.pixel(1);
    for path in [path.clone(), format!("{path}.gif")] {
        let answer = world.get(&path).await;
        assert_eq!(
            (answer.status, answer.field("content-type")),
            (200, "image/gif")
        );
        assert!(answer.body.starts_with("GIF89a"));
        assert!(answer.field("cache-control").contains("no-store"));
    }
    let hits = world.finish().await.hits();
    assert_eq!(hits.len(), 2);
    assert!(hits.iter().all(|hit| hit.target == HitTarget::Pixel));
}

#[tokio::test]
async fn head_is_answered_alike_and_is_a_machines() {
    let world = World::start().await;
    let answer = world.ask("HEAD", &world.link(1, SHOP), &[], "").await;
    assert_eq!((answer.status, answer.field("location")), (302, SHOP));
    assert_eq!(answer.body, "");
    let hits = world.finish().await.hits();
    assert_eq!(hits[0].signs, [MachineReason::HeadRequest]);
}

#[tokio::test]
async fn long_links_are_looked_up() {
    let world = World::start().await;
    let long = format!("https://shop.example/?q={}", "x".repeat(16_000));
    let name = world.store.keep_link(&long);
    let known = world.link_to(1, LinkTarget::Stored(name));
    let unknown = world.link_to(1, LinkTarget::Stored([9; 16]));
    assert_eq!(world.get(&known).await.field("location"), long);
    let nowhere = world.get("/c/nonsense").await.timeless();
    assert_eq!(world.get(&unknown).await.timeless(), nowhere);
    world.store.is_down.store(true, Ordering::SeqCst);
    // It is remembered.
    assert_eq!(world.get(&known).await.status, 302);
    let answer = world.get(&unknown).await;
    assert_eq!((answer.status, answer.field("retry-after")), (503, "2"));
}

#[tokio::test]
async fn blocked_links_lead_nowhere() {
    let world = World::start().await;
    let block = |block| BlockedLinks {
        block,
        reason: None,
        since: NOW,
    };
    let path = world.link(1, SHOP);
    let other = world.link(1, "https://other.example/");
    for (blocked, others) in [
        (LinkBlock::Url(SHOP.to_owned()), 302),
        (
            LinkBlock::Url(SHOP.replace("https://shop.example", "HTTPS://Shop.Example.:443")),
            302,
        ),
        (LinkBlock::Domain("example".parse_domain()), 410),
        (LinkBlock::Domain("shop.example".parse_domain()), 302),
        (LinkBlock::Domain(acme()), 410),
        (LinkBlock::Workspace(postbell_model::WorkspaceId(7)), 410),
    ] {
        world.store.set_directory(directory([block(blocked)]));
        let answer = world.get(&path).await;
        assert_eq!((answer.status, answer.field("location")), (410, ""));
        assert!(answer.body.contains("This link was switched off"));
        assert_eq!(world.get(&other).await.status, others);
    }
    world.store.set_directory(directory([]));
    assert_eq!(world.get(&path).await.status, 302);
    // The clicks are told all the same.
    let hits = world.finish().await.hits();
    let clicks = |url: &str| {
        let is_one =
            |hit: &&Hit| matches!(&hit.target, HitTarget::Link { url: to, index: 3 } if to == url);
        hits.iter().filter(is_one).count()
    };
    assert_eq!((clicks(SHOP), clicks("https://other.example/")), (7, 6));
}

#[tokio::test]
async fn no_spelling_of_a_host_leads_on() {
    let world = World::start().await;
    let blocked = BlockedLinks {
        block: LinkBlock::Domain("shop.example".parse_domain()),
        reason: None,
        since: NOW,
    };
    world.store.set_directory(directory([blocked]));
    for url in [
        "https://sh%6fp.example/a",
        "https://SHOP%2eexample:443/a",
        "https://me@www.shop.example./a",
    ] {
        assert_eq!(world.get(&world.link(1, url)).await.status, 410, "{url}");
    }
    let other = world.link(1, "https://shop.example.net/shop.example");
    assert_eq!(world.get(&other).await.status, 302);
}

trait ParseDomain {
    fn parse_domain(&self) -> postbell_model::Domain;
}

impl ParseDomain for str {
    fn parse_domain(&self) -> postbell_model::Domain {
        postbell_model::Domain::parse(self).unwrap()
    }
}

#[tokio::test]
async fn of_a_visitor_as_much_is_kept_as_may_be() {
    let world = World::with(TrackingOptions {
        proxy_from: vec!["127.0.0.0/8".parse().unwrap()],
        scanner_networks: vec!["198.51.100.0/24".parse().unwrap()],
        ip: IpKept::Truncated,
        ..options()
    })
    .await;
    let from = [("X-Forwarded-For", "203.0.113.9, 198.51.100.7")];
    world.ask("GET", &world.pixel(1), &from, "").await;
    world.recorded(1).await;
    world.terms.change(TrackingOptions {
        ip: IpKept::None,
        user_agent: AgentKept::None,
        ..options()
    });
    let agent = [("User-Agent", "Mozilla/5.0 (via ggpht.com GoogleImageProxy)")];
    world.ask("GET", &world.pixel(2), &agent, "").await;
    let hits = world.finish().await.hits();
    assert_eq!(hits[0].ip.as_deref(), Some("198.51.100.0"));
    assert_eq!(hits[0].signs, [MachineReason::ScannerNetwork]);
    assert_eq!(
        (hits[1].ip.as_deref(), hits[1].user_agent.as_str()),
        (None, "")
    );
    // It was known when it was judged.
    assert_eq!(hits[1].proxy, Some(ImageProxy::Google));
}

#[tokio::test]
async fn hits_are_told_once_they_were_held() {
    let world = World::start().await;
    world.store.delivered(delivery_id(1), NOW);
    world.clock.advance(60);
    world.get(&world.pixel(1)).await;
    for name in ["a", "b", "c"] {
        world
            .get(&world.link(1, &format!("https://shop.example/{name}")))
            .await;
    }
    world.recorded(4).await;
    world.clock.advance(5);
    assert_eq!(world.teller.step().await.unwrap(), 0, "they are held");
    world.clock.advance(1);
    assert_eq!(world.teller.step().await.unwrap(), 4);
    assert_eq!(world.teller.step().await.unwrap(), 0, "they are told once");
    assert_eq!(
        world.metric("postbell_tracking_told_total{kind=\"Open\",by=\"human\"}"),
        "1"
    );
    assert_eq!(
        world.metric("postbell_tracking_told_total{kind=\"Click\",by=\"machine\"}"),
        "3"
    );
    let told = world.finish().await.told();
    let facts: Vec<_> = told.iter().flat_map(|one| &one.facts).collect();
    let (_, Fact::Open(open)) = facts[0] else {
        panic!("{facts:?}");
    };
    assert!(!open.is_machine() && open.is_first() == Some(true));
    let clicks = facts[1..].iter().map(|(_, fact)| match fact {
        Fact::Click(click) => click.engagement.machine_reasons.clone(),
        other => panic!("{other:?}"),
    });
    assert!(
        clicks
            .into_iter()
            .all(|reasons| reasons == [MachineReason::SeveralLinks])
    );
}

#[tokio::test]
async fn an_answer_waits_for_no_disk_and_nothing_is_lost_without_a_word() {
    let world = World::with(TrackingOptions {
        max_unrecorded: 4,
        ..options()
    })
    .await;
    world.store.commits.forget_permits(usize::MAX >> 3);
    let mut answered = 0;
    // One batch is under way; behind it there is room for four.
    let refused = loop {
        let answer = world.get(&world.pixel(1)).await;
        if answer.status != 200 {
            break answer;
        }
        answered += 1;
        assert!(answered <= 5);
    };
    assert!(answered >= 4);
    assert_eq!((refused.status, refused.field("retry-after")), (503, "2"));
    world.store.commits.add_permits(100);
    world.recorded(answered).await;
    assert_eq!(world.get(&world.pixel(1)).await.status, 200);
    assert_eq!(world.finish().await.hits().len() as u64, answered + 1);
}

#[tokio::test]
async fn what_the_store_does_not_take_is_tried_again() {
    let world = World::start().await;
    world.store.is_down.store(true, Ordering::SeqCst);
    assert_eq!(world.get(&world.pixel(1)).await.status, 200);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(world.store.hits().len(), 0);
    world.store.is_down.store(false, Ordering::SeqCst);
    world.recorded(1).await;
    assert_eq!(world.metric("postbell_tracking_hits_lost_total"), "0");
    world.finish().await;
}

#[tokio::test]
async fn what_a_stopped_store_does_not_take_is_counted() {
    let world = World::start().await;
    world.store.has_stopped.store(true, Ordering::SeqCst);
    assert_eq!(world.get(&world.pixel(1)).await.status, 200);
    let counted = async {
        while world.metric("postbell_tracking_hits_lost_total") != "1" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), counted)
        .await
        .unwrap();
    assert_eq!(world.finish().await.hits().len(), 0);
}
