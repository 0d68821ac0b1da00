//! `postbell inbound`, and what `message` and `events` say of mail that came in.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::inbound::{Attachment, Content, Excerpt, MailFact, ReplyFact, Via};
use postbell_model::{
    Address, DeliveryId, Domain, Fact, InboundId, InboundKind, InboundMail, ReversePath, Timestamp,
    WorkspaceFact,
};
use postbell_peers::clock::HandClock;
use postbell_store::{
    Inbound, InboundFact, NewInbound, Reception, SqliteOptions, SqliteStore, Store, Tenants,
};
use serde_json::Value;
use tokio_util::task::TaskTracker;

use crate::kit::Place;
use crate::serve::Running;

const MAIL: &str = "Authentication-Results: mx.acme.example;\r\n\tspf=pass smtp.mailfrom=b.example\r\n\
Received: from b.example\r\n\
Authentication-Results: mx.acme.example; spf=forged\r\n\
From: Ann \x1b[2J <b@b.example>\r\n\
Subject: Re: hello\r\n\
Content-Type: multipart/mixed; boundary=x\r\n\
\r\n\
--x\r\n\
\r\n\
Thanks!\r\n\
--x\r\n\
Content-Type: application/pdf; name=\"a\x1b]0;b.pdf\"\r\n\
Content-Disposition: attachment\r\n\
Content-Transfer-Encoding: base64\r\n\
\r\n\
AAECG1syShs=\r\n\
--x--\r\n";

/// What the base64 in it stands for.
const PART: &[u8] = b"\x00\x01\x02\x1b[2J\x1b";

pub(crate) async fn open(folder: &Path) -> SqliteStore {
    let options = SqliteOptions {
        commit_queue: 64,
        fresh_deliveries: 8,
        fresh_deliveries_per_lane: 8,
        fresh_octets: 1 << 20,
        segment_octets: 1 << 20,
        max_hits_waiting: 1_000_000,
    };
    let clock = Arc::new(HandClock::default());
    let tasks = TaskTracker::new();
    let store = SqliteStore::open(folder, options, clock, &tasks);
    store.await.unwrap()
}

fn content() -> Content {
    Content {
        from: "b@b.example".to_owned(),
        subject: "Re: \u{1b}[2Jhello\r\n".to_owned(),
        text: Excerpt::of("Thanks!\r\n".to_owned(), 100),
        stripped_text: Excerpt::of("Thanks!".to_owned(), 100),
        attachments: vec![Attachment {
            part: 2,
            name: Some("a.pdf".to_owned()),
            media_type: "application/pdf".to_owned(),
            size: 8,
            content_id: None,
        }],
        ..Content::default()
    }
}

/// A place where a server took a message, and has ended.
pub(crate) fn with_a_delivery() -> (Place, DeliveryId) {
    let place = Place::new();
    let server = Running::with_acme(&place, "");
    server.submit();
    server.terminate();
    server.end();
    let sent = place.json(&["events", "list", "--kind", "Send"]);
    let delivery = sent["mail"]["deliveryId"].as_str().unwrap();
    let delivery = delivery.parse().unwrap();
    (place, delivery)
}

/// Where an answer came to a delivery, mail to a domain, and a report about nothing.
struct Kept {
    place: Place,
    delivery: DeliveryId,
    reply: InboundId,
    mail: InboundId,
    report: InboundId,
}

