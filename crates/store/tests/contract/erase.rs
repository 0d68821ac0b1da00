//! Forgetting a recipient.

use std::path::Path;

use postbell_model::suppression::{Cause, Scope, Suppression};
use postbell_model::{Address, Fact, InboundId, InboundMail, ReportRequest};
use postbell_store::{
    Action, DeliveryFilter, KeptSince, PurgeRound, Traces, erase, traces, verify,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use crate::engagement::{clicked, due, opened, tell_all, told};
use crate::fixture::{self, Fixture, NOW, bounced};
use crate::inbound::{answer, mail, reception, take};
use crate::suppression;

const ANN: &str = "ann.someone@example.com";

fn ann() -> Address {
    Address::parse(ANN).unwrap()
}

/// Whether the text stands anywhere in the files of the store.
fn is_known(folder: &Path, text: &str) -> bool {
    let bodies = folder.join("bodies");
    let bodies = std::fs::read_dir(bodies).unwrap();
    let mut files: Vec<_> = bodies.map(|entry| entry.unwrap().path()).collect();
    files.push(folder.join("postbell.db"));
    files.push(folder.join("postbell.db-wal"));
    files.iter().any(|file| {
        let octets = std::fs::read(file).unwrap_or_default();
        octets
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    })
}

pub(crate) async fn change(folder: &Path, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(folder.join("postbell.db"));
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let changed = sqlx::raw_sql(sql).execute(&mut database).await.unwrap();
    assert!(changed.rows_affected() > 0, "{sql}");
    database.close().await.unwrap();
}

/// A message to Ann alone, whose host has named her, and one to her and Bob; all hers have ended.
async fn store() -> Fixture {
    let fixture = fixture::sqlite().await;
    let lane = fixture.lane("example.com");
    let mut submission = fixture.submission(&[ANN], "To: ann.someone\r\n\r\nfor Ann alone\r\n");
    submission.deliveries[0].report.orcpt = None;
    let alone = submission.deliveries[0].id;
    fixture.store.accept(vec![submission]).await[0]
        .as_ref()
        .unwrap();
    let both = fixture.submission(&["Ann.Someone@example.com", "bob@example.net"], "to both");
    let shared = both.deliveries[0].id;
    fixture.store.accept(vec![both]).await[0].as_ref().unwrap();
    fixture.store.claim(&lane, NOW, 10).await.unwrap();
    for id in [alone, shared] {
        let settled = fixture.store.settle(vec![bounced(id)]).await;
        settled[0].as_ref().unwrap();
    }
    let names = "UPDATE event SET payload = replace(payload, '\"text\":\"', \
        '\"text\":\"<ANN.SOMEONE@example.com> ') WHERE kind = 'Bounce'";
    change(fixture.folder(), names).await;
    fixture
}

#[tokio::test]
async fn what_has_ended_is_forgotten_beside_a_server() {
    let fixture = store().await;
    let expected = Traces {
        deliveries: 2,
        events: 4,
        messages: 1,
        shared: 1,
        ..Traces::default()
    };
    let counted = traces(fixture.folder(), &ann(), None).await.unwrap();
    assert_eq!(counted, expected);
    let erased = erase(fixture.folder(), &ann(), None).await.unwrap();
    assert_eq!(
        erased,
        Traces {
            bodies: 1,
            ..expected
        }
    );

    // Bob's mail is as it was.
    let bobs = fixture.lane("example.net");
    let claimed = fixture.store.claim(&bobs, NOW, 10).await.unwrap();
    let postbell_store::Body::Stored(body) = claimed[0].body else {
        panic!("it was claimed");
    };
    assert_eq!(fixture.store.body(body).await.unwrap(), "to both");
    fixture.close().await;
    for text in ["for Ann alone", "ann.someone", "Ann.Someone", "ANN.SOMEONE"] {
        assert!(!is_known(fixture.folder(), text), "{text}");
    }
    let verified = verify(fixture.folder()).await.unwrap();
    assert!(verified.faults.is_empty(), "{verified:?}");
    let again = erase(fixture.folder(), &ann(), None).await.unwrap();
    assert_eq!(again, Traces::default());

    // What is left can be read, and told.
    let fixture = fixture.reopened().await;
    let page = fixture
        .events_after(fixture.set, Default::default(), 10)
        .await;
    assert_eq!(page.events.len(), 5);
    let nobody = |event: &&postbell_store::LoggedEvent| {
        event.recipient.to_string() == "erased@erased.invalid"
    };
    assert_eq!(page.events.iter().filter(nobody).count(), 4);
    fixture.close().await;
}

#[tokio::test]
async fn what_waits_is_cancelled_first() {
    let fixture = fixture::sqlite().await;
    fixture.accept(&[ANN]).await;
    let erased = erase(fixture.folder(), &ann(), None).await.unwrap();
    assert_eq!((erased.deliveries, erased.waiting), (0, 1));
    assert_eq!(erased.spellings, [ann()]);
    let filter = DeliveryFilter {
        recipient: Some(ann()),
        ..DeliveryFilter::default()
    };
    let cancelled = fixture.store.operate(&filter, &Action::Cancel, NOW).await;
    assert_eq!(cancelled.unwrap().changed, 1);
    let erased = erase(fixture.folder(), &ann(), None).await.unwrap();
    assert_eq!(
        (erased.deliveries, erased.waiting, erased.events),
        (1, 0, 2)
    );
    fixture.close().await;
    assert!(!is_known(fixture.folder(), "ann.someone"));
}

#[tokio::test]
async fn an_address_is_found_in_any_script_and_case() {
    let fixture = fixture::sqlite().await;
    let written = ["\u{e4}nn@example.com", "\u{e4}NN@example.com"];
    let asked = Address::parse("\u{c4}NN@Example.com").unwrap();
    let mut ids = fixture.accept(&[written[0], "ann@example.com"]).await;
    let ann = ids.remove(1);
    let mut from = reception(mail(&fixture, NOW), Vec::new());
    from.mails[0].mail.from = written[1].to_owned();
    from.mails[0].mail.recipient = Address::parse(written[1]).unwrap();
    take(&fixture, from).await;
    let waits = erase(fixture.folder(), &asked, None).await.unwrap();
    assert_eq!(waits.spellings, [Address::parse(written[0]).unwrap()]);
    assert_eq!((waits.deliveries, waits.inbound), (0, 1));
    let lane = fixture.lane("example.com");
    fixture.store.claim(&lane, NOW, 10).await.unwrap();
    for settled in fixture
        .store
        .settle(vec![bounced(ids[0]), bounced(ann)])
        .await
    {
        settled.unwrap();
    }
    let erased = erase(fixture.folder(), &asked, None).await.unwrap();
    assert_eq!((erased.deliveries, erased.waiting), (1, 0));
    let sent = fixture.store.sent(ann).await.unwrap().unwrap();
    assert_eq!(sent.recipient.as_str(), "ann@example.com");
    fixture.close().await;
    for text in written {
        assert!(!is_known(fixture.folder(), text), "{text}");
    }
}

#[tokio::test]
async fn a_body_stays_for_a_report_about_somebody_else() {
    let fixture = fixture::sqlite().await;
    let mut submission = fixture.submission(&[ANN, "bob@example.com"], "for the report");
    for delivery in &mut submission.deliveries {
        delivery.report = ReportRequest::default();
    }
    let ids: Vec<_> = submission.deliveries.iter().map(|new| new.id).collect();
    fixture.store.accept(vec![submission]).await;
    let lane = fixture.lane("example.com");
    fixture.store.claim(&lane, NOW, 10).await.unwrap();
    for id in ids {
        fixture.store.settle(vec![bounced(id)]).await;
    }
    let due = fixture.store.reports_due(10).await.unwrap();
    assert_eq!(due.len(), 2);
    let erased = erase(fixture.folder(), &ann(), None).await.unwrap();
    assert_eq!((erased.shared, erased.bodies), (1, 0));
    let due = fixture.store.reports_due(10).await.unwrap();
    assert_eq!(due.len(), 1, "Bob's");
    let body = fixture.store.body(due[0].body).await.unwrap();
    assert_eq!(body, "for the report");
    fixture.close().await;
}

#[tokio::test]
async fn another_workspace_keeps_what_it_has() {
    let fixture = store().await;
    let other = fixture.store.create_workspace("other", NOW).await.unwrap();
    let erased = erase(fixture.folder(), &ann(), Some(other.id))
        .await
        .unwrap();
    assert_eq!(erased, Traces::default());
    let ann = ann();
    let counted = traces(fixture.folder(), &ann, Some(fixture.workspace)).await;
    assert_eq!(counted.unwrap().deliveries, 2);
    fixture.close().await;
}

#[tokio::test]
async fn what_came_in_from_an_address_is_emptied() {
    let fixture = store().await;
    let of_ann = |mut mail: InboundMail| {
        mail.from = ANN.to_uppercase();
        mail.subject = "from ann.someone".to_owned();
        mail
    };
    // An answer about Bob's mail that is from Ann, for two addresses of ours; and one from Bob.
    let bobs = fixture.lane("example.net");
    let bobs = fixture.store.claim(&bobs, NOW, 10).await.unwrap();
    let mut anns = answer(&fixture, bobs[0].delivery.id, NOW);
    anns.mails[0].mail = of_ann(anns.mails[0].mail.clone());
    let mut second = anns.mails[0].clone();
    second.mail.id = InboundId::new(NOW);
    second.facts.clear();
    anns.mails.push(second);
    let id = anns.mails[0].mail.id;
    anns.body = "ann.someone has written".into();
    take(&fixture, anns).await;
    let other = reception(mail(&fixture, NOW), Vec::new());
    let others = other.mails[0].mail.clone();
    take(&fixture, other).await;
    let named = "UPDATE event SET payload = replace(payload, 'bob@example.com', \
        'ann.someone@example.com') WHERE kind = 'Reply'";
    change(fixture.folder(), named).await;

    let counted = traces(fixture.folder(), &ann(), None).await.unwrap();
    assert_eq!(counted.inbound, 2);
    let erased = erase(fixture.folder(), &ann(), None).await.unwrap();
    assert_eq!((erased.inbound, erased.bodies), (2, 2));
    let kept = fixture.store.inbound(id).await.unwrap().unwrap();
    assert_eq!((kept.body, &*kept.mail.from), (None, ""));
    let kept = fixture.store.inbound(others.id).await.unwrap().unwrap();
    assert_eq!(kept.mail, others);
    assert!(fixture.store.body(kept.body.unwrap()).await.is_ok());
    let again = erase(fixture.folder(), &ann(), None).await.unwrap();
    assert_eq!(again, Traces::default());
    let page = fixture
        .events_after(fixture.set, Default::default(), 10)
        .await;
    assert_eq!(page.events.len(), 6, "all can be read");
    fixture.close().await;
    for text in ["ann.someone", "ANN.SOMEONE", "has written"] {
        assert!(!is_known(fixture.folder(), text), "{text}");
    }
    let verified = verify(fixture.folder()).await.unwrap();
    assert!(verified.faults.is_empty(), "{verified:?}");
}

#[tokio::test]
async fn what_is_left_of_a_delivery_is_forgotten() {
    let fixture = store().await;
    let page = fixture
        .events_after(fixture.set, Default::default(), 10)
        .await;
    let anns = page.events.iter().filter(|event| {
        let recipient = event.recipient.to_string();
        recipient.to_lowercase() == ANN
    });
    let ids: Vec<_> = anns.map(|event| event.event.delivery).collect();
    assert_eq!(ids.len(), 4);
    let far = NOW.after(std::time::Duration::from_hours(24 * 91));
    let since = KeptSince {
        messages: Some(far),
        ..KeptSince::default()
    };
    let mut round = PurgeRound::default();
    while !round.is_over() {
        fixture
            .store
            .purge_some(since, far, &mut round)
            .await
            .unwrap();
    }
    let erased = erase(fixture.folder(), &ann(), None).await.unwrap();
    assert_eq!(erased.deliveries, 2);
    // Only the message to her alone was over.
    for id in ids {
        let sent = fixture.store.sent(id).await.unwrap().unwrap();
        assert_eq!(sent.recipient.to_string(), "erased@erased.invalid");
    }
    let again = erase(fixture.folder(), &ann(), None).await.unwrap();
    assert_eq!(again, Traces::default());
    fixture.close().await;
}

#[tokio::test]
async fn whose_visits_they_were_is_forgotten() {
    let fixture = store().await;
    let page = fixture.events_after(fixture.set, Default::default(), 10);
    let events = page.await.events;
    let of = |to: &str| {
        let mut events = events.iter();
        let found = events.find(|event| event.recipient.as_str().eq_ignore_ascii_case(to));
        found.unwrap().event.delivery
    };
    let (anns, bobs) = (of(ANN), of("bob@example.net"));
    let visits = |agent: &str, id| {
        let mut hits = vec![opened(&fixture, id, NOW), clicked(&fixture, id, NOW)];
        for hit in &mut hits {
            agent.clone_into(&mut hit.user_agent);
        }
        hits
    };
    fixture
        .store
        .keep_hits(&visits("Anns/1.0", anns))
        .await
        .unwrap();
    fixture
        .store
        .keep_hits(&visits("Bobs/1.0", bobs))
        .await
        .unwrap();
    tell_all(&fixture).await;
    // One is told and one still waits.
    fixture
        .store
        .keep_hits(&visits("Anns/2.0", anns))
        .await
        .unwrap();
    fixture
        .store
        .keep_hits(&visits("Bobs/2.0", bobs))
        .await
        .unwrap();
    erase(fixture.folder(), &ann(), None).await.unwrap();

    let left = due(&fixture).await;
    assert_eq!((left.len(), left[0].delivery), (1, bobs));
    let visits = left.iter().map(told).collect();
    fixture.store.tell_hits(visits).await.unwrap();
    assert!(due(&fixture).await.is_empty());
    assert_eq!(fixture.store.hits_waiting(), 0);
    let page = fixture.events_after(fixture.set, Default::default(), 100);
    for logged in page.await.events {
        let Fact::Click(click) = logged.event.fact else {
            continue;
        };
        let of_ann = logged.event.delivery == anns;
        assert_eq!(click.engagement.user_agent.is_empty(), of_ann);
        assert_eq!(click.url == "https://shop.example", of_ann, "{}", click.url);
    }
    fixture.close().await;
    for text in ["Anns/1.0", "Anns/2.0"] {
        assert!(!is_known(fixture.folder(), text), "{text}");
    }
    assert!(is_known(fixture.folder(), "Bobs/2.0"));
    let verified = verify(fixture.folder()).await.unwrap();
    assert!(verified.faults.is_empty(), "{verified:?}");
}

#[tokio::test]
async fn hits_that_are_erased_are_soon_not_counted() {
    let fixture = store().await;
    let page = fixture.events_after(fixture.set, Default::default(), 10);
    let of_ann = |event: &&postbell_store::LoggedEvent| {
        let recipient = event.recipient.as_str();
        recipient.eq_ignore_ascii_case(ANN)
    };
    let events = page.await.events;
    let ann = events.iter().find(of_ann).unwrap().event.delivery;
    let bob = events.iter().find(|event| !of_ann(event)).unwrap();
    let both = [ann, bob.event.delivery].map(|id| opened(&fixture, id, NOW));
    fixture.store.keep_hits(&both).await.unwrap();
    erase(fixture.folder(), &self::ann(), None).await.unwrap();
    for (seconds, waiting) in [(599, 2), (600, 1), (601, 1)] {
        let at = fixture::later(seconds);
        assert_eq!(fixture.store.hits_due(at, 500).await.unwrap().len(), 1);
        assert_eq!(fixture.store.hits_waiting(), waiting, "{seconds} s later");
    }
    tell_all(&fixture).await;
    fixture.close().await;
}

#[tokio::test]
async fn what_somebody_has_wished_stays() {
    let fixture = store().await;
    let listed = async || {
        let ann = ann();
        let found = fixture.store.suppressions_of(fixture.workspace, &ann, NOW);
        let found = found.await.unwrap();
        found.iter().map(|entry| entry.cause).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [Cause::Bounce], "it is dead");
    let wish = Suppression {
        cause: Cause::Unsubscribe,
        scope: Scope::Stream("news".to_owned()),
        note: Some("ann.someone has called".to_owned()),
        ..suppression::entry(&fixture, ANN)
    };
    fixture.store.suppress(vec![wish], NOW).await.unwrap();
    erase(fixture.folder(), &ann(), None).await.unwrap();
    assert_eq!(listed().await, [Cause::Unsubscribe]);
    fixture.close().await;
    assert!(
        !is_known(fixture.folder(), "\"ann.someone has called"),
        "events do not say it"
    );
}
