//! Who sandboxes may send to, and how many a day.

use postbell_model::{
    Address, NewMail, Pause, Sandbox, Sender, Sending, WorkspaceFact, WorkspaceId,
};
use postbell_store::{
    Pauses, Portion, Removal, Removals, SandboxTaking, SqliteTenants, TenantError, Tenants,
};

use crate::fixture::{Fixture, NOW, delayed, later};
use crate::tenancy::facts;
use crate::tenants::domain;

const TODAY: u32 = 20_000;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub(crate) async fn verified_addresses_stand_in_the_directory(fixture: &Fixture) {
    let (store, acme) = (&fixture.store, fixture.workspace);
    let ann = address("Ann@Example.org");
    assert!(store.verify_address(acme, &ann, NOW).await.unwrap());
    let again = address("ann@EXAMPLE.org");
    assert!(!store.verify_address(acme, &again, NOW).await.unwrap());
    let bob = address("bob@example.org");
    assert!(store.verify_address(acme, &bob, NOW).await.unwrap());

    let fixture = fixture.reopened().await;
    let store = &fixture.store;
    let directory = store.directory();
    assert!(directory.is_verified_address(acme, &again));
    let both = ["ann@example.org", "bob@example.org"];
    assert_eq!(directory.verified_addresses_of(acme), both);
    let other = store.create_workspace("other", NOW).await.unwrap().id;
    assert!(!store.directory().is_verified_address(other, &ann));

    assert!(store.forget_address(acme, &again).await.unwrap());
    assert!(!store.forget_address(acme, &ann).await.unwrap());
    assert_eq!(store.directory().verified_addresses_of(acme), both[1..]);
    let nobody = WorkspaceId(99);
    let unknown = store.verify_address(nobody, &ann, NOW).await;
    assert!(matches!(unknown, Err(TenantError::NoSuchWorkspace(_))));
    let unknown = store.forget_address(nobody, &ann).await;
    assert!(matches!(unknown, Err(TenantError::NoSuchWorkspace(_))));

    let tenants = SqliteTenants::open(fixture.folder()).await.unwrap();
    let removed = tenants.remove_workspace(acme, Removal::At(later(1))).await;
    removed.unwrap();
    assert_eq!(tenants.directory().verified_addresses_of(acme), [""; 0]);
    tenants.close().await;
    fixture.close().await;
}

pub(crate) async fn what_a_sandbox_sends_is_counted_by_day(fixture: &Fixture) {
    let store = &fixture.store;
    store
        .add_domain(domain(fixture, "example.org"))
        .await
        .unwrap();
    let whole = Sender::Workspace(fixture.workspace);
    let one = Sender::Domain(fixture.lane("example.org").domain);
    let taking = |sender: &Sender, day, count, portion| SandboxTaking {
        workspace: fixture.workspace,
        sender: sender.clone(),
        day,
        limit: 10,
        count,
        portion,
    };
    let take = async |taking| store.take_in_sandbox(taking).await.unwrap();
    assert_eq!(take(taking(&whole, TODAY, 8, Portion::All)).await, 8);
    assert_eq!(take(taking(&whole, TODAY, 3, Portion::All)).await, 0);
    assert_eq!(take(taking(&whole, TODAY, 3, Portion::Some)).await, 2);
    assert_eq!(take(taking(&whole, TODAY, 1, Portion::Some)).await, 0);
    // What is not sent after all is there again, and no more than was taken.
    let unsent = taking(&whole, TODAY, 2, Portion::All);
    store.give_back_in_sandbox(unsent.clone()).await.unwrap();
    assert_eq!(take(unsent).await, 2);
    let many = taking(&whole, TODAY + 2, 9, Portion::All);
    store.give_back_in_sandbox(many.clone()).await.unwrap();
    assert_eq!(take(many).await, 9);
    // A domain has a sandbox of its own, and a day begins anew.
    assert_eq!(take(taking(&one, TODAY, 1, Portion::All)).await, 1);
    assert_eq!(take(taking(&whole, TODAY + 1, 4, Portion::All)).await, 4);

    let fixture = &fixture.reopened().await;
    let taken = async |sender, day| {
        let taken = fixture
            .store
            .taken_in_sandbox(fixture.workspace, sender, day);
        taken.await.unwrap()
    };
    assert_eq!(taken(&whole, TODAY).await, 10);
    assert_eq!(taken(&one, TODAY).await, 1);
    assert_eq!(taken(&whole, TODAY + 1).await, 4);
    assert_eq!(taken(&whole, TODAY + 2).await, 9);
    // Days long gone are forgotten.
    let later = taking(&one, TODAY + 100, 1, Portion::All);
    assert_eq!(fixture.store.take_in_sandbox(later).await.unwrap(), 1);
    assert_eq!(taken(&whole, TODAY).await, 0);
    fixture.close().await;
}

