//! Whom mail is taken for at the inbound door.

use postbell_tests::World;

use super::{bring, documents, taking_mail, told_of, written};
use crate::destination::json;

const STRANGER: &str = "joe@peer.test";

#[tokio::test]
async fn a_domain_that_takes_mail_hears_of_it_and_no_other_does() -> anyhow::Result<()> {
    let mut world = World::set_up(&[]).await?;
    let update = ["domain", "update", "sender.test", "--inbound", "on"];
    world.run(&update).await?;
    let route = ["inbound", "route", "set", "sender.test", "support"];
    world.run(&route).await?;
    world.start_program().await?;
    let answer = async |to: &str| {
        let mail = written(STRANGER, to, "Subject: Hi\r\n", "Hi\r\n");
        let outcome = world.bring(&mail).await?;
        anyhow::Ok(outcome.deciding().to_string())
    };
    let mail = written(
        STRANGER,
        "support+42@sender.test",
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n",
        "When?\r\n",
    );
    let id = bring(&world, &mail).await?;
    let told = told_of(&world, "hook", "Received", &id).await?;
    let received = &told["received"];
    assert_eq!(received["recipient"], "support+42@sender.test");
    assert_eq!(received["tag"], "42");
    assert_eq!(received["subject"], "Grüße");
    assert_eq!(received["mailFrom"], STRANGER);
    assert_eq!(received["text_body"], "When?\r\n");

    let unknown = answer("nobody@sender.test").await?;
    assert!(unknown.starts_with("550 5.1.1 "), "{unknown}");
    for no_token in ["reply+abc@sender.test", "bounce+abc@bounce.sender.test"] {
        let reply = answer(no_token).await?;
        assert_eq!(
            reply.replace(no_token, ""),
            unknown.replace("nobody@sender.test", "")
        );
    }
    let relaying = answer("ann@recipient.test").await?;
    assert!(relaying.starts_with("550 5.7.1 "), "{relaying}");
    for route in [
        "@a.test:ann@b.test",
        "ann%b.test@sender.test",
        "b.test!ann@sender.test",
    ] {
        let reply = answer(route).await?;
        assert!(reply.starts_with('5'), "{route}: {reply}");
    }
    assert_eq!(documents(&world, "hook", "Received").len(), 1);
    assert_eq!(world.mx.counts().messages, 0, "nothing goes out for it");
    world.finish().await
}

#[tokio::test]
async fn the_operator_and_complaints_have_addresses_everywhere() -> anyhow::Result<()> {
    let world = World::start().await?;
    for to in [
        "postmaster@postbell.test",
        "Postmaster",
        "abuse@reply.sender.test",
        "fbl@bounce.sender.test",
    ] {
        bring(&world, &written("", to, "Subject: Hi\r\n", "Hi\r\n")).await?;
    }
    let printed = world.run(&["inbound", "list", "--json"]).await?;
    assert_eq!(printed.matches("\"in_").count(), 4, "{printed}");
    world.finish().await
}

/// What a stranger writes into a field stays in it, wherever it is told.
#[tokio::test]
async fn no_field_breaks_out_of_its_line() -> anyhow::Result<()> {
    let world = taking_mail(&[("log.level", "debug")]).await?;
    let header = "Subject: =?utf-8?q?Hi=0D=0AX-Injected:_subject=00?=\r\n\
         Reply-To: =?utf-8?b?QQ0KWC1JbmplY3RlZDogcmVwbHkA?= <joe@peer.test>\r\n\
         In-Reply-To: <a\u{7}b@peer.test>\r\nReferences: <a@peer.test\u{1b}[31m>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n";
    let text = "--b\r\n\r\nHi\r\n--b\r\nContent-Type: application/pdf;\r\n name*=utf-8''a%0D%0AX-Injected%3A%20name%00.pdf\r\n\
         Content-Disposition: attachment; filename=\"=?utf-8?q?b=0D=0AX-Injected:_file?=\"\r\n\
         Content-ID: <c\u{7}=0D=0A@peer.test>\r\n\r\nx\r\n--b--\r\n";
    let mut mail = written(STRANGER, "support@sender.test", header, text);
    let text = String::from_utf8_lossy(&mail.body).replace(
        "From: <",
        "From: =?utf-8?q?Joe=0D=0AX-Injected:_from=00=0A?= <",
    );
    mail.body = text.into();
    let id = bring(&world, &mail).await?;
    // NUL itself is refused.
    let nul = written(
        STRANGER,
        "support@sender.test",
        "Subject: a\u{0}b\r\n",
        "Hi\r\n",
    );
    let outcome = world.bring(&nul).await?;
    assert_eq!(outcome.deciding().code, 550, "{}", outcome.deciding());
    let told = told_of(&world, "hook", "Received", &id).await?;
    let received = &told["received"];
    for name in [
        "from",
        "fromName",
        "fromAddress",
        "subject",
        "message_id",
        "in_reply_to",
        "references",
    ] {
        assert_line(name, &received[name].to_string(), received[name].as_str());
    }
    for attachment in received["attachments"].as_array().expect("there is one") {
        for name in ["name", "contentType", "contentId"] {
            assert_line(name, &attachment.to_string(), attachment[name].as_str());
        }
    }
    for field in received["headers"].as_array().expect("there are some") {
        assert_line("header", &field.to_string(), field["value"].as_str());
    }
    let shown = json(&world, &["inbound", "show", &id]).await?;
    assert_line("show", &shown.to_string(), shown["subject"].as_str());
    let raw = world.run(&["inbound", "raw", &id]).await?;
    let (ours, _) = raw.split_once("From:").expect("as it came");
    assert!(!ours.contains("X-Injected"), "{ours}");
    let log = std::fs::read_to_string(world.folder().join("log"))?;
    assert!(!log.contains("X-Injected"), "{log}");
    world.finish().await
}

fn assert_line(name: &str, whole: &str, value: Option<&str>) {
    let controls = value.is_some_and(|value| value.chars().any(char::is_control));
    assert!(!controls, "{name}: {whole}");
}
