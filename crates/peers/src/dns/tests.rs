//! The server over real sockets, UDP and TCP.

use hickory_server::proto::op::{Message, Query, ResponseCode};
use hickory_server::proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

async fn server(unlisted: Unlisted) -> (DnsServer, tokio_util::sync::DropGuard) {
    let stop = CancellationToken::new();
    let options = DnsOptions {
        unlisted,
        ..DnsOptions::default()
    };
    let server = DnsServer::start(options, &TaskTracker::new(), stop.clone())
        .await
        .unwrap();
    (server, stop.drop_guard())
}

async fn default_server() -> (DnsServer, tokio_util::sync::DropGuard) {
    server(DnsOptions::default().unlisted).await
}

fn question(name: &str, record_type: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), record_type));
    message.to_vec().unwrap()
}

async fn ask(server: &DnsServer, name: &str, record_type: RecordType) -> Message {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket
        .send_to(&question(name, record_type), server.addr())
        .await
        .unwrap();
    let mut octets = [0; 4_096];
    let receiving = socket.recv(&mut octets);
    let size = tokio::time::timeout(LIMIT, receiving)
        .await
        .unwrap()
        .unwrap();
    Message::from_vec(&octets[..size]).unwrap()
}

fn answers(message: &Message) -> Vec<String> {
    let records = message.answers.iter();
    records
        .map(|r| format!("{} {} {} {}", r.name, r.ttl, r.record_type(), r.data))
        .collect()
}

async fn check(server: &DnsServer, name: &str, record_type: RecordType, expected: &[&str]) {
    let message = ask(server, name, record_type).await;
    assert_eq!(message.metadata.response_code, ResponseCode::NoError);
    assert_eq!(answers(&message), expected);
    assert_eq!(message.authorities.len(), usize::from(expected.is_empty()));
}

#[tokio::test]
async fn every_domain_has_mail() {
    let (server, _guard) = default_server().await;
    let mx = ["example.org. 60 MX 10 mx.example.org."];
    check(&server, "Example.org.", RecordType::MX, &mx).await;
    let address = ["mx.example.org. 60 A 127.0.0.1"];
    check(&server, "mx.example.org.", RecordType::A, &address).await;
    check(&server, "mx.example.org.", RecordType::AAAA, &[]).await;
    assert_eq!(server.table().queries(), 3);
    assert_eq!(server.table().queries_for("MX.example.org"), 2);
}

#[tokio::test]
async fn names_answer_as_the_table_says() {
    let (server, _guard) = server(Unlisted::NoSuchDomain).await;
    let table = server.table();
    let ttl = Duration::from_secs(5);
    table.set(
        "two.test",
        Entry::mx([(20, "b.test"), (10, "a.test")]).valid_for(ttl),
    );
    table.set("null.test", Entry::null_mx());
    table.set("empty.test", Entry::no_data());
    table.set("alias.test", Entry::cname("two.test"));
    table.set("loop.test", Entry::cname("loop.test"));
    let addresses = ["192.0.2.1", "2001:db8::1"].map(|ip| ip.parse().unwrap());
    table.set("a.test", Entry::addresses(addresses));

    let two = ["two.test. 5 MX 20 b.test.", "two.test. 5 MX 10 a.test."];
    check(&server, "two.test.", RecordType::MX, &two).await;
    let null = ["null.test. 60 MX 0 ."];
    check(&server, "null.test.", RecordType::MX, &null).await;
    check(&server, "empty.test.", RecordType::MX, &[]).await;
    let alias = ["alias.test. 60 CNAME two.test.", two[0], two[1]];
    check(&server, "alias.test.", RecordType::MX, &alias).await;
    let ipv6 = ["a.test. 60 AAAA 2001:db8::1"];
    check(&server, "a.test.", RecordType::AAAA, &ipv6).await;
    let looping = ask(&server, "loop.test.", RecordType::MX).await;
    assert_eq!(looping.answers.len(), 8);
}

#[tokio::test]
async fn failures_have_their_codes() {
    let (server, _guard) = default_server().await;
    for (answer, code) in [
        (Answer::NoSuchDomain, ResponseCode::NXDomain),
        (Answer::ServerFailure, ResponseCode::ServFail),
        (Answer::Refused, ResponseCode::Refused),
    ] {
        let entry = Entry::new(answer).delayed(Duration::from_millis(1));
        server.table().set("down.test", entry);
        let message = ask(&server, "down.test.", RecordType::MX).await;
        assert_eq!(message.metadata.response_code, code);
    }
}

#[tokio::test]
async fn silence_holds_back_no_other_question() {
    let (server, _guard) = default_server().await;
    let table = server.table();
    table.set("silent.test", Entry::new(Answer::Silence));
    table.set("late.test", Entry::no_data().delayed(LIMIT * 100));
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    for name in ["silent.test.", "late.test.", "example.org."] {
        let question = question(name, RecordType::MX);
        socket.send_to(&question, server.addr()).await.unwrap();
    }
    let mut octets = [0; 512];
    let size = tokio::time::timeout(LIMIT, socket.recv(&mut octets))
        .await
        .unwrap()
        .unwrap();
    let message = Message::from_vec(&octets[..size]).unwrap();
    assert_eq!(answers(&message), ["example.org. 60 MX 10 mx.example.org."]);
}

#[tokio::test]
async fn what_is_too_long_for_udp_comes_over_tcp() {
    let (server, _guard) = default_server().await;
    let hosts: Vec<String> = (0..100).map(|n| format!("host-{n}.many.test")).collect();
    let entry = Entry::mx(hosts.iter().map(|host| (10, host.as_str())));
    server.table().set("many.test", entry);
    let over_udp = ask(&server, "many.test.", RecordType::MX).await;
    assert!(over_udp.metadata.truncation);

    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let question = question("many.test.", RecordType::MX);
    let size = u16::try_from(question.len()).unwrap();
    stream.write_all(&size.to_be_bytes()).await.unwrap();
    stream.write_all(&question).await.unwrap();
    let mut octets = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut octets).await.unwrap();
    assert_eq!(Message::from_vec(&octets).unwrap().answers.len(), 100);
}

#[tokio::test]
async fn it_stops_with_its_token() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let server = DnsServer::start(DnsOptions::default(), &tasks, stop.clone())
        .await
        .unwrap();
    stop.cancel();
    tasks.close();
    tokio::time::timeout(LIMIT, tasks.wait()).await.unwrap();
    assert!(UdpSocket::bind(server.addr()).await.is_ok());
}
