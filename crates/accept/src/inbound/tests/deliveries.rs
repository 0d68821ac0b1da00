//! Mail to the address of a delivery.

use postbell_model::inbound::{
    AutoReplyClass, Confirmation, LateReport, MatchedBy, UnsubscribeMethod, Via,
};
use postbell_model::token::Purpose;
use postbell_model::{BounceClass, BounceType, DeliveryId, Fact, InboundKind, ReversePath};

use super::world::{NOW, OURS, World, fact, facts, fixture, untokened};

const WISH: &str = "From: Ann <ann@customer.example>\nSubject: unsubscribe\n\nunsubscribe\n";

#[tokio::test]
async fn an_answer_is_a_reply() {
    let world = World::new();
    let message = fixture(&world, "reply-below").replace(
        "To: reply+tok123@replies.sender.example",
        &format!("To: {}, Bob <bob@customer.example>", world.reply()),
    );
    let new = world.receive_one(&world.reply(), &message).await;
    assert_eq!(new.mail.kind, InboundKind::Reply);
    assert_eq!(new.mail.workspace, Some(OURS));
    assert_eq!(new.mail.delivery, Some(world.delivery));
    assert_eq!(new.mail.from, "ann@customer.example");
    assert_eq!(new.mail.subject, "Re: Your order");
    assert_eq!(
        new.mail.header_message_id.as_deref(),
        Some("a1@customer.example")
    );
    let Fact::Reply(reply) = fact(&new) else {
        panic!("{:?}", new.facts);
    };
    assert_eq!(reply.inbound, new.mail.id);
    assert_eq!(reply.via, Via::ReplyTo);
    assert!(reply.is_from_recipient && !reply.is_forwarded);
    assert_eq!(reply.also_to, ["bob@customer.example"]);
    let content = &reply.content;
    assert_eq!(content.from_name, "Ann");
    assert_eq!(content.in_reply_to.as_deref(), Some("4711@sender.example"));
    assert_eq!(content.stripped_text.text.trim(), "Good, thanks.");
    assert!(content.text.text.contains("> It is on its way."));
    assert_eq!((&content.html, content.auto_reply), (&None, None));
}

#[tokio::test]
async fn who_wrote_it_and_whether_it_was_passed_on_is_told() {
    let world = World::new();
    for (header, is_from_recipient, is_forwarded) in [
        ("From: ANN@customer.example\nSubject: Re: x\n", true, false),
        ("From: bob@customer.example\nSubject: Fwd: x\n", false, true),
        (
            "From: bob@customer.example\nX-Forwarded-For: a@b.example\n",
            false,
            true,
        ),
        ("Subject: x\n", false, false),
        (
            "From: ann@customer.example, bob@customer.example\n",
            true,
            false,
        ),
    ] {
        let new = world
            .receive_one(&world.reply(), &format!("{header}\nyes\n"))
            .await;
        let Fact::Reply(reply) = fact(&new) else {
            panic!("{:?}", new.facts);
        };
        let told = (reply.is_from_recipient, reply.is_forwarded);
        assert_eq!(told, (is_from_recipient, is_forwarded), "{header}");
    }
}

#[tokio::test]
async fn a_vacation_note_comes_to_the_return_path() {
    let world = World::new();
    let message = untokened("auto-vacation");
    let new = world.receive_one(&world.bounce(), &message).await;
    let Fact::Reply(reply) = fact(&new) else {
        panic!("{:?}", new.facts);
    };
    assert_eq!(new.mail.kind, InboundKind::Reply);
    assert_eq!(reply.via, Via::ReturnPath);
    assert_eq!(reply.content.auto_reply, Some(AutoReplyClass::Vacation));
}

