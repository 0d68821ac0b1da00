use std::time::Duration;

use proptest::prelude::*;

use super::*;

const NOW: Monotonic = Monotonic(Duration::ZERO);
const SMALL: &str = "Subject: x\r\n\r\n.dot\r\n";

fn client() -> Client {
    let options = ClientOptions {
        ehlo_name: "out.test".to_owned(),
        max_reply: 1000,
        ..ClientOptions::default()
    };
    Client::new(Arc::new(options), StartTls::WhenOffered, NOW)
}

fn transaction() -> Transaction {
    Transaction {
        from: ReversePath::Mailbox(Address::parse("a@b.example").unwrap()),
        to: Address::parse("c@d.example").unwrap(),
        body: vec![Bytes::from_static(SMALL.as_bytes())],
        eight_bit: false,
        smtputf8: false,
        dsn: DsnRequest::default(),
    }
}

/// Everything up to the next read, as lines; a write by its content.
fn steps(client: &mut Client) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        told.push(match client.poll() {
            ClientStep::Read => return told,
            ClientStep::Close => {
                told.push("close".to_owned());
                return told;
            }
            ClientStep::Write(chunks) => String::from_utf8(chunks.concat()).unwrap(),
            ClientStep::StartTls => "handshake".to_owned(),
            ClientStep::Ready => "ready".to_owned(),
            ClientStep::Done(end) => format!(
                "done {} {}{}{}",
                end.phase,
                if end.from_peer { "" } else { "ours " },
                end.reply,
                if end.reusable { "" } else { ", over" }
            ),
            ClientStep::Failed {
                phase,
                reply,
                from_peer,
            } => format!(
                "failed {phase} {}{reply}",
                if from_peer { "" } else { "ours " }
            ),
        });
    }
}

/// Plays a transcript. `S:` is what the host says; `C:` what goes out, one line a write; `=`
/// what else is told; `send` begins a transaction, `quit` ends the session, `eof` the connection.
fn check(transcript: &str) {
    let mut client = client();
    let mut told: VecDeque<String> = steps(&mut client).into();
    let mut closed = false;
    for line in transcript.lines().map(str::trim_start) {
        let (mark, text) = line.split_at(line.find(' ').map_or(line.len(), |at| at + 1));
        let text = text.replace("\\r\\n", "\r\n");
        match mark {
            "C: " | "= " => assert_eq!(told.pop_front(), Some(text), "of {transcript}"),
            "S: " => {
                assert!(told.is_empty(), "before {line}: {told:?}");
                client.handle(format!("{text}\r\n").as_bytes(), NOW);
            }
            "send" => client.send(transaction(), NOW),
            "quit" => client.quit(NOW),
            "secured" => client.secured(NOW),
            "eof" => client.closed(NOW),
            "late" => client.timed_out(NOW),
            _ => panic!("{line}"),
        }
        // Once closed it says so at every look; one is enough.
        let more = steps(&mut client);
        told.extend(more.into_iter().filter(|step| !closed || step != "close"));
        closed = closed || told.back().is_some_and(|step| step == "close");
    }
    assert!(told.is_empty(), "at the end of {transcript}: {told:?}");
}

const PIPELINED: &str = "S: 220 mx.test ESMTP
    C: EHLO out.test\\r\\n
    S: 250-mx.test hello\\r\\n250-PIPELINING\\r\\n250-8BITMIME\\r\\n250 SIZE 1000
    = ready
    send
    C: MAIL FROM:<a@b.example> SIZE=20\\r\\nRCPT TO:<c@d.example>\\r\\nDATA\\r\\n\n";

const PLAIN: &str = "S: 220 mx.test
    C: EHLO out.test\\r\\n
    S: 502 what
    C: HELO out.test\\r\\n
    S: 250 mx.test
    = ready
    send
    C: MAIL FROM:<a@b.example>\\r\\n\n";

const WIRE: &str = "C: Subject: x\\r\\n\\r\\n..dot\\r\\n.\\r\\n";

fn pipelined(rest: &str) {
    check(&format!("{PIPELINED}{}", rest.replace("WIRE", WIRE)));
}

/// Up to STARTTLS.
const OFFERED: &str = "S: 220 mx.test ESMTP
    C: EHLO out.test\\r\\n
    S: 250-mx.test\\r\\n250-PIPELINING\\r\\n250-SIZE\\r\\n250 STARTTLS
    C: STARTTLS\\r\\n\n";

