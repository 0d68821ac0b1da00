//! Logging in by SCRAM-SHA-256, with a client made from RFC 5802.

use std::num::NonZeroU32;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::{digest, pbkdf2};
use ipnet::IpNet;
use postbell_model::WorkspaceId;

use super::client::Client;
use super::paper::{base64, from_base64};
use super::*;

async fn strict() -> World {
    let elsewhere: IpNet = "192.0.2.0/24".parse().unwrap();
    let world = World::with(SubmissionOptions {
        trusted: vec![(elsewhere, WorkspaceId(2))],
        ..options()
    })
    .await;
    world.set_credentials(&["ada", "old"]);
    world
}

fn sign(key: &[u8], octets: &[u8]) -> Vec<u8> {
    let tag = hmac::sign(&hmac::Key::new(HMAC_SHA256, key), octets);
    tag.as_ref().to_vec()
}

/// The proof, and the server's signature that has to come then.
fn prove(password: &str, server_first: &str, said: &str) -> (Vec<u8>, Vec<u8>) {
    let part = |name: &str| {
        let mut parts = server_first.split(',');
        parts.find_map(|part| part.strip_prefix(name)).unwrap()
    };
    let iterations: NonZeroU32 = part("i=").parse().unwrap();
    assert!(iterations.get() >= 4096);
    let mut salted = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        &from_base64(part("s=")),
        password.as_bytes(),
        &mut salted,
    );
    let client_key = sign(&salted, b"Client Key");
    let stored = digest::digest(&digest::SHA256, &client_key);
    let signature = sign(stored.as_ref(), said.as_bytes());
    let proof = client_key.iter().zip(signature).map(|(a, b)| a ^ b);
    let server_key = sign(&salted, b"Server Key");
    (proof.collect(), sign(&server_key, said.as_bytes()))
}

/// Begins an exchange: the server's first message.
async fn begin(client: &mut Client, name: &str) -> String {
    let first = base64(format!("n,,n={name},r=client").as_bytes());
    client.say(&format!("AUTH SCRAM-SHA-256 {first}")).await;
    let reply = client.reply().await;
    let answer = reply.strip_prefix("334 ").expect(&reply);
    String::from_utf8(from_base64(answer)).unwrap()
}

/// The server's reply to the proof.
async fn log_in(client: &mut Client, name: &str, password: &str) -> String {
    let answer = begin(client, name).await;
    let nonce = answer.split(',').next().unwrap();
    assert!(
        nonce.starts_with("r=client") && nonce.len() > 24,
        "{answer}"
    );
    let without_proof = format!("c=biws,{nonce}");
    let said = format!("n={name},r=client,{answer},{without_proof}");
    let (proof, signature) = prove(password, &answer, &said);
    let last = format!("{without_proof},p={}", base64(&proof));
    client.say(&base64(last.as_bytes())).await;
    let reply = client.reply().await;
    if let Some(verifier) = reply.strip_prefix("334 ") {
        let expected = format!("v={}", base64(&signature));
        assert_eq!(from_base64(verifier), expected.as_bytes());
        client.say("").await;
        return client.reply().await;
    }
    reply
}

#[tokio::test]
async fn who_proves_to_know_the_password_is_the_user() {
    let world = strict().await;
    let mut client = world.client_under_tls().await;
    client.expect(&["220"]).await;
    client.say("EHLO app.test").await;
    client.expect(&["250"]).await;
    let refused = log_in(&mut client, "ada", "wrong").await;
    assert_eq!(refused, "535 5.7.8 Wrong username or password");
    let taken = log_in(&mut client, "ada", "secret").await;
    assert_eq!(taken, "235 2.7.0 Authenticated");
    client
        .send(format!("{}{MESSAGE}.\r\n", &ENVELOPE[15..]).as_bytes())
        .await;
    client.expect(&["250", "250", "354", "250 2.0.0"]).await;
    let message = &world.stored()[0].message;
    assert_eq!(message.workspace, OURS);
    assert_eq!(message.received.with, "ESMTPSA");
}

#[tokio::test]
async fn nothing_tells_who_there_is() {
    let world = strict().await;
    let mut salts = Vec::new();
    for name in ["ada", "nobody", "old", "nobody", "old", "ada"] {
        let mut client = world.client_under_tls().await;
        client.expect(&["220"]).await;
        client.say("EHLO app.test").await;
        client.expect(&["250"]).await;
        let answer = begin(&mut client, name).await;
        let (_, salt) = answer.split_once(',').unwrap();
        salts.push(salt.to_owned());
        client.say("*").await;
        client.expect(&["501 5.7.0"]).await;
    }
    assert_eq!(salts[1], salts[3]);
    assert_eq!(salts[2], salts[4]);
    assert_eq!(salts[0], salts[5]);
    assert_ne!(salts[0], salts[1]);
    assert_ne!(salts[1], salts[2]);
    let lengths: Vec<_> = salts.iter().map(String::len).collect();
    assert_eq!(lengths, [lengths[0]; 6]);
}

#[tokio::test]
async fn failures_count_as_others_do() {
    let world = strict().await;
    let mut client = world.client_under_tls().await;
    client.expect(&["220"]).await;
    client.say("EHLO app.test").await;
    client.expect(&["250"]).await;
    // One without keys is as good as nobody, whatever it knows.
    for name in ["old", "nobody"] {
        let refused = log_in(&mut client, name, "secret").await;
        assert_eq!(refused, "535 5.7.8 Wrong username or password");
    }
    let refused = log_in(&mut client, "ada", "wrong").await;
    assert!(
        refused.starts_with("421 4.7.0 Too many failed logins"),
        "{refused}"
    );
    assert!(client.ended().await);
    let slept: Vec<_> = world.slept().iter().map(Duration::as_millis).collect();
    assert_eq!(slept, [1, 2, 4]);
}

#[tokio::test]
async fn a_login_that_was_broken_off_is_none() {
    // From a trusted network, whose mail may be another workspace's.
    let world = World::with(SubmissionOptions {
        trusted: vec![("127.0.0.0/8".parse().unwrap(), WorkspaceId(2))],
        ..options()
    })
    .await;
    world.set_credentials(&["ada"]);
    let mut client = world.client_under_tls().await;
    client.expect(&["220"]).await;
    client.say("EHLO app.test").await;
    client.expect(&["250"]).await;
    let answer = begin(&mut client, "ada").await;
    let nonce = answer.split(',').next().unwrap();
    let said = format!("n=ada,r=client,{answer},c=biws,{nonce}");
    let (proof, _) = prove("secret", &answer, &said);
    let last = format!("c=biws,{nonce},p={}", base64(&proof));
    client.say(&base64(last.as_bytes())).await;
    client.expect(&["334"]).await;
    client.say("*").await;
    client.expect(&["501 5.7.0"]).await;
    client.say("MAIL FROM:<a@example.com>").await;
    client.expect(&["550 5.7.1"]).await;
}
