//! What an operator sees of destinations and does to them.

use std::time::Duration;

use postbell_model::{
    Audience, CustomHeader, Delays, Destination, DestinationId, DestinationSettings,
    DestinationState, DisableReason, EventKind, Secret, Telling, WorkspaceFact,
};
use postbell_store::{
    Call, CallAnswer, DestinationChange, EventFilter, From, Logged, Position, Progress, Replay,
    ReplayOf, Retry, RetryOutcome, SqliteTenants, TenantError, Tenants, Webhooks, WhichCalls,
};

use crate::fixture::{Fixture, NOW, later, set_of};
use crate::tenants::destination;

pub(crate) async fn made(fixture: &Fixture, name: &str) -> Destination {
    let destination = destination(fixture, name);
    let made = fixture.store.create_destination(destination.clone());
    made.await.unwrap();
    destination
}

async fn of_workspace(fixture: &Fixture, name: &str) -> Destination {
    let destination = Destination {
        configuration_set: None,
        ..destination(fixture, name)
    };
    let made = fixture.store.create_destination(destination.clone());
    made.await.unwrap();
    destination
}

/// The tenants as a command sees them, beside the store.
pub(crate) async fn beside(fixture: &Fixture) -> SqliteTenants {
    SqliteTenants::open(fixture.folder()).await.unwrap()
}

fn settings() -> DestinationSettings {
    DestinationSettings {
        headers: vec![CustomHeader {
            name: "authorization".to_owned(),
            value: Secret::new("Bearer x"),
        }],
        in_flight: Some(2),
        delays: Delays::Each,
        auto_replies: Telling::Skip,
        machines: Telling::Skip,
    }
}

pub(crate) async fn a_destination_changes_in_what_is_given(fixture: &Fixture) {
    let before = made(fixture, "hook").await;
    let tenants = beside(fixture).await;
    let change = DestinationChange {
        url: Some("https://new.example/".to_owned()),
        settings: Some(settings()),
        ..DestinationChange::default()
    };
    tenants.change_destination(before.id, change).await.unwrap();
    let wanted = Destination {
        url: "https://new.example/".to_owned(),
        settings: settings(),
        ..before.clone()
    };
    assert_eq!(tenants.directory().destinations(), [wanted]);

    let change = DestinationChange {
        settings: Some(DestinationSettings::default()),
        state: Some(DestinationState::Disabled),
        matching_event_types: Some(Vec::new()),
        ..DestinationChange::default()
    };
    tenants.change_destination(before.id, change).await.unwrap();
    let directory = tenants.directory();
    let after = directory.destination(before.id).unwrap();
    assert_eq!(after.settings, DestinationSettings::default());
    assert_eq!(after.state, DestinationState::Disabled);
    assert!(after.matching_event_types.is_empty());
    assert_eq!(after.url, "https://new.example/");

    let nobody = DestinationId::new(NOW);
    let refused = tenants
        .change_destination(nobody, DestinationChange::default())
        .await;
    assert!(matches!(refused, Err(TenantError::NoSuchDestination(id)) if id == nobody));
    tenants.close().await;
}

pub(crate) async fn a_secret_takes_over_from_another(fixture: &Fixture) {
    let before = made(fixture, "hook").await;
    let tenants = beside(fixture).await;
    for (new, until) in [("second", later(60)), ("third", later(90))] {
        let secret = Secret::new(new);
        tenants
            .rotate_secret(before.id, secret, until)
            .await
            .unwrap();
    }
    let directory = tenants.directory();
    let after = directory.destination(before.id).unwrap();
    assert_eq!(after.secret.expose(), b"third");
    let previous = after.previous_secret.as_ref().unwrap();
    assert_eq!(previous.secret.expose(), b"second");
    assert_eq!(previous.until, later(90));
    tenants.close().await;
}

pub(crate) async fn names_are_taken_once_in_a_set_and_in_the_workspace(fixture: &Fixture) {
    made(fixture, "hook").await;
    of_workspace(fixture, "hook").await;
    for set in [Some(fixture.set), None] {
        let again = Destination {
            configuration_set: set,
            ..destination(fixture, "hook")
        };
        let taken = fixture.store.create_destination(again).await;
        assert!(matches!(taken, Err(TenantError::Exists { .. })), "{set:?}");
    }
}

