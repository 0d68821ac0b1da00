//! From the door to the MX and to the webhook.

use postbell_peers::dns::{Answer, Entry, Records};
use postbell_peers::mx::{Action, Script, Stage};
use postbell_tests::{World, deferring, mail};

#[tokio::test]
async fn a_mail_arrives_as_submitted_below_our_own_header() -> anyhow::Result<()> {
    let world = World::start().await?;
    let submitted = mail(&["ann@recipient.test"]);
    world.submit(&["ann@recipient.test"]).await?;
    let received = world.delivered("ann@recipient.test").await?;
    let text = String::from_utf8(received.body.to_vec())?;

    let body = std::str::from_utf8(&submitted.body)?;
    let head = text.strip_suffix(body).expect("the mail is as submitted");
    for field in ["Received:", "Date:", "Message-ID:", "X-Postbell-Delivery:"] {
        let times = head.matches(&format!("{field} ")).count();
        assert_eq!(times, 1, "{field} in {head}");
    }
    assert!(!head.contains("recipient.test"), "{head}");
    assert_eq!(received.helo, "postbell.test");
    world.finish().await
}

#[tokio::test]
async fn the_webhook_tells_of_acceptance_and_delivery() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.submit(&["ann@recipient.test"]).await?;
    let send = world.told("Send", "ann@recipient.test").await?.document;
    let told = world.told("Delivery", "ann@recipient.test").await?.document;

    assert_eq!(send["sequence"], 1);
    assert_eq!(told["sequence"], 2);
    assert_eq!(send["mail"]["deliveryId"], told["mail"]["deliveryId"]);
    assert_eq!(told["mail"]["source"], "orders@sender.test");
    assert_eq!(told["mail"]["subject"], "Your order");
    assert_eq!(told["delivery"]["recipients"][0], "ann@recipient.test");
    assert_eq!(told["delivery"]["attempts"], 1);
    assert_eq!(told["delivery"]["tls"]["version"], "TLSv1.3");
    assert_eq!(told["delivery"]["tls"]["verified"], false);
    let response = told["delivery"]["smtpResponse"].as_str().unwrap();
    assert!(response.starts_with("250 "), "{response}");
    world.finish().await
}

#[tokio::test]
async fn a_dead_address_bounces_with_the_whole_reply() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.submit(&["bounce@recipient.test"]).await?;
    let told = world.told("Bounce", "bounce@recipient.test").await?;
    let bounce = &told.document["bounce"];
    assert_eq!(bounce["bounceType"], "Permanent");
    assert_eq!(bounce["bounceSubType"], "no_such_user");
    let whose = &bounce["bouncedRecipients"][0];
    assert_eq!(whose["emailAddress"], "bounce@recipient.test");
    let diagnostic = whose["diagnosticCode"].as_str().unwrap();
    assert!(diagnostic.contains("550 5.1.1"), "{diagnostic}");
    let messages = world.mx.messages();
    let reports = messages.iter().filter(|message| message.from.is_empty());
    assert_eq!(
        reports.count(),
        messages.len(),
        "the sender alone hears of it"
    );
    world.finish().await
}

#[tokio::test]
async fn a_full_mailbox_bounces_but_the_address_lives() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.submit(&["softbounce@recipient.test"]).await?;
    let told = world.told("Bounce", "softbounce@recipient.test").await?;
    assert_eq!(told.document["bounce"]["bounceType"], "Transient");
    assert_eq!(told.document["bounce"]["bounceSubType"], "mailbox_full");
    world.finish().await
}

#[tokio::test]
async fn a_deferred_mail_is_told_of_and_delivered_later() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.submit(&["delay@recipient.test"]).await?;
    world.told("DeliveryDelay", "delay@recipient.test").await?;
    let told = world.told("Delivery", "delay@recipient.test").await?;
    assert_eq!(told.document["delivery"]["attempts"], 2);
    assert_eq!(told.document["sequence"], 3);
    let kinds = world.kinds("hook", "delay@recipient.test");
    assert_eq!(kinds, ["Send", "DeliveryDelay", "Delivery"]);
    world.finish().await
}

