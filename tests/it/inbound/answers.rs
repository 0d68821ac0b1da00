//! Answers, late bounces and complaints, as servers of recipients send them.

use bytes::Bytes;
use postbell_peers::answer::Answering;
use postbell_peers::client::Mail;
use postbell_tests::World;

use super::{answer, bring, documents, sent, told_of, written};
use crate::destination::{json, until};

const ANN: &str = "ann@recipient.test";

#[tokio::test]
async fn a_person_answers_the_stamped_address() -> anyhow::Result<()> {
    let world = World::start().await?;
    let original = sent(&world, ANN).await?;
    let reply_to = original.field("Reply-To").expect("it is stamped");
    assert!(reply_to.contains("reply+"), "{reply_to}");
    let mail = answer(Answering::Reply, &original);
    let id = bring(&world, &mail).await?;

    let told = world.told("Reply", ANN).await?.document;
    let reply = &told["reply"];
    assert_eq!(reply["outbox_id"], told["mail"]["deliveryId"]);
    assert_eq!(reply["original_recipient"], ANN);
    assert_eq!(reply["inboundId"], id.as_str());
    assert_eq!(
        reply["strippedText"],
        "Thank you, that is all that I needed to know.\n\nRobin"
    );
    let text = reply["text_body"].as_str().unwrap_or_default();
    assert!(text.contains("> It is on its way."), "{text}");
    assert_eq!(reply["via"], "replyTo");
    assert_eq!(reply["matchedBy"], "address");
    assert_eq!(reply["fromRecipient"], true);
    assert!(reply["autoReply"].is_null(), "{reply}");
    let in_reply_to = reply["in_reply_to"].as_str().unwrap_or_default();
    assert_eq!(Some(in_reply_to), original.field("Message-ID").as_deref());
    for method in ["spf", "dmarc"] {
        let result = &reply["authentication"][method]["result"];
        assert!(result.is_string(), "{method}: {reply}");
    }

    // Another one behind it: what comes before it was told once.
    let after = written(
        "carl@peer.test",
        &mail.to[0],
        "Subject: Me too\r\n",
        "Hi\r\n",
    );
    let second = bring(&world, &after).await?;
    let other = told_of(&world, "hook", "Reply", &second).await?;
    assert_eq!(other["reply"]["fromRecipient"], false);
    let replies = documents(&world, "hook", "Reply");
    let of_first = replies.iter().filter(|reply| reply["id"] == told["id"]);
    assert_eq!((of_first.count(), replies.len()), (1, 2));
    world.finish().await
}

#[tokio::test]
async fn a_message_keeps_a_reply_to_of_its_own() -> anyhow::Result<()> {
    let world = World::start().await?;
    let mut own = postbell_tests::mail(&[ANN]);
    own.body = Bytes::from([b"Reply-To: <us@sender.test>\r\n", &*own.body].concat());
    assert!(world.offer(own).await?.is_taken());
    let original = super::taken(&world, ANN).await?;
    let reply_to = original.field("Reply-To");
    assert_eq!(reply_to.as_deref(), Some("<us@sender.test>"));
    world.finish().await
}

#[tokio::test]
async fn a_vacation_note_comes_to_the_return_path() -> anyhow::Result<()> {
    let world = World::start().await?;
    let original = sent(&world, ANN).await?;
    let mail = answer(Answering::Vacation, &original);
    assert_eq!(mail.from, "");
    bring(&world, &mail).await?;
    let told = world.told("Reply", ANN).await?.document;
    assert_eq!(told["reply"]["via"], "returnPath");
    assert_eq!(told["reply"]["autoReply"], "vacation");
    let shown = json(&world, &["message", "show", delivery_of(&told)]).await?;
    assert_eq!(shown["deliveries"][0]["state"], "delivered", "{shown}");
    world.finish().await
}

