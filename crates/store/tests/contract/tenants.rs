use std::time::Duration;

use postbell_model::tracking::SetTracking;
use postbell_model::{
    ConfigurationSet, ConfigurationSetId, Credential, Destination, DestinationId,
    DestinationSettings, DestinationState, Domain, Egress, LeftQueue, ScramKeys, Secret,
    SendingDomain, SendingLimits, Timestamp, WorkspaceId,
};
use postbell_store::{NewConfigurationSet, NewCredential, TenantError};

use crate::fixture::{Fixture, NOW, set_of};

pub(crate) fn domain(fixture: &Fixture, name: &str) -> SendingDomain {
    let name = Domain::parse(name).unwrap();
    SendingDomain::new(name, fixture.workspace, fixture.set, NOW)
}

pub(crate) fn destination(fixture: &Fixture, name: &str) -> Destination {
    Destination {
        id: DestinationId::new(NOW),
        workspace: fixture.workspace,
        configuration_set: Some(fixture.set),
        name: name.to_owned(),
        url: "https://hooks.example.org/mail".to_owned(),
        secret: Secret::new(*b"0123456789abcdef01234567"),
        previous_secret: None,
        matching_event_types: vec!["bounce".to_owned()],
        format: "postbell".to_owned(),
        settings: DestinationSettings::default(),
        replays: 0,
        state: DestinationState::Active,
        created_at: NOW,
    }
}

pub(crate) async fn a_configuration_set_is_changed(fixture: &Fixture) {
    let store = &fixture.store;
    let before = store.directory();
    let before = before.configuration_set(fixture.set).unwrap();
    let changed = ConfigurationSet {
        max_retries: Some(3),
        expire_after: Some(Duration::from_secs(60)),
        reports: Some(false),
        ..before.clone()
    };
    let asked = ConfigurationSet {
        name: "another".to_owned(),
        created_at: Timestamp::default(),
        ..changed.clone()
    };
    store.change_configuration_set(asked).await.unwrap();
    let seen = store.directory();
    assert_eq!(seen.configuration_set(fixture.set), Some(&changed));
    store
        .change_configuration_set(before.clone())
        .await
        .unwrap();
    let seen = store.directory();
    assert_eq!(seen.configuration_set(fixture.set), Some(before));
    let nobodys = ConfigurationSet {
        workspace: WorkspaceId(999),
        ..changed
    };
    let refused = store.change_configuration_set(nobodys).await;
    assert!(matches!(
        refused,
        Err(TenantError::NoSuchConfigurationSet(_))
    ));
}

pub(crate) async fn a_credential_is_made_and_revoked_and_keeps_its_name(fixture: &Fixture) {
    let new = NewCredential {
        workspace: fixture.workspace,
        username: "shop".to_owned(),
        password_hash: Secret::new("$argon2id$…"),
        scram: Some(ScramKeys {
            salt: b"salt".to_vec(),
            iterations: 4096,
            stored_key: Secret::new("stored"),
            server_key: Secret::new("server"),
        }),
        limits: SendingLimits {
            rate: Some(60),
            quota: None,
        },
    };
    let store = &fixture.store;
    let made = store.create_credential(new.clone(), NOW).await.unwrap();
    assert_eq!(store.directory().credential("shop"), Some(&made));
    assert_eq!(store.directory().credential("Shop"), None);
    let later = Timestamp::from_micros(NOW.as_micros() + 1);
    store
        .revoke_credential("shop", LeftQueue::Keep, later)
        .await
        .unwrap();
    store
        .revoke_credential("shop", LeftQueue::Keep, NOW)
        .await
        .unwrap();
    let taken = store.create_credential(new.clone(), NOW).await;
    assert!(matches!(taken, Err(TenantError::Exists { .. })));
    let unknown = store.revoke_credential("shops", LeftQueue::Keep, NOW).await;
    assert!(matches!(unknown, Err(TenantError::NoSuchCredential(_))));
    let nobodys = NewCredential {
        workspace: WorkspaceId(999),
        ..new
    };
    let nobodys = store.create_credential(nobodys, NOW).await;
    assert!(matches!(nobodys, Err(TenantError::NoSuchWorkspace(_))));

    let fixture = fixture.reopened().await;
    let directory = fixture.store.directory();
    let all = directory.credentials_of(fixture.workspace);
    let revoked = Credential {
        revoked_at: Some(later),
        ..made
    };
    assert_eq!(all, [&revoked]);
}