#[tokio::test]
async fn a_report_is_a_bounce_wherever_it_comes_to() {
    let world = World::new();
    for to in [world.bounce(), world.reply()] {
        let new = world.receive_one(&to, &untokened("dsn-failed")).await;
        assert_eq!(new.mail.kind, InboundKind::Report);
        let Fact::LateBounce {
            class,
            bounce_type,
            report,
        } = fact(&new)
        else {
            panic!("{:?}", new.facts);
        };
        assert_eq!(
            (*class, *bounce_type),
            (BounceClass::NoSuchUser, BounceType::Permanent)
        );
        let expected = LateReport {
            inbound: new.mail.id,
            matched_by: MatchedBy::Address,
            recipient: Some("ann@customer.example".to_owned()),
            status: postbell_model::EnhancedCode::parse("5.1.1"),
            code: Some(550),
            diagnostic: "550 5.1.1 <ann@customer.example>: no such user here".to_owned(),
            remote_mta: Some("mail.customer.example".to_owned()),
            reporting_mta: Some("mx.customer.example".to_owned()),
            class: Some(BounceClass::NoSuchUser),
            is_permanent: true,
        };
        assert_eq!(**report, expected);
    }
}

// RFC 5321 §4.5.5
#[tokio::test]
async fn what_nobody_sent_is_a_report_and_what_only_claims_that_is_not() {
    let world = World::new();
    let told = "From: Info Desk <info@customer.example>\nSubject: Your order\n\n\
        Your message to ann@customer.example was not delivered because the mailbox is full.\n";
    let mut arrival = world.arrival(&[&world.reply()], told);
    arrival.mail_from = ReversePath::Null;
    world.gate.receive(arrival).await.unwrap();
    let mails = world.stored().mails;
    assert_eq!(mails[0].mail.kind, InboundKind::Report);
    let Fact::LateBounce { class, .. } = fact(&mails[0]) else {
        panic!("{:?}", mails[0].facts);
    };
    assert_eq!(*class, BounceClass::MailboxFull);
    let forged = format!("Return-Path: <>\n{told}");
    for message in [told, &forged] {
        let new = world.receive_one(&world.reply(), message).await;
        assert_eq!(new.mail.kind, InboundKind::Reply, "{message}");
    }
}

#[tokio::test]
async fn other_reports_are_what_they_say() {
    let world = World::new();
    for (name, expected) in [
        ("dsn-delivered", Confirmation::Delivered),
        ("dsn-relayed", Confirmation::Relayed),
        ("dsn-expanded", Confirmation::Expanded),
    ] {
        let new = world.receive_one(&world.bounce(), &untokened(name)).await;
        let Fact::Confirmed {
            confirmation,
            report,
        } = fact(&new)
        else {
            panic!("{:?}", new.facts);
        };
        assert_eq!((*confirmation, report.class), (expected, None), "{name}");
    }
    let new = world
        .receive_one(&world.bounce(), &untokened("dsn-delayed"))
        .await;
    assert!(matches!(fact(&new), Fact::LateDelay { .. }));
    let new = world
        .receive_one(&world.bounce(), &untokened("dsn-alias"))
        .await;
    let Fact::LateBounce { bounce_type, .. } = fact(&new) else {
        panic!("{:?}", new.facts);
    };
    assert_eq!(*bounce_type, BounceType::Transient);
}

#[tokio::test]
async fn a_report_that_says_nothing_is_undetermined() {
    let world = World::new();
    let message = untokened("dsn-failed")
        .replace(
            "Diagnostic-Code: smtp; 550 5.1.1 <ann@customer.example>: no such user here\n",
            "",
        )
        .replace("Status: 5.0.0\n", "");
    let new = world.receive_one(&world.bounce(), &message).await;
    let Fact::LateBounce {
        class, bounce_type, ..
    } = fact(&new)
    else {
        panic!("{:?}", new.facts);
    };
    assert_eq!(
        (*class, *bounce_type),
        (BounceClass::Other, BounceType::Undetermined)
    );
}