pub(crate) async fn a_sandbox_begins_and_ends_without_a_word(fixture: &Fixture) {
    let tenants = SqliteTenants::open(fixture.folder()).await.unwrap();
    let acme = Sender::Workspace(fixture.workspace);
    let sandbox = |at, daily_limit| Sandbox {
        since: later(at),
        daily_limit,
        new_mail: NewMail::Refuse,
    };
    let entered = Sending::Sandbox(sandbox(1, None));
    let before = tenants.enter_sandbox(&acme, sandbox(1, None)).await;
    assert_eq!(before.unwrap(), Sending::Active);
    let before = tenants.enter_sandbox(&acme, sandbox(2, Some(7))).await;
    assert_eq!(before.unwrap(), entered);
    // It has begun when it began.
    let now = Sending::Sandbox(sandbox(1, Some(7)));
    assert_eq!(tenants.directory().sending(&acme), &now);

    let pause = Pause {
        since: later(3),
        reason: None,
        new_mail: NewMail::Hold,
    };
    assert_eq!(tenants.pause(&acme, pause).await.unwrap(), now);
    tenants
        .enter_sandbox(&acme, sandbox(4, None))
        .await
        .unwrap();
    tenants.resume(&acme, later(5)).await.unwrap();
    assert_eq!(tenants.directory().sending(&acme), &Sending::Active);
    // Of a pause is told that it began and ended, whatever came before and after it.
    assert_eq!(
        facts(fixture).await,
        [
            WorkspaceFact::SendingPaused {
                domain: None,
                reason: None,
                new_mail: NewMail::Hold,
            },
            WorkspaceFact::SendingResumed {
                domain: None,
                paused_at: later(3),
            },
        ]
    );
    tenants.close().await;
}

pub(crate) async fn mail_of_a_sandbox_comes_due_as_any(fixture: &Fixture) {
    for name in ["example.org", "le.org"] {
        let store = &fixture.store;
        store.add_domain(domain(fixture, name)).await.unwrap();
    }
    let of_domain = |name| Sender::Domain(fixture.lane(name).domain);
    let whole = Sender::Workspace(fixture.workspace);
    let tenants = SqliteTenants::open(fixture.folder()).await.unwrap();
    let lane = fixture.lane("example.com");
    let sent = fixture.accept(&["a@example.com"]).await;
    for sender in [of_domain("example.org"), whole] {
        let sandbox = Sandbox {
            since: NOW,
            daily_limit: None,
            new_mail: NewMail::Refuse,
        };
        tenants.enter_sandbox(&sender, sandbox).await.unwrap();
    }
    let mut opened = fixture.reopened().await;
    for number in 1..=3 {
        let due_at = later(u64::from(number) * 600);
        let again_at = due_at.after(std::time::Duration::from_secs(600));
        let store = &opened.store;
        let claimed = store.claim(&lane, due_at, 9).await.unwrap();
        let claimed: Vec<_> = claimed.iter().map(|c| c.delivery.id).collect();
        assert_eq!(claimed, sent, "the {number}. time");
        store.settle(vec![delayed(sent[0], number, again_at)]).await;
        assert!(store.claim(&lane, due_at, 9).await.unwrap().is_empty());
        assert_eq!(store.next_due().await.unwrap(), Some(again_at));
        assert_eq!(store.lanes_due(due_at, 9).await.unwrap(), []);
        if number == 1 {
            // A domain that is paused beside it changes nothing.
            let pause = Pause {
                since: NOW,
                reason: None,
                new_mail: NewMail::Hold,
            };
            let paused = of_domain("le.org");
            tenants.pause(&paused, pause).await.unwrap();
        }
        opened = opened.reopened().await;
        let lanes = opened.store.lanes_due(again_at, 9).await.unwrap();
        assert_eq!(
            lanes,
            std::slice::from_ref(&lane),
            "after the {number}. time"
        );
    }
    tenants.close().await;
    opened.close().await;
}
