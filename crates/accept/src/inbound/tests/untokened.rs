//! Reports and complaints to other addresses than that of a delivery.

use postbell_model::inbound::MatchedBy;
use postbell_model::token::Purpose;
use postbell_model::{DeliveryId, Fact, InboundKind, MessageId, Timestamp};
use postbell_store::NewInbound;
use std::sync::Arc;
use std::time::Duration;

use super::world::{NOW, OURS, SENT_AT, THEIRS, World, facts, fixture, route, sent_to, untokened};

const FBL: &str = "fbl@mx.post.example";
const ID: &str = "4711@sender.example";

fn about(new: &NewInbound) -> Vec<(DeliveryId, MatchedBy)> {
    let matched = |fact: &Fact| match fact {
        Fact::LateBounce { report, .. } => report.matched_by,
        Fact::Complaint(report) | Fact::NotSpam(report) => report.matched_by,
        other => panic!("{other:?}"),
    };
    let facts = facts(new).into_iter();
    facts
        .map(|(delivery, fact)| (delivery, matched(fact)))
        .collect()
}

/// Without anything that leads to the message but a token in this field.
fn with_token_in(name: &str, field: &str) -> String {
    untokened(name)
        .replace(&format!("Message-ID: <{ID}>\n"), &format!("{field}\n"))
        .replace("Return-Path: <bounce+tok123@news.sender.example>\n", "")
}

#[tokio::test]
async fn a_token_in_what_came_back_leads_to_the_delivery() {
    let world = World::new();
    let header = world.token(Purpose::Header);
    let fields = [
        format!("X-Postbell-Delivery: {header}"),
        format!("X-Postbell-Delivery: {}", header.to_uppercase()),
        format!("Return-Path: <{}>", world.bounce()),
        format!("Reply-To: Orders <{}>", world.reply()),
        format!(
            "List-Unsubscribe: <https://x.example/>, <mailto:{}?subject=x>",
            world.unsubscribe()
        ),
    ];
    for field in fields {
        for name in ["arf-abuse", "arf-redacted", "arf-not-spam", "dsn-failed"] {
            for to in [FBL, "abuse@shop.example", "info@shop.example"] {
                let new = world.receive_one(to, &with_token_in(name, &field)).await;
                let expected = [(world.delivery, MatchedBy::ReturnedToken)];
                assert_eq!(about(&new), expected, "{name} {field}");
                assert_eq!(new.mail.delivery, Some(world.delivery));
                assert_eq!(new.mail.workspace, Some(OURS));
            }
        }
    }
    let feedback = format!("Feedback-ID: {header}:set_1:ws_1:postbell");
    let message = with_token_in("arf-redacted", "X-Nothing: x");
    let message = message.replace("Feedback-ID: 7:welcome:sender", &feedback);
    let new = world.receive_one(FBL, &message).await;
    assert_eq!(about(&new), [(world.delivery, MatchedBy::ReturnedToken)]);
    let message = with_token_in("arf-abuse", "X-Nothing: x");
    let mail_from = format!("Original-Mail-From: <{}>", world.bounce());
    let message = message.replace(
        "Original-Mail-From: <bounce+tok123@news.sender.example>",
        &mail_from,
    );
    let new = world.receive_one(FBL, &message).await;
    assert_eq!(about(&new), [(world.delivery, MatchedBy::ReturnedToken)]);
}

#[tokio::test]
async fn a_token_for_another_purpose_leads_nowhere() {
    let world = World::new();
    let bounce = world.token(Purpose::Bounce);
    let field = format!("X-Postbell-Delivery: {bounce}");
    let new = world
        .receive_one(FBL, &with_token_in("arf-abuse", &field))
        .await;
    assert_eq!(about(&new), []);
    assert_eq!(
        (new.mail.kind, new.mail.delivery),
        (InboundKind::Complaint, None)
    );
    assert_eq!(new.mail.workspace, None);
}

#[tokio::test]
async fn the_message_id_and_the_recipient_lead_to_the_delivery() {
    let world = World::new();
    world.also_sent(sent_to("bob@customer.example", OURS));
    for name in ["arf-abuse", "arf-not-spam", "dsn-failed"] {
        let new = world.receive_one(FBL, &untokened(name)).await;
        assert_eq!(
            about(&new),
            [(world.delivery, MatchedBy::MessageId)],
            "{name}"
        );
        let upper = untokened(name).replace("ann@customer", "Ann@CUSTOMER");
        let new = world.receive_one(FBL, &upper).await;
        assert_eq!(
            about(&new),
            [(world.delivery, MatchedBy::MessageId)],
            "{name}"
        );
        // Whoever has the message may name anybody.
        let other = untokened(name).replace("ann@customer", "eve@customer");
        let new = world.receive_one(FBL, &other).await;
        assert_eq!(about(&new), [], "{name}");
    }
}

#[tokio::test]
async fn without_a_recipient_there_may_be_one_delivery_only() {
    let world = World::new();
    let new = world.receive_one(FBL, &untokened("arf-redacted")).await;
    assert_eq!(about(&new), [(world.delivery, MatchedBy::MessageId)]);
    world.also_sent(sent_to("bob@customer.example", OURS));
    let new = world.receive_one(FBL, &untokened("arf-redacted")).await;
    assert_eq!(about(&new), []);
}

