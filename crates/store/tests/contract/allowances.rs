use postbell_model::{CredentialId, Secret, SendingLimits, WorkspaceId};
use postbell_store::{Account, NewCredential, TenantError};

use crate::fixture::{Fixture, NOW};

const TODAY: u32 = 20_000;

pub(crate) async fn limits_are_set_and_taken_back(fixture: &Fixture) {
    let store = &fixture.store;
    let new = NewCredential {
        workspace: fixture.workspace,
        username: "shop".to_owned(),
        password_hash: Secret::new("$argon2id$…"),
        scram: None,
        limits: SendingLimits::default(),
    };
    store.create_credential(new, NOW).await.unwrap();
    let limits = SendingLimits {
        rate: Some(60),
        quota: Some(1000),
    };
    store.set_credential_limits("shop", limits).await.unwrap();
    let workspace = fixture.workspace;
    store.set_workspace_limits(workspace, limits).await.unwrap();
    let fixture = fixture.reopened().await;
    let store = &fixture.store;
    let directory = store.directory();
    assert_eq!(directory.credential("shop").unwrap().limits, limits);
    assert_eq!(directory.workspace(workspace).unwrap().limits, limits);
    let none = SendingLimits::default();
    store.set_credential_limits("shop", none).await.unwrap();
    store.set_workspace_limits(workspace, none).await.unwrap();
    let directory = store.directory();
    assert_eq!(directory.credential("shop").unwrap().limits, none);
    assert_eq!(directory.workspace(workspace).unwrap().limits, none);
    let unknown = store.set_credential_limits("shops", limits).await;
    assert!(matches!(unknown, Err(TenantError::NoSuchCredential(_))));
    let unknown = store.set_workspace_limits(WorkspaceId(999), limits).await;
    assert!(matches!(unknown, Err(TenantError::NoSuchWorkspace(_))));
}

pub(crate) async fn what_was_taken_is_counted_by_account_and_day(fixture: &Fixture) {
    let store = &fixture.store;
    let shop = Account::Credential(CredentialId(1));
    let acme = Account::Workspace(WorkspaceId(1));
    assert_eq!(store.take(shop, TODAY, 0).await.unwrap(), 0);
    assert_eq!(store.take(shop, TODAY, 10).await.unwrap(), 10);
    assert_eq!(store.take(acme, TODAY, 3).await.unwrap(), 3);
    assert_eq!(store.take(shop, TODAY + 1, 1).await.unwrap(), 1);
    let fixture = fixture.reopened().await;
    let store = &fixture.store;
    assert_eq!(store.take(shop, TODAY, 5).await.unwrap(), 15);
    assert_eq!(store.take(acme, TODAY, 0).await.unwrap(), 3);
    // Days long gone are forgotten.
    assert_eq!(store.take(shop, TODAY + 100, 1).await.unwrap(), 1);
    assert_eq!(store.take(shop, TODAY, 0).await.unwrap(), 0);
}
