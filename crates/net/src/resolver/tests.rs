use std::collections::HashMap;
use std::net::Ipv4Addr;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME};
use tokio::net::UdpSocket;
use tokio_util::task::TaskTracker;

use super::*;

const TTL: u32 = 300;

/// A name server that says what it was told to, NXDOMAIN to everything else.
#[derive(Default)]
struct Script {
    answers: HashMap<(String, RecordType), Vec<RData>>,
    codes: HashMap<(String, RecordType), ResponseCode>,
}

impl Script {
    fn record(mut self, name: &str, data: RData) -> Self {
        let key = (format!("{name}."), data.record_type());
        self.answers.entry(key).or_default().push(data);
        self
    }

    fn code(mut self, name: &str, kind: RecordType, code: ResponseCode) -> Self {
        self.codes.insert((format!("{name}."), kind), code);
        self
    }

    async fn start(self) -> Resolver {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let options = DnsOptions {
            servers: vec![socket.local_addr().unwrap()],
            timeout: Duration::from_millis(500),
            attempts: 1,
        };
        TaskTracker::new().spawn(self.serve(socket));
        Resolver::new(&options).unwrap()
    }

    async fn serve(self, socket: UdpSocket) {
        let mut buf = [0; 2_048];
        while let Ok((len, peer)) = socket.recv_from(&mut buf).await {
            let question = Message::from_vec(&buf[..len]).unwrap();
            let answer = self.answer(question);
            socket
                .send_to(&answer.to_vec().unwrap(), peer)
                .await
                .unwrap();
        }
    }

    fn answer(&self, question: Message) -> Message {
        let query = question.queries[0].clone();
        let name = query.name().to_ascii().to_lowercase();
        let key = (name.clone(), query.query_type());
        let mut answer = question.into_response();
        answer.metadata.response_code = ResponseCode::NXDomain;
        let alias = (name, RecordType::CNAME);
        if let Some(records) = self.answers.get(&key).or_else(|| self.answers.get(&alias)) {
            answer.metadata.response_code = ResponseCode::NoError;
            for data in records {
                answer.add_answer(Record::from_rdata(query.name().clone(), TTL, data.clone()));
            }
        }
        if let Some(code) = self.codes.get(&key) {
            answer.metadata.response_code = *code;
        }
        answer
    }
}

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn mx(preference: u16, host: &str) -> RData {
    RData::MX(MX::new(preference, Name::from_ascii(host).unwrap()))
}

fn a(last: u8) -> RData {
    RData::A(A::new(192, 0, 2, last))
}

fn aaaa(last: u16) -> RData {
    RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last))
}

fn texts(ips: &[IpAddr]) -> Vec<String> {
    ips.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn mail_hosts_come_most_preferred_first() {
    let resolver = Script::default()
        .record("many.example", mx(20, "b.example."))
        .record("many.example", mx(10, "A.example."))
        .record("many.example", mx(0, "."))
        .start()
        .await;
    let answer = resolver.mx(&domain("many.example")).await.unwrap();
    let hosts = vec![(10, domain("a.example")), (20, domain("b.example"))];
    assert_eq!((answer.hosts, answer.null), (hosts, false));
    assert_eq!(answer.valid_for, Duration::from_secs(TTL.into()));
}

#[tokio::test]
async fn a_domain_may_take_no_mail() {
    let resolver = Script::default()
        .record("null.example", mx(0, "."))
        .start()
        .await;
    let answer = resolver.mx(&domain("null.example")).await.unwrap();
    assert!(answer.null && answer.hosts.is_empty());
}

#[tokio::test]
async fn three_ways_to_have_no_answer_are_three_errors() {
    let odd = Name::from_labels([&b"a b"[..], b"example"]).unwrap();
    let resolver = Script::default()
        .code("plain.example", RecordType::MX, ResponseCode::NoError)
        .code("broken.example", RecordType::MX, ResponseCode::ServFail)
        .code("shut.example", RecordType::MX, ResponseCode::Refused)
        .record("bad.example", mx(10, "."))
        .record("bad.example", RData::MX(MX::new(20, odd)))
        .start()
        .await;
    let ask = async |name| resolver.mx(&domain(name)).await.unwrap_err();
    assert_eq!(ask("gone.example").await, LookupError::NoSuchDomain);
    assert_eq!(ask("plain.example").await, LookupError::NoData);
    for name in ["broken.example", "shut.example", "bad.example"] {
        let error = ask(name).await;
        assert!(
            matches!(error, LookupError::Temporary(_)),
            "{name}: {error}"
        );
    }
}

#[tokio::test]
async fn a_silent_server_is_a_temporary_failure() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let options = DnsOptions {
        servers: vec![silent.local_addr().unwrap()],
        timeout: Duration::from_millis(50),
        attempts: 2,
    };
    let resolver = Resolver::new(&options).unwrap();
    let error = resolver.addresses(&domain("a.example")).await.unwrap_err();
    assert!(matches!(error, LookupError::Temporary(_)), "{error}");
}

#[tokio::test]
async fn both_families_come_in_turn() {
    let resolver = Script::default()
        .record("both.example", a(1))
        .record("both.example", a(2))
        .record("both.example", a(3))
        .record("both.example", aaaa(1))
        .start()
        .await;
    let found = resolver.addresses(&domain("both.example")).await.unwrap();
    assert_eq!(
        texts(&found.ips),
        ["2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]
    );
    assert_eq!(found.valid_for, Duration::from_secs(TTL.into()));
}

#[tokio::test]
async fn one_family_that_fails_does_not_hide_the_other() {
    let resolver = Script::default()
        .record("half.example", a(1))
        .code("half.example", RecordType::AAAA, ResponseCode::ServFail)
        .code("none.example", RecordType::A, ResponseCode::NoError)
        .code("none.example", RecordType::AAAA, ResponseCode::ServFail)
        .code("empty.example", RecordType::A, ResponseCode::NoError)
        .code("empty.example", RecordType::AAAA, ResponseCode::NoError)
        .start()
        .await;
    let found = resolver.addresses(&domain("half.example")).await.unwrap();
    assert_eq!(texts(&found.ips), ["192.0.2.1"]);
    let ask = async |name| resolver.addresses(&domain(name)).await.unwrap_err();
    assert!(matches!(
        ask("none.example").await,
        LookupError::Temporary(_)
    ));
    assert_eq!(ask("empty.example").await, LookupError::NoData);
    assert_eq!(ask("gone.example").await, LookupError::NoSuchDomain);
}

#[tokio::test]
async fn aliases_are_followed() {
    let target = Name::from_ascii("real.example.").unwrap();
    let resolver = Script::default()
        .record("alias.example", RData::CNAME(CNAME(target)))
        .record("real.example", a(7))
        .start()
        .await;
    let found = resolver.addresses(&domain("alias.example")).await.unwrap();
    assert_eq!(texts(&found.ips), ["192.0.2.7"]);
}

#[tokio::test]
async fn a_literal_is_no_name() {
    let resolver = Script::default().start().await;
    let error = resolver.mx(&domain("[192.0.2.1]")).await.unwrap_err();
    assert_eq!(error, LookupError::NoSuchDomain);
}
