//! The server over real sockets, against the crate's own client and raw octets.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::client::{ClientError, ClientOptions, Mail, Outcome, SmtpClient};

const LIMIT: Duration = Duration::from_secs(10);

struct World {
    server: MxServer,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl World {
    async fn start(options: MxOptions) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let server = MxServer::start(options, &tasks, stop.clone())
            .await
            .unwrap();
        Self {
            server,
            tasks,
            stop,
        }
    }

    async fn client(&self) -> SmtpClient {
        SmtpClient::connect(self.server.addr(), &client_options())
            .await
            .unwrap()
    }

    async fn raw(&self) -> TcpStream {
        TcpStream::connect(self.server.addr()).await.unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(LIMIT, self.tasks.wait())
            .await
            .unwrap();
    }
}

fn client_options() -> ClientOptions {
    ClientOptions {
        limit: LIMIT,
        ..ClientOptions::default()
    }
}

fn mail(to: &[&str]) -> Mail {
    Mail {
        from: "ann@example.com".to_owned(),
        to: to.iter().map(|to| (*to).to_owned()).collect(),
        parameters: String::new(),
        body: Bytes::from_static(b"Subject: x\r\n\r\n.dot\r\nend\r\n"),
    }
}

fn deciding(outcome: &Outcome) -> String {
    outcome.deciding().to_string()
}

/// Everything the server says until it closes.
async fn read_to_end(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let reading = stream.read_to_string(&mut text);
    tokio::time::timeout(LIMIT, reading).await.unwrap().unwrap();
    text
}

#[tokio::test]
async fn a_message_is_kept_as_it_was_sent() {
    let world = World::start(MxOptions::default()).await;
    let mut client = world.client().await;
    let outcome = client
        .send(&mail(&[
            "ada@example.org",
            "bounce@example.org",
            "bob@example.org",
        ]))
        .await
        .unwrap();
    assert!(!outcome.is_taken());
    assert_eq!(deciding(&outcome), "550 5.1.1 No such user here");
    world.server.wait_for_messages(1, LIMIT).await.unwrap();
    let received = &world.server.messages()[0];
    assert_eq!(received.from, "ann@example.com");
    assert_eq!(received.recipients, ["ada@example.org", "bob@example.org"]);
    assert_eq!(received.body, mail(&[]).body);
    assert_eq!(received.helo, "client.peer.test");
    assert_eq!(client.quit().await.unwrap().to_string(), "221 2.0.0 Bye");
    world.end().await;
}

#[tokio::test]
async fn local_parts_decide() {
    let world = World::start(MxOptions {
        slow: Duration::from_millis(1),
        ..MxOptions::default()
    })
    .await;
    let mut client = world.client().await;
    for (to, reply) in [
        ("bounce@example.org", "550 5.1.1 No such user here"),
        ("softbounce@example.org", "552 5.2.2 The mailbox is full"),
        (
            "delay@example.org",
            "451 4.7.1 Greylisted, please come again",
        ),
        ("delay@example.org", "250 2.0.0 Taken"),
        (
            "delay@example.org",
            "451 4.7.1 Greylisted, please come again",
        ),
        ("slow@example.org", "250 2.0.0 Taken"),
        ("anything@example.org", "250 2.0.0 Taken"),
    ] {
        let outcome = client.send(&mail(&[to])).await.unwrap();
        assert_eq!(deciding(&outcome), reply, "{to}");
    }
    assert_eq!(world.server.counts().messages, 3);
    world.end().await;
}

#[tokio::test]
async fn pipelined_transactions_get_their_replies_in_order() {
    let world = World::start(MxOptions::default()).await;
    let mut stream = world.raw().await;
    stream
        .write_all(
            b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nx\r\n.\r\n\
              MAIL FROM:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n.\r\nQUIT\r\n",
        )
        .await
        .unwrap();
    let text = read_to_end(stream).await;
    let codes: Vec<&str> = text
        .lines()
        .filter(|line| line.as_bytes()[3] == b' ')
        .map(|line| &line[..3])
        .collect();
    let transaction = ["250", "250", "354", "250"];
    let expected = [&["220", "250"], &transaction[..], &transaction, &["221"]].concat();
    assert_eq!(codes, expected);
    let sizes: Vec<usize> = world.server.messages().iter().map(|m| m.size).collect();
    assert_eq!(sizes, [3, 0]);
    world.end().await;
}

