//! Tokens that are none: all of them get the same answer, and it takes as long.
//!
//! `POSTBELL_FORGERIES` says how many are tried; a million takes a minute in a release build.

use postbell_model::token::Purpose;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Answer, World, claim, keys};

const DEFAULT: usize = 6_000;
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Numbers that look like chance, the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % sides
    }
}

/// A token that is none of ours for this path, made of ones that are.
fn forged(ours: &[String], foreign: &[String], dice: &mut Dice) -> String {
    let route = dice.roll(ours.len());
    let (prefix, token) = ours[route].split_at(3);
    let mut octets = token.as_bytes().to_vec();
    match dice.roll(6) {
        // Cut.
        0 => octets.truncate(dice.roll(octets.len())),
        // Changed in one place.
        1 => {
            let at = dice.roll(octets.len());
            let other = ALPHABET[dice.roll(ALPHABET.len())];
            octets[at] = if octets[at] == other { b'!' } else { other };
        }
        // Longer.
        2 => octets.extend((0..=dice.roll(40)).map(|_| ALPHABET[dice.roll(ALPHABET.len())])),
        // Another server's.
        3 => return foreign[route].clone(),
        // For something else.
        4 => {
            let (_, token) = ours[(route + 1) % ours.len()].split_at(3);
            octets = token.as_bytes().to_vec();
        }
        // Of nothing.
        _ => {
            let length = dice.roll(300);
            octets = (0..length)
                .map(|_| ALPHABET[dice.roll(ALPHABET.len())])
                .collect();
        }
    }
    format!("{prefix}{}", String::from_utf8(octets).unwrap())
}

fn tokens(world: &World, secret: u8) -> Vec<String> {
    let keys = keys(secret);
    let link = world
        .link(1, "https://shop.example/a/long/way?to=go")
        .split_off(3);
    let (claimed, link) = world.keys.verify_link(&link).unwrap();
    vec![
        format!("/o/{}", keys.sign_url(Purpose::Open, claim(1))),
        format!("/c/{}", keys.sign_link(claimed, &link)),
        format!("/u/{}", keys.sign_url(Purpose::UnsubscribePage, claim(1))),
    ]
}

/// Reads one answer of a connection that is kept.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> String {
    loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let whole = end + 4 + length.unwrap().parse::<usize>().unwrap();
            if buffer.len() >= whole {
                let text = String::from_utf8_lossy(&buffer[..whole]).into_owned();
                buffer.drain(..whole);
                return text;
            }
        }
        assert!(
            stream.read_buf(buffer).await.unwrap() > 0,
            "the host has closed"
        );
    }
}

fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    octets
        .windows(wanted.len())
        .position(|window| window == wanted)
}

#[tokio::test]
async fn forged_tokens_get_one_answer() {
    let count = std::env::var("POSTBELL_FORGERIES");
    let count = count.map_or(DEFAULT, |count| count.parse().unwrap());
    let world = World::with(crate::limits::generous()).await;
    let (ours, foreign) = (tokens(&world, 1), tokens(&world, 2));
    for path in &ours[..2] {
        assert!(world.get(path).await.status < 400, "{path} is ours");
    }
    world.recorded(2).await;
    let mut dice = Dice(0x5eed);
    let mut stream = TcpStream::connect(world.addr).await.unwrap();
    let (mut buffer, mut nowhere) = (Vec::new(), None);
    for _ in 0..count {
        let path = forged(&ours, &foreign, &mut dice);
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = Answer::read(&answer(&mut stream, &mut buffer).await).timeless();
        match &nowhere {
            None => {
                assert_eq!(answer.status, 404);
                nowhere = Some(answer);
            }
            Some(nowhere) => assert_eq!(&answer, nowhere, "{path}"),
        }
    }
    drop(stream);
    assert_eq!(world.finish().await.hits().len(), 2, "nobody was there");
}
