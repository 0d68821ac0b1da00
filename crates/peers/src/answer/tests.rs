use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::clock::HandClock;
use crate::mx::{MxOptions, MxServer};

const SOON: Duration = Duration::from_secs(5);
const HOST: &str = "mx.peer.test";
const RETURN_PATH: &str = "token@bounce.example.com";
const BODY: &str = "X-Postbell-Delivery: headertoken\r\nReply-To: Shop\r\n <reply+token@reply.example.com>\r\n\
    From: Shop <hello@example.com>\r\nTo: <x@example.org>\r\nSubject: Your tickets\r\n\
    Message-ID: <1@example.com>\r\nReferences: <0@example.com>\r\nDate: Sun, 03 May 2026 12:34:57 +0000\r\n\r\n\
    Hello!\r\n\r\nThe train leaves at 21:34.\r\n";

fn received(from: &str, to: &str, body: &'static str) -> Received {
    Received {
        helo: "us.example".to_owned(),
        from: from.to_owned(),
        parameters: String::new(),
        recipients: vec![to.to_owned()],
        recipient_parameters: vec![String::new()],
        body: Bytes::from_static(body.as_bytes()),
        size: body.len(),
        at: Instant::now(),
        peer: ([127, 0, 0, 1], 1).into(),
        connection: 1,
        secured: false,
    }
}

fn answer(to: &str, body: &'static str) -> Mail {
    let received = received(RETURN_PATH, to, body);
    let original = Original::read(&received, (to, HOST), 7, HandClock::default().now()).unwrap();
    let Some(Answer::Mail(mail)) = Answering::of(to).unwrap().answer(&original) else {
        panic!("{to} sends no mail");
    };
    mail
}

fn text(mail: &Mail) -> String {
    let text = str::from_utf8(&mail.body).unwrap();
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    text.replace("\r\n", "\n")
}

#[test]
fn the_local_part_decides_who_answers() {
    for (address, answering) in [
        ("Reply+7@example.org", Some(Answering::Reply)),
        ("bounce-later@example.org", Some(Answering::Report)),
        ("complaint@example.org", Some(Answering::Complaint)),
        ("vacation@example.org", Some(Answering::Vacation)),
        ("open@example.org", Some(Answering::Open)),
        ("click+1@example.org", Some(Answering::Click)),
        ("unsubscribe@example.org", Some(Answering::Unsubscribe)),
        ("bounce@example.org", None),
        ("replying@example.org", None),
    ] {
        assert_eq!(Answering::of(address), answering, "{address}");
    }
}