#[tokio::test]
async fn a_report_makes_a_delivered_mail_bounced_once() -> anyhow::Result<()> {
    let world = World::start().await?;
    let original = sent(&world, ANN).await?;
    let mail = answer(Answering::Report, &original);
    let id = bring(&world, &mail).await?;
    let told = world.told("Bounce", ANN).await?.document;
    let bounce = &told["bounce"];
    assert_eq!(bounce["late"], true);
    assert_eq!(bounce["bounceType"], "Permanent");
    assert_eq!(bounce["bounceSubType"], "no_such_user");
    assert_eq!(bounce["enhancedCode"], "5.1.1");
    assert_eq!(bounce["reportingMta"], "mx.peer.test");
    assert_eq!(bounce["report"]["inboundId"], id.as_str());
    assert_eq!(bounce["report"]["matchedBy"], "address");

    let delivery = delivery_of(&told);
    let show = ["message", "show", delivery];
    let shown = until(&world, &show, |shown| {
        shown["deliveries"][0]["state"] == "bounced"
    });
    shown.await?;
    let timeline = world.run(&show).await?;
    let said = "a report says: 550 5.1.1 User unknown";
    assert!(timeline.contains(said), "{timeline}");
    let listed = world.run(&["inbound", "list", "--kind", "report"]).await?;
    assert!(listed.contains(&id), "{listed}");

    // The same again, and what proves that it was looked at.
    bring(&world, &mail).await?;
    let note = answer(Answering::Vacation, &original);
    bring(&world, &note).await?;
    world.told("Reply", ANN).await?;
    assert_eq!(
        world.kinds("hook", ANN),
        ["Send", "Delivery", "Bounce", "Reply"]
    );
    assert_eq!(world.mx.counts().messages, 1, "nobody gets a report");
    world.finish().await
}

#[tokio::test]
async fn a_report_of_a_delay_never_is_a_bounce() -> anyhow::Result<()> {
    let world = World::start().await?;
    let original = sent(&world, ANN).await?;
    let delayed = |line: &str| {
        line.replace("Action: failed", "Action: delayed")
            .replace("5.1.1", "4.4.1")
            .replace("550", "451")
            .replace("User unknown", "No answer")
    };
    let mail = changed(&answer(Answering::Report, &original), delayed);
    bring(&world, &mail).await?;
    let told = world.told("DeliveryDelay", ANN).await?.document;
    assert_eq!(told["deliveryDelay"]["late"], true);
    let shown = json(&world, &["message", "show", delivery_of(&told)]).await?;
    assert_eq!(shown["deliveries"][0]["state"], "delivered", "{shown}");

    let relayed = |line: &str| {
        line.replace("Action: failed", "Action: delivered")
            .replace("5.1.1", "2.1.5")
            .replace("550", "250")
            .replace("User unknown", "Stored")
    };
    let mail = changed(&answer(Answering::Report, &original), relayed);
    bring(&world, &mail).await?;
    let told = world.told("Confirmed", ANN).await?.document;
    assert_eq!(told["confirmed"]["confirmation"], "delivered");
    assert!(documents(&world, "hook", "Bounce").is_empty());
    world.finish().await
}

#[tokio::test]
async fn a_complaint_is_led_by_what_it_gives_back() -> anyhow::Result<()> {
    let world = World::start().await?;
    let original = sent(&world, ANN).await?;
    let mail = answer(Answering::Complaint, &original);
    // Nothing in it but the header that came back leads to the delivery, and of that only ours.
    let bare = changed(&mail, |line| {
        let token = line.contains("reply+") || line.contains("bounce+");
        let kept = !line.starts_with("Original-") && !token;
        let kept = kept && !line.contains("Message-ID: <0");
        if kept {
            line.replace(ANN, "redacted@recipient.test")
        } else {
            "X-Gone: gone".to_owned()
        }
    });
    let id = bring(&world, &bare).await?;
    let told = world.told("Complaint", ANN).await?.document;
    let complaint = &told["complaint"];
    assert_eq!(complaint["complaintFeedbackType"], "abuse");
    assert_eq!(complaint["userAgent"], "FarSide/1.0");
    assert_eq!(complaint["sourceIp"], "127.0.0.1");
    assert!(complaint["arrivalDate"].is_string(), "{complaint}");
    assert_eq!(complaint["report"]["inboundId"], id.as_str());
    assert_eq!(complaint["report"]["matchedBy"], "returnedToken");

    let not_spam = changed(&mail, |line| {
        line.replace("Feedback-Type: abuse", "Feedback-Type: not-spam")
    });
    bring(&world, &not_spam).await?;
    let told = world.told("NotSpam", ANN).await?.document;
    assert_eq!(told["notSpam"]["feedbackType"], "not-spam");
    assert_eq!(documents(&world, "hook", "Complaint").len(), 1);
    world.finish().await
}

fn delivery_of(document: &serde_json::Value) -> &str {
    document["mail"]["deliveryId"].as_str().unwrap_or_default()
}

/// The mail with each line changed.
fn changed(mail: &Mail, change: impl Fn(&str) -> String) -> Mail {
    let text = String::from_utf8_lossy(&mail.body);
    let lines: Vec<_> = text.split("\r\n").map(change).collect();
    Mail {
        body: Bytes::from(lines.join("\r\n")),
        ..mail.clone()
    }
}
