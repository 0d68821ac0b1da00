//! Faults of MX hosts and of the DNS, and which test covers which.
//!
//! | fault | covered by |
//! |---|---|
//! | M1 slow greeting, replies an octet at a time | `a_slow_greeting_is_waited_for`, `a_host_that_drips_is_left`; past its limit: `drops::a_host_that_falls_silent` |
//! | M2 421, closing and reset at each phase | `drops::a_421_at_any_phase_leads_to_the_next_host`, `drops::a_connection_that_closes`, `drops::a_connection_that_is_reset`; at STARTTLS and under TLS: `tls` |
//! | M3 gone after the final dot | `a_host_that_is_gone_after_the_dot_gets_the_message_again_later` |
//! | M4 gone after its 250 | `a_host_that_is_gone_after_its_250_has_the_message` |
//! | M5 replies that are none | `replies_that_are_none_fail_nothing_for_good`, `octets_over_127_in_a_reply_are_shown_escaped` |
//! | M6 replies without an end | `a_reply_without_an_end_is_cut_off` |
//! | M7 different replies to recipients | `each_recipient_has_its_own_outcome` |
//! | M8 TLS that fails | `tls::a_handshake_that_fails_leads_to_plaintext` and its neighbours |
//! | M11 no such domain, DNS failure, silence, null MX | `hosts::a_domain_that_does_not_exist_bounces`, `hosts::a_dns_failure_is_tried_again_and_holds_up_nobody`, `outcomes::a_null_mx_bounces_at_once` |
//! | M13 names that are slow to be looked up | `names_that_are_slow_to_be_looked_up_hold_up_nobody` |
//! | M14 a host that comes and goes | `board::flapping`: attempts stay close to what is needed |
//! | M12 odd MX records | `an_mx_that_is_an_alias_is_followed`, `a_hundred_hosts_cost_five_dials`, `hosts::at_most_two_hosts_are_spoken_to_in_an_attempt`; ourselves by name or by address, addresses that are refused, lifetimes: the tests of `plan`; names in other scripts: `hosts` |
//! | M15 a host that takes few connections | `a_host_with_few_places_delays_next_to_nothing` |

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use postbell_deliver::DeliverOptions;
use postbell_model::{BounceClass, Fact, HostTry, Phase};
use postbell_peers::dns::Entry;
use postbell_peers::mx::{Action, MxOptions, Script, Stage};

use crate::world::{Setup, World};

const TRANSACTION: [(Stage, Phase); 4] = [
    (Stage::Mail, Phase::Mail),
    (Stage::Rcpt, Phase::Rcpt),
    (Stage::Data, Phase::Data),
    (Stage::Message, Phase::Message),
];

async fn world(change: fn(&mut DeliverOptions)) -> World {
    World::with(Setup {
        change,
        ..Setup::default()
    })
    .await
}

/// The last try of a delivery that is delayed by this.
async fn delayed(world: &World, stage: Stage, action: Action) -> HostTry {
    world
        .mx
        .script_always(Script::new().then(stage, action.clone()));
    let delivery = world.accept("bob@example.com");
    let fact = world.outcome(delivery).await;
    assert!(
        matches!(fact, Fact::DeliveryDelay { .. }),
        "{stage:?} {action:?}: {fact:?}"
    );
    fact.attempt().unwrap().last().unwrap().clone()
}

#[tokio::test]
async fn a_slow_greeting_is_waited_for() {
    let world = World::new().await;
    let slow = Action::Wait(Duration::from_millis(200));
    world
        .mx
        .script_always(Script::new().then(Stage::Greeting, slow));
    let delivery = world.accept("bob@example.com");
    assert!(matches!(
        world.outcome(delivery).await,
        Fact::Delivery { .. }
    ));
    world.end().await;
}

