//! How the mail of workspaces fares.

use postbell_model::reputation::Figures;
use postbell_model::{
    ConfigurationSetId, DeliveryId, Domain, Fact, InboundId, NewMail, Pause, Sandbox, Sender,
    Timestamp, WorkspaceFact, WorkspaceId,
};
use postbell_store::{Counted, InboundFact, Pauses, SqliteTenants, TenantError};

use crate::erase::change;
use crate::fixture::{Fixture, NOW, bounced, delivered, later};
use crate::inbound::{late_bounce, mail, reception, take};
use crate::once::feedback;
use crate::tenancy::facts;

/// An hour before anything happened.
fn since() -> Timestamp {
    NOW.before(std::time::Duration::from_hours(1))
}

async fn count(fixture: &Fixture) {
    let simulated = Domain::parse("simulator.example").unwrap();
    let store = &fixture.store;
    while store
        .count_outcomes(since(), Some(&simulated))
        .await
        .unwrap()
        == Counted::Some
    {}
}

async fn figures(fixture: &Fixture) -> Option<Figures> {
    count(fixture).await;
    let all = fixture.store.reputations(since()).await.unwrap();
    let found = all.iter().find(|(of, _)| *of == fixture.workspace);
    found.map(|(_, figures)| *figures)
}

/// Deliveries of which each ends as it does.
async fn end(
    fixture: &Fixture,
    to: &[&str],
    settle: impl Fn(DeliveryId) -> postbell_store::Settlement,
) {
    let ids = fixture.accept(to).await;
    for domain in ["example.com", "simulator.example"] {
        let lane = fixture.lane(domain);
        fixture.store.claim(&lane, NOW, 100).await.unwrap();
    }
    let settled = fixture.store.settle(ids.into_iter().map(settle).collect());
    assert!(settled.await.iter().all(Result::is_ok));
}

fn complaint(inbound: InboundId) -> Fact {
    feedback(inbound, "abuse")
}

/// What comes in, four times, about a delivery that a far server took.
async fn about(fixture: &Fixture, to: &str, fact: impl Fn(InboundId) -> Fact) {
    let delivery = fixture.accept(&[to]).await[0];
    let lane = fixture.lane("example.com");
    fixture.store.claim(&lane, NOW, 100).await.unwrap();
    fixture.store.settle(vec![delivered(delivery)]).await;
    for _ in 0..4 {
        let mail = mail(fixture, later(2));
        let fact = fact(mail.id);
        let fact = InboundFact::Delivery { delivery, fact };
        take(fixture, reception(mail, vec![fact])).await;
    }
}

pub(crate) async fn outcomes_are_counted_once(fixture: &Fixture) {
    assert_eq!(figures(fixture).await, None);
    end(fixture, &["a@example.com", "b@example.com"], delivered).await;
    end(fixture, &["c@example.com"], bounced).await;
    end(fixture, &["bounce@simulator.example"], bounced).await;
    about(fixture, "d@example.com", late_bounce).await;
    about(fixture, "e@example.com", complaint).await;
    let expected = Figures {
        outcomes: 5,
        hard_bounces: 2,
        complaints: 1,
    };
    assert_eq!(figures(fixture).await, Some(expected));
    // Nothing twice, also over a restart.
    let fixture = &fixture.reopened().await;
    assert_eq!(figures(fixture).await, Some(expected));
    let inspector = postbell_store::SqliteInspector::open(fixture.folder()).await;
    let inspector = inspector.unwrap();
    let beside = inspector.reputations(since()).await.unwrap();
    assert_eq!(beside, [(fixture.workspace, expected)]);
    inspector.close().await;
    let tomorrow = NOW.after(std::time::Duration::from_hours(24));
    assert_eq!(fixture.store.reputations(tomorrow).await.unwrap(), []);
    fixture.close().await;
}