#[tokio::test]
async fn a_report_about_several_recipients_is_one_about_each() {
    let world = World::new();
    let bob = sent_to("bob@customer.example", OURS);
    let expected = [world.delivery, bob.delivery];
    world.also_sent(bob);
    let new = world
        .receive_one(FBL, &untokened("dsn-two-recipients"))
        .await;
    let mut deliveries: Vec<_> = about(&new)
        .into_iter()
        .map(|(delivery, _)| delivery)
        .collect();
    deliveries.sort();
    assert_eq!(deliveries.len(), 2);
    assert!(
        expected
            .iter()
            .all(|delivery| deliveries.contains(delivery))
    );
    // A complaint does not say which of them it is of.
    let both = "Original-Rcpt-To: ann@customer.example\nOriginal-Rcpt-To: bob@customer.example";
    let message = untokened("arf-abuse");
    let message = message.replace("Original-Rcpt-To: ann@customer.example", both);
    let new = world.receive_one(FBL, &message).await;
    assert_eq!(about(&new), []);
}

#[tokio::test]
async fn two_messages_of_one_id_to_one_address_can_not_be_told_apart() {
    let world = World::new();
    world.also_sent(sent_to("ann@customer.example", OURS));
    for name in ["dsn-failed", "arf-abuse"] {
        let new = world.receive_one(FBL, &untokened(name)).await;
        assert_eq!(about(&new), [], "{name}");
    }
}

#[tokio::test]
async fn the_search_widens_around_what_the_message_says() {
    let world = World::new();
    let searched = || {
        let mut searches = world.store.searches.lock().unwrap();
        let spans = searches.drain(..).map(|search| {
            let middle = search.from.as_micros() / 2 + search.until.as_micros() / 2;
            let within = search.until.since(search.from).as_secs() / 2;
            (Timestamp::from_micros(middle), within)
        });
        spans.collect::<Vec<_>>()
    };
    world.receive_one(FBL, &untokened("arf-abuse")).await;
    assert_eq!(searched(), [(SENT_AT, 120)]);
    // Nothing is found.
    let message = untokened("arf-abuse").replace(ID, "none@sender.example");
    world.receive_one(FBL, &message).await;
    assert_eq!(
        searched(),
        [(SENT_AT, 120), (SENT_AT, 3_600), (SENT_AT, 86_400)]
    );
    let undated = message.replace("Date: Mon, 04 May 2026 09:00:00 +0000\n", "");
    world.receive_one(FBL, &undated).await;
    let arrived = SENT_AT.after(Duration::from_secs(5));
    assert_eq!(searched()[0], (arrived, 120));
    let timeless = undated.replace("Arrival-Date: Mon, 04 May 2026 09:00:05 +0000\n", "");
    world.receive_one(FBL, &timeless).await;
    assert_eq!(searched()[0], (NOW, 120));
    // An id of our own making says when it was made.
    let made = NOW.before(Duration::from_secs(40 * 86_400));
    let own = format!("{}@sender.example", MessageId::new(made));
    world
        .receive_one(FBL, &timeless.replace("none@sender.example", &own))
        .await;
    let spans = searched();
    assert_eq!(spans.len(), 4);
    assert_eq!(
        (spans[0].0.as_seconds(), spans[0].1),
        (made.as_seconds(), 120)
    );
}

#[tokio::test]
async fn a_message_to_very_many_is_searched_by_recipient() {
    let world = World::new();
    let ann = world.store.sent.lock().unwrap().pop().unwrap();
    for number in 0..150 {
        let mut sent = sent_to(&format!("n{number}@customer.example"), OURS);
        sent.message = Arc::clone(&ann.message);
        world.also_sent(sent);
    }
    world.also_sent(ann);
    let new = world.receive_one(FBL, &untokened("arf-abuse")).await;
    assert_eq!(about(&new), [(world.delivery, MatchedBy::MessageId)]);
    let new = world.receive_one(FBL, &untokened("arf-redacted")).await;
    assert_eq!(about(&new), []);
}

#[tokio::test]
async fn at_its_own_address_a_workspace_hears_of_its_own_mail_alone() {
    let world = World::new();
    for to in ["info@theirs.example", "postmaster@theirs.example"] {
        let new = world.receive_one(to, &fixture(&world, "arf-abuse")).await;
        if to.starts_with("info") {
            assert_eq!(new.mail.workspace, Some(THEIRS));
            assert_eq!(new.mail.delivery, None);
        } else {
            // What comes to a role is taken for whoever's mail it is about.
            assert_eq!(new.mail.workspace, Some(OURS));
            assert_eq!(new.mail.delivery, Some(world.delivery));
        }
    }
}

#[tokio::test]
async fn reports_about_authentication_are_kept_and_are_nobodys_complaint() {
    let world = World::new();
    let message = fixture(&world, "arf-abuse").replace("Type: abuse", "Type: auth-failure");
    let new = world.receive_one(FBL, &message).await;
    assert_eq!(
        (new.mail.kind, facts(&new).len()),
        (InboundKind::Complaint, 0)
    );
    let new = world.receive_one(&world.bounce(), &message).await;
    assert_eq!(
        (new.mail.kind, facts(&new).len()),
        (InboundKind::Complaint, 0)
    );
    // Whoever has asked for them at an address of their own gets them there.
    let new = world.receive_one("ruf@shop.example", &message).await;
    assert_eq!((new.mail.kind, new.facts.len()), (InboundKind::Mail, 1));
}

#[tokio::test]
async fn what_a_delivery_explains_is_no_mail_to_a_mailbox() {
    let forwarding = route("*", true, Some("all@elsewhere.example"));
    let world = World::with_routes([forwarding]);
    let new = world
        .receive_one("info@shop.example", &untokened("dsn-failed"))
        .await;
    assert_eq!(about(&new), [(world.delivery, MatchedBy::MessageId)]);
    assert_eq!(new.mail.kind, InboundKind::Report);
    assert_eq!(new.forward, None);
}