#[tokio::test]
async fn a_host_that_drips_is_left() {
    for (stage, phase) in [
        (Stage::Greeting, Phase::Greeting),
        (Stage::Ehlo, Phase::Ehlo),
    ]
    .into_iter()
    .chain(TRANSACTION)
    {
        let world = world(|options| {
            options.timeouts.greeting = Duration::from_millis(300);
            options.timeouts.ehlo = Duration::from_millis(300);
            options.timeouts.transaction = Duration::from_millis(300);
        })
        .await;
        let dripping = Action::Drip {
            text: format!("250 {}", "x".repeat(400)),
            gap: Duration::from_millis(50),
        };
        let last = delayed(&world, stage, dripping).await;
        assert_eq!((last.phase, last.from_peer), (phase, false), "{stage:?}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_host_that_is_gone_after_the_dot_gets_the_message_again_later() {
    let world = World::new().await;
    world
        .mx
        .script_next(Script::new().then(Stage::Message, Action::Drop));
    let delivery = world.accept("bob@example.com");
    let Fact::DeliveryDelay { attempt, class, .. } = world.outcome(delivery).await else {
        panic!("not delayed");
    };
    let last = attempt.last().unwrap();
    assert_eq!((last.phase, last.from_peer), (Phase::Message, false));
    assert_eq!(class, BounceClass::NetworkError);
    world.clock.turn(Duration::from_secs(331));
    let facts = world.queue.wait_for_facts(delivery, 2).await;
    assert!(matches!(&facts[1], Fact::Delivery { attempt } if attempt.number == 2));
    world.end().await;
}

#[tokio::test]
async fn a_host_that_is_gone_after_its_250_has_the_message() {
    let world = World::new().await;
    let goodbye = || Action::ReplyAndClose("250 2.0.0 Taken".to_owned());
    world
        .mx
        .script_always(Script::new().then(Stage::Message, goodbye()));
    for connections in 1..=3 {
        let delivery = world.accept("bob@example.com");
        let Fact::Delivery { attempt } = world.outcome(delivery).await else {
            panic!("not delivered");
        };
        assert_eq!((attempt.number, attempt.tries.len()), (1, 1));
        assert_eq!(world.mx.counts().messages, connections);
    }
    world.end().await;
}

#[tokio::test]
async fn replies_that_are_none_fail_nothing_for_good() {
    let replies: [&[u8]; 7] = [
        b"099 Low\r\n",
        b"600 High\r\n",
        b"55 Short\r\n",
        b"5500 Long\r\n",
        b"550-One\r\n250 Other\r\n",
        b"550 N\0UL\r\n",
        b"\r\n",
    ];
    for reply in replies {
        for (stage, phase) in TRANSACTION {
            let world = World::new().await;
            let garbage = Action::Garbage(Bytes::from_static(reply));
            let last = delayed(&world, stage, garbage).await;
            assert_eq!((last.phase, last.from_peer), (phase, false), "{reply:?}");
            let text = &last.reply.text;
            assert!(!text.chars().any(char::is_control), "{text:?}");
            world.end().await;
        }
    }
}

#[tokio::test]
async fn octets_over_127_in_a_reply_are_shown_escaped() {
    let world = World::new().await;
    let said = Bytes::from_static(b"451 4.7.1 sp\xe4ter\x1b[2J\r\n");
    let last = delayed(&world, Stage::Rcpt, Action::Garbage(said)).await;
    assert_eq!((last.reply.code, last.from_peer), (451, true));
    assert_eq!(last.reply.text, "sp\\xe4ter\\x1b[2J");
    world.end().await;
}

#[tokio::test]
async fn a_reply_without_an_end_is_cut_off() {
    let lines = Bytes::from("250-and more\r\n".repeat(100_000));
    let line = Bytes::from(vec![b'2'; 1 << 20]);
    for endless in [lines, line] {
        for (stage, phase) in [(Stage::Ehlo, Phase::Ehlo)].into_iter().chain(TRANSACTION) {
            let world = World::new().await;
            let last = delayed(&world, stage, Action::Garbage(endless.clone())).await;
            assert_eq!((last.phase, last.from_peer), (phase, false));
            assert_eq!(last.reply.text, "reply longer than 65536 octets");
            world.end().await;
        }
    }
}

#[tokio::test]
async fn each_recipient_has_its_own_outcome() {
    let world = World::new().await;
    for (address, reply) in [
        ("later@example.com", "450 4.2.1 Not now"),
        ("nobody@example.com", "550 5.1.1 No such user"),
        ("full@example.com", "552 5.2.2 Mailbox full"),
    ] {
        let script = Script::new().reply(Stage::Rcpt, reply);
        world.mx.script_address(address, script);
    }
    let mut deliveries = Vec::new();
    for address in ["ann", "later", "nobody", "full", "bob"] {
        deliveries.push(world.accept(&format!("{address}@example.com")));
    }
    let mut told = Vec::new();
    for delivery in deliveries {
        told.push(match world.outcome(delivery).await {
            Fact::Delivery { .. } => "delivered".to_owned(),
            Fact::DeliveryDelay { class, .. } => format!("delayed, {class}"),
            Fact::Bounce { class, .. } => format!("bounced, {class}"),
            other => format!("{:?}", other.kind()),
        });
    }
    assert_eq!(told[0], "delivered");
    assert!(told[1].starts_with("delayed"), "{told:?}");
    assert_eq!(told[2], "bounced, no_such_user");
    assert_eq!(told[3], "bounced, mailbox_full");
    assert_eq!(told[4], "delivered");
    assert_eq!(world.mx.counts().messages, 2);
    world.end().await;
}

#[tokio::test]
async fn an_mx_that_is_an_alias_is_followed() {
    // RFC 5321 §5.1 wants none here; many have one.
    let world = World::new().await;
    let table = world.dns.table();
    table.set("example.com", Entry::mx([(10, "alias.example.com")]));
    table.set("alias.example.com", Entry::cname("host.example.com"));
    let host = Entry::addresses([Ipv4Addr::LOCALHOST.into()]);
    table.set("host.example.com", host);
    let delivery = world.accept("bob@example.com");
    assert!(matches!(
        world.outcome(delivery).await,
        Fact::Delivery { .. }
    ));
    world.end().await;
}

#[tokio::test]
async fn a_hundred_hosts_cost_five_dials() {
    let world = World::new().await;
    let nobody: Vec<_> = (1..=100).map(|n| Ipv4Addr::new(127, 0, 9, n)).collect();
    world.route("example.com", &nobody);
    let delivery = world.accept("bob@example.com");
    let fact = world.outcome(delivery).await;
    assert!(matches!(fact, Fact::DeliveryDelay { .. }));
    assert_eq!(fact.attempt().unwrap().tries.len(), 5);
    world.end().await;
}

#[tokio::test]
async fn names_that_are_slow_to_be_looked_up_hold_up_nobody() {
    let world = world(|options| options.max_lookups = 200).await;
    let slow = Duration::from_secs(30);
    for number in 0..100 {
        let domain = format!("slow{number}.example");
        let entry = Entry::mx([(10, "mx.slow.example")]).delayed(slow);
        world.dns.table().set(&domain, entry);
        world.accept(&format!("bob@{domain}"));
    }
    while world.dns.table().queries() < 100 {
        tokio::task::yield_now().await;
    }
    // Names that were not asked for before, either.
    let live: Vec<_> = (0..100)
        .map(|number| world.accept(&format!("bob@live{number}.example")))
        .collect();
    for delivery in live {
        assert!(matches!(
            world.outcome(delivery).await,
            Fact::Delivery { .. }
        ));
    }
    assert_eq!(world.mx.counts().messages, 100);
    world.end().await;
}

#[tokio::test]
async fn a_host_with_few_places_delays_next_to_nothing() {
    let world = World::with(Setup {
        mx: MxOptions {
            busy_above: 5,
            ..MxOptions::default()
        },
        change: |options| options.max_connections_per_site = 20,
        ..Setup::default()
    })
    .await;
    let deliveries: Vec<_> = (0..1_000)
        .map(|_| world.accept("bob@example.com"))
        .collect();
    let mut delayed = 0;
    for delivery in deliveries {
        let fact = world.outcome(delivery).await;
        delayed += usize::from(!matches!(fact, Fact::Delivery { .. }));
    }
    assert!(delayed <= 20, "{delayed} of 1,000");
    world.end().await;
}