#[test]
fn a_person_answers_above_the_thread() {
    let mail = answer("reply@example.org", BODY);
    assert_eq!(mail.from, "reply@example.org");
    assert_eq!(mail.to, ["reply+token@reply.example.com"]);
    insta::assert_snapshot!(text(&mail), @r#"
    From: Robin Reply <reply@example.org>
    To: Shop <reply+token@reply.example.com>
    Subject: Re: Your tickets
    Date: Sun, 03 May 2026 12:34:57 +0000
    Message-ID: <answer-1777811697000000.7@example.org>
    In-Reply-To: <1@example.com>
    References: <0@example.com>
     <1@example.com>
    MIME-Version: 1.0
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: 8bit

    Thank you, that is all that I needed to know.

    Robin

    On Sun, 03 May 2026 12:34:57 +0000, Shop <hello@example.com> wrote:
    > Hello!
    >
    > The train leaves at 21:34.
    "#);
}

#[test]
fn a_server_reports_to_the_return_path() {
    let mail = answer("bounce-later@example.org", BODY);
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("", &[RETURN_PATH.to_owned()][..])
    );
    insta::assert_snapshot!(text(&mail), @r#"
    From: Mail Delivery System <MAILER-DAEMON@mx.peer.test>
    To: <token@bounce.example.com>
    Subject: Undelivered Mail Returned to Sender
    Date: Sun, 03 May 2026 12:34:57 +0000
    Message-ID: <answer-1777811697000000.7@example.org>
    Auto-Submitted: auto-replied
    MIME-Version: 1.0
    Content-Type: multipart/report; report-type=delivery-status;
    	boundary="=_something-came-back"

    --=_something-came-back
    Content-Type: text/plain; charset=us-ascii

    This is the mail system at mx.peer.test.

    Your message was taken, and could then not be delivered:

    <bounce-later@example.org>: 550 5.1.1 User unknown

    --=_something-came-back
    Content-Type: message/delivery-status

    Reporting-MTA: dns; mx.peer.test
    Arrival-Date: Sun, 03 May 2026 12:34:57 +0000

    Final-Recipient: rfc822; bounce-later@example.org
    Action: failed
    Status: 5.1.1
    Diagnostic-Code: smtp; 550 5.1.1 User unknown

    --=_something-came-back
    Content-Type: text/rfc822-headers

    X-Postbell-Delivery: headertoken
    Reply-To: Shop
     <reply+token@reply.example.com>
    From: Shop <hello@example.com>
    To: <x@example.org>
    Subject: Your tickets
    Message-ID: <1@example.com>
    References: <0@example.com>
    Date: Sun, 03 May 2026 12:34:57 +0000

    --=_something-came-back--
    "#);
}

#[test]
fn a_provider_complains_with_the_header() {
    let mail = answer("complaint@example.org", BODY);
    assert_eq!(mail.to, ["fbl@bounce.example.com"]);
    insta::assert_snapshot!(text(&mail), @r#"
    From: Feedback Loop <feedback@mx.peer.test>
    To: <fbl@bounce.example.com>
    Subject: Complaint about a message from you
    Date: Sun, 03 May 2026 12:34:57 +0000
    Message-ID: <answer-1777811697000000.7@example.org>
    MIME-Version: 1.0
    Content-Type: multipart/report; report-type=feedback-report;
    	boundary="=_something-came-back"

    --=_something-came-back
    Content-Type: text/plain; charset=us-ascii

    Somebody has marked the message below as unwanted.

    --=_something-came-back
    Content-Type: message/feedback-report

    Feedback-Type: abuse
    User-Agent: FarSide/1.0
    Version: 1
    Original-Mail-From: <token@bounce.example.com>
    Original-Rcpt-To: <complaint@example.org>
    Arrival-Date: Sun, 03 May 2026 12:34:57 +0000
    Source-IP: 127.0.0.1
    Reporting-MTA: dns; mx.peer.test

    --=_something-came-back
    Content-Type: text/rfc822-headers

    X-Postbell-Delivery: headertoken
    Reply-To: Shop
     <reply+token@reply.example.com>
    From: Shop <hello@example.com>
    To: <x@example.org>
    Subject: Your tickets
    Message-ID: <1@example.com>
    References: <0@example.com>
    Date: Sun, 03 May 2026 12:34:57 +0000

    --=_something-came-back--
    "#);
}

#[test]
fn a_program_answers_to_the_return_path() {
    let mail = answer("vacation@example.org", BODY);
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("", &[RETURN_PATH.to_owned()][..])
    );
    insta::assert_snapshot!(text(&mail), @r#"
    From: Val Vacation <vacation@example.org>
    To: <token@bounce.example.com>
    Subject: Out of office: Your tickets
    Date: Sun, 03 May 2026 12:34:57 +0000
    Message-ID: <answer-1777811697000000.7@example.org>
    In-Reply-To: <1@example.com>
    References: <0@example.com>
     <1@example.com>
    Auto-Submitted: auto-replied
    MIME-Version: 1.0
    Content-Type: text/plain; charset=us-ascii

    I am away until Monday and read no mail. In urgent cases ask the front desk.
    "#);
}

#[test]
fn the_plain_part_is_quoted() {
    let mails = crate::sample::mails("example.com", "example.org");
    let body = String::from_utf8(mails[0].body.to_vec()).unwrap();
    let received = received(RETURN_PATH, "reply@example.org", body.leak());
    let now = HandClock::default().now();
    let original = Original::read(&received, ("reply@example.org", HOST), 1, now).unwrap();
    assert_eq!(original.text.first().map(String::as_str), Some("Hello!"));
    assert_eq!(
        original.text.last().map(String::as_str),
        Some("A good journey!")
    );
}

#[test]
fn nothing_in_a_message_makes_a_line_of_its_own() {
    const NASTY: &str = "Subject: a\rb\n c\0d \u{e9}\r\nReply-To: a@b <c@d.example>, <e@f.example\r\n\
        From: <x@\r\n y>\r\nMessage-ID: \u{1}<1@e>\r\n\r\n\u{1b}[2J\r.\r\n";
    for to in [
        "bounce-later@example.org",
        "complaint@example.org",
        "vacation@example.org",
    ] {
        let mail = answer(to, NASTY);
        let (header, _) = str::from_utf8(&mail.body)
            .unwrap()
            .split_once("\r\n\r\n")
            .unwrap();
        assert!(
            !header
                .replace("\r\n", "")
                .contains(|c: char| c.is_control() && c != '\t'),
            "{header:?}"
        );
    }
    let received = received(RETURN_PATH, "reply@example.org", NASTY);
    let original = Original::read(
        &received,
        ("reply@example.org", HOST),
        7,
        HandClock::default().now(),
    );
    assert!(reply(&original.unwrap()).is_none());
}

#[tokio::test]
async fn answers_go_in_at_the_door_and_none_to_nobody() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let door = MxServer::start(MxOptions::default(), &tasks, stop.clone())
        .await
        .unwrap();
    let clock = Arc::new(HandClock::default());
    let options = AnswerOptions {
        after: Duration::ZERO,
        ..AnswerOptions::default()
    };
    let answers = Answers::new(options, clock, &tasks, stop.clone());
    answers.hear(&received("", "vacation@example.org", BODY));
    answers.hear(&received(RETURN_PATH, "ada@example.org", BODY));
    answers.hear(&received(RETURN_PATH, "vacation@example.org", BODY));
    answers.open_to(Doors {
        mail: Some(door.addr()),
        ..Doors::default()
    });
    answers.hear(&received(RETURN_PATH, "reply@example.org", BODY));
    door.wait_for_messages(2, SOON).await.unwrap();
    let mut taken: Vec<_> = door
        .messages()
        .iter()
        .map(|m| m.recipients[0].clone())
        .collect();
    taken.sort();
    assert_eq!(taken, ["reply+token@reply.example.com", RETURN_PATH]);
    stop.cancel();
    tasks.close();
    tokio::time::timeout(SOON, tasks.wait()).await.unwrap();
}

/// Answers that go to this door at once.
async fn answers_at(door: &TcpListener, tasks: &TaskTracker, stop: &CancellationToken) -> Answers {
    let options = AnswerOptions {
        after: Duration::ZERO,
        ..AnswerOptions::default()
    };
    let clock = Arc::new(HandClock::default());
    let answers = Answers::new(options, clock, tasks, stop.clone());
    answers.open_to(Doors {
        mail: Some(door.local_addr().unwrap()),
        ..Doors::default()
    });
    answers
}

/// Takes a message, after such a time at each step.
async fn take(stream: TcpStream, each: Duration) {
    let mut stream = BufStream::new(stream);
    let (mut reply, mut in_text) = ("220 door", false);
    loop {
        sleep(each).await;
        stream
            .write_all(format!("{reply}\r\n").as_bytes())
            .await
            .unwrap();
        stream.flush().await.unwrap();
        if reply.starts_with("221") {
            return;
        }
        reply = loop {
            let mut line = String::new();
            assert_ne!(stream.read_line(&mut line).await.unwrap(), 0, "it went");
            match (in_text, line.trim_end()) {
                (true, ".") => break "250 taken",
                (true, _) => {}
                (false, "DATA") => break "354 go on",
                (false, "QUIT") => break "221 bye",
                (false, _) => break "250 well",
            }
        };
        in_text = reply.starts_with("354");
    }
}

#[tokio::test]
async fn no_answer_waits_for_another() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let answers = answers_at(&door, &tasks, &stop).await;
    // Nobody greets them.
    let mut silent = Vec::new();
    for _ in 0..GIVEN {
        answers.hear(&received(RETURN_PATH, "vacation@example.org", BODY));
        let accepted = tokio::time::timeout(SOON, door.accept());
        silent.push(accepted.await.unwrap().unwrap());
    }
    for _ in GIVEN..QUEUE {
        assert!(answers.has_room());
        answers.hear(&received(RETURN_PATH, "vacation@example.org", BODY));
    }
    assert!(!answers.has_room());
    stop.cancel();
    tasks.close();
    tokio::time::timeout(SOON, tasks.wait()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_door_that_takes_its_time_is_handed_an_answer_once() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let answers = answers_at(&door, &tasks, &stop).await;
    answers.hear(&received(RETURN_PATH, "complaint@example.org", BODY));
    let (first, _) = door.accept().await.unwrap();
    tokio::select! {
        () = take(first, Duration::from_secs(30)) => {}
        _ = door.accept() => panic!("it is handed in once more"),
    }
    let again = tokio::time::timeout(Duration::from_secs(600), door.accept());
    assert!(again.await.is_err(), "it is handed in once more");
    stop.cancel();
}