pub(crate) async fn what_can_not_be_read_holds_up_no_count(fixture: &Fixture) {
    end(fixture, &["a@example.com", "b@example.com"], bounced).await;
    let damage = "UPDATE event SET payload = '{' \
        WHERE position = (SELECT MIN(position) FROM event WHERE kind = 'Bounce')";
    change(fixture.folder(), damage).await;
    let counted = fixture.store.count_outcomes(since(), None).await;
    assert_eq!(counted.unwrap(), Counted::All);
    let found = figures(fixture).await.unwrap();
    assert_eq!((found.outcomes, found.hard_bounces), (2, 1));
}

pub(crate) async fn what_we_send_ourselves_is_nobodys(fixture: &Fixture) {
    let mut submission = fixture.submission(&["a@example.com"], "Subject: x\r\n\r\nx\r\n");
    let own = ConfigurationSetId::OWN;
    submission.message = std::sync::Arc::new(crate::fixture::message(fixture.workspace, own));
    let id = submission.deliveries[0].id;
    fixture.store.accept(vec![submission]).await;
    let lane = fixture.lane("example.com");
    fixture.store.claim(&lane, NOW, 100).await.unwrap();
    fixture.store.settle(vec![bounced(id)]).await;
    assert_eq!(figures(fixture).await, None);
}

pub(crate) async fn a_workspace_that_is_resumed_begins_anew(fixture: &Fixture) {
    let store = &fixture.store;
    let tenants = SqliteTenants::open(fixture.folder()).await.unwrap();
    let acme = Sender::Workspace(fixture.workspace);
    let pause = |at| Pause {
        since: later(at),
        reason: Some("complaints".to_owned()),
        new_mail: NewMail::Hold,
    };
    end(fixture, &["a@example.com", "b@example.com"], bounced).await;
    assert!(figures(fixture).await.is_some());
    let in_flight = fixture.accept(&["c@example.com"]).await[0];
    let lane = fixture.lane("example.com");
    store.claim(&lane, later(600), 10).await.unwrap();
    let paused = store.pause_active(fixture.workspace, pause(3)).await;
    assert!(paused.unwrap());
    let again = store.pause_active(fixture.workspace, pause(4)).await;
    assert!(!again.unwrap(), "it is paused already");

    // What was not counted yet is forgotten as well.
    let settled = store.settle(vec![bounced(in_flight)]).await;
    assert!(settled[0].is_ok());
    tenants.resume(&acme, later(5)).await.unwrap();
    assert_eq!(figures(fixture).await, None);
    let sandbox = Sandbox {
        since: later(6),
        daily_limit: None,
        new_mail: NewMail::Refuse,
    };
    tenants.enter_sandbox(&acme, sandbox).await.unwrap();
    let paused = store.pause_active(fixture.workspace, pause(7)).await;
    assert!(!paused.unwrap(), "it is in a sandbox");
    tenants.resume(&acme, later(8)).await.unwrap();
    let mut told = facts(fixture).await;
    told.retain(|fact| !matches!(fact, WorkspaceFact::SuppressionAdded(_)));
    assert_eq!(
        told,
        [
            WorkspaceFact::SendingPaused {
                domain: None,
                reason: Some("complaints".to_owned()),
                new_mail: NewMail::Hold,
            },
            WorkspaceFact::SendingResumed {
                domain: None,
                paused_at: later(3),
            },
        ]
    );
    let unknown = store.pause_active(WorkspaceId(99), pause(9)).await;
    assert!(matches!(unknown, Err(TenantError::NoSuchWorkspace(_))));
    tenants.close().await;
}

pub(crate) async fn a_long_log_is_counted_in_stretches(fixture: &Fixture) {
    let names: Vec<String> = (0..3_000).map(|n| format!("r{n}@example.com")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let ids = fixture.accept(&names).await;
    let lane = fixture.lane("example.com");
    fixture
        .store
        .claim(&lane, later(600), 10_000)
        .await
        .unwrap();
    let settled = ids.into_iter().map(bounced).collect();
    assert!(
        fixture
            .store
            .settle(settled)
            .await
            .iter()
            .all(Result::is_ok)
    );
    let first = fixture.store.count_outcomes(since(), None).await.unwrap();
    assert_eq!(first, Counted::Some);
    let found = figures(fixture).await.unwrap();
    assert_eq!((found.outcomes, found.hard_bounces), (3_000, 3_000));
}
