//! Mail to the addresses of a domain that takes mail.

use postbell_model::inbound::{AutoReplyClass, MailFact};
use postbell_model::{
    DmarcPolicy, DmarcRequest, DmarcResult, ForwardTo, InboundKind, Verdict, WorkspaceFact,
};
use postbell_store::{InboundFact, NewInbound};

use super::world::{OURS, SET, World, address, domain, route, untokened};

const LETTER: &str = "From: =?utf-8?q?J=C3=B6?= <jo@customer.example>\n\
     To: info@shop.example, Sales <sales@shop.example>\nCc: boss@customer.example\n\
     Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n from far\nMessage-ID: <l1@customer.example>\n\
     References: <a@x.example> <b@x.example>\nMIME-Version: 1.0\n\
     Content-Type: multipart/mixed; boundary=m\n\n--m\n\
     Content-Type: multipart/alternative; boundary=a\n\n--a\n\nHello\n\n--a\n\
     Content-Type: text/html\n\n<p>Hello\n--a--\n--m\n\
     Content-Type: application/pdf; name=\"bill.pdf\"\n\
     Content-Transfer-Encoding: base64\nContent-ID: <c1@x>\n\nAAECAwQ=\n--m\n\
     Content-Type: message/rfc822\n\nSubject: inner\nContent-Type: image/png\n\nx\n--m--\n";

