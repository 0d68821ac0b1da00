//! Whatever octets arrive.

use std::sync::LazyLock;

use bytes::Bytes;
use postbell_mail::authentication;
use postbell_mail::header::Header;
use postbell_model::inbound::Content;
use postbell_model::{Fact, WorkspaceFact};
use postbell_store::{InboundFact, NewInbound};
use proptest::prelude::*;
use tokio::runtime::Builder;

use super::mailboxes::received;
use super::world::{World, domain, fixture};

/// What strangers write where one line is expected.
const HOSTILE: [&str; 12] = [
    "a\rBcc: x@example.com",
    "a\u{0}b",
    "=?utf-8?q?a=0D=0ABcc=3A_x=40example.com?=",
    "=?utf-8?b?DQpCY2M6IHhAZXhhbXBsZS5jb20N?=",
    "=?utf-8?q?=E2=80=A8=E2=80=A9=C2=85=1B[31m?=",
    "=?utf-8?q?=00?= <a@b.example>",
    "\"a\r\n b\" <a\u{1}@b.example>",
    "a\u{7f}\u{85}\u{2028}b",
    "=?utf-7?q?+AA0ACg-?=",
    "<a@b.example\u{0}>",
    "filename*=utf-8''%0D%0Ax%00",
    "=?utf-8?q?=0D=0A?= =?utf-8?q?=0A?=",
];

