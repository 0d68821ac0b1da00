//! What an operator does to tenants: pausing, removing, API keys, revoking with a queue.

use std::collections::HashSet;

use postbell_model::tracking::SetTracking;
use postbell_model::{
    ApiKey, ApiKeyKind, Audience, CredentialId, DeliveryId, DeliveryState, LeftQueue, NewMail,
    Pause, Secret, Sender, Sending, SendingLimits, WorkspaceFact, WorkspaceId,
};
use postbell_store::{
    ApiKeyChange, ApiKeys, DeliveryFilter, Finished, Logged, NewConfigurationSet, NewCredential,
    Pauses, Removal, Removals, SqliteTenants, TenantError, Tenants, api_key,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use crate::fixture::{Fixture, NOW, delivered, later, set_of};
use crate::tenants::{destination, domain};

/// The tenants as a command sees them, beside the store.
async fn beside(fixture: &Fixture) -> SqliteTenants {
    SqliteTenants::open(fixture.folder()).await.unwrap()
}

fn pause(reason: &str, new_mail: NewMail) -> Pause {
    Pause {
        since: later(1),
        reason: Some(reason.to_owned()),
        new_mail,
    }
}

/// The facts about the workspace, in order.
pub(crate) async fn facts(fixture: &Fixture) -> Vec<WorkspaceFact> {
    let whole = Audience::Workspace(fixture.workspace);
    let inspector = fixture.inspector().await;
    let all = inspector
        .events(&Default::default(), postbell_store::From::Newest, 100)
        .await;
    let about = all.unwrap().events.into_iter();
    let facts = about.filter_map(|logged| match logged {
        Logged::Workspace(logged) if whole == Audience::Workspace(logged.event.workspace) => {
            Some(logged.event.fact)
        }
        _ => None,
    });
    facts.collect()
}

pub(crate) async fn a_pause_is_an_event_and_shows_in_the_directory(fixture: &Fixture) {
    let acme = Sender::Workspace(fixture.workspace);
    let tenants = beside(fixture).await;
    let before = tenants.pause(&acme, pause("bounces", NewMail::Hold)).await;
    assert_eq!(before.unwrap(), Sending::Active);
    // It has begun when it began, and there is nothing new to tell.
    let again = Pause {
        since: later(9),
        ..pause("fraud", NewMail::Reject)
    };
    let before = tenants.pause(&acme, again).await.unwrap();
    assert_eq!(before, Sending::Paused(pause("bounces", NewMail::Hold)));
    let directory = tenants.directory();
    let expected = Sending::Paused(pause("fraud", NewMail::Reject));
    assert_eq!(directory.sending(&acme), &expected);

    for expected in [expected, Sending::Active] {
        assert_eq!(tenants.resume(&acme, later(20)).await.unwrap(), expected);
    }
    assert_eq!(tenants.directory().sending(&acme), &Sending::Active);
    assert_eq!(
        facts(fixture).await,
        [
            WorkspaceFact::SendingPaused {
                domain: None,
                reason: Some("bounces".to_owned()),
                new_mail: NewMail::Hold,
            },
            WorkspaceFact::SendingResumed {
                domain: None,
                paused_at: later(1),
            },
        ]
    );
    let nobody = Sender::Workspace(WorkspaceId(99));
    let refused = tenants.resume(&nobody, NOW).await;
    assert!(matches!(refused, Err(TenantError::NoSuchWorkspace(_))));
    let nowhere = Sender::Domain(fixture.lane("nowhere.example").domain);
    let refused = tenants.pause(&nowhere, pause("x", NewMail::Hold)).await;
    assert!(matches!(refused, Err(TenantError::NoSuchDomain(_))));
    tenants.close().await;
}

/// The lanes that are due a minute later.
async fn lanes(fixture: &Fixture) -> Vec<String> {
    let due = fixture.store.lanes_due(later(60), 100).await.unwrap();
    due.iter().map(|lane| lane.domain.to_string()).collect()
}

async fn claim(fixture: &Fixture, domain: &str) -> Vec<DeliveryId> {
    let lane = fixture.lane(domain);
    let claimed = fixture.store.claim(&lane, later(60), 100).await.unwrap();
    claimed.iter().map(|claimed| claimed.delivery.id).collect()
}

pub(crate) async fn a_paused_workspace_has_no_lanes_that_are_due(fixture: &Fixture) {
    let mut fresh = fixture.store.fresh().unwrap();
    let acme = Sender::Workspace(fixture.workspace);
    let tenants = beside(fixture).await;
    tenants
        .pause(&acme, pause("x", NewMail::Hold))
        .await
        .unwrap();
    let fixture = &fixture.reopened().await;
    let mut queued = fixture.store.queued();
    let held = fixture.accept(&["a@example.com"]).await;
    assert!(fresh.try_recv().is_err(), "nothing paused is offered");
    assert_eq!(lanes(fixture).await, [""; 0]);
    assert_eq!(fixture.store.next_due().await.unwrap(), None);

    let other = fixture.store.create_workspace("other", NOW).await.unwrap();
    let set = set_of(&*fixture.store, other.id, "default").await;
    let mut submission = fixture.submission(&["b@example.org"], "Subject: x\r\n\r\nx\r\n");
    submission.message = std::sync::Arc::new(crate::fixture::message(other.id, set));
    fixture.store.accept(vec![submission]).await;
    assert_eq!(lanes(fixture).await, ["example.org"]);

    queued.mark_unchanged();
    tenants.resume(&acme, NOW).await.unwrap();
    // Any change of its own has the store read what changed beside it.
    set_of(&*fixture.store, other.id, "more").await;
    queued.changed().await.unwrap();
    assert_eq!(lanes(fixture).await, ["example.com", "example.org"]);
    assert_eq!(claim(fixture, "example.com").await, held);
    tenants.close().await;
    fixture.close().await;
}

pub(crate) async fn a_paused_domain_holds_its_own_mail_alone(fixture: &Fixture) {
    let store = &fixture.store;
    for name in ["example.org", "le.org"] {
        store.add_domain(domain(fixture, name)).await.unwrap();
    }
    let paused = Sender::Domain(fixture.lane("example.org").domain);
    let tenants = beside(fixture).await;
    tenants
        .pause(&paused, pause("x", NewMail::Hold))
        .await
        .unwrap();
    let fixture = &fixture.reopened().await;
    let store = &fixture.store;
    let held = fixture.accept(&["a@example.com"]).await;
    // What is not paused comes through, however much stands before it; nothing is claimed by
    // the end of its domain's name.
    let sent = accept_from(fixture, "app@le.org").await;
    assert_eq!(claim(fixture, "example.com").await, [sent]);
    store.settle(vec![delivered(sent)]).await;

    // Once it was seen that all of it is paused the lane is left alone, however much comes that is
    // paused as well, until there is something else.
    assert_eq!(claim(fixture, "example.com").await, []);
    assert_eq!(lanes(fixture).await, [""; 0]);
    assert_eq!(store.next_due().await.unwrap(), None);
    fixture.accept(&["c@example.com"]).await;
    assert_eq!(lanes(fixture).await, [""; 0]);
    assert_eq!(store.next_due().await.unwrap(), None);
    let sent = accept_from(fixture, "app@le.org").await;
    assert_eq!(lanes(fixture).await, ["example.com"]);
    assert_eq!(claim(fixture, "example.com").await, [sent]);
    store.settle(vec![delivered(sent)]).await;
    assert_eq!(claim(fixture, "example.com").await, []);
    assert_eq!(lanes(fixture).await, [""; 0]);

    let mut queued = store.queued();
    queued.mark_unchanged();
    tenants.resume(&paused, NOW).await.unwrap();
    set_of(&**store, fixture.workspace, "more").await;
    queued.changed().await.unwrap();
    assert_eq!(lanes(fixture).await, ["example.com"]);
    let claimed = claim(fixture, "example.com").await;
    assert!(claimed.len() == 2 && claimed.contains(&held[0]));
    tenants.close().await;
    fixture.close().await;
}

/// Accepts a message to `b@example.com` that is of another domain.
async fn accept_from(fixture: &Fixture, source: &str) -> DeliveryId {
    let mut submission = fixture.submission(&["b@example.com"], "Subject: x\r\n\r\nx\r\n");
    let mut message = (*submission.message).clone();
    message.source = source.to_owned();
    submission.message = std::sync::Arc::new(message);
    let id = submission.deliveries[0].id;
    let accepted = fixture.store.accept(vec![submission]).await;
    assert!(accepted[0].is_ok(), "{accepted:?}");
    id
}

pub(crate) async fn what_is_in_use_is_not_removed(fixture: &Fixture) {
    let store = &fixture.store;
    let of_domain = domain(fixture, "example.org");
    store.add_domain(of_domain).await.unwrap();
    let spare = set_of(&**store, fixture.workspace, "spare").await;
    fixture.accept(&["a@example.com"]).await;
    let hook = destination(fixture, "hook");
    let hook = postbell_model::Destination {
        configuration_set: Some(spare),
        ..hook
    };
    store.create_destination(hook).await.unwrap();

    let tenants = beside(fixture).await;
    let why = |refused: Result<(), TenantError>| match refused {
        Err(TenantError::InUse { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    let removal = Removal::At(later(5));
    let refused = tenants.remove_workspace(fixture.workspace, removal).await;
    assert!(why(refused).contains("1 domain (example.org)"));
    let refused = tenants.remove_configuration_set(fixture.set, removal).await;
    assert!(why(refused).contains("that of 1 domain (example.org)"));
    let refused = tenants.remove_configuration_set(spare, removal).await;
    assert!(why(refused).contains("1 destination (hook)"));
    tenants.close().await;
}

pub(crate) async fn mail_that_waits_keeps_its_workspace_and_its_set(fixture: &Fixture) {
    let ids = fixture.accept(&["a@example.com", "b@example.com"]).await;
    let tenants = beside(fixture).await;
    let refused = tenants
        .remove_configuration_set(fixture.set, Removal::Check)
        .await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("2 deliveries wait"), "{said}");
    let refused = tenants
        .remove_workspace(fixture.workspace, Removal::Check)
        .await;
    let said = refused.unwrap_err().to_string();
    assert!(
        said.starts_with("workspace \"acme\" can't be removed: 2 deliveries wait"),
        "{said}"
    );
    let lane = fixture.lane("example.com");
    let claimed = fixture.store.claim(&lane, later(600), 9).await.unwrap();
    assert_eq!(claimed.len(), 2);
    let settled = ids.iter().map(|id| delivered(*id)).collect();
    fixture.store.settle(settled).await;
    let set = fixture.set;
    let checked = tenants.remove_configuration_set(set, Removal::Check).await;
    checked.unwrap();
    assert!(tenants.directory().configuration_set(set).is_some());
    let removal = Removal::At(later(5));
    tenants
        .remove_configuration_set(set, removal)
        .await
        .unwrap();
    assert!(tenants.directory().configuration_set(set).is_none());
    let gone = tenants.remove_configuration_set(set, removal).await;
    assert!(matches!(gone, Err(TenantError::NoSuchConfigurationSet(_))));
    tenants.close().await;
}

pub(crate) async fn what_is_removed_leaves_its_name_and_not_its_number(fixture: &Fixture) {
    let shop = credential(fixture, "shop").await;
    let tenants = beside(fixture).await;
    let key = key(fixture, "app");
    tenants.create_api_key(key.clone()).await.unwrap();
    let hook = destination(fixture, "hook");
    tenants.create_destination(hook).await.unwrap();
    tenants
        .remove_workspace(fixture.workspace, Removal::At(later(5)))
        .await
        .unwrap();
    let directory = tenants.directory();
    assert!(directory.workspaces().is_empty() && directory.destinations().is_empty());
    assert_eq!(tenants.api_key(&key.hash), None);
    let revoked = directory.credential("shop").unwrap();
    assert_eq!((revoked.id, revoked.revoked_at), (shop, Some(later(5))));

    let again = tenants.create_workspace("acme", later(6)).await.unwrap();
    assert_ne!(again.id, fixture.workspace);
    let set = set_of_tenants(&tenants, again.id).await;
    assert_ne!(set, fixture.set);
    tenants.close().await;
}

async fn set_of_tenants(
    tenants: &SqliteTenants,
    workspace: WorkspaceId,
) -> postbell_model::ConfigurationSetId {
    let made = tenants.create_configuration_set(new_set(workspace), NOW);
    made.await.unwrap().id
}

fn new_set(workspace: WorkspaceId) -> NewConfigurationSet {
    NewConfigurationSet {
        workspace,
        name: "default".to_owned(),
        max_retries: None,
        expire_after: None,
        reports: None,
        egress: Default::default(),
        tracking: SetTracking::default(),
    }
}

pub(crate) async fn nothing_is_made_in_what_was_removed(fixture: &Fixture) {
    let (stale, tenants) = (beside(fixture).await, beside(fixture).await);
    let gone = Removal::At(later(5));
    tenants
        .remove_configuration_set(fixture.set, gone)
        .await
        .unwrap();
    // This one has not seen it yet.
    assert!(stale.directory().configuration_set(fixture.set).is_some());
    let hook = destination(fixture, "hook");
    for made in [
        stale.add_domain(domain(fixture, "example.org")).await,
        stale.create_destination(hook).await,
    ] {
        assert!(
            matches!(made, Err(TenantError::NoSuchConfigurationSet(_))),
            "{made:?}"
        );
    }
    tenants
        .remove_workspace(fixture.workspace, gone)
        .await
        .unwrap();
    let whole = postbell_model::Destination {
        configuration_set: None,
        ..destination(fixture, "hook")
    };
    let set = new_set(fixture.workspace);
    for made in [
        stale.create_configuration_set(set, NOW).await.map(drop),
        stale
            .create_credential(login(fixture, "shop"), NOW)
            .await
            .map(drop),
        stale.create_api_key(key(fixture, "app")).await,
        stale.create_destination(whole).await,
    ] {
        assert!(
            matches!(made, Err(TenantError::NoSuchWorkspace(_))),
            "{made:?}"
        );
    }
    stale.close().await;
    tenants.close().await;
}

pub(crate) async fn a_check_waits_for_no_writer(fixture: &Fixture) {
    let tenants = beside(fixture).await;
    let options = SqliteConnectOptions::new().filename(fixture.folder().join("postbell.db"));
    let mut writer = SqliteConnection::connect_with(&options).await.unwrap();
    let writes = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let checked = tenants.remove_configuration_set(fixture.set, Removal::Check);
    checked.await.unwrap();
    let checked = tenants.remove_workspace(fixture.workspace, Removal::Check);
    checked.await.unwrap();
    writes.rollback().await.unwrap();
    writer.close().await.unwrap();
    tenants.close().await;
}

fn key(fixture: &Fixture, name: &str) -> ApiKey {
    let minted = api_key::mint(ApiKeyKind::Secret).unwrap();
    ApiKey {
        prefix: minted.prefix,
        workspace: fixture.workspace,
        name: name.to_owned(),
        kind: ApiKeyKind::Secret,
        hash: minted.hash,
        created_at: NOW,
        expires_at: Some(later(60)),
        last_used_at: None,
    }
}

pub(crate) async fn api_keys_are_found_by_their_hash(fixture: &Fixture) {
    let tenants = beside(fixture).await;
    let (app, web) = (key(fixture, "app"), key(fixture, "web"));
    for key in [&app, &web] {
        tenants.create_api_key(key.clone()).await.unwrap();
    }
    assert_eq!(tenants.api_key(&app.hash), Some(app.clone()));
    assert_eq!(tenants.api_key(&[7; 32]), None);
    let twice = tenants.create_api_key(key(fixture, "app")).await;
    assert!(matches!(twice, Err(TenantError::Exists { .. })));

    let rename = |name: &str| ApiKeyChange {
        name: Some(name.to_owned()),
        expires_at: None,
    };
    let taken = tenants.change_api_key(&web.prefix, rename("app")).await;
    assert!(matches!(taken, Err(TenantError::Exists { .. })));
    tenants
        .change_api_key(&web.prefix, rename("site"))
        .await
        .unwrap();
    let forever = ApiKeyChange {
        name: None,
        expires_at: Some(None),
    };
    tenants.change_api_key(&app.prefix, forever).await.unwrap();
    let directory = tenants.directory();
    let all = directory.api_keys_of(fixture.workspace);
    let seen: Vec<_> = all
        .iter()
        .map(|key| (key.name.as_str(), key.expires_at))
        .collect();
    assert_eq!(seen, [("app", None), ("site", Some(later(60)))]);

    tenants.remove_api_key(&app.prefix).await.unwrap();
    assert_eq!(tenants.api_key(&app.hash), None);
    let gone = tenants.remove_api_key(&app.prefix).await;
    assert!(matches!(gone, Err(TenantError::NoSuchApiKey(_))));
    tenants.close().await;
}

pub(crate) async fn credential(fixture: &Fixture, username: &str) -> CredentialId {
    let new = login(fixture, username);
    fixture.store.create_credential(new, NOW).await.unwrap().id
}

fn login(fixture: &Fixture, username: &str) -> NewCredential {
    NewCredential {
        workspace: fixture.workspace,
        username: username.to_owned(),
        password_hash: Secret::new("$argon2id$…"),
        scram: None,
        limits: SendingLimits::default(),
    }
}

/// Accepts a message by a credential; the ids of its deliveries.
pub(crate) async fn accept_by(fixture: &Fixture, by: CredentialId, to: &[&str]) -> Vec<DeliveryId> {
    let mut submission = fixture.submission(to, "Subject: x\r\n\r\nx\r\n");
    submission.credential = Some(by);
    let ids = submission.deliveries.iter().map(|new| new.id).collect();
    fixture.store.accept(vec![submission]).await;
    ids
}

async fn in_state(
    fixture: &Fixture,
    by: CredentialId,
    state: DeliveryState,
) -> HashSet<DeliveryId> {
    let filter = DeliveryFilter {
        credential: Some(by),
        states: vec![state],
        ..DeliveryFilter::default()
    };
    let inspector = fixture.inspector().await;
    let waiting = inspector.waiting(&filter, 100).await.unwrap();
    waiting.iter().map(|one| one.delivery.id).collect()
}

pub(crate) async fn the_queue_of_a_revoked_credential_is_held_or_cancelled(fixture: &Fixture) {
    let (shop, batch) = (
        credential(fixture, "shop").await,
        credential(fixture, "batch").await,
    );
    let held = accept_by(fixture, shop, &["a@example.com", "b@example.org"]).await;
    let cancelled = accept_by(fixture, batch, &["c@example.com", "d@example.com"]).await;
    fixture.accept(&["e@example.com"]).await;
    let store = &fixture.store;
    let nothing = store.finish_revocations(later(1)).await.unwrap();
    assert_eq!(nothing, Finished::default());

    // One of them is being sent: the wish stands until it is not.
    let lane = fixture.lane("example.org");
    let claimed = store.claim(&lane, later(1), 9).await.unwrap();
    assert_eq!(claimed.len(), 1);
    for (username, left) in [("shop", LeftQueue::Hold), ("batch", LeftQueue::Cancel)] {
        let revoked = store.revoke_credential(username, left, later(1)).await;
        revoked.unwrap();
    }
    let told = |finished: Finished| {
        let Finished { done, open } = finished;
        (done.changed, done.left_alone, open)
    };
    let finished = store.finish_revocations(later(2)).await.unwrap();
    assert_eq!(told(finished), (3, 1, 2));
    assert_eq!(
        in_state(fixture, shop, DeliveryState::Held).await,
        HashSet::from([held[0]])
    );
    let lane = fixture.lane("example.com");
    let left = store.claim(&lane, later(600), 9).await.unwrap();
    assert!(left.iter().all(|one| !cancelled.contains(&one.delivery.id)));
    assert_eq!(left.len(), 1, "that of nobody's credential");

    // It outlives the process, which ends what was being sent; and what was under way when it was
    // said goes the same way.
    let fixture = &fixture.reopened().await;
    let finished = fixture.store.finish_revocations(later(3)).await.unwrap();
    assert_eq!(told(finished), (1, 0, 2));
    let mut held: HashSet<_> = held.into_iter().collect();
    held.extend(accept_by(fixture, shop, &["f@example.com"]).await);
    let finished = fixture.store.finish_revocations(later(7)).await.unwrap();
    assert_eq!(told(finished), (1, 0, 0));
    assert_eq!(in_state(fixture, shop, DeliveryState::Held).await, held);
    let finished = fixture.store.finish_revocations(later(8)).await.unwrap();
    assert_eq!(finished, Finished::default());
    fixture.close().await;
}

pub(crate) async fn the_queue_of_a_revoked_credential_is_kept(fixture: &Fixture) {
    let shop = credential(fixture, "shop").await;
    let ids = accept_by(fixture, shop, &["a@example.com"]).await;
    let store = &fixture.store;
    store
        .revoke_credential("shop", LeftQueue::Keep, later(1))
        .await
        .unwrap();
    let finished = store.finish_revocations(later(2)).await.unwrap();
    assert_eq!(finished, Finished::default());
    assert_eq!(
        in_state(fixture, shop, DeliveryState::Queued).await,
        ids.into_iter().collect()
    );
}