fn offered_tls(rest: &str) {
    check(&format!("{OFFERED}{rest}"));
}

fn plain(rest: &str) {
    check(&format!("{PLAIN}{}", rest.replace("WIRE", WIRE)));
}

#[test]
fn pipelined_messages_take_three_writes() {
    pipelined(
        "S: 250 2.1.0 ok\\r\\n250 2.1.5 ok\\r\\n354 go
         WIRE
         S: 250 2.0.0 queued as 1
         = done message 250 2.0.0 queued as 1
         = ready
         send
         C: MAIL FROM:<a@b.example> SIZE=20\\r\\nRCPT TO:<c@d.example>\\r\\nDATA\\r\\n
         S: 250 ok\\r\\n250 ok\\r\\n354 go
         WIRE
         S: 452 4.3.1 full
         = done message 452 4.3.1 full
         = ready
         quit
         C: QUIT\\r\\n
         S: 221 bye
         = close",
    );
}

#[test]
fn without_pipelining_each_reply_is_awaited() {
    plain(
        "S: 250 ok
         C: RCPT TO:<c@d.example>\\r\\n
         S: 251 will forward
         C: DATA\\r\\n
         S: 354 go
         WIRE
         S: 250 ok
         = done message 250 ok
         = ready",
    );
}

#[test]
fn a_refused_recipient_is_followed_by_a_lone_dot_and_a_reset() {
    // RFC 2920 §3.1
    pipelined(
        "S: 250 ok\\r\\n550 5.1.1 nobody\\r\\n354 go
         C: .\\r\\n
         S: 554 5.5.1 no recipients
         = done rcpt 550 5.1.1 nobody
         = ready
         send
         C: RSET\\r\\nMAIL FROM:<a@b.example> SIZE=20\\r\\nRCPT TO:<c@d.example>\\r\\nDATA\\r\\n
         S: 250 reset\\r\\n250 ok\\r\\n250 ok\\r\\n354 go
         WIRE
         S: 250 ok
         = done message 250 ok
         = ready",
    );
}

#[test]
fn the_first_refusal_decides() {
    pipelined(
        "S: 550 5.7.1 not you\\r\\n503 no mail\\r\\n503 no rcpt
         = done mail 550 5.7.1 not you
         = ready",
    );
    pipelined(
        "S: 250 ok\\r\\n450 4.2.1 greylisted\\r\\n554 none
         = done rcpt 450 4.2.1 greylisted
         = ready",
    );
    pipelined(
        "S: 250 ok\\r\\n250 ok\\r\\n451 4.3.0 not now
         = done data 451 4.3.0 not now
         = ready",
    );
}

#[test]
fn refusals_without_pipelining_reset_before_the_next() {
    plain(
        "S: 250 ok
         C: RCPT TO:<c@d.example>\\r\\n
         S: 550 nobody
         = done rcpt 550 nobody
         = ready
         send
         C: RSET\\r\\n
         S: 250 ok
         C: MAIL FROM:<a@b.example>\\r\\n
         S: 550 no
         = done mail 550 no
         = ready",
    );
}

#[test]
fn a_421_ends_the_session_wherever_it_comes() {
    check("S: 421 4.3.2 busy\n= failed greeting 421 4.3.2 busy\nC: QUIT\\r\\n\n= close");
    check("S: 220 x\\r\\n421 4.3.2 busy\n= failed ehlo 421 4.3.2 busy\nC: QUIT\\r\\n\n= close");
    pipelined("S: 421 4.3.2 down\n= done mail 421 4.3.2 down, over\n= close");
    pipelined(
        "S: 250 ok\\r\\n550 5.1.1 nobody\\r\\n421 4.3.2 down
         = done rcpt 550 5.1.1 nobody, over
         = close",
    );
    pipelined(
        "S: 250 ok\\r\\n250 ok\\r\\n354 go
         WIRE
         S: 421 4.3.2 down
         = done message 421 4.3.2 down, over
         = close",
    );
    pipelined(
        "S: 250 ok\\r\\n250 ok\\r\\n554 no
         = done data 554 no
         = ready
         S: 421 4.4.2 idle too long
         = failed mail 421 4.4.2 idle too long
         C: QUIT\\r\\n
         = close",
    );
}

