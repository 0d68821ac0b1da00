//! Tokens that are none: all of them get the same answer, and it takes as long.
//!
//! `POSTBELL_FORGERIES` says how many are tried; a million takes a minute in a release build. How long each
//! kind took is printed, and compared where there were enough of them.

use std::time::Duration;

use postbell_model::token::Purpose;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::world::{Answer, World, claim, keys};

const DEFAULT: usize = 6_000;
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// From so many tokens on their times are compared.
const ENOUGH: usize = 100_000;
/// How much longer the answers to one kind may take than those to another: the way there and back has more
/// of it than the token, and other programs run beside.
const ALIKE: f64 = 1.25;
/// In what a token is wrong.
const KINDS: [&str; 6] = [
    "cut",
    "changed",
    "longer",
    "another server's",
    "for something else",
    "of nothing",
];

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

/// A token of one of [`KINDS`] that is none of ours for this path, made of ones that are.
fn forged(kind: usize, ours: &[String], foreign: &[String], dice: &mut Dice) -> String {
    let route = dice.roll(ours.len());
    let (prefix, token) = ours[route].split_at(3);
    let mut octets = token.as_bytes().to_vec();
    match kind {
        0 => octets.truncate(dice.roll(octets.len())),
        1 => {
            let at = dice.roll(octets.len());
            let other = ALPHABET[dice.roll(ALPHABET.len())];
            octets[at] = if octets[at] == other { b'!' } else { other };
        }
        2 => octets.extend((0..=dice.roll(40)).map(|_| ALPHABET[dice.roll(ALPHABET.len())])),
        3 => return foreign[route].clone(),
        4 => {
            let (_, token) = ours[(route + 1) % ours.len()].split_at(3);
            octets = token.as_bytes().to_vec();
        }
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
    let mut took: [Vec<Duration>; KINDS.len()] = Default::default();
    for _ in 0..count {
        let kind = dice.roll(KINDS.len());
        let path = forged(kind, &ours, &foreign, &mut dice);
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let begun = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = answer(&mut stream, &mut buffer).await;
        took[kind].push(begun.elapsed());
        let answer = Answer::read(&answer).timeless();
        match &nowhere {
            None => {
                assert_eq!(answer.status, 404);
                nowhere = Some(answer);
            }
            Some(nowhere) => assert_eq!(&answer, nowhere, "{path}"),
        }
    }
    drop(stream);
    compare(took, count);
    assert_eq!(world.finish().await.hits().len(), 2, "nobody was there");
}

/// Prints the median time of each kind.
#[expect(
    clippy::print_stdout,
    reason = "the times are for whoever asks for many"
)]
fn compare(took: [Vec<Duration>; KINDS.len()], count: usize) {
    let medians = KINDS.iter().zip(took).map(|(kind, mut times)| {
        times.sort_unstable();
        let median = times[times.len() / 2].as_secs_f64();
        println!(
            "{kind}: {} tokens, median {:.1} µs",
            times.len(),
            median * 1e6
        );
        median
    });
    let mut medians: Vec<_> = medians.collect();
    medians.sort_unstable_by(f64::total_cmp);
    let (fastest, slowest) = (medians[0], medians[KINDS.len() - 1]);
    if count >= ENOUGH {
        assert!(slowest <= fastest * ALIKE, "{fastest} s and {slowest} s");
    }
}
