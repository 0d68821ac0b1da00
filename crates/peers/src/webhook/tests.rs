//! The server over real sockets, against raw HTTP.

use postbell_model::Timestamp;
use postbell_model::clock::Still;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn start(options: WebhookOptions) -> (WebhookServer, tokio_util::sync::DropGuard) {
    let stop = CancellationToken::new();
    let server = WebhookServer::start(options, &TaskTracker::new(), stop.clone())
        .await
        .unwrap();
    (server, stop.drop_guard())
}

fn secret() -> SigningSecret {
    SigningSecret::parse(SECRET).unwrap()
}

fn request(path: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n{fields}\r\n{body}")
}

fn signed(body: &str) -> String {
    let signature = secret().sign("evt_1", "1000", body.as_bytes());
    let fields = format!(
        "webhook-id: evt_1\r\nwebhook-timestamp: 1000\r\nwebhook-signature: {signature}\r\n"
    );
    request("/hook", &fields, body)
}

/// The header of the response, up to its empty line.
async fn exchange(stream: &mut TcpStream, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut header = Vec::new();
    while !header.ends_with(b"\r\n\r\n") {
        header.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8(header).unwrap())
}

async fn connect(server: &WebhookServer) -> TcpStream {
    TcpStream::connect(server.addr()).await.unwrap()
}

async fn status(stream: &mut TcpStream, request: &str) -> u16 {
    let header = exchange(stream, request).await.unwrap();
    header[9..12].parse().unwrap()
}

#[tokio::test]
async fn signed_posts_are_taken_and_others_are_not() {
    let (server, _guard) = start(WebhookOptions {
        secrets: vec![SigningSecret::parse("old").unwrap(), secret()],
        ..WebhookOptions::default()
    })
    .await;
    let mut stream = connect(&server).await;
    assert_eq!(status(&mut stream, &signed(r#"{"a":1}"#)).await, 200);
    let forged = signed(r#"{"a":1}"#).replace(r#"{"a":1}"#, r#"{"a":2}"#);
    assert_eq!(status(&mut stream, &forged).await, 401);
    assert_eq!(status(&mut stream, &request("/", "", "{}")).await, 401);
    server.wait_for_posts(3, LIMIT).await.unwrap();
    let posts = server.posts();
    let checks: Vec<_> = posts.iter().map(|p| p.signature).collect();
    assert_eq!(
        checks,
        [
            SignatureCheck::Valid,
            SignatureCheck::Wrong,
            SignatureCheck::Missing
        ]
    );
    assert_eq!((posts[0].id(), posts[0].path.as_str()), ("evt_1", "/hook"));
    assert_eq!(posts[0].json().unwrap()["a"], 1);
    assert_eq!(
        server.counts(),
        WebhookCounts {
            connections: 1,
            posts: 3,
            taken: 1,
            unverified: 2,
            missed_by_feed: 0
        }
    );
}

#[tokio::test]
async fn an_old_signature_is_stale() {
    for (now, expected) in [(1_300, 200), (1_301, 401), (700, 200), (699, 401)] {
        let (server, _guard) = start(WebhookOptions {
            secrets: vec![secret()],
            tolerance: Some(Tolerance {
                clock: Arc::new(Still(Timestamp::from_micros(now * 1_000_000))),
                limit: Duration::from_secs(300),
            }),
            ..WebhookOptions::default()
        })
        .await;
        let mut stream = connect(&server).await;
        assert_eq!(status(&mut stream, &signed("{}")).await, expected, "{now}");
    }
}

#[tokio::test]
async fn answers_follow_the_script() {
    let (server, _guard) = start(WebhookOptions::default()).await;
    server.answer_next(1, Answer::Status(410));
    server.answer_next(
        1,
        Answer::RetryAfter {
            status: 429,
            seconds: 7,
        },
    );
    server.answer_next(1, Answer::Redirect("http://127.0.0.1/".to_owned()));
    server.answer_next(1, Answer::Slow(Duration::from_millis(1)));
    server.answer_path("/gone", Some(Answer::Status(404)));
    let mut stream = connect(&server).await;
    let post = request("/", "", "{}");
    assert_eq!(status(&mut stream, &request("/gone", "", "")).await, 404);
    assert_eq!(status(&mut stream, &post).await, 410);
    let limited = exchange(&mut stream, &post).await.unwrap();
    assert!(limited.starts_with("HTTP/1.1 429") && limited.contains("retry-after: 7\r\n"));
    let redirect = exchange(&mut stream, &post).await.unwrap();
    assert!(redirect.starts_with("HTTP/1.1 307") && redirect.contains("location: http"));
    assert_eq!(status(&mut stream, &post).await, 200);
    let statuses: Vec<u16> = server.posts().iter().map(|p| p.status).collect();
    assert_eq!(statuses, [404, 410, 429, 307, 200]);
}

#[tokio::test]
async fn connections_can_be_dropped_and_bodies_endless() {
    let (server, _guard) = start(WebhookOptions {
        patience: Duration::from_millis(200),
        ..WebhookOptions::default()
    })
    .await;
    for answer in [Answer::Drop, Answer::Stall] {
        server.answer_next(1, answer);
        let answered = exchange(&mut connect(&server).await, &request("/", "", "")).await;
        let error = answered.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
    let octets = 3 << 20;
    server.answer_next(1, Answer::Huge(octets));
    let mut stream = connect(&server).await;
    let closing = request("/", "connection: close\r\n", "");
    assert_eq!(status(&mut stream, &closing).await, 200);
    let mut body = Vec::new();
    stream.read_to_end(&mut body).await.unwrap();
    assert!(body.len() as u64 >= octets);
}

#[tokio::test]
async fn what_is_no_post_or_too_large_is_refused() {
    let (server, _guard) = start(WebhookOptions {
        max_body: 10,
        ..WebhookOptions::default()
    })
    .await;
    let get = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_eq!(status(&mut connect(&server).await, get).await, 405);
    let large = request("/", "", "01234567890");
    assert_eq!(status(&mut connect(&server).await, &large).await, 413);
    assert_eq!(server.counts().posts, 0);
}

#[tokio::test]
async fn a_full_feed_holds_nothing_up() {
    let (feed, mut fed) = mpsc::channel(1);
    let (told, mut heard) = mpsc::unbounded_channel();
    let (server, _guard) = start(WebhookOptions {
        keep: Keep::NOTHING,
        feed: Some(feed),
        ledger: Some(Arc::new(move |post: &Post| {
            told.send(post.status).unwrap();
        })),
        ..WebhookOptions::default()
    })
    .await;
    let mut stream = connect(&server).await;
    for _ in 0..3 {
        assert_eq!(status(&mut stream, &request("/", "", "{}")).await, 200);
        assert_eq!(heard.recv().await, Some(200));
    }
    assert_eq!(fed.recv().await.unwrap().body, "{}");
    assert_eq!(server.counts().missed_by_feed, 2);
}