#[test]
fn greetings_and_ehlo_can_refuse() {
    check("S: 554 5.7.1 no\n= failed greeting 554 5.7.1 no\nC: QUIT\\r\\n\n= close");
    check(
        "S: 220 x\nC: EHLO out.test\\r\\n\nS: 451 4.3.0 no\n= failed ehlo 451 4.3.0 no\nC: QUIT\\r\\n\n= close",
    );
    check(
        "S: 220 x
         C: EHLO out.test\\r\\n
         S: 550 no
         C: HELO out.test\\r\\n
         S: 550 5.7.1 no
         = failed ehlo 550 5.7.1 no
         C: QUIT\\r\\n
         = close",
    );
}

#[test]
fn a_lost_connection_fails_nothing_for_good() {
    check("eof\n= failed greeting ours 451 4.4.2 The connection was lost\n= close");
    pipelined("S: 250 ok\neof\n= done rcpt ours 451 4.4.2 The connection was lost, over\n= close");
    pipelined("S: 250 ok\\r\\n550 no\neof\n= done rcpt 550 no, over\n= close");
    pipelined(
        "S: 250 ok\\r\\n250 ok\\r\\n354 go
         WIRE
         late
         = done message ours 451 4.4.2 The host did not answer in time, over
         = close
         send
         = done mail ours 451 4.4.2 The session can't take a message, over",
    );
    pipelined(
        "S: 250 ok\\r\\n250 ok\\r\\n354 go
         WIRE
         S: 250 ok
         = done message 250 ok
         = ready
         eof
         = failed mail ours 451 4.4.2 The connection was lost
         = close",
    );
}

#[test]
fn nonsense_fails_nothing_for_good() {
    for (said, shown) in [
        ("hello", "not an SMTP reply: hello"),
        ("099 x", "not an SMTP reply: 099 x"),
        ("600 x", "not an SMTP reply: 600 x"),
        ("250x", "not an SMTP reply: 250x"),
        ("550 a\0b", "not an SMTP reply: 550 a\\x00b"),
        ("550-a\\r\\n250 b", "reply with different codes: 250 b"),
    ] {
        pipelined(&format!(
            "S: {said}\n= done mail ours 451 4.5.0 {shown}, over\n= close"
        ));
    }
    let endless = format!(
        "S: {}\n= done mail ours 451 4.5.0 reply longer than 1000 octets, over\n= close",
        "250-x\\r\\n".repeat(200)
    );
    pipelined(&endless);
}

#[test]
fn replies_that_do_not_fit_fail_nothing_for_good() {
    pipelined("S: 354 go\n= done mail ours 451 4.5.0 Unexpected reply: 354 go, over\n= close");
    pipelined(
        "S: 250 a\\r\\n250 b\\r\\n250 c\n= done data ours 451 4.5.0 Unexpected reply: 250 c, over\n= close",
    );
    // A 250 before the message was written is no promise.
    pipelined(
        "S: 250 a\\r\\n250 b\\r\\n354 c\\r\\n250 d\n= done message ours 451 4.5.0 Unexpected reply: 250 d, over\n= close",
    );
    pipelined(
        "S: 250 ok\\r\\n250 ok\\r\\n354 go
         WIRE
         S: 354 more
         = done message ours 451 4.5.0 Unexpected reply: 354 more, over
         = close",
    );
}

#[test]
fn other_octets_in_a_text_are_shown_but_do_not_hide_the_code() {
    let mut client = client();
    client.handle(b"554 5.7.1 gr\xfc\xdfe \xc3\xa4\r\n", NOW);
    assert_eq!(
        steps(&mut client)[0],
        "failed greeting 554 5.7.1 gr\\xfc\\xdfe ä"
    );
}

#[test]
fn after_the_handshake_the_session_begins_anew() {
    // RFC 3207 §4.2: PIPELINING and SIZE are not announced again, and are forgotten.
    offered_tls(
        "S: 220 go ahead
         = handshake
         secured
         C: EHLO out.test\\r\\n
         S: 250-mx.test\\r\\n250 STARTTLS
         = ready
         send
         C: MAIL FROM:<a@b.example>\\r\\n
         S: 250 ok
         C: RCPT TO:<c@d.example>\\r\\n",
    );
}

#[test]
fn where_starttls_is_refused_the_session_goes_on_in_plaintext() {
    for refusal in ["454 4.7.0 not now", "500 what", "502 no", "554 5.7.0 no"] {
        offered_tls(&format!(
            "S: {refusal}
             = ready
             send
             C: MAIL FROM:<a@b.example> SIZE=20\\r\\nRCPT TO:<c@d.example>\\r\\nDATA\\r\\n"
        ));
    }
}

