use std::net::Ipv4Addr;

use postbell_model::clock::Still;

use super::*;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn tracer() -> Tracer {
    Tracer::new(Arc::new(Still(Timestamp::from_micros(0))))
}

fn seen(watching: &mut Watching) -> Vec<String> {
    let mut seen = Vec::new();
    while let Ok(line) = watching.lines.try_recv() {
        seen.push(line.text);
    }
    seen
}

#[test]
fn nobody_watches_and_nothing_is_kept() {
    for tracer in [Tracer::default(), tracer()] {
        let mut session = tracer.session(Role::Delivery, 1, PEER);
        session.said(Speaker::Server, b"220 hello\r\n");
        assert!(!session.is_watched());
    }
    assert!(Tracer::default().watch(Watch::default()).is_err());
}

#[test]
fn lines_are_told_one_by_one_and_harmless() {
    let tracer = tracer();
    let mut watching = tracer.watch(Watch::default()).unwrap();
    let mut session = tracer.session(Role::Delivery, 1, PEER);
    session.said(Speaker::Server, b"250-mx\r\n250 \x1b[31mSIZE\r\n");
    session.said_secret(Speaker::Client, "AUTH PLAIN");
    session.said(Speaker::Client, &[b'x'; 5_000]);
    let seen = seen(&mut watching);
    assert_eq!(
        seen[..3],
        ["250-mx", "250 \\u{1b}[31mSIZE", "AUTH PLAIN [not shown]"]
    );
    assert_eq!(seen[3].chars().count(), 1_001);
    drop(watching);
    assert!(!session.is_watched());
}

#[test]
fn a_domain_brings_its_sessions_from_their_beginning() {
    let tracer = tracer();
    let watch = Watch {
        domain: Some(Domain::parse("example.org").unwrap()),
        ..Watch::default()
    };
    let mut watching = tracer.watch(watch).unwrap();
    let mut other = tracer.session(Role::Submission, 1, PEER);
    other.said(Speaker::Client, b"MAIL FROM:<a@notexample.org>\r\n");
    other.said(Speaker::Client, b"RCPT TO:<a@example.org.uk>\r\n");
    assert!(seen(&mut watching).is_empty());
    let mut session = tracer.session(Role::Submission, 2, PEER);
    session.said(Speaker::Server, b"220 us\r\n");
    session.said(Speaker::Client, b"MAIL FROM:<a@Example.org>\r\n");
    session.said(Speaker::Server, b"250 ok\r\n");
    assert_eq!(
        seen(&mut watching),
        ["220 us", "MAIL FROM:<a@Example.org>", "250 ok"]
    );
}

#[test]
fn watchers_see_their_peer_and_role_alone() {
    let tracer = tracer();
    let watch = |peer: [u8; 4], role| Watch {
        peer: Some(peer.into()),
        role: Some(role),
        ..Watch::default()
    };
    let mut right = tracer.watch(watch([192, 0, 2, 1], Role::Delivery)).unwrap();
    let mut wrong = tracer.watch(watch([192, 0, 2, 2], Role::Delivery)).unwrap();
    let mut server = tracer
        .watch(watch([192, 0, 2, 1], Role::Submission))
        .unwrap();
    tracer.session(Role::Delivery, 1, PEER).note("here");
    assert_eq!(seen(&mut right), ["here"]);
    assert!(seen(&mut wrong).is_empty() && seen(&mut server).is_empty());
}

#[test]
fn messages_are_told_by_size_and_as_they_are_to_who_asks() {
    let tracer = tracer();
    let mut sizes = tracer.watch(Watch::default()).unwrap();
    let data = Watch {
        data: true,
        ..Watch::default()
    };
    let mut all = tracer.watch(data).unwrap();
    let mut session = tracer.session(Role::Delivery, 1, PEER);
    session.data(b"Subject: x\r\n\r\nhello\r\n");
    session.said(Speaker::Server, b"250 taken\r\n");
    let size = "[message data, 21 octets]";
    assert_eq!(seen(&mut sizes), [size, "250 taken"]);
    assert_eq!(
        seen(&mut all),
        ["Subject: x", "", "hello", size, "250 taken"]
    );
}

#[tokio::test]
async fn a_slow_watcher_loses_lines_and_is_told() {
    let tracer = tracer();
    let mut watching = tracer.watch(Watch::default()).unwrap();
    let mut session = tracer.session(Role::Delivery, 1, PEER);
    for _ in 0..ON_THE_WAY + 7 {
        session.note("x");
    }
    let (_, lost) = watching.next().await.unwrap();
    assert_eq!(lost, 7);
    let (_, lost) = watching.next().await.unwrap();
    assert_eq!(lost, 0);
}

#[test]
fn so_many_watch_and_no_more() {
    let tracer = tracer();
    let watch = || tracer.watch(Watch::default());
    let watching: Vec<_> = (0..MOST_WATCHERS).map(|_| watch().unwrap()).collect();
    assert!(watch().is_err());
    drop(watching);
    assert!(watch().is_ok());
}
