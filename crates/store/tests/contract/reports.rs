use std::sync::Arc;

use postbell_model::{DeliveryId, Fact, Message, Notify, Reply, ReportKind, ReportRequest};
use postbell_store::{
    Action, DeliveryFilter, IdempotencyKey, ReportDue, ReportEnd, Settlement, Stored, Submission,
};

use crate::fixture::{Fixture, NOW, attempt, bounced, delayed, delivered, later, message, refused};

/// Accepts a message that fills a segment, to these recipients, and claims all.
async fn accept(fixture: &Fixture, request: &ReportRequest, to: &[&str]) -> Submission {
    let mut submission = fixture.submission(to, "");
    submission.body = ("Subject: x\r\n\r\n".to_owned() + &"long line\r\n".repeat(400)).into();
    for delivery in &mut submission.deliveries {
        delivery.report = request.clone();
    }
    accept_this(fixture, submission).await
}

async fn accept_this(fixture: &Fixture, submission: Submission) -> Submission {
    let answers = fixture.store.accept(vec![submission.clone()]).await;
    assert!(matches!(answers.as_slice(), [Ok(Stored::New)]));
    let lane = fixture.lane("example.com");
    fixture.store.claim(&lane, NOW, 100).await.unwrap();
    submission
}

async fn settle(fixture: &Fixture, outcomes: Vec<Settlement>) {
    let answers = fixture.store.settle(outcomes).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

async fn due(fixture: &Fixture) -> Vec<ReportDue> {
    fixture.store.reports_due(100).await.unwrap()
}

fn notify(words: &str) -> ReportRequest {
    ReportRequest {
        notify: words.parse().ok(),
        orcpt: None,
    }
}

pub(crate) async fn only_what_was_asked_for_is_noted(fixture: &Fixture) {
    let to = ["a@example.com", "b@example.com", "c@example.com"];
    let mut rung = fixture.store.reports_noted();
    for (request, kinds) in [
        (
            ReportRequest::default(),
            vec![ReportKind::Failed, ReportKind::Delayed],
        ),
        (notify("NEVER"), vec![]),
        (notify("SUCCESS"), vec![ReportKind::Relayed]),
        (notify("DELAY"), vec![ReportKind::Delayed]),
    ] {
        rung.borrow_and_update();
        let accepted = accept(fixture, &request, &to).await;
        let ids: Vec<_> = accepted.deliveries.iter().map(|new| new.id).collect();
        let outcomes = vec![
            refused(ids[0]),
            relayed(ids[1]),
            delayed(ids[2], 1, later(60)),
        ];
        settle(fixture, outcomes).await;
        let due = due(fixture).await;
        assert_eq!(due.iter().map(|due| due.kind).collect::<Vec<_>>(), kinds);
        assert_eq!(rung.has_changed().unwrap(), !kinds.is_empty());
        for one in &due {
            assert_eq!(one.request, request);
            assert_eq!(one.queued_at, NOW);
            assert_eq!(one.logged.message.id, accepted.message.id);
        }
        end_all(fixture).await;
    }
}

/// Taken by a host that reports nothing.
fn relayed(delivery: DeliveryId) -> Settlement {
    let mut attempt = attempt(1);
    attempt.tries[0].dsn = false;
    Settlement {
        fact: Fact::Delivery { attempt },
        ..delivered(delivery)
    }
}

async fn end_all(fixture: &Fixture) {
    let ended = due(fixture).await;
    let ended = ended
        .iter()
        .map(|due| ReportEnd::without_report(due.logged.position));
    fixture.store.end_reports(ended.collect()).await.unwrap();
    assert!(due(fixture).await.is_empty());
}

pub(crate) async fn mail_without_reports_notes_nothing(fixture: &Fixture) {
    let mut submission = fixture.submission(&["a@example.com"], "Subject: x\r\n\r\n");
    submission.message = Arc::new(Message {
        reports: false,
        ..message(fixture.workspace, fixture.set)
    });
    let accepted = accept_this(fixture, submission).await;
    settle(fixture, vec![bounced(accepted.deliveries[0].id)]).await;
    assert!(due(fixture).await.is_empty());
}

pub(crate) async fn a_body_stays_until_its_reports_have_ended(fixture: &Fixture) {
    let accepted = accept(
        fixture,
        &notify("FAILURE"),
        &["a@example.com", "b@example.com"],
    )
    .await;
    // The next one begins another file, so that the first could go.
    accept(fixture, &notify("NEVER"), &["c@example.com"]).await;
    let ids: Vec<_> = accepted.deliveries.iter().map(|new| new.id).collect();
    settle(fixture, vec![bounced(ids[0]), bounced(ids[1])]).await;
    let fixture = fixture.reopened().await;
    let noted = due(&fixture).await;
    assert_eq!(noted.len(), 2);
    let end = |due: &ReportDue| vec![ReportEnd::without_report(due.logged.position)];
    fixture.store.end_reports(end(&noted[0])).await.unwrap();
    // Once more is no error, and takes nothing from the other.
    fixture.store.end_reports(end(&noted[0])).await.unwrap();
    let fixture = fixture.reopened().await;
    let body = fixture.store.body(noted[1].body).await.unwrap();
    assert_eq!(body, accepted.body);
    fixture.store.end_reports(end(&noted[1])).await.unwrap();
    fixture.close().await;
    assert_eq!(fixture.bodies(), 1, "the file of the one that is queued");
}

pub(crate) async fn of_a_delay_a_sender_is_told_once(fixture: &Fixture) {
    let accepted = accept(fixture, &notify("DELAY"), &["a@example.com"]).await;
    let id = accepted.deliveries[0].id;
    let lane = fixture.lane("example.com");
    settle(fixture, vec![delayed(id, 1, later(60))]).await;
    fixture.store.claim(&lane, later(60), 1).await.unwrap();
    settle(fixture, vec![delayed(id, 2, later(120))]).await;
    let noted = due(fixture).await;
    assert!(noted.len() == 2 && noted.iter().all(|due| due.unwarned));
    let warned = ReportEnd {
        position: noted[0].logged.position,
        key: None,
        warned: true,
    };
    fixture.store.end_reports(vec![warned]).await.unwrap();
    let left = due(fixture).await;
    assert!(left.len() == 1 && !left[0].unwarned);
    end_all(fixture).await;
    fixture.store.claim(&lane, later(120), 1).await.unwrap();
    settle(fixture, vec![delayed(id, 3, later(180))]).await;
    assert!(due(fixture).await.is_empty());
}

pub(crate) async fn the_key_of_a_report_goes_with_it(fixture: &Fixture) {
    let request = ReportRequest {
        notify: Some(Notify {
            failure: true,
            ..Notify::NEVER
        }),
        orcpt: None,
    };
    let accepted = accept(fixture, &request, &["a@example.com"]).await;
    settle(fixture, vec![bounced(accepted.deliveries[0].id)]).await;
    let position = due(fixture).await[0].logged.position;
    let report = || Submission {
        idempotency: Some(IdempotencyKey {
            key: "report:x".to_owned(),
            until: later(1 << 40),
        }),
        ..fixture.submission(&["s@example.org"], "Subject: y\r\n\r\n")
    };
    let first = fixture.store.accept(vec![report()]).await;
    assert!(matches!(first.as_slice(), [Ok(Stored::New)]));
    let fixture = &fixture.reopened().await;
    let second = fixture.store.accept(vec![report()]).await;
    assert!(matches!(second.as_slice(), [Ok(Stored::Known(_))]));
    let end = ReportEnd {
        position,
        key: Some("report:x".to_owned()),
        warned: false,
    };
    fixture.store.end_reports(vec![end]).await.unwrap();
    let third = fixture.store.accept(vec![report()]).await;
    assert!(matches!(third.as_slice(), [Ok(Stored::New)]));
    fixture.close().await;
}

pub(crate) async fn what_an_operator_fails_is_noted(fixture: &Fixture) {
    for (request, count) in [(notify("FAILURE"), 1), (notify("NEVER"), 0)] {
        let mut submission = fixture.submission(&["a@example.com"], "Subject: x\r\n\r\n");
        submission.deliveries[0].report = request;
        let stored = fixture.store.accept(vec![submission]).await;
        assert!(matches!(stored.as_slice(), [Ok(Stored::New)]));
        let fail = Action::Fail(Reply::new(554, 7, 0, "Taken out of the queue"));
        let filter = DeliveryFilter::default();
        fixture.store.operate(&filter, &fail, NOW).await.unwrap();
        assert_eq!(due(fixture).await.len(), count);
        end_all(fixture).await;
    }
}