#[tokio::test]
async fn what_is_out_of_order_or_not_offered_is_refused() {
    let world = World::start(MxOptions {
        extensions: vec!["SIZE 100".to_owned()],
        ..MxOptions::default()
    })
    .await;
    let mut client = SmtpClient::open(world.server.addr(), &client_options())
        .await
        .unwrap();
    for (line, code) in [
        ("MAIL FROM:<a@b>", 503),
        ("EHLO", 501),
        ("EHLO a", 250),
        ("RCPT TO:<a@b>", 503),
        ("DATA", 503),
        ("STARTTLS", 502),
        ("MAIL FROM:<a@b> SIZE=101", 552),
        ("MAIL FROM:<a@b> BODY=8BITMIME", 555),
        ("MAIL FROM:<a@b> SMTPUTF8", 555),
        ("MAIL FROM:<a@b> SIZE=100", 250),
        ("MAIL FROM:<a@b>", 503),
        ("DATA", 554),
        ("RCPT TO:<a@b> NOTIFY=NEVER", 555),
        ("VRFY a", 252),
        ("RSET", 250),
        ("a\rb", 500),
        ("NOOP", 250),
    ] {
        assert_eq!(client.command(line).await.unwrap().code, code, "{line}");
    }
    client.write(b"NOOP\n").await.unwrap();
    assert_eq!(client.read_reply().await.unwrap().code, 500);
    client.write(&[b'x'; 5_000]).await.unwrap();
    assert_eq!(client.read_reply().await.unwrap().code, 500);
    assert!(client.command("NOOP").await.is_err());
    world.end().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_at_its_end() {
    let world = World::start(MxOptions {
        max_message: 1_000,
        ..MxOptions::default()
    })
    .await;
    let mut client = world.client().await;
    let mut large = mail(&["ada@example.org"]);
    large.body = vec![b'x'; 300_000].into();
    let outcome = client.send(&large).await.unwrap();
    assert_eq!(outcome.message.unwrap().code, 552);
    let small = client.send(&mail(&["ada@example.org"])).await.unwrap();
    assert!(small.is_taken());
    world.end().await;
}

#[tokio::test]
async fn scripts_reply_close_and_pass() {
    let world = World::start(MxOptions::default()).await;
    let server = &world.server;
    server.script_next(
        Script::new()
            .then(Stage::Rcpt, Action::Pass)
            .reply(Stage::Rcpt, "452-4.5.3 Enough\r\n452 4.5.3 for now")
            .then(
                Stage::Message,
                Action::ReplyAndClose("421 4.3.2 Going down".to_owned()),
            ),
    );
    let mut client = world.client().await;
    let outcome = client.send(&mail(&["a@b.test", "c@b.test"])).await.unwrap();
    assert_eq!(outcome.rcpt[1].text, "4.5.3 Enough\n4.5.3 for now");
    assert_eq!(outcome.message.unwrap().to_string(), "421 4.3.2 Going down");
    assert!(matches!(
        client.read_reply().await,
        Err(ClientError::Closed)
    ));
    assert_eq!(server.counts().messages, 0);

    server.script_next(Script::new().reply(Stage::Greeting, "554 No service"));
    let refused = SmtpClient::connect(server.addr(), &client_options()).await;
    assert!(matches!(refused, Err(ClientError::Refused(reply)) if reply.code == 554));

    server.script_always(Script::new().reply(Stage::Ehlo, "421 Busy"));
    for _ in 0..2 {
        let refused = SmtpClient::connect(server.addr(), &client_options()).await;
        assert!(matches!(refused, Err(ClientError::Refused(reply)) if reply.code == 421));
    }
    world.end().await;
}

#[tokio::test]
async fn scripts_break_the_conversation() {
    let world = World::start(MxOptions {
        patience: Duration::from_millis(200),
        ..MxOptions::default()
    })
    .await;
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Message] {
        world
            .server
            .script_next(Script::new().then(stage, Action::Drop));
        let dropped = world.client().await.send(&mail(&["a@b.test"])).await;
        assert!(matches!(dropped, Err(ClientError::Closed)), "{stage:?}");

        world
            .server
            .script_next(Script::new().then(stage, Action::Reset));
        let reset = world.client().await.send(&mail(&["a@b.test"])).await;
        assert!(
            matches!(&reset, Err(ClientError::Io(e)) if e.kind() == io::ErrorKind::ConnectionReset),
            "{stage:?}: {reset:?}"
        );

        world
            .server
            .script_next(Script::new().then(stage, Action::Stall));
        let stalled = world.client().await.send(&mail(&["a@b.test"])).await;
        assert!(matches!(stalled, Err(ClientError::Closed)), "{stage:?}");
    }
    let garbage = Action::Garbage(Bytes::from_static(b"\0\xff nonsense\r\n"));
    world
        .server
        .script_next(Script::new().then(Stage::Mail, garbage));
    let nonsense = world.client().await.send(&mail(&["a@b.test"])).await;
    assert!(matches!(nonsense, Err(ClientError::Malformed)));
    assert_eq!(world.server.counts().messages, 0);
    world.end().await;
}

