//! What senders are told, from the gate to their own MX.

mod crash;
pub(crate) mod world;

use std::time::Duration;

use postbell_model::{ConfigurationSetId, EventKind};
use postbell_peers::mx::{Script, Stage};

use world::{SENDER, World, text};

const HOURS: Duration = Duration::from_secs(3_600);
const OWN: ConfigurationSetId = ConfigurationSetId::OWN;

#[tokio::test]
async fn a_sender_is_told_of_a_bounce_and_destinations_are_not_told_of_the_report() {
    let world = World::start(&[]).await;
    world.submit("bounce@recipient.test", None).await;
    let report = world.report("bounce@recipient.test").await;
    assert_eq!(report.recipients, [SENDER]);
    let text = text(&report);
    for line in [
        "From: Mail Delivery System <MAILER-DAEMON@postbell.test>",
        "To: <orders@sender.test>",
        "Subject: Undelivered mail: Your order",
        "Auto-Submitted: auto-replied",
        "Content-Type: multipart/report; report-type=delivery-status;",
        "Your message to bounce@recipient.test could not be delivered. The",
        "Reporting-MTA: dns; postbell.test",
        "Action: failed",
        "Status: 5.1.1",
        "Diagnostic-Code: smtp; 550 5.1.1 No such user here",
        "Content-Type: message/rfc822",
        "Hi.",
    ] {
        assert!(text.contains(&format!("\r\n{line}\r\n")), "{line}: {text}");
    }
    world.events(OWN, EventKind::Delivery, 1).await;
    let kinds = world.kinds(world.set).await;
    assert_eq!(kinds, [EventKind::Send, EventKind::Bounce]);
    assert_eq!(
        world.kinds(OWN).await,
        [EventKind::Send, EventKind::Delivery]
    );
    assert!(world.store().reports_due(10).await.unwrap().is_empty());
    world.end().await;
}

#[tokio::test]
async fn who_wants_no_report_gets_none() {
    let world = World::start(&[]).await;
    world.submit("bounce+1@recipient.test", Some("NEVER")).await;
    world
        .submit("bounce+2@recipient.test", Some("SUCCESS,DELAY"))
        .await;
    let answer = "x\r\nAuto-Submitted: auto-replied";
    world
        .submit_body("bounce+3@recipient.test", None, answer)
        .await;
    world.events(world.set, EventKind::Bounce, 3).await;
    // Those before it in the log were dealt with when this one is.
    world
        .submit("bounce+4@recipient.test", Some("FAILURE"))
        .await;
    let report = world.report("bounce+4@recipient.test").await;
    let text = text(&report);
    assert!(
        text.contains("\r\nOriginal-Envelope-Id: QQ=1\r\n"),
        "{text}"
    );
    assert!(
        text.contains("\r\nContent-Type: text/rfc822-headers\r\n"),
        "{text}"
    );
    world.events(OWN, EventKind::Delivery, 1).await;
    assert_eq!(world.kinds(OWN).await.len(), 2);
    assert_eq!(world.reports(), 1);
    world.end().await;
}

#[tokio::test]
async fn success_is_reported_where_the_host_does_not() {
    let world = World::start(&[]).await;
    world.submit("ann@recipient.test", Some("SUCCESS")).await;
    let text = text(&*world.report("ann@recipient.test").await);
    assert!(
        text.contains("\r\nAction: relayed\r\nStatus: 2.1.9\r\n"),
        "{text}"
    );
    assert!(
        !text.contains("Hi."),
        "a report of success brings the header back"
    );
    world.end().await;
}

#[tokio::test]
async fn a_host_that_offers_dsn_is_handed_the_request() {
    let world = World::start(&["DSN"]).await;
    world.submit("ann@recipient.test", Some("SUCCESS")).await;
    world.submit("bob@recipient.test", None).await;
    world.events(world.set, EventKind::Delivery, 2).await;
    for message in world.mx.messages() {
        let asked = message.recipients == ["ann@recipient.test"];
        let dsn = message.parameters.contains("RET=HDRS ENVID=QQ+3D1");
        assert_eq!(dsn, asked, "{}", message.parameters);
        let expected = if asked {
            "NOTIFY=SUCCESS ORCPT=rfc822;ann@recipient.test"
        } else {
            ""
        };
        assert_eq!(message.recipient_parameters, [expected]);
    }
    assert!(world.store().reports_due(10).await.unwrap().is_empty());
    assert!(world.kinds(OWN).await.is_empty());
    world.end().await;
}

#[tokio::test]
async fn of_a_delay_a_sender_is_told_once_and_then_of_the_end() {
    let world = World::start(&[]).await;
    let deferred = |script: Script, _| script.reply(Stage::Rcpt, "451 4.3.2 Closed for now");
    let script = (0..20).fold(Script::new(), deferred);
    world.mx.script_address("ann@recipient.test", script);
    world.submit("ann@recipient.test", None).await;
    for count in 1..=4 {
        world
            .events(world.set, EventKind::DeliveryDelay, count)
            .await;
        world.clock.turn(2 * HOURS);
    }
    let text = text(&*world.report("ann@recipient.test").await);
    assert!(
        text.contains("\r\nAction: delayed\r\nStatus: 4.3.2\r\n"),
        "{text}"
    );
    assert!(
        text.contains("\r\nWill-Retry-Until: Mon, 04 May 2026 12:34:57 +0000\r\n"),
        "{text}"
    );
    world.clock.turn(24 * HOURS);
    world.events(world.set, EventKind::Bounce, 1).await;
    world.events(OWN, EventKind::Delivery, 2).await;
    let messages = world.mx.messages();
    let actions = messages.iter().map(|message| {
        let text = String::from_utf8_lossy(&message.body).into_owned();
        let action = text.lines().find_map(|line| line.strip_prefix("Action: "));
        action.unwrap_or_default().to_owned()
    });
    assert_eq!(actions.collect::<Vec<_>>(), ["delayed", "failed"]);
    assert!(world.store().reports_due(10).await.unwrap().is_empty());
    world.end().await;
}

// RFC 5321 §6.1: never a report about a report.
#[tokio::test]
async fn nothing_follows_on_a_report_that_bounces() {
    let world = World::start(&[]).await;
    let refused = Script::new().reply(Stage::Rcpt, "550 5.7.1 No reports here");
    world.mx.script_address(SENDER, refused);
    world.submit("bounce@recipient.test", None).await;
    world.events(OWN, EventKind::Bounce, 1).await;
    world.submit("bounce+2@recipient.test", None).await;
    world.report("bounce+2@recipient.test").await;
    world.events(OWN, EventKind::Delivery, 1).await;
    let (send, bounce, delivery) = (EventKind::Send, EventKind::Bounce, EventKind::Delivery);
    assert_eq!(world.kinds(OWN).await, [send, bounce, send, delivery]);
    assert!(world.store().reports_due(10).await.unwrap().is_empty());
    world.end().await;
}
