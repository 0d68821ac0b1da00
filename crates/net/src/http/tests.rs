use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::http::HeaderValue;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::rdata::A;
use hickory_resolver::proto::rr::{RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::*;
use crate::{CertificateFiles, DnsOptions, ServerTls};

const LIMIT: Duration = Duration::from_secs(5);
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK";

/// A web server that gives each request the same answer and counts.
struct Far {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Far {
    async fn start(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let far = Self {
            addr: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (far.connections.clone(), far.requests.clone());
        let answer: Arc<[u8]> = answer.into().into();
        let tasks = TaskTracker::new();
        tasks.clone().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tasks.spawn(serve(stream, answer.clone(), requests.clone()));
            }
        });
        far
    }

    fn url(&self, host: &str) -> Uri {
        let port = self.addr.port();
        format!("http://{host}:{port}/hook").parse().unwrap()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<[u8]>, requests: Arc<AtomicUsize>) {
    let mut seen = Vec::new();
    while stream.read_buf(&mut seen).await.is_ok_and(|read| read > 0) {
        if seen.ends_with(b"{}") {
            seen.clear();
            requests.fetch_add(1, Ordering::SeqCst);
            // The client hangs up in the middle of long answers.
            let _ = stream.write_all(&answer).await;
        }
    }
}

/// A name server that gives a new answer each time, the last one for ever, never to be kept.
async fn name_server(answers: Vec<Vec<Ipv4Addr>>) -> (DnsOptions, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let options = DnsOptions {
        servers: vec![socket.local_addr().unwrap()],
        ..DnsOptions::default()
    };
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    TaskTracker::new().spawn(async move {
        let mut buf = [0; 2_048];
        while let Ok((len, peer)) = socket.recv_from(&mut buf).await {
            let question = Message::from_vec(&buf[..len]).unwrap();
            let query = question.queries[0].clone();
            let mut answer = question.into_response();
            if query.query_type() == hickory_resolver::proto::rr::RecordType::A {
                let turn = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
                for ip in &answers[turn] {
                    let data = RData::A(A(*ip));
                    answer.add_answer(Record::from_rdata(query.name().clone(), 0, data));
                }
            }
            socket
                .send_to(&answer.to_vec().unwrap(), peer)
                .await
                .unwrap();
        }
    });
    (options, asked)
}

fn client(dns: &DnsOptions, allowed: &[&str]) -> HttpClient {
    let allowed = allowed.iter().map(|net| net.parse().unwrap()).collect();
    let resolver = Resolver::new(dns).unwrap();
    HttpClient::new(resolver, Guard::new(allowed), &HttpOptions::default())
}

fn plain_client() -> HttpClient {
    client(&DnsOptions::default(), &["127.0.0.0/8"])
}

async fn post(client: &HttpClient, url: &Uri, limit: Duration) -> Result<HttpAnswer, HttpError> {
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_static("evt_1"));
    client
        .post(url, headers, Bytes::from_static(b"{}"), limit)
        .await
}