#[tokio::test]
async fn a_dripped_reply_is_a_reply() {
    let world = World::start(MxOptions::default()).await;
    world.server.script_next(
        Script::new()
            .then(
                Stage::Message,
                Action::Drip {
                    text: "250 2.0.0 Taken slowly".to_owned(),
                    gap: Duration::from_millis(1),
                },
            )
            .then(Stage::Quit, Action::Wait(Duration::from_millis(1))),
    );
    let mut client = world.client().await;
    let outcome = client.send(&mail(&["a@b.test"])).await.unwrap();
    assert_eq!(deciding(&outcome), "250 2.0.0 Taken slowly");
    assert_eq!(client.quit().await.unwrap().code, 221);
    assert_eq!(world.server.counts().messages, 1);
    world.end().await;
}

#[tokio::test]
async fn an_address_has_its_script_over_all_connections() {
    let world = World::start(MxOptions::default()).await;
    world.server.script_address(
        "eve@b.test",
        Script::new()
            .reply(Stage::Rcpt, "450 4.2.1 Busy")
            .reply(Stage::Message, "554 5.6.0 No"),
    );
    for (to, reply) in [
        ("eve@b.test", "450 4.2.1 Busy"),
        ("ada@b.test", "250 2.0.0 Taken"),
        ("eve@b.test", "554 5.6.0 No"),
        ("eve@b.test", "250 2.0.0 Taken"),
    ] {
        let outcome = world.client().await.send(&mail(&[to])).await.unwrap();
        assert_eq!(deciding(&outcome), reply);
    }
    world.end().await;
}

#[tokio::test]
async fn connections_above_the_limit_are_greeted_with_421() {
    let world = World::start(MxOptions {
        busy_above: 1,
        ..MxOptions::default()
    })
    .await;
    let first = world.client().await;
    let second = SmtpClient::connect(world.server.addr(), &client_options()).await;
    assert!(matches!(second, Err(ClientError::Refused(reply)) if reply.code == 421));
    assert_eq!(world.server.counts().most_open, 2);
    drop(first);
    world.end().await;
}

#[tokio::test]
async fn a_ledger_hears_before_and_after_the_250() {
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let ledger: Ledger = Arc::new(move |received: &Received, moment| {
        sender.send((received.size, moment)).unwrap();
    });
    let world = World::start(MxOptions {
        keep: Keep::NOTHING,
        ledger: Some(ledger),
        ..MxOptions::default()
    })
    .await;
    let outcome = world.client().await.send(&mail(&["a@b.test"])).await;
    let size = mail(&[]).body.len();
    assert!(outcome.unwrap().is_taken());
    assert_eq!(heard.recv().await, Some((size, Moment::BeforeReply)));
    assert_eq!(heard.recv().await, Some((size, Moment::AfterReply)));
    assert!(world.server.messages().is_empty());
    world.end().await;
}
