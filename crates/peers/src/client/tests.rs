//! What only the client does; the rest is in the tests of the MX.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::mx::{MxOptions, MxServer};

async fn server(extensions: &[&str]) -> (MxServer, tokio_util::sync::DropGuard) {
    let stop = CancellationToken::new();
    let options = MxOptions {
        extensions: extensions.iter().map(|e| (*e).to_owned()).collect(),
        ..MxOptions::default()
    };
    let server = MxServer::start(options, &TaskTracker::new(), stop.clone())
        .await
        .unwrap();
    (server, stop.drop_guard())
}

fn mail(body: &'static [u8]) -> Mail {
    Mail {
        from: String::new(),
        to: vec!["ada@example.org".to_owned()],
        parameters: String::new(),
        body: Bytes::from_static(body),
    }
}

#[tokio::test]
async fn bodies_arrive_whole_with_and_without_pipelining() {
    for extensions in [&["PIPELINING"][..], &[]] {
        let (server, _guard) = server(extensions).await;
        let mut client = SmtpClient::connect(server.addr(), &ClientOptions::default())
            .await
            .unwrap();
        let bodies: [(&'static [u8], &[u8]); 4] = [
            (b"", b""),
            (b".", b".\r\n"),
            (b"a\r\n.\r\n..b\r\n", b"a\r\n.\r\n..b\r\n"),
            (b"no end", b"no end\r\n"),
        ];
        for (sent, arrived) in bodies {
            assert!(client.send(&mail(sent)).await.unwrap().is_taken());
            let last = server.messages().pop().unwrap();
            assert_eq!(last.body, arrived);
        }
    }
}

#[tokio::test]
async fn a_refused_transaction_is_reset_before_the_next() {
    for extensions in [&["PIPELINING"][..], &[]] {
        let (server, _guard) = server(extensions).await;
        let mut client = SmtpClient::connect(server.addr(), &ClientOptions::default())
            .await
            .unwrap();
        let mut refused = mail(b"");
        refused.to = vec!["bounce@example.org".to_owned()];
        assert_eq!(client.send(&refused).await.unwrap().deciding().code, 550);
        assert!(client.send(&mail(b"x")).await.unwrap().is_taken());
    }
}

#[tokio::test]
async fn the_source_address_can_be_chosen() {
    let (server, _guard) = server(&[]).await;
    let options = ClientOptions {
        source: Some(([127, 0, 0, 9], 0).into()),
        ..ClientOptions::default()
    };
    let mut client = SmtpClient::connect(server.addr(), &options).await.unwrap();
    assert!(client.send(&mail(b"x")).await.unwrap().is_taken());
    let peer = server.messages()[0].peer;
    assert_eq!(peer, client.local_addr().unwrap());
    assert_eq!(peer.ip().to_string(), "127.0.0.9");
}