#[tokio::test]
async fn a_delivery_has_one_bounce_of_a_report() {
    let world = World::new();
    let two = untokened("dsn-two-recipients");
    let others = two
        .replace("ann@customer.example", "carl@customer.example")
        .replace("552 mailbox", "452 mailbox");
    // The recipient itself; and where it is not among them, the worst.
    for message in [two, others] {
        let new = world.receive_one(&world.bounce(), &message).await;
        let Fact::LateBounce { class, .. } = fact(&new) else {
            panic!("{:?}", new.facts);
        };
        assert_eq!(*class, BounceClass::NoSuchUser);
    }
    let bob = super::world::sent_to("BOB@customer.example", OURS);
    let token = world.token_of(Purpose::Bounce, bob.delivery);
    world.also_sent(bob);
    let to = format!("bounce+{token}@bounce.shop.example");
    let new = world
        .receive_one(&to, &untokened("dsn-two-recipients"))
        .await;
    let Fact::LateBounce { class, .. } = fact(&new) else {
        panic!("{:?}", new.facts);
    };
    assert_eq!(*class, BounceClass::MailboxFull);
}

#[tokio::test]
async fn a_complaint_is_one_wherever_it_comes_to() {
    let world = World::new();
    for to in [world.bounce(), world.reply(), world.unsubscribe()] {
        let new = world.receive_one(&to, &untokened("arf-abuse")).await;
        assert_eq!(new.mail.kind, InboundKind::Complaint);
        let Fact::Complaint(report) = fact(&new) else {
            panic!("{:?}", new.facts);
        };
        assert_eq!(report.matched_by, MatchedBy::Address);
        assert_eq!(report.feedback_type, "abuse");
        assert_eq!(report.user_agent.as_deref(), Some("Provider-Feedback/2.0"));
        assert_eq!(report.source_ip.as_deref(), Some("192.0.2.25"));
    }
    let new = world
        .receive_one(&world.bounce(), &untokened("arf-not-spam"))
        .await;
    assert!(matches!(fact(&new), Fact::NotSpam(_)));
}

#[tokio::test]
async fn a_wish_to_get_no_more_is_said_by_whoever_wishes_it() {
    let world = World::new();
    let to = world.unsubscribe();
    let wish = |new: &postbell_store::NewInbound| Fact::Unsubscribe {
        method: UnsubscribeMethod::OneClick,
        inbound: Some(new.mail.id),
    };
    // A provider may say that no person has written it.
    let generated = format!("Auto-Submitted: auto-generated\n{WISH}");
    for message in [WISH, generated.as_str(), "\n"] {
        let new = world.receive_one(&to, message).await;
        assert_eq!(new.mail.kind, InboundKind::Unsubscribe);
        assert_eq!(*fact(&new), wish(&new), "{message}");
    }
    for name in ["auto-vacation", "dsn-failed", "auto-ticket"] {
        let new = world.receive_one(&to, &untokened(name)).await;
        assert_eq!(facts(&new), [], "{name}");
        assert_eq!(new.mail.delivery, Some(world.delivery));
        assert_ne!(new.mail.kind, InboundKind::Unsubscribe);
    }
}

#[tokio::test]
async fn what_is_about_a_delivery_that_is_gone_is_kept() {
    let world = World::new();
    let token = world.token_of(Purpose::Bounce, DeliveryId::new(NOW));
    let to = format!("bounce+{token}@bounce.shop.example");
    for (message, kind) in [
        (untokened("dsn-failed"), InboundKind::Report),
        (untokened("arf-abuse"), InboundKind::Complaint),
        (untokened("reply-below"), InboundKind::Reply),
    ] {
        let new = world.receive_one(&to, &message).await;
        assert_eq!((new.mail.kind, new.mail.delivery), (kind, None));
        assert_eq!(new.mail.workspace, Some(OURS));
        assert_eq!(facts(&new), []);
    }
}

#[tokio::test]
async fn one_message_says_a_thing_once() {
    let world = World::new();
    let (bounce, reply) = (world.bounce(), world.reply());
    let twice = format!("BOUNCE+{}@mx.post.example", world.token(Purpose::Bounce));
    let quoted = format!(
        "\"bounce+{}\"@mx.post.example",
        world.token(Purpose::Bounce)
    );
    let mails = world
        .receive(
            &[&bounce, &twice, &quoted, &reply],
            &untokened("dsn-failed"),
        )
        .await;
    assert_eq!(mails.len(), 2, "the same address in three forms");
    assert_eq!((facts(&mails[0]).len(), facts(&mails[1]).len()), (1, 0));
    assert_eq!(mails[1].mail.delivery, Some(world.delivery));
}