pub(crate) async fn what_is_made_shows_in_the_directory(fixture: &Fixture) {
    let mut changed = fixture.store.directory_changed();
    changed.mark_unchanged();
    let set = NewConfigurationSet {
        workspace: fixture.workspace,
        name: "fast".to_owned(),
        max_retries: Some(3),
        expire_after: Some(Duration::from_secs(600)),
        reports: None,
        egress: Default::default(),
        tracking: SetTracking::default(),
    };
    let set = fixture
        .store
        .create_configuration_set(set, NOW)
        .await
        .unwrap();
    let domain = domain(fixture, "example.org");
    fixture.store.add_domain(domain.clone()).await.unwrap();
    let destination = destination(fixture, "all");
    fixture
        .store
        .create_destination(destination.clone())
        .await
        .unwrap();
    assert!(changed.has_changed().unwrap());

    let fixture = fixture.reopened().await;
    let directory = fixture.store.directory();
    assert_eq!(
        directory.workspace_named("acme").unwrap().id,
        fixture.workspace
    );
    assert_eq!(directory.configuration_set(set.id), Some(&set));
    assert_eq!(directory.domain(&domain.name), Some(&domain));
    assert_eq!(directory.destinations(), [destination]);
    fixture.close().await;
}

pub(crate) async fn names_are_taken_once(fixture: &Fixture) {
    let store = &fixture.store;
    let again = store.create_workspace("acme", NOW).await;
    assert!(
        matches!(
            again,
            Err(TenantError::Exists {
                kind: "workspace",
                ..
            })
        ),
        "{again:?}"
    );
    store
        .add_domain(domain(fixture, "example.org"))
        .await
        .unwrap();
    let other = store.create_workspace("other", NOW).await.unwrap().id;
    let set = set_of(&**store, other, "default").await;
    let stolen = SendingDomain {
        workspace: other,
        configuration_set: set,
        ..domain(fixture, "example.org")
    };
    let stolen = store.add_domain(stolen).await;
    assert!(
        matches!(stolen, Err(TenantError::DomainTaken { .. })),
        "{stolen:?}"
    );
    let foreign = SendingDomain {
        configuration_set: set,
        ..domain(fixture, "example.net")
    };
    let foreign = store.add_domain(foreign).await;
    assert!(
        matches!(foreign, Err(TenantError::NoSuchConfigurationSet(_))),
        "{foreign:?}"
    );
    store
        .create_destination(destination(fixture, "all"))
        .await
        .unwrap();
    let again = store.create_destination(destination(fixture, "all")).await;
    assert!(
        matches!(
            again,
            Err(TenantError::Exists {
                kind: "destination",
                ..
            })
        ),
        "{again:?}"
    );
    let nowhere = NewConfigurationSet {
        workspace: WorkspaceId(99),
        name: "x".to_owned(),
        max_retries: None,
        expire_after: None,
        reports: None,
        egress: Default::default(),
        tracking: SetTracking::default(),
    };
    let nowhere = store.create_configuration_set(nowhere, NOW).await;
    assert!(
        matches!(nowhere, Err(TenantError::NoSuchWorkspace(_))),
        "{nowhere:?}"
    );
    let unknown = Destination {
        configuration_set: Some(ConfigurationSetId(99)),
        ..destination(fixture, "unknown")
    };
    let unknown = store.create_destination(unknown).await;
    assert!(
        matches!(unknown, Err(TenantError::NoSuchConfigurationSet(_))),
        "{unknown:?}"
    );
}

pub(crate) async fn token_keys_stay(fixture: &Fixture) {
    let keys = fixture.store.token_keys();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].1.expose().len(), 32);
    let fixture = fixture.reopened().await;
    assert!(fixture.store.token_keys() == keys);
    fixture.close().await;
}

pub(crate) async fn how_mail_of_a_set_leaves_is_kept(fixture: &Fixture) {
    let egress = Egress {
        ipv4: Some([192, 0, 2, 7].into()),
        ipv6: Some("2001:db8::7".parse().unwrap()),
        ehlo_name: Some(Domain::parse("out7.sender.example").unwrap()),
    };
    leave(fixture, &egress).await;
    assert_eq!(fixture_egress(fixture), egress);
    let reopened = fixture.reopened().await;
    assert_eq!(fixture_egress(&reopened), egress);
    leave(&reopened, &Egress::default()).await;
    assert!(fixture_egress(&reopened).is_default());
    reopened.close().await;
}

/// Has the mail of the fixture's set leave like this.
async fn leave(fixture: &Fixture, egress: &Egress) {
    let directory = fixture.store.directory();
    let mut set = directory.configuration_set(fixture.set).unwrap().clone();
    set.egress = egress.clone();
    fixture.store.change_configuration_set(set).await.unwrap();
}

fn fixture_egress(fixture: &Fixture) -> Egress {
    let directory = fixture.store.directory();
    directory
        .configuration_set(fixture.set)
        .unwrap()
        .egress
        .clone()
}