#[tokio::test]
async fn retries_end_where_the_configuration_set_says() -> anyhow::Result<()> {
    let world = World::with(&[("deliver.retry.max_retries", "1")]).await?;
    world.mx.script_always(deferring());
    world.submit(&["ann@recipient.test"]).await?;
    let told = world.told("Bounce", "ann@recipient.test").await?;
    assert_eq!(told.document["bounce"]["bounceType"], "Transient");
    let kinds = world.kinds("hook", "ann@recipient.test");
    assert_eq!(kinds, ["Send", "DeliveryDelay", "Bounce"]);
    world.finish().await
}

#[tokio::test]
async fn a_domain_that_takes_no_mail_bounces_at_once() -> anyhow::Result<()> {
    let world = World::start().await?;
    let null = Records {
        mx: vec![(0, ".".to_owned())],
        ..Records::default()
    };
    world
        .dns
        .table()
        .set("null.test", Entry::new(Answer::Records(null)));
    world
        .dns
        .table()
        .set("gone.test", Entry::new(Answer::NoSuchDomain));
    for to in ["ann@null.test", "ann@gone.test"] {
        world.submit(&[to]).await?;
        let told = world.told("Bounce", to).await?;
        assert_eq!(told.document["bounce"]["bounceType"], "Permanent");
        assert_eq!(told.document["bounce"]["bounceSubType"], "no_such_domain");
    }
    let messages = world.mx.messages();
    let others = messages.iter().filter(|message| !message.from.is_empty());
    assert_eq!(others.count(), 0, "only reports went out");
    world.finish().await
}

#[tokio::test]
async fn each_recipient_has_a_return_path_of_its_own() -> anyhow::Result<()> {
    let world = World::start().await?;
    world
        .submit(&["ann@recipient.test", "bob@recipient.test"])
        .await?;
    let ann = world.delivered("ann@recipient.test").await?;
    let bob = world.delivered("bob@recipient.test").await?;
    for received in [&ann, &bob] {
        let from = &received.from;
        assert!(from.starts_with("bounce+"), "{from}");
        assert!(from.ends_with("@bounce.sender.test"), "{from}");
        assert_eq!(received.recipients.len(), 1);
    }
    assert_ne!(ann.from, bob.from);
    world.finish().await
}

#[tokio::test]
async fn one_recipients_trouble_is_not_the_others() -> anyhow::Result<()> {
    let world = World::start().await?;
    let to = [
        "bounce@recipient.test",
        "ann@recipient.test",
        "delay@other.test",
    ];
    world.submit(&to).await?;
    world.told("Bounce", to[0]).await?;
    world.told("Delivery", to[1]).await?;
    world.told("Delivery", to[2]).await?;
    assert_eq!(world.kinds("hook", to[1]), ["Send", "Delivery"]);
    world.finish().await
}

#[tokio::test]
async fn a_connection_lost_before_the_reply_is_tried_again() -> anyhow::Result<()> {
    let world = World::start().await?;
    for (to, action) in [
        ("ann@recipient.test", Action::Drop),
        ("bob@recipient.test", Action::Reset),
    ] {
        let lost = Script::new().then(Stage::Message, action);
        world.mx.script_address(to, lost);
        world.submit(&[to]).await?;
        world.told("Delivery", to).await?;
        assert_eq!(
            world.kinds("hook", to),
            ["Send", "DeliveryDelay", "Delivery"]
        );
    }
    world.finish().await
}

#[tokio::test]
async fn garbage_from_an_mx_is_no_end_of_the_mail() -> anyhow::Result<()> {
    let world = World::start().await?;
    let garbage = Action::Garbage(bytes::Bytes::from_static(b"\x00\xff nonsense\r\n"));
    world
        .mx
        .script_next(Script::new().then(Stage::Greeting, garbage));
    world.submit(&["ann@recipient.test"]).await?;
    let told = world.told("Delivery", "ann@recipient.test").await?;
    assert_eq!(told.document["delivery"]["attempts"], 2);
    world.finish().await
}
