//! Sixty and more ways of asking for mail to be relayed, each by a stranger and by somebody who
//! has logged in. A stranger gets nothing through; who has logged in may write to anybody, but
//! only from the workspace's domains, and by no form that asks a third host to relay.

use ipnet::IpNet;
use postbell_model::WorkspaceId;

use super::client::Client;
use super::*;

/// Who may do it: nobody, or who has logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Nobody,
    Users,
}
use For::{Nobody, Users};

const OWN: &str = "<a@example.com>";

pub(super) const RECIPIENTS: &[(&str, For)] = &[
    ("<victim@elsewhere.example>", Users),
    ("<VICTIM@ELSEWHERE.EXAMPLE>", Users),
    ("<victim@example.com>", Users),
    ("<\"victim\"@elsewhere.example>", Users),
    ("<\"two words\"@elsewhere.example>", Users),
    ("<victim+tag@elsewhere.example>", Users),
    ("<postmaster>", Users),
    (
        "<victim@elsewhere.example> NOTIFY=NEVER ORCPT=rfc822;b@example.com",
        Users,
    ),
    ("victim@elsewhere.example", Nobody),
    ("<victim@elsewhere.example", Nobody),
    (" <victim@elsewhere.example>", Nobody),
    ("<victim>", Nobody),
    ("<>", Nobody),
    ("<\"victim@elsewhere.example\">", Nobody),
    ("<victim%elsewhere.example>", Nobody),
    ("<victim%elsewhere.example@example.com>", Nobody),
    ("<victim%elsewhere.example@mx.test>", Nobody),
    ("<victim%elsewhere.example@localhost>", Nobody),
    ("<victim%elsewhere.example@[127.0.0.1]>", Nobody),
    ("<victim%elsewhere.example%example.com@mx.test>", Nobody),
    ("<\"victim%elsewhere.example\"@example.com>", Nobody),
    ("<\"victim\\%elsewhere.example\"@example.com>", Nobody),
    ("<\"victim%elsewhere.example\">", Nobody),
    ("<victim@elsewhere.example@example.com>", Nobody),
    ("<victim@elsewhere.example@[127.0.0.1]>", Nobody),
    ("<\"victim@elsewhere.example\"@example.com>", Nobody),
    ("<\"victim@elsewhere.example\"@mx.test>", Nobody),
    ("<\"victim\\@elsewhere.example\"@example.com>", Nobody),
    ("<victim\\@elsewhere.example@example.com>", Nobody),
    ("<victim@[127.0.0.1]>", Nobody),
    ("<victim@[192.0.2.1]>", Nobody),
    ("<victim@[IPv6:::1]>", Nobody),
    ("<victim@127.0.0.1>", Users),
    ("<victim@#2130706433>", Nobody),
    ("<@example.com:victim@elsewhere.example>", Nobody),
    ("<@mx.test:victim@elsewhere.example>", Nobody),
    ("<@[127.0.0.1]:victim@elsewhere.example>", Nobody),
    ("<@example.com,@mx.test:victim@elsewhere.example>", Nobody),
    ("<@example.com:victim>", Nobody),
    ("<@:victim@elsewhere.example>", Nobody),
    ("<elsewhere.example!victim>", Nobody),
    ("<elsewhere.example!victim@example.com>", Nobody),
    ("<elsewhere.example!victim@mx.test>", Nobody),
    ("<elsewhere.example!victim@[127.0.0.1]>", Nobody),
    ("<\"elsewhere.example!victim\"@example.com>", Nobody),
    ("<example.com!elsewhere.example!victim>", Nobody),
    ("<example.com!victim%elsewhere.example@mx.test>", Nobody),
    ("<victim@elsewhere.example,b@example.com>", Nobody),
    ("<b@example.com>,<victim@elsewhere.example>", Nobody),
    ("<b@example.com> <victim@elsewhere.example>", Nobody),
    ("<b@example.com victim@elsewhere.example>", Nobody),
    ("<victim@elsewhere.example\t>", Nobody),
    ("<victim(comment)@elsewhere.example>", Nobody),
    ("<victim@elsewhere.example(comment)>", Nobody),
    ("<|victim>", Nobody),
    ("<victim@elsewhere.example:25>", Nobody),
    ("<victim@-elsewhere.example>", Nobody),
    ("<victim@@elsewhere.example>", Nobody),
    ("<victim@>", Nobody),
    ("<@elsewhere.example>", Nobody),
];

