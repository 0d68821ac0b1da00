//! A message that comes an octet at a time.

use super::*;

const BEGIN: &[u8] = b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n";

fn slow_server() -> Server {
    let options = ServerOptions {
        min_data_rate: 10,
        max_message_size: 100_000,
        timeouts: ServerTimeouts {
            data_block: Duration::from_secs(1000),
            data_grace: Duration::from_secs(60),
            ..ServerTimeouts::default()
        },
        ..options()
    };
    Server::new(Arc::new(options), PLAIN, NOW)
}

fn at(seconds: u64) -> Monotonic {
    Monotonic(Duration::from_secs(seconds))
}

#[test]
fn dribbling_ends_with_421() {
    let mut server = slow_server();
    let mut session = Session::default();
    session.feed(&mut server, BEGIN);
    assert_eq!(server.deadline(), at(61));
    // An octet a second.
    let mut second = 0;
    while server.deadline() > at(second) {
        server.handle(b"x", at(second));
        second += 1;
    }
    // 60 + 1 + second / 10 = second.
    assert_eq!(second, 67);
    session.said.clear();
    server.timed_out(at(second));
    session.run(&mut server);
    assert_eq!(
        session.said,
        "421 4.4.2 The message comes too slowly, goodbye\r\n"
    );
    assert!(session.closed && session.messages.is_empty());
}

#[test]
fn a_message_at_its_pace_is_taken() {
    let mut server = slow_server();
    let mut session = Session::default();
    session.feed(&mut server, BEGIN);
    for second in 0..600 {
        server.handle(b"0123456789\r\n", at(second));
        assert!(server.deadline() > at(second + 1), "{second}");
    }
    server.handle(b".\r\n", at(600));
    session.run(&mut server);
    assert_eq!(session.messages.len(), 1);
}

#[test]
fn what_came_with_the_commands_counts() {
    let mut server = slow_server();
    server.handle(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\n", NOW);
    server.answer(Answer::Accept, NOW);
    server.handle(b"RCPT TO:<c@d.example>\r\nDATA\r\n0123456789", NOW);
    server.answer(Answer::Accept, NOW);
    assert_eq!(server.deadline(), at(62));
}