pub(super) fn received(new: &NewInbound) -> &MailFact {
    match new.facts.as_slice() {
        [
            InboundFact::Workspace {
                workspace: OURS,
                configuration_set: SET,
                fact: WorkspaceFact::Received(mail),
            },
        ] => mail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn mail_to_a_mailbox_is_told_as_it_is() {
    let world = World::new();
    let new = world.receive_one("info+x.1@shop.example", LETTER).await;
    assert_eq!(new.mail.kind, InboundKind::Mail);
    assert_eq!((new.mail.workspace, new.mail.delivery), (Some(OURS), None));
    let mail = received(&new);
    assert_eq!(mail.inbound, new.mail.id);
    assert_eq!(mail.mail_from, "ann@customer.example");
    assert_eq!(mail.recipient, address("info+x.1@shop.example"));
    assert_eq!(mail.tag.as_deref(), Some("x.1"));
    assert!(!mail.is_suspicious);
    let header = |name: &str| {
        let mut headers = mail.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(header("Subject"), Some("Grüße from far"));
    assert_eq!(mail.headers.len(), 8);
    let content = &mail.content;
    assert_eq!(
        (content.from.as_str(), content.from_name.as_str()),
        ("jo@customer.example", "Jö")
    );
    let to = [
        "info@shop.example",
        "sales@shop.example",
        "boss@customer.example",
    ];
    assert_eq!(content.to, to);
    assert_eq!(content.subject, "Grüße from far");
    assert_eq!(content.references, ["a@x.example", "b@x.example"]);
    assert_eq!(content.text.text.trim(), "Hello");
    assert_eq!(content.html.as_ref().unwrap().text.trim(), "<p>Hello");
}

#[tokio::test]
async fn attachments_are_named_by_their_part() {
    let world = World::new();
    let new = world.receive_one("info@shop.example", LETTER).await;
    let content = &received(&new).content;
    let told: Vec<_> = content
        .attachments
        .iter()
        .map(|one| {
            (
                one.part,
                one.name.as_deref(),
                one.media_type.as_str(),
                one.size,
            )
        })
        .collect();
    let inner = "Subject: inner\r\nContent-Type: image/png\r\n\r\nx".len() as u64;
    let expected = [
        (4, Some("bill.pdf"), "application/pdf", 5),
        (5, None, "message/rfc822", inner),
    ];
    assert_eq!(told, expected);
    assert_eq!(content.attachments[0].content_id.as_deref(), Some("c1@x"));
}

#[tokio::test]
async fn raw_octets_in_a_header_are_those_of_the_text() {
    let world = World::new();
    let mut arrival = world.arrival(&["info@shop.example"], "");
    let raw = b"From: J\xf6 <jo@customer.example>\r\nSubject: Gr\xfc\xdfe, 5 \xa4\r\n\
                Content-Type: text/plain; charset=iso-8859-15\r\n\r\nGr\xfc\xdfe\r\n";
    arrival.body = raw.to_vec().into();
    world.gate.receive(arrival).await.unwrap();
    let reception = world.stored();
    let mail = received(&reception.mails[0]);
    assert_eq!(mail.content.from_name, "Jö");
    assert_eq!(mail.content.from, "jo@customer.example");
    assert_eq!(mail.content.subject, "Grüße, 5 €");
    assert_eq!(mail.headers[1].1, "Grüße, 5 €");
    assert_eq!(mail.content.text.text.trim(), "Grüße");
}

#[tokio::test]
async fn routes_tell_and_forward() {
    let world = World::with_routes([
        route("support", true, Some("desk@elsewhere.example")),
        route("quiet", false, Some("q@elsewhere.example")),
        route("nothing", false, None),
        route("told", true, None),
    ]);
    for (to, tells, forward) in [
        (
            "support+1@shop.example",
            true,
            Some("desk@elsewhere.example"),
        ),
        ("quiet@shop.example", false, Some("q@elsewhere.example")),
        ("nothing@shop.example", false, None),
        ("told@shop.example", true, None),
        ("postmaster@shop.example", true, None),
    ] {
        let new = world.receive_one(to, LETTER).await;
        assert_eq!(new.facts.len(), usize::from(tells), "{to}");
        let forwarded = new.forward.map(|forward| forward.to);
        assert_eq!(
            forwarded,
            forward.map(|to| ForwardTo::Address(address(to))),
            "{to}"
        );
    }
}

#[tokio::test]
async fn one_message_for_several_addresses_is_told_for_each() {
    let world = World::new();
    let (info, reply) = ("info@shop.example", world.reply());
    let to = [info, "INFO@shop.example", "sales@shop.example", &reply];
    let mails = world.receive(&to, LETTER).await;
    let kinds: Vec<_> = mails.iter().map(|new| new.mail.kind).collect();
    assert_eq!(
        kinds,
        [InboundKind::Mail, InboundKind::Mail, InboundKind::Reply]
    );
    assert!(mails.iter().all(|new| new.facts.len() == 1));
}

#[tokio::test]
async fn a_programs_answer_says_that_it_is_one() {
    let world = World::new();
    let new = world
        .receive_one("info@shop.example", &untokened("auto-vacation"))
        .await;
    let content = &received(&new).content;
    assert_eq!(content.auto_reply, Some(AutoReplyClass::Vacation));
}

#[tokio::test]
async fn reports_that_nothing_explains_are_mail_to_a_mailbox() {
    let world = World::new();
    for (name, kind) in [
        ("dsn-failed", InboundKind::Report),
        ("arf-abuse", InboundKind::Complaint),
    ] {
        let message = untokened(name).replace("4711@", "4712@");
        let new = world.receive_one("info@shop.example", &message).await;
        assert_eq!((new.mail.kind, new.mail.delivery), (kind, None));
        received(&new);
        let new = world.receive_one("postmaster@shop.example", &message).await;
        assert_eq!((new.mail.kind, new.facts.len()), (kind, 0));
    }
}

#[tokio::test]
async fn mail_to_the_operator_is_kept() {
    let world = World::new();
    let new = world
        .receive_one("postmaster@mx.post.example", LETTER)
        .await;
    assert_eq!(
        (new.mail.kind, new.mail.workspace),
        (InboundKind::Mail, None)
    );
    assert_eq!((new.facts.len(), new.forward), (0, None));
}

pub(super) fn failing(policy: DmarcPolicy, percent: u8) -> DmarcResult {
    DmarcResult {
        verdict: Verdict::Fail,
        from: Some(domain("customer.example")),
        request: Some(DmarcRequest { policy, percent }),
        aligned: Vec::new(),
    }
}

#[tokio::test]
async fn mail_that_its_domain_forbids_is_suspicious() {
    let world = World::new();
    for (to, policy, percent, expected) in [
        ("info@shop.example", DmarcPolicy::Reject, 100, true),
        ("info@shop.example", DmarcPolicy::Reject, 0, true),
        ("info@shop.example", DmarcPolicy::Quarantine, 100, true),
        ("info@shop.example", DmarcPolicy::Quarantine, 0, false),
        ("info@shop.example", DmarcPolicy::None, 100, false),
        ("info@strict.example", DmarcPolicy::Quarantine, 100, true),
        ("info@strict.example", DmarcPolicy::Reject, 0, true),
        ("info@lax.example", DmarcPolicy::Reject, 100, false),
    ] {
        let mut arrival = world.arrival(&[to], LETTER);
        arrival.authentication.dmarc = failing(policy, percent);
        world.gate.receive(arrival).await.unwrap();
        let reception = world.stored();
        let mail = received(&reception.mails[0]);
        assert_eq!(mail.is_suspicious, expected, "{to} {policy} {percent}");
        assert_eq!(mail.content.authentication.dmarc, failing(policy, percent));
    }
}