#[test]
fn starttls_may_fail_but_fails_nothing_for_good() {
    offered_tls("S: 421 4.3.2 bye\n= failed tls 421 4.3.2 bye\nC: QUIT\\r\\n\n= close");
    for reply in ["250 sure", "354 go"] {
        offered_tls(&format!(
            "S: {reply}\n= failed tls ours 451 4.5.0 Unexpected reply: {reply}\n= close"
        ));
    }
    offered_tls("eof\n= failed tls ours 451 4.4.2 The connection was lost\n= close");
    offered_tls("late\n= failed tls ours 451 4.4.2 The host did not answer in time\n= close");
}

#[test]
fn whether_tls_is_broken_or_refused_is_told() {
    let at_starttls = || {
        let mut client = client();
        for said in ["220 x\r\n", "250-x\r\n250 STARTTLS\r\n"] {
            client.handle(said.as_bytes(), NOW);
            steps(&mut client);
        }
        client
    };
    let mut broken = at_starttls();
    broken.closed(NOW);
    assert_eq!(broken.security(), Security::Broken);
    let mut refused = at_starttls();
    refused.handle(b"454 no\r\n", NOW);
    assert_eq!(refused.security(), Security::Refused);
    let mut secured = at_starttls();
    secured.handle(b"220 go\r\n", NOW);
    assert_eq!(secured.deadline(), None);
    secured.secured(NOW);
    assert_eq!(secured.security(), Security::Secured);
}

#[test]
fn tls_that_is_not_wanted_is_not_asked_for() {
    let options = Arc::new(ClientOptions::default());
    let mut client = Client::new(options, StartTls::Never, NOW);
    let mut told = steps(&mut client);
    assert!(told.is_empty());
    for said in ["220 x\r\n", "250-x\r\n250 STARTTLS\r\n"] {
        client.handle(said.as_bytes(), NOW);
        told = steps(&mut client);
    }
    assert_eq!(client.security(), Security::Plaintext);
    assert_eq!(told, ["ready"]);
}

/// RFC 3207 §4.2: whatever comes behind the 220 in plaintext, at whatever cuts between the
/// reads, ends the session, and no reply of it counts.
#[test]
fn nothing_said_before_the_handshake_counts_after_it() {
    let said = b"220 go\r\n250-mx\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n";
    let reply = b"220 go\r\n".len();
    for (first, second) in (0..said.len()).flat_map(|a| (a..=said.len()).map(move |b| (a, b))) {
        let mut client = client();
        for said in ["220 x\r\n", "250-x\r\n250 STARTTLS\r\n"] {
            client.handle(said.as_bytes(), NOW);
            steps(&mut client);
        }
        let mut told = Vec::new();
        for part in [&said[..first], &said[first..second], &said[second..]] {
            client.handle(part, NOW);
            told.extend(steps(&mut client));
        }
        // A read that ends with the 220 leaves what follows to the handshake, which fails on it.
        let clean = [first, second].contains(&reply);
        assert_eq!(told[0] == "handshake", clean, "{first} {second}: {told:?}");
        let failed = "failed tls ours 451 4.5.0 More than a reply came in answer to STARTTLS";
        assert!(told.iter().any(|step| step == failed), "{told:?}");
        assert!(!told.iter().any(|step| step == "ready"), "{told:?}");
        client.secured(NOW);
        client.send(transaction(), NOW);
        assert_eq!(
            client.poll(),
            ClientStep::Done(TransactionEnd {
                phase: Phase::Mail,
                reply: Reply::new(451, 4, 2, "The session can't take a message"),
                from_peer: false,
                reusable: false,
            })
        );
    }
}

fn offered(keywords: &str, change: impl FnOnce(&mut Transaction)) -> String {
    let mut client = client();
    client.handle(b"220 x\r\n", NOW);
    steps(&mut client);
    let lines: String = keywords
        .split(' ')
        .map(|word| format!("250-{}\r\n", word.replace('_', " ")))
        .collect();
    client.handle(format!("250-mx\r\n{lines}250 HELP\r\n").as_bytes(), NOW);
    steps(&mut client);
    let mut transaction = transaction();
    change(&mut transaction);
    client.send(transaction, NOW);
    steps(&mut client).remove(0)
}