#[tokio::test]
async fn an_answer_is_read_and_its_connection_used_again() {
    let far = Far::start(OK).await;
    let client = plain_client();
    for _ in 0..20 {
        let answer = post(&client, &far.url("127.0.0.1"), LIMIT).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(&answer.body_start[..], b"OK");
        assert_eq!(answer.retry_after, None);
    }
    assert_eq!(far.requests.load(Ordering::SeqCst), 20);
    assert_eq!(far.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let elsewhere = Far::start(OK).await;
    let location = elsewhere.url("127.0.0.1");
    let far = Far::start(format!(
        "HTTP/1.1 302 Found\r\nlocation: {location}\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n"
    ))
    .await;
    let answer = post(&plain_client(), &far.url("127.0.0.1"), LIMIT)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(
        answer.retry_after,
        Some(RetryAfter::Delay(Duration::from_secs(7)))
    );
    assert_eq!(elsewhere.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_long_answer_is_read_up_to_the_limit_and_its_connection_closed() {
    let mut answer = b"HTTP/1.1 500 Oops\r\ncontent-length: 1073741824\r\n\r\n".to_vec();
    answer.resize(answer.len() + 4 * ANSWER_MAX, b'x');
    let far = Far::start(answer).await;
    let client = plain_client();
    for number in 1..=2 {
        let answer = post(&client, &far.url("127.0.0.1"), LIMIT).await.unwrap();
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.body_start.len(), ANSWER_MAX);
        assert_eq!(far.connections.load(Ordering::SeqCst), number);
    }
}

#[tokio::test]
async fn an_answer_that_stops_half_way_is_an_answer() {
    let far = Far::start("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await;
    let limit = Duration::from_millis(200);
    let answer = post(&plain_client(), &far.url("127.0.0.1"), limit)
        .await
        .unwrap();
    assert_eq!(
        (answer.status, &answer.body_start[..]),
        (StatusCode::OK, &b"abc"[..])
    );
}

#[tokio::test]
async fn silence_and_nonsense_are_failures() {
    let client = plain_client();
    let silent = Far::start("").await;
    let limit = Duration::from_millis(100);
    let late = post(&client, &silent.url("127.0.0.1"), limit).await;
    assert_eq!(late.unwrap_err(), HttpError::TimedOut(limit));
    let noise = Far::start("220 mail.example ESMTP\r\n").await;
    let broken = post(&client, &noise.url("127.0.0.1"), LIMIT).await;
    assert!(matches!(broken.unwrap_err(), HttpError::Broken(_)));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let closed: Uri = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    drop(listener);
    let refused = post(&client, &closed, LIMIT).await;
    assert!(matches!(refused.unwrap_err(), HttpError::Connect(_)));
}

/// Ways to write a private address: in full, short, in other bases, inside an IPv6 address, as a
/// name. The name server says 127.0.0.1 to every name.
const PRIVATE: [&str; 46] = [
    "127.0.0.1",
    "127.9.9.9",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "0.0.0.0",
    "0",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:a9fe:a9fe]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2001:0:7f00:1::]",
    "[2002:7f00:1::]",
    "[fc00::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "localhost",
    "localhost.",
    "rebound.example",
];

#[tokio::test]
async fn no_way_to_write_a_private_address_leads_to_it() {
    let far = Far::start(OK).await;
    let (dns, _) = name_server(vec![vec![Ipv4Addr::LOCALHOST]]).await;
    let client = client(&dns, &[]);
    for host in PRIVATE {
        let refused = post(&client, &far.url(host), LIMIT).await.unwrap_err();
        assert!(
            matches!(refused, HttpError::Forbidden(_) | HttpError::BadUrl(_)),
            "{host}: {refused}"
        );
    }
    assert_eq!(far.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_checked_at_each_connection() {
    let far = Far::start("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
    let (allowed, private) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));
    let (dns, asked) = name_server(vec![vec![allowed], vec![private]]).await;
    let client = client(&dns, &["127.0.0.1/32"]);
    let url = far.url("rebinding.example");
    post(&client, &url, LIMIT).await.unwrap();
    let refused = post(&client, &url, LIMIT).await.unwrap_err();
    assert!(matches!(refused, HttpError::Forbidden(f) if f.ip == private));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(far.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn of_several_addresses_only_those_allowed_are_dialled() {
    let far = Far::start(OK).await;
    // 127.0.0.1 is where the server listens; the guard knows only 127.0.0.2, where nobody does.
    let (dns, _) = name_server(vec![vec![Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)]]).await;
    let strict = client(&dns, &["127.0.0.2/32"]);
    post(&strict, &far.url("two.example"), LIMIT)
        .await
        .unwrap_err();
    assert_eq!(far.connections.load(Ordering::SeqCst), 0);
    // And the other way round: one address that does not answer does not hide the next.
    let (dns, _) = name_server(vec![vec![Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::LOCALHOST]]).await;
    let lenient = client(&dns, &["127.0.0.0/8"]);
    post(&lenient, &far.url("two.example"), LIMIT)
        .await
        .unwrap();
    assert_eq!(far.connections.load(Ordering::SeqCst), 1);
}

fn certs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../certs")
}

fn acceptor() -> TlsAcceptor {
    let files = CertificateFiles {
        certificate: certs().join("dev.pem"),
        key: certs().join("dev-key.pem"),
    };
    TlsAcceptor::from(ServerTls::load(files).unwrap().config())
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_ends_the_call_before_it_begins() {
    let acceptor = acceptor();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let far = TaskTracker::new().spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.is_ok()
    });
    let url = format!("https://127.0.0.1:{port}/").parse().unwrap();
    let failed = post(&plain_client(), &url, LIMIT).await.unwrap_err();
    assert!(matches!(failed, HttpError::Tls(_)), "{failed}");
    assert!(!far.await.unwrap(), "the handshake succeeded");
}

#[tokio::test]
async fn a_server_without_tls_fails_the_handshake() {
    let far = Far::start(OK).await;
    let url = format!("https://127.0.0.1:{}/", far.addr.port())
        .parse()
        .unwrap();
    // The server never sees a whole request: the client gives up at its own deadline.
    let failed = post(&plain_client(), &url, Duration::from_millis(200)).await;
    assert!(failed.is_err());
    assert_eq!(far.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn of_an_exchange_the_whole_answer_comes_or_none() {
    let client = plain_client();
    let ask = async |far: &Far, limit| {
        let mut request = Request::new(Bytes::from_static(b"{}"));
        *request.uri_mut() = far.url("127.0.0.1");
        client.exchange(request, limit).await
    };
    let far = Far::start("HTTP/1.1 201 Made\r\nlocation: /x\r\ncontent-length: 2\r\n\r\nOK").await;
    let answer = ask(&far, LIMIT).await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.headers()["location"], "/x");
    assert_eq!(answer.body(), "OK");

    let mut long = b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n".to_vec();
    long.resize(long.len() + 4 * ANSWER_MAX, b'x');
    let failed = ask(&Far::start(long).await, LIMIT).await.unwrap_err();
    assert!(matches!(failed, HttpError::Broken(_)), "{failed}");

    let half = Far::start("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await;
    let limit = Duration::from_millis(200);
    assert_eq!(
        ask(&half, limit).await.unwrap_err(),
        HttpError::TimedOut(limit)
    );
}

#[tokio::test]
async fn the_authorities_of_a_file_are_believed_and_no_others() {
    let acceptor = acceptor();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url: Uri = format!("https://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    TaskTracker::new().spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(OK.as_bytes()).await;
        }
    });
    let believing = |name: &str| {
        let resolver = Resolver::new(&DnsOptions::default()).unwrap();
        let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let options = HttpOptions::default();
        HttpClient::believing(resolver, guard, &options, &certs().join(name))
    };
    let answer = post(&believing("ca.pem").unwrap(), &url, LIMIT).await;
    assert_eq!(answer.unwrap().status, StatusCode::OK);
    let refused = post(&plain_client(), &url, LIMIT).await.unwrap_err();
    assert!(matches!(refused, HttpError::Tls(_)), "{refused}");
    for bad in ["none.pem", "ca-key.pem"] {
        assert!(believing(bad).is_err(), "{bad}");
    }
}