fn is_line(text: &str) -> bool {
    !text
        .chars()
        .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// All that comes from fields, but not the texts.
fn lines_of(new: &NewInbound) -> Vec<String> {
    let mail = &new.mail;
    let mut lines = vec![mail.from.clone(), mail.subject.clone()];
    lines.extend(mail.header_message_id.clone());
    for fact in &new.facts {
        match fact {
            InboundFact::Workspace {
                fact: WorkspaceFact::Received(mail),
                ..
            } => {
                lines.extend(mail.tag.clone());
                let headers = mail.headers.iter();
                lines.extend(headers.flat_map(|(name, value)| [name.clone(), value.clone()]));
                of_content(&mail.content, &mut lines);
            }
            InboundFact::Delivery { fact, .. } => of_fact(fact, &mut lines),
            InboundFact::Workspace { fact, .. } => panic!("{fact:?}"),
        }
    }
    lines
}

fn of_fact(fact: &Fact, lines: &mut Vec<String>) {
    match fact {
        Fact::Reply(reply) => {
            lines.extend(reply.also_to.clone());
            of_content(&reply.content, lines);
        }
        Fact::LateBounce { report, .. }
        | Fact::LateDelay { report }
        | Fact::Confirmed { report, .. } => {
            lines.push(report.diagnostic.clone());
            let named = [&report.recipient, &report.remote_mta, &report.reporting_mta];
            lines.extend(named.into_iter().flatten().cloned());
        }
        Fact::Complaint(report) | Fact::NotSpam(report) => {
            lines.push(report.feedback_type.clone());
            let named = [
                &report.user_agent,
                &report.arrival_date,
                &report.reporting_mta,
            ];
            lines.extend(named.into_iter().flatten().cloned());
        }
        Fact::Unsubscribe { .. } => {}
        other => panic!("{other:?}"),
    }
}

fn of_content(content: &Content, lines: &mut Vec<String>) {
    let single = [&content.from, &content.from_name, &content.subject];
    lines.extend(single.into_iter().cloned());
    lines.extend(
        content
            .message_id
            .iter()
            .chain(&content.in_reply_to)
            .cloned(),
    );
    lines.extend(content.references.iter().chain(&content.to).cloned());
    for attachment in &content.attachments {
        lines.push(attachment.media_type.clone());
        lines.extend(
            attachment
                .name
                .iter()
                .chain(&attachment.content_id)
                .cloned(),
        );
    }
}

#[tokio::test]
async fn texts_have_no_control_characters() {
    let world = World::new();
    // `a NUL b ESC [31m c TAB d CR LF e FF f BEL`, as text and as HTML.
    for (form, expected) in [
        ("plain", "ab[31mc\td\r\ne\nf"),
        ("html", "ab[31mc d e\nf\n"),
    ] {
        let letter = format!(
            "From: a@b.example\nContent-Type: text/{form}\n\
             Content-Transfer-Encoding: base64\n\nYQBiG1szMW1jCWQNCmUMZgc=\n"
        );
        let new = world.receive_one("info@shop.example", &letter).await;
        let content = &received(&new).content;
        assert_eq!(content.text.text, expected);
        assert_eq!(
            content.stripped_text.text.trim(),
            expected.replace('\r', "").trim()
        );
        if let Some(html) = &content.html {
            assert_eq!(html.text, "ab[31mc\td\r\ne\nf");
        }
    }
}

#[tokio::test]
async fn nothing_of_a_field_ends_a_line() {
    let world = World::new();
    for evil in HOSTILE {
        let letter = format!(
            "From: {evil} <a@b.example>\nTo: {evil}\nCc: {evil} <c@d.example>\nSubject: {evil}\n\
             Message-ID: <{evil}@x>\nIn-Reply-To: <{evil}@x>\nReferences: <{evil}@x>\n{evil}: x\n\
             X-Evil: {evil}\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\
             Content-Type: application/x; name=\"{evil}\"\n\
             Content-Disposition: attachment; {evil}\nContent-ID: <{evil}>\n\nx\n--m--\n"
        );
        let report = fixture(&world, "dsn-failed")
            .replace("no such user here", &format!("no such user {evil}"))
            .replace("mail.customer.example", evil)
            .replace("dns; mx.customer.example", &format!("dns; {evil}"));
        let complaint = fixture(&world, "arf-abuse")
            .replace("Type: abuse", &format!("Type: {evil}"))
            .replace("Provider-Feedback/2.0", evil);
        for message in [letter, report, complaint] {
            for to in [&world.reply(), &world.bounce(), "info+x@shop.example"] {
                let new = world.receive_one(to, &message).await;
                for line in lines_of(&new) {
                    assert!(is_line(&line), "{evil:?} made {line:?}");
                }
            }
        }
    }
}

/// Octets that are more like mail than most.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "From: ",
            "To: ",
            "Subject: ",
            "Message-ID: ",
            "Date: ",
            "a@example.com",
            "<",
            ">",
            "\r\n",
            "\r\n\r\n",
            "\n",
            "\r",
            " ",
            "--b\r\n",
            "--b--\r\n",
            "\0",
            "é",
            "=?utf-8?q?=0A?=",
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n",
            "Content-Type: message/delivery-status\r\n",
            "Content-Type: message/rfc822\r\n",
            "Content-Type: message/feedback-report\r\n",
            "Final-Recipient: rfc822; ann@customer.example\r\n",
            "Action: failed\r\n",
            "Status: 5.1.1\r\n",
            "Feedback-Type: abuse\r\n",
            "Message-ID: <4711@sender.example>\r\n",
            "Auto-Submitted: auto-replied\r\n",
            "Authentication-Results: mx.post.example; dmarc=pass\r\n",
            "Received: x\r\n",
            "Content-Transfer-Encoding: base64\r\n",
            "> quoted\r\n",
            "<p>",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Made once: a reader takes long to make where nothing is optimised.
static WORLD: LazyLock<World> = LazyLock::new(World::new);

proptest! {
    #[test]
    fn whatever_arrives_is_kept_behind_our_fields(raw in octets(), to in 0_usize..5) {
        let world = &*WORLD;
        let to = match to {
            0 => world.reply(),
            1 => world.bounce(),
            2 => world.unsubscribe(),
            3 => "fbl@mx.post.example".to_owned(),
            _ => "info@shop.example".to_owned(),
        };
        let raw = Bytes::from(raw);
        let mut arrival = world.arrival(&[&to], "");
        arrival.body = raw.clone();
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        if let Err(refusal) = runtime.block_on(world.gate.receive(arrival)) {
            prop_assert_eq!(refusal.name(), "loop");
            return Ok(());
        }
        let stored = world.stored();
        let [new] = stored.mails.as_slice() else {
            panic!("{} mails", stored.mails.len());
        };
        prop_assert_eq!(new.mail.size, stored.body.len() as u64);
        prop_assert!(lines_of(new).iter().all(|line| is_line(line)));
        let given = authentication::without(&raw, &domain("mx.post.example")).unwrap();
        prop_assert!(stored.body.ends_with(&given));
        let front = &stored.body[..stored.body.len() - given.len()];
        let front = Header::find(front).unwrap();
        let names: Vec<_> = front.fields().map(|field| field.name()).collect();
        prop_assert_eq!(names, [&b"Authentication-Results"[..], b"Received"]);
    }
}
