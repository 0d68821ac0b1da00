use postbell_model::{Domain, DomainKey, KeyAlgorithm, KeyState, Timestamp};
use postbell_store::TenantError;

use crate::fixture::{Fixture, NOW};
use crate::tenants::domain;

pub(crate) fn key(selector: &str, algorithm: KeyAlgorithm) -> DomainKey {
    DomainKey {
        domain: Domain::parse("acme.example").unwrap(),
        selector: selector.to_owned(),
        algorithm,
        sealed: vec![1, 2, 3],
        public: vec![4, 5],
        state: KeyState::Pending,
        created_at: NOW,
        activated_at: None,
        retired_at: None,
    }
}

fn later(micros: i64) -> Timestamp {
    Timestamp::from_micros(NOW.as_micros() + micros)
}

async fn with_keys(fixture: &Fixture) -> Domain {
    let domain = domain(fixture, "acme.example");
    fixture.store.add_domain(domain.clone()).await.unwrap();
    let keys = KeyAlgorithm::ALL.map(|algorithm| key(algorithm.name(), algorithm));
    fixture.store.add_domain_keys(keys.to_vec()).await.unwrap();
    domain.name
}

pub(crate) async fn keys_show_in_the_directory_and_survive(fixture: &Fixture) {
    let name = with_keys(fixture).await;
    let expected = KeyAlgorithm::ALL.map(|algorithm| key(algorithm.name(), algorithm));
    assert_eq!(fixture.store.directory().domain_keys(&name), expected);
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.store.directory().domain_keys(&name), expected);
    let other = Domain::parse("other.example").unwrap();
    assert_eq!(fixture.store.directory().domain_keys(&other), []);
    fixture.store.remove_domain_key(&name, "rsa").await.unwrap();
    assert_eq!(fixture.store.directory().all_domain_keys().count(), 1);
}

pub(crate) async fn a_key_takes_the_place_of_the_one_before(fixture: &Fixture) {
    let name = with_keys(fixture).await;
    let store = &fixture.store;
    for algorithm in KeyAlgorithm::ALL {
        let activated = store
            .activate_domain_key(&name, algorithm.name(), NOW)
            .await;
        activated.unwrap();
    }
    let next = DomainKey {
        created_at: later(1),
        ..key("next", KeyAlgorithm::Rsa)
    };
    store.add_domain_keys(vec![next]).await.unwrap();
    let states = || {
        let directory = store.directory();
        let keys = directory.domain_keys(&name).iter();
        keys.map(|key| {
            (
                key.selector.clone(),
                key.state,
                key.activated_at,
                key.retired_at,
            )
        })
        .collect::<Vec<_>>()
    };
    let row = |selector: &str, state, activated, retired| {
        (selector.to_owned(), state, activated, retired)
    };
    let ed25519 = row("ed25519", KeyState::Active, Some(NOW), None);
    let expected = [
        row("rsa", KeyState::Active, Some(NOW), None),
        ed25519.clone(),
        row("next", KeyState::Pending, None, None),
    ];
    assert_eq!(states(), expected);
    // Once more, or of nothing, changes nothing.
    for (selector, at) in [("rsa", 4), ("nothing", 4), ("next", 5), ("next", 6)] {
        let activated = store.activate_domain_key(&name, selector, later(at)).await;
        activated.unwrap();
    }
    let expected = [
        row("rsa", KeyState::Retiring, Some(NOW), Some(later(5))),
        ed25519,
        row("next", KeyState::Active, Some(later(5)), None),
    ];
    assert_eq!(states(), expected);
}

pub(crate) async fn keys_are_added_all_or_none(fixture: &Fixture) {
    let name = with_keys(fixture).await;
    let store = &fixture.store;
    let keys = vec![key("new", KeyAlgorithm::Rsa), key("rsa", KeyAlgorithm::Rsa)];
    let taken = store.add_domain_keys(keys).await;
    assert!(
        matches!(taken, Err(TenantError::Exists { .. })),
        "{taken:?}"
    );
    assert_eq!(store.directory().domain_keys(&name).len(), 2);
    let nobodys = DomainKey {
        domain: Domain::parse("other.example").unwrap(),
        ..key("new", KeyAlgorithm::Rsa)
    };
    let nobodys = store.add_domain_keys(vec![nobodys]).await;
    assert!(matches!(nobodys, Err(TenantError::NoSuchDomain(_))));
}
