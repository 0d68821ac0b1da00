//! Addresses that are too long for a token, and links that lead nowhere.

use postbell_model::token::{domain_tag, stored_link};
use postbell_model::tracking::LinkBlock;
use postbell_model::{Domain, WorkspaceId};
use postbell_store::{
    BlockedLinks, KeptSince, LinkBlocks, PurgeRound, SqliteTenants, TenantError, Tenants,
};

use crate::fixture::{Fixture, NOW, later};
use crate::inbound_kept::{days, purge};

fn long(n: usize) -> String {
    format!("https://shop.example/{n}?{}", "ä".repeat(2_000))
}

pub(crate) async fn long_addresses_are_found_by_their_name(fixture: &Fixture) {
    let urls: Vec<_> = (0..300).map(long).collect();
    let store = &fixture.store;
    store.keep_links(urls.clone(), NOW).await.unwrap();
    store.keep_links(vec![long(7), long(7)], NOW).await.unwrap();
    store.keep_links(Vec::new(), NOW).await.unwrap();
    let fixture = fixture.reopened().await;
    for url in urls {
        let found = fixture.store.link(stored_link(&url)).await.unwrap();
        assert_eq!(found, Some(url));
    }
    let none = fixture.store.link(stored_link("")).await.unwrap();
    assert_eq!(none, None);
    fixture.close().await;
}

pub(crate) async fn addresses_stay_for_as_long_as_somebody_may_click(fixture: &Fixture) {
    let store = &fixture.store;
    let both = vec![long(1), long(2)];
    store.keep_links(both, NOW).await.unwrap();
    store.keep_links(vec![long(2)], days(30)).await.unwrap();
    // What is wanted again within a day is not written down: it counts all the same.
    let hours = std::time::Duration::from_hours(23);
    let again = NOW.after(hours);
    store.keep_links(vec![long(1)], again).await.unwrap();
    assert_eq!(purge(fixture, days(400).after(hours)).await.links, 0);
    assert_eq!(purge(fixture, days(402)).await.links, 1);
    assert_eq!(store.link(stored_link(&long(1))).await.unwrap(), None);
    assert!(store.link(stored_link(&long(2))).await.unwrap().is_some());
    assert_eq!(purge(fixture, days(432)).await.links, 1);
}

pub(crate) async fn addresses_stay_with_the_messages_that_have_them(fixture: &Fixture) {
    let store = &fixture.store;
    store.keep_links(vec![long(1)], NOW).await.unwrap();
    let now = days(50);
    let ago = |days: u64| Some(now.before(std::time::Duration::from_hours(24 * days)));
    for (messages, slim, links) in [
        (ago(90), ago(0), 0),
        (ago(0), ago(90), 0),
        (None, ago(0), 0),
        (ago(0), None, 0),
        (ago(40), ago(0), 1),
    ] {
        let since = KeptSince {
            messages,
            slim,
            inbound: None,
        };
        let mut round = PurgeRound::default();
        let mut purged = 0;
        while !round.is_over() {
            let some = store.purge_some(since, now, &mut round).await;
            purged += some.unwrap().links;
        }
        assert_eq!(purged, links, "{since:?}");
    }
}

pub(crate) async fn blocked_links_stand_in_the_directory(fixture: &Fixture) {
    let store = &fixture.store;
    let far = Domain::parse("far.example").unwrap();
    let blocks = [
        LinkBlock::Url("https://shop.example/x".to_owned()),
        LinkBlock::Domain(far.clone()),
        LinkBlock::Workspace(fixture.workspace),
    ];
    let elsewhere = "https://shop.example/";
    let is_blocked = |fixture: &Fixture, workspace, tag, to| {
        fixture.store.directory().is_blocked(workspace, tag, to)
    };
    let other = WorkspaceId(99);
    assert!(!is_blocked(fixture, fixture.workspace, 0, elsewhere));
    for (at, block) in (1..).zip(&blocks) {
        let reason = (at == 1).then(|| "phishing".to_owned());
        let is_new = store.block_links(block.clone(), reason, later(at)).await;
        assert!(is_new.unwrap());
    }
    let again = store.block_links(blocks[0].clone(), None, later(9)).await;
    assert!(!again.unwrap());
    let again = store.block_links(blocks[1].clone(), Some("spam".to_owned()), later(9));
    assert!(!again.await.unwrap());
    let nobody = store
        .block_links(LinkBlock::Workspace(other), None, NOW)
        .await;
    assert!(
        matches!(nobody, Err(TenantError::NoSuchWorkspace(_))),
        "{nobody:?}"
    );

    let fixture = fixture.reopened().await;
    let reasons = [Some("phishing"), Some("spam"), None];
    let expected = blocks.iter().zip(reasons).zip(1..);
    let expected = expected.map(|((block, reason), at)| BlockedLinks {
        block: block.clone(),
        reason: reason.map(ToOwned::to_owned),
        since: later(at),
    });
    let expected: Vec<_> = expected.collect();
    assert_eq!(fixture.store.directory().link_blocks(), expected);
    assert!(is_blocked(&fixture, fixture.workspace, 0, elsewhere));
    assert!(!is_blocked(&fixture, other, 0, elsewhere));
    assert!(is_blocked(&fixture, other, domain_tag(&far), elsewhere));
    let exactly = "https://shop.example/x";
    assert!(is_blocked(&fixture, other, 0, exactly));
    for below in ["https://FAR.example./", "http://u@a.b.far.example:80/x"] {
        assert!(is_blocked(&fixture, other, 0, below), "{below}");
    }
    assert!(!is_blocked(&fixture, other, 0, "https://nofar.example/"));

    // Beside the server.
    let command = SqliteTenants::open(fixture.folder()).await.unwrap();
    assert!(command.unblock_links(&blocks[0]).await.unwrap());
    assert!(!command.unblock_links(&blocks[0]).await.unwrap());
    assert_eq!(command.directory().link_blocks(), &expected[1..]);
    command.close().await;
    assert!(fixture.store.unblock_links(&blocks[2]).await.unwrap());
    let directory = fixture.store.directory();
    assert_eq!(directory.link_blocks(), &expected[1..2]);
    fixture.close().await;
}