pub(crate) async fn a_workspace_hears_of_all_its_sets(fixture: &Fixture) {
    let other = set_of(&*fixture.store, fixture.workspace, "newsletter").await;
    fixture.accept(&["a@example.com"]).await;
    let mut submission = fixture.submission(&["b@example.com"], "Subject: x\r\n\r\nx\r\n");
    let message = crate::fixture::message(fixture.workspace, other);
    submission.message = std::sync::Arc::new(message);
    fixture.store.accept(vec![submission]).await;
    let of = async |audience| {
        let page = fixture.store.events_after(audience, Position(0), 10).await;
        let page = page.unwrap();
        let places: Vec<_> = page.events.iter().map(|e| e.position().0).collect();
        (places, page.read_to.0)
    };
    assert_eq!(of(Audience::Set(fixture.set)).await, (vec![1], 2));
    assert_eq!(of(Audience::Set(other)).await, (vec![2], 2));
    let whole = Audience::Workspace(fixture.workspace);
    assert_eq!(of(whole).await, (vec![1, 2], 2));
}

pub(crate) async fn a_disabled_destination_is_an_event_of_its_workspace(fixture: &Fixture) {
    let hook = made(fixture, "hook").await;
    fixture.accept(&["a@example.com"]).await;
    let newest = fixture.store.newest();
    for _ in 0..2 {
        let disabled = fixture
            .store
            .disable(hook.id, DisableReason::Down, later(7));
        disabled.await.unwrap();
    }
    // The second time there was nothing to tell.
    assert_eq!(*newest.borrow(), Position(2));
    let directory = fixture.store.directory();
    let state = directory.destination(hook.id).unwrap().state;
    assert_eq!(state, DestinationState::Disabled);

    let whole = Audience::Workspace(fixture.workspace);
    let page = fixture.store.events_after(whole, Position(1), 10).await;
    let [Logged::Workspace(logged)] = &page.unwrap().events[..] else {
        panic!("one event about the workspace");
    };
    assert_eq!(
        (logged.event.at, logged.event.workspace),
        (later(7), fixture.workspace)
    );
    let WorkspaceFact::DestinationDisabled {
        destination,
        name,
        reason,
    } = &logged.event.fact
    else {
        panic!("another event: {logged:?}");
    };
    assert_eq!((*destination, name.as_str()), (hook.id, "hook"));
    assert_eq!(*reason, DisableReason::Down);
    let of_set = fixture.events_after(fixture.set, Position(1), 10).await;
    assert!(of_set.events.is_empty());

    let inspector = fixture.inspector().await;
    let found = inspector
        .events(&EventFilter::default(), From::Newest, 1)
        .await
        .unwrap();
    assert_eq!(found.events[0].kind(), EventKind::DestinationDisabled);
    let by_id = inspector.event(found.events[0].id()).await.unwrap();
    assert_eq!(by_id.unwrap().position(), Position(2));
}

fn call(position: u64, status: u16) -> Call {
    Call {
        at: later(position),
        position: Position(position),
        document: 0,
        attempt: 1,
        took: Duration::from_millis(15),
        answer: CallAnswer::Status {
            status,
            body: b"thanks".to_vec(),
        },
        next_at: (status != 200).then(|| later(position + 5)),
    }
}

fn progress(cursor: u64, calls: Vec<Call>) -> Progress {
    Progress {
        cursor: Position(cursor),
        failed: Vec::new(),
        calls,
    }
}

pub(crate) async fn calls_are_logged_and_the_oldest_go(fixture: &Fixture) {
    let hook = made(fixture, "hook").await;
    fixture.accept(&["a@example.com"]).await;
    let silence = Call {
        answer: CallAnswer::Failure("no answer within 15 s".to_owned()),
        ..call(1, 500)
    };
    let first = vec![call(1, 200), silence.clone()];
    let store = &fixture.store;
    store.advance(hook.id, progress(1, first)).await.unwrap();
    let refused = vec![call(1, 500)];
    store
        .record_retries(hook.id, Vec::new(), refused)
        .await
        .unwrap();
    let tenants = beside(fixture).await;
    let all = tenants.calls(hook.id, WhichCalls::All, 10).await.unwrap();
    let shown: Vec<_> = all.iter().map(|logged| logged.call.clone()).collect();
    assert_eq!(shown, [call(1, 500), silence, call(1, 200)]);
    let (id, kind) = all[0].event.unwrap();
    let event = store.event(Position(1)).await.unwrap().unwrap();
    assert_eq!((id, kind), (event.id(), EventKind::Send));
    let failed = tenants.calls(hook.id, WhichCalls::Failed, 10).await;
    assert_eq!(failed.unwrap().len(), 2);

    for _ in 0..3 {
        let many = (2..602).map(|position| call(position, 503)).collect();
        store.advance(hook.id, progress(1, many)).await.unwrap();
    }
    let all = tenants
        .calls(hook.id, WhichCalls::All, 9_999)
        .await
        .unwrap();
    assert_eq!(all.len(), 1_000);
    assert_eq!((all[0].call.position.0, all[0].event), (601, None));
    tenants.close().await;
}

fn retry(position: u64) -> Retry {
    Retry {
        position: Position(position),
        document: 0,
        attempts: 10,
        next_at: later(1),
        last_error: "500".to_owned(),
    }
}

