#![allow(clippy::all, missing_docs)]
use postbell_peers::{Keep, client::*, mx::*, webhook::*};
use tokio::io::*;
use std::time::Duration;
fn cpu(t: &str) -> f64 { let s = std::fs::read_to_string(t).unwrap(); let f: Vec<&str> = s.rsplit_once(") ").unwrap().1.split(' ').collect(); (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0 }
fn main() {
    let sink = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let tid = sink.block_on(async { tokio::task::spawn(async { std::fs::read_link("/proc/thread-self").unwrap() }).await.unwrap() });
    let stat = format!("/proc/{}/stat", tid.display());
    let (tasks, stop) = (tokio_util::task::TaskTracker::new(), tokio_util::sync::CancellationToken::new());
    let (mx, wh) = sink.block_on(async { tokio::task::spawn(async move {
        let mx = MxServer::start(MxOptions { keep: Keep::NOTHING, ..Default::default() }, &tasks, stop.clone()).await.unwrap();
        let wh = WebhookServer::start(WebhookOptions { keep: Keep::NOTHING, secrets: vec![SigningSecret::parse("abc").unwrap()], ..Default::default() }, &tasks, stop).await.unwrap();
        (mx, wh) }).await.unwrap() });
    let load = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    load.block_on(async {
        for keep in [true, false] {
            let n = 40_000u64; let before = mx.counts().messages; let c0 = cpu(&stat); let t = tokio::time::Instant::now();
            let mut set = tokio::task::JoinSet::new();
            for _ in 0..20 { let addr = mx.addr(); set.spawn(async move {
                let mail = Mail { from: "a@b.test".into(), to: vec!["c@d.test".into()], parameters: String::new(), body: vec![b'x'; 2048].into() };
                let o = ClientOptions::default();
                if keep { let mut c = SmtpClient::connect(addr, &o).await.unwrap(); for _ in 0..n/20 { c.send(&mail).await.unwrap(); } }
                else { for _ in 0..n/20 { let mut c = SmtpClient::connect(addr, &o).await.unwrap(); c.send(&mail).await.unwrap(); c.quit().await.unwrap(); } }
            }); }
            while set.join_next().await.is_some() {}
            let (t, c) = (t.elapsed().as_secs_f64(), cpu(&stat) - c0); let m = (mx.counts().messages - before) as f64;
            println!("mx keep={keep}: {:.0}/s wall, {:.1} us cpu/message of sink => {:.0}/s/core", m / t, c * 1e6 / m, m / c);
        }
        let body = vec![b'x'; 700]; let s = SigningSecret::parse("abc").unwrap(); let sig = s.sign("evt_1", "1000", &body);
        let req = format!("POST /hook HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nuser-agent: postbell/0.1\r\nwebhook-id: evt_1\r\nwebhook-timestamp: 1000\r\nwebhook-signature: {sig}\r\nx-postbell-event: Send\r\ncontent-length: 700\r\n\r\n{}", String::from_utf8(body).unwrap());
        let n = 60_000u64; let c0 = cpu(&stat); let t = tokio::time::Instant::now();
        let mut set = tokio::task::JoinSet::new();
        for _ in 0..20 { let addr = wh.addr(); let req = req.clone(); set.spawn(async move {
            let mut st = tokio::net::TcpStream::connect(addr).await.unwrap(); st.set_nodelay(true).unwrap(); let mut buf = [0; 1024];
            for _ in 0..n/20 { st.write_all(req.as_bytes()).await.unwrap(); let k = st.read(&mut buf).await.unwrap(); assert!(buf[..k].starts_with(b"HTTP/1.1 200")); }
        }); }
        while set.join_next().await.is_some() {}
        let (t, c) = (t.elapsed().as_secs_f64(), cpu(&stat) - c0);
        println!("webhook: {:.0}/s wall, {:.1} us cpu => {:.0}/s/core {:?}", n as f64 / t, c * 1e6 / n as f64, n as f64 / c, wh.counts());
        tokio::time::sleep(Duration::from_millis(1)).await;
    });
    std::process::exit(0);
}
