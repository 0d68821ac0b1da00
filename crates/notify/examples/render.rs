//! How many events one core renders and signs in a second.
//!
//!     cargo run --release -p postbell-notify --example render

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postbell_model::attempt::{TlsUsed, Verification};
use postbell_model::message::Received;
use postbell_model::{
    Address, Attempt, ConfigurationSetId, DeliveryId, Domain, Event, EventId, Fact, HostTry,
    Instructions, Message, MessageId, Phase, Reply, ReversePath, Secret, Timestamp, WorkspaceId,
};
use postbell_notify::signature::Signer;
use postbell_notify::{Format, render};
use postbell_store::{Logged, LoggedEvent, Position};

const NOW: Timestamp = Timestamp::from_micros(1_777_811_696_123_456);
const EVENTS: u32 = 300_000;
const ROUNDS: usize = 3;

#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement has no clock but the real one, and says what it found"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let event = delivery()?;
    let secret = Secret::new([7; 32]);
    for (name, signer) in [
        ("one secret", Signer::new([&secret])),
        (
            "two secrets, in a rotation",
            Signer::new([&secret, &secret]),
        ),
    ] {
        for format in Format::ALL {
            let mut rates: Vec<_> = (0..ROUNDS)
                .map(|_| {
                    let began = Instant::now();
                    let octets = run(*format, &event, &signer);
                    (rate(began.elapsed()), octets)
                })
                .collect();
            rates.sort_unstable();
            let (rate, octets) = rates[ROUNDS / 2];
            println!("{format}, {name}: {rate} events/s of {octets} octets each");
        }
    }
    Ok(())
}

fn rate(took: Duration) -> u64 {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    u64::from(EVENTS) * 1_000_000 / micros
}

/// Octets of the last document.
fn run(format: Format, event: &Logged, signer: &Signer) -> usize {
    let mut octets = 0;
    for _ in 0..EVENTS {
        for document in render(format, black_box(event), "default") {
            let signature = signer.sign(&document.id, NOW.as_seconds(), &document.json);
            octets = black_box((document.json.len(), signature)).0;
        }
    }
    octets
}

fn delivery() -> Result<Logged, Box<dyn std::error::Error>> {
    let recipient = Address::parse("ann@customer.example")?;
    let tried = HostTry {
        host: Domain::parse("mx1.customer.example")?,
        ip: Some("192.0.2.25".parse()?),
        tls: Some(TlsUsed {
            version: "TLSv1.3".into(),
            policy: "opportunistic".into(),
            cipher: "TLS_AES_128_GCM_SHA256".into(),
            verification: Verification::Verified,
        }),
        plaintext: None,
        dsn: true,
        phase: Phase::Message,
        reply: Reply::received(250, "2.0.0 OK queued as 4c2f1a0b9e"),
        from_peer: true,
    };
    let attempt = Attempt {
        number: 1,
        started_at: NOW,
        ended_at: NOW,
        tracking_notes: Vec::new(),
        tries: vec![tried],
    };
    Ok(Logged::Delivery(LoggedEvent {
        position: Position(7),
        event: Event {
            id: EventId::new(NOW),
            at: NOW.after(Duration::from_millis(812)),
            delivery: DeliveryId::new(NOW),
            sequence: 2,
            fact: Fact::Delivery { attempt },
        },
        recipient,
        message: Arc::new(message()),
    }))
}

fn message() -> Message {
    Message {
        id: MessageId::new(NOW),
        workspace: WorkspaceId(7),
        configuration_set: ConfigurationSetId(3),
        mail_from: ReversePath::Null,
        source: "shop@sender.example".to_owned(),
        subject: "Your order is on its way".to_owned(),
        header_message_id: "<4711@sender.example>".to_owned(),
        accepted_at: NOW,
        size: 2_345,
        eight_bit: true,
        smtputf8: false,
        received: Received {
            helo: "app.sender.example".to_owned(),
            peer: None,
            with: "ESMTP".to_owned(),
        },
        reports: false,
        instructions: Instructions {
            tags: vec!["welcome".to_owned()],
            metadata: [("order".to_owned(), "42".to_owned())].into(),
            ..Instructions::default()
        },
        forward: None,
    }
}