#[test]
fn what_the_host_can_take_is_announced_and_nothing_else_is_sent() {
    let utf8 = |t: &mut Transaction| t.to = Address::parse("jörg@d.example").unwrap();
    let eight = |t: &mut Transaction| t.eight_bit = true;
    assert_eq!(
        offered("SIZE", eight),
        "done render ours 554 5.6.3 The message has 8-bit content, which the host does not take"
    );
    assert_eq!(
        offered("8BITMIME", eight),
        "MAIL FROM:<a@b.example> BODY=8BITMIME\r\n"
    );
    assert_eq!(
        offered("8BITMIME", utf8),
        "done render ours 553 5.6.7 The message needs SMTPUTF8, which the host does not offer"
    );
    assert_eq!(
        offered("8bitmime smtputf8", utf8),
        "MAIL FROM:<a@b.example> BODY=8BITMIME SMTPUTF8\r\n"
    );
    assert_eq!(
        offered("SIZE_19", |_| ()),
        "done render ours 552 5.3.4 The message of 20 octets is larger than the host takes"
    );
    assert_eq!(
        offered("SIZE_0", |_| ()),
        "MAIL FROM:<a@b.example> SIZE=20\r\n"
    );
    assert_eq!(
        offered("SIZE_20", |t| t.from = ReversePath::Null),
        "MAIL FROM:<> SIZE=20\r\n"
    );
    let bare = |t: &mut Transaction| t.body = vec![Bytes::from_static(b"a\nb\r\n")];
    assert_eq!(
        offered("SIZE", bare),
        "done render ours 554 5.6.0 the message has a bare CR or LF"
    );
}

#[test]
fn each_phase_has_its_deadline_and_the_transaction_one_more() {
    let timeouts = ClientTimeouts::default();
    let at = |seconds: u64| Monotonic(Duration::from_secs(seconds));
    let mut client = client();
    assert_eq!(client.deadline(), Some(NOW.after(timeouts.greeting)));
    client.handle(b"220 x\r\n", at(10));
    steps(&mut client);
    assert_eq!(client.deadline(), Some(at(10).after(timeouts.ehlo)));
    client.handle(b"250-x\r\n250 PIPELINING\r\n", at(20));
    assert_eq!(client.deadline(), None);
    client.send(transaction(), at(30));
    steps(&mut client);
    assert_eq!(client.deadline(), Some(at(30).after(timeouts.mail)));
    client.handle(b"250 a\r\n250 b\r\n", at(40));
    assert_eq!(client.deadline(), Some(at(40).after(timeouts.data)));
    client.handle(b"354 c\r\n", at(50));
    steps(&mut client);
    assert_eq!(client.deadline(), Some(at(50).after(timeouts.dot)));
    client.wrote(at(600));
    assert_eq!(client.deadline(), Some(at(600).after(timeouts.dot)));
    client.wrote(at(3600));
    assert_eq!(client.deadline(), Some(at(30).after(timeouts.transaction)));
}

proptest! {
    #[test]
    fn the_cuts_between_reads_do_not_matter(pieces in proptest::collection::vec(1_usize..30, 1..20)) {
        let said = ["220-mx\r\n220 x\r\n", "250-mx\r\n250-PIPELINING\r\n250 SIZE\r\n",
            "250 2.1.0 a\r\n550-5.1.1 b\r\n550 5.1.1 c\r\n354 d\r\n", "554 e\r\n"];
        let mut client = client();
        let mut told = Vec::new();
        let mut sizes = pieces.iter().cycle();
        for part in said {
            let mut rest = part;
            while !rest.is_empty() {
                let (head, tail) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                client.handle(head.as_bytes(), NOW);
                told.extend(steps(&mut client));
                rest = tail;
            }
            if told.last().is_some_and(|step| step == "ready") && part.contains("PIPELINING") {
                client.send(transaction(), NOW);
                told.extend(steps(&mut client));
            }
        }
        prop_assert_eq!(&told[told.len() - 2..], ["done rcpt 550 5.1.1 b c", "ready"]);
    }

    #[test]
    fn no_host_can_make_it_panic_or_believe(said in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut client = client();
        client.handle(&said, NOW);
        let told = steps(&mut client);
        client.send(transaction(), NOW);
        client.handle(&said, NOW);
        client.closed(NOW);
        prop_assert!(!told.iter().chain(&steps(&mut client)).any(|step| step.starts_with("done message 2")));
    }
}