impl Kept {
    fn new() -> Self {
        let (place, delivery) = with_a_delivery();
        let at = delivery.made_at().after(Duration::from_mins(1));
        let [reply, mail, report] = [(); 3].map(|()| InboundId::new(at));
        let kept = Self {
            place,
            delivery,
            reply,
            mail,
            report,
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(kept.receive(at));
        kept
    }

    async fn receive(&self, at: Timestamp) {
        let store = open(&self.place.path().join("data")).await;
        let directory = store.directory();
        let domain = Domain::parse("acme.example").unwrap();
        let domain = directory.domain(&domain).unwrap();
        let new = |id, kind, facts: Vec<InboundFact>| NewInbound {
            mail: InboundMail {
                id,
                workspace: (kind != InboundKind::Report).then_some(domain.workspace),
                delivery: (kind == InboundKind::Reply).then_some(self.delivery),
                kind,
                at,
                peer: "192.0.2.1".parse().unwrap(),
                mail_from: ReversePath::Null,
                recipient: Address::parse("support@acme.example").unwrap(),
                from: "b@b.example".to_owned(),
                subject: "Re: \u{1b}[2Jhello".to_owned(),
                header_message_id: None,
                size: MAIL.len() as u64,
            },
            facts,
            forward: None,
        };
        let answered = InboundFact::Delivery {
            delivery: self.delivery,
            fact: Fact::Reply(Box::new(ReplyFact {
                inbound: self.reply,
                via: Via::ReplyTo,
                is_from_recipient: true,
                is_forwarded: false,
                also_to: Vec::new(),
                content: content(),
            })),
        };
        let received = InboundFact::Workspace {
            workspace: domain.workspace,
            configuration_set: domain.configuration_set,
            fact: WorkspaceFact::Received(Box::new(MailFact {
                inbound: self.mail,
                mail_from: String::new(),
                recipient: Address::parse("support@acme.example").unwrap(),
                tag: None,
                headers: Vec::new(),
                is_suspicious: false,
                content: content(),
            })),
        };
        let mails = vec![
            new(self.reply, InboundKind::Reply, vec![answered]),
            new(self.mail, InboundKind::Mail, vec![received]),
            new(self.report, InboundKind::Report, Vec::new()),
        ];
        let reception = Reception {
            mails,
            body: Bytes::from_static(MAIL.as_bytes()),
        };
        let taken = store.receive(vec![reception]).await.remove(0).unwrap();
        assert_eq!((taken.recorded, taken.left_out), (2, 0));
        store.close().await;
    }

    fn ids(&self, arguments: &[&str]) -> Vec<String> {
        let listed = self.place.json(&[&["inbound", "list"], arguments].concat());
        let ids = listed.as_array().unwrap().iter();
        ids.map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Nothing that strangers wrote moves a cursor.
pub(crate) fn assert_harmless(printed: &str) {
    let moves = |c: char| c.is_control() && c != '\n';
    assert!(!printed.contains(moves), "{printed:?}");
}

#[test]
fn what_came_in_is_listed_by_kind_and_by_whom_it_leads_to() {
    let kept = Kept::new();
    assert_eq!(kept.ids(&[]).len(), 3);
    assert_eq!(kept.ids(&["--kind", "reply"]), [kept.reply.to_string()]);
    assert_eq!(kept.ids(&["--unmatched"]), [kept.report.to_string()]);
    assert_eq!(kept.ids(&["--workspace", "acme"]).len(), 2);
    assert_eq!(kept.ids(&["--limit", "1"]).len(), 1);
    let printed = kept.place.ok(&["inbound", "list"]);
    assert_harmless(&printed);
    assert!(printed.contains("b@b.example") && printed.contains("support@acme.example"));
    let error = kept.place.fails(&["inbound", "list", "--workspace", "x"]);
    assert!(error.contains("there is no workspace"), "{error}");
}

#[test]
fn a_message_is_shown_with_what_it_said_and_its_parts() {
    let kept = Kept::new();
    let (reply, mail) = (kept.reply.to_string(), kept.mail.to_string());
    let shown = kept.place.json(&["inbound", "show", &reply]);
    assert_eq!(shown["deliveryId"], kept.delivery.to_string());
    assert_eq!(shown["events"][0]["reply"]["strippedText"], "Thanks!");
    assert_eq!(shown["parts"][2]["contentType"], "application/pdf");
    assert_eq!(shown["parts"][2]["size"], PART.len());
    assert_eq!(
        shown["authenticationResults"],
        "mx.acme.example; spf=pass smtp.mailfrom=b.example"
    );
    let told = kept.place.json(&["inbound", "show", &mail]);
    assert_eq!(told["events"][0]["received"]["inboundId"], mail);
    let report = kept.report.to_string();
    assert_eq!(
        kept.place.json(&["inbound", "show", &report])["events"],
        Value::Array(vec![])
    );

    for id in [&reply, &mail, &report] {
        let printed = kept.place.ok(&["inbound", "show", id]);
        assert_harmless(&printed);
        assert!(printed.contains("application/pdf"), "{printed}");
    }
    let error = kept.place.fails(&["inbound", "show", "in_7"]);
    assert!(error.contains("is no id of mail that came in"), "{error}");
}

#[test]
fn octets_go_to_a_pipe_or_into_a_new_file() {
    let kept = Kept::new();
    let id = kept.mail.to_string();
    let output = |arguments: &[&str]| kept.place.command(arguments).output().unwrap();
    assert_eq!(output(&["inbound", "raw", &id]).stdout, MAIL.as_bytes());
    assert_eq!(output(&["inbound", "attachment", &id, "2"]).stdout, PART);

    let into = ["inbound", "attachment", &id, "2", "--out", "a.pdf"];
    assert_eq!(kept.place.ok(&into), "");
    let file = kept.place.path().join("a.pdf");
    assert_eq!(std::fs::read(file).unwrap(), PART);
    let error = kept.place.fails(&into);
    assert!(error.contains("a.pdf can't be written"), "{error}");
    let error = kept.place.fails(&["inbound", "attachment", &id, "9"]);
    assert!(error.contains("it has no part 9"), "{error}");
    let error = kept.place.fails(&["inbound", "attachment", &id, "0"]);
    assert!(error.contains("is made of other parts"), "{error}");
}

#[test]
fn the_paths_of_events_are_for_whoever_has_a_key_of_the_workspace() {
    let kept = Kept::new();
    let place = &kept.place;
    let field = |words: &[&str]| {
        let made = place.json(&[&["api-key", "add"], words].concat());
        format!(
            "Authorization: Bearer {}\r\n",
            made["key"].as_str().unwrap()
        )
    };
    let key = field(&["app", "--workspace", "acme"]);
    let public = field(&["site", "--workspace", "acme", "--public"]);
    place.ok(&["workspace", "add", "other"]);
    let others = field(&["app", "--workspace", "other"]);
    let shown = place.json(&["inbound", "show", &kept.mail.to_string()]);
    let told = &shown["events"][0]["received"];
    let raw = told["raw"].as_str().unwrap();
    let part = told["attachments"][0]["path"].as_str().unwrap();
    let server = Running::start(place, "");

    let (status, head, body) = server.http_with(raw, &key);
    assert_eq!((status, &*body), (200, MAIL));
    let length = format!("content-length: {}", MAIL.len());
    for line in [
        "content-type: message/rfc822",
        &length,
        "nosniff",
        "content-disposition: attachment",
    ] {
        assert!(head.contains(line), "{head}");
    }
    let (status, head, body) = server.http_with(part, &key);
    assert_eq!((status, body.as_bytes()), (200, PART));
    assert!(head.contains("content-type: application/pdf"), "{head}");

    for (path, field, status, detail) in [
        (raw, "", 401, "Authorization: Bearer"),
        (
            raw,
            "Authorization: Bearer sk_x\r\n",
            401,
            "there is no such API key",
        ),
        (raw, &public, 403, "for tracking alone"),
        (raw, &others, 404, "no message in_"),
        (&raw.replace("in_", "in_x"), &key, 404, "no message in_x"),
        (
            &raw.replace(&kept.mail.to_string(), &kept.report.to_string()),
            &key,
            404,
            "no message in_",
        ),
        (&part.replace("/2", "/0"), &key, 404, "has no part \"0\""),
        (&part.replace("/2", "/9"), &key, 404, "has no part \"9\""),
        (&part.replace("/2", "/x"), &key, 404, "has no part \"x\""),
    ] {
        let (came, head, body) = server.http_with(path, field);
        assert_eq!(came, status, "{path} {body}");
        assert!(head.contains("application/problem+json"), "{head}");
        let told: Value = serde_json::from_str(&body).unwrap();
        let told = told["detail"].as_str().unwrap();
        assert!(told.contains(detail), "{told}");
    }
}

#[test]
fn the_timeline_and_the_log_have_the_answer() {
    let kept = Kept::new();
    let delivery = kept.delivery.to_string();
    let shown = kept.place.json(&["message", "show", &delivery]);
    let events = shown["deliveries"][0]["events"].as_array().unwrap();
    let answer = events.last().unwrap();
    assert_eq!(answer["inboundId"], kept.reply.to_string());
    assert_eq!(answer["reply"]["text_body"], "Thanks!\r\n");
    let printed = kept.place.ok(&["message", "show", &delivery]);
    assert_harmless(&printed);
    assert!(
        printed.contains("answered by b@b.example: Re:"),
        "{printed}"
    );
    assert!(
        printed.contains(&format!("mail {}", kept.reply)),
        "{printed}"
    );

    let listed = kept
        .place
        .ok(&["events", "list", "--kind", "Reply,Received"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert_harmless(&listed);
    assert!(listed.contains("support@acme.example"), "{listed}");
}