const SENDERS: &[(&str, For)] = &[
    ("<a@example.com>", Users),
    ("<a@EXAMPLE.com>", Users),
    ("<>", Users),
    ("<a@example.com> AUTH=<>", Users),
    ("<a@elsewhere.example>", Nobody),
    ("<a@theirs.example>", Nobody),
    ("<a@sub.example.com>", Nobody),
    ("<a@example.com.elsewhere.example>", Nobody),
    ("<a@xample.com>", Nobody),
    ("<a@[127.0.0.1]>", Nobody),
    ("<a@localhost>", Nobody),
    ("<a@mx.test>", Nobody),
    ("<a>", Nobody),
    ("<@example.com:a@elsewhere.example>", Nobody),
    ("<\"a@example.com\"@elsewhere.example>", Nobody),
    ("<a%example.com@elsewhere.example>", Nobody),
    ("<example.com!a@elsewhere.example>", Nobody),
    ("<a@elsewhere.example> AUTH=a@example.com", Nobody),
    ("<a@example.com>AUTH=<>", Nobody),
    ("a@example.com", Nobody),
    ("<a@еxample.com> SMTPUTF8", Nobody),
];

async fn world() -> World {
    let elsewhere: IpNet = "192.0.2.0/24".parse().unwrap();
    let mut options = SubmissionOptions {
        trusted: vec![(elsewhere, WorkspaceId(2))],
        ..options()
    };
    options.limits.max_errors = 1000;
    options.limits.max_commands = 1000;
    let world = World::with(options).await;
    world.set_credentials(&["ada"]);
    world
}

/// Whether each line was taken; the replies to the others are refusals, for good.
async fn taken(client: &mut Client, lines: &[&str]) -> bool {
    let mut all = true;
    for line in lines {
        client.say(line).await;
        let reply = client.reply().await;
        let taken = reply.starts_with("250");
        assert!(taken || reply.starts_with('5'), "{line}: {reply}");
        all &= taken;
    }
    client.say("DATA").await;
    let reply = client.reply().await;
    assert_eq!(reply.starts_with("354"), all, "{lines:?}: {reply}");
    if all {
        client.send(format!("{MESSAGE}.\r\n").as_bytes()).await;
        client.expect(&["250"]).await;
    } else {
        client.say("RSET").await;
        client.expect(&["250"]).await;
    }
    all
}

/// Tries every form; how many were taken.
async fn try_all(client: &mut Client, may: impl Fn(For) -> bool) -> usize {
    let mut count = 0;
    let mail = format!("MAIL FROM:{OWN}");
    for (recipient, for_whom) in RECIPIENTS {
        let lines = [mail.as_str(), &format!("RCPT TO:{recipient}")];
        let taken = taken(client, &lines).await;
        assert_eq!(taken, may(*for_whom), "{recipient}");
        count += usize::from(taken);
    }
    for (sender, for_whom) in SENDERS {
        let mail = format!("MAIL FROM:{sender}");
        let taken = taken(client, &[&mail, "RCPT TO:<victim@elsewhere.example>"]).await;
        assert_eq!(taken, may(*for_whom), "{sender}");
        count += usize::from(taken);
    }
    count
}

#[tokio::test]
async fn a_stranger_gets_nothing_through() {
    assert!(RECIPIENTS.len() + SENDERS.len() >= 60);
    let world = world().await;
    let mut client = world.client_under_tls().await;
    client.expect(&["220"]).await;
    client.say("EHLO app.test").await;
    client.expect(&["250"]).await;
    assert_eq!(try_all(&mut client, |_| false).await, 0);
    assert_eq!(world.stored().len(), 0);
}

#[tokio::test]
async fn who_has_logged_in_can_make_no_other_host_relay() {
    let world = world().await;
    let mut client = world.client_under_tls().await;
    client
        .send(b"EHLO app.test\r\nAUTH PLAIN AGFkYQBzZWNyZXQ=\r\n")
        .await;
    client.expect(&["220", "250", "235"]).await;
    let count = try_all(&mut client, |for_whom| for_whom == Users).await;
    let stored = world.stored();
    assert_eq!(stored.len(), count);
    for submission in stored {
        let delivery = &submission.deliveries[0];
        let to = delivery.recipient.to_string();
        assert_eq!(to.matches('@').count(), 1, "{to}");
    }
}