pub(crate) async fn what_was_given_up_is_replayed(fixture: &Fixture) {
    let hook = made(fixture, "hook").await;
    fixture.accept(&["a@example.com", "b@example.com"]).await;
    let store = &fixture.store;
    let dead = vec![RetryOutcome::Dead(retry(1)), RetryOutcome::Dead(retry(2))];
    store
        .record_retries(hook.id, dead, Vec::new())
        .await
        .unwrap();
    let tenants = beside(fixture).await;
    let letters = tenants.dead(hook.id, 10).await.unwrap();
    assert_eq!(letters.len(), 2);
    assert_eq!(
        (letters[0].position, letters[0].attempts),
        (Position(1), 10)
    );
    assert_eq!(letters[1].last_error, "500");
    let backlog = tenants.backlog(hook.id).await.unwrap();
    assert_eq!((backlog.newest.0, backlog.retries, backlog.dead), (2, 0, 2));

    let replay = replay(&hook, ReplayOf::Dead);
    assert_eq!(tenants.count_replay(hook.id, &replay).await.unwrap(), 2);
    let done = tenants.replay(hook.id, &replay, later(30)).await.unwrap();
    assert_eq!(done, 2);
    let due = store.retries_due(hook.id, later(30), 10).await.unwrap();
    let attempts: Vec<_> = due.iter().map(|retry| retry.attempts).collect();
    assert_eq!(attempts, [0, 0]);
    let directory = tenants.directory();
    assert_eq!(directory.destination(hook.id).unwrap().replays, 1);
    tenants.close().await;
}

pub(crate) fn replay(destination: &Destination, events: ReplayOf) -> Replay {
    Replay {
        events,
        audience: destination.audience(),
        kinds: None,
        documents: 1,
    }
}

pub(crate) async fn a_stretch_of_the_log_is_replayed(fixture: &Fixture) {
    let hook = made(fixture, "hook").await;
    let ids = ["a@example.com", "b@example.com", "c@example.com"];
    fixture.accept(&ids).await;
    let store = &fixture.store;
    // The third event is not yet told: it comes by itself.
    store
        .advance(hook.id, progress(2, Vec::new()))
        .await
        .unwrap();
    let tenants = beside(fixture).await;
    let count = async |replay: Replay| tenants.count_replay(hook.id, &replay).await.unwrap();
    let since = |since, until| replay(&hook, ReplayOf::Since { since, until });
    assert_eq!(count(since(NOW, None)).await, 2);
    assert_eq!(count(since(NOW, Some(NOW))).await, 0);
    assert_eq!(count(since(later(1), None)).await, 0);
    let bounces = Replay {
        kinds: Some(vec![EventKind::Bounce]),
        ..since(NOW, None)
    };
    assert_eq!(count(bounces).await, 0);
    let second = store.event(Position(2)).await.unwrap().unwrap().id();
    let second = replay(&hook, ReplayOf::Event(second));
    assert_eq!(count(second.clone()).await, 1);
    let third = store.event(Position(3)).await.unwrap().unwrap().id();
    assert_eq!(count(replay(&hook, ReplayOf::Event(third))).await, 0);

    for _ in 0..2 {
        assert_eq!(tenants.replay(hook.id, &second, later(9)).await.unwrap(), 1);
    }
    let both = Replay {
        documents: 2,
        ..since(NOW, None)
    };
    assert_eq!(tenants.replay(hook.id, &both, later(9)).await.unwrap(), 2);
    let due = store.retries_due(hook.id, later(9), 10).await.unwrap();
    let due: Vec<_> = due.iter().map(|r| (r.position.0, r.document)).collect();
    assert_eq!(due, [(1, 0), (1, 1), (2, 0), (2, 1)]);
    tenants.close().await;
}

pub(crate) async fn what_is_kept_of_a_destination_goes_with_it(fixture: &Fixture) {
    let hook = made(fixture, "hook").await;
    let kept = Progress {
        failed: vec![retry(1)],
        ..progress(1, vec![call(1, 500)])
    };
    let store = &fixture.store;
    store.advance(hook.id, kept.clone()).await.unwrap();
    let tenants = beside(fixture).await;
    tenants.remove_destination(hook.id).await.unwrap();
    assert!(tenants.directory().destinations().is_empty());
    // What the server had still to say of it comes too late, and leaves nothing behind.
    store.advance(hook.id, kept).await.unwrap();
    assert_eq!(store.cursor(hook.id).await.unwrap(), Position(0));
    assert_eq!(store.next_retry(hook.id).await.unwrap(), None);
    let calls = tenants.calls(hook.id, WhichCalls::All, 10).await.unwrap();
    assert!(calls.is_empty());
    tenants.close().await;
}
