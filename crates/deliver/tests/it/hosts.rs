//! Which hosts are tried, and in which order.

use std::net::Ipv4Addr;
use std::time::Duration;

use postbell_model::{BounceClass, Fact, Phase};
use postbell_peers::dns::{Answer, Entry};
use postbell_peers::mx::{Action, Script, Stage};

use crate::world::World;

const FIRST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Nobody listens there.
const DEAD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

fn codes(fact: &Fact) -> Vec<(String, Phase, u16)> {
    let tries = &fact.attempt().expect("an attempt").tries;
    tries
        .iter()
        .map(|tried| (tried.host.to_string(), tried.phase, tried.reply.code))
        .collect()
}

#[tokio::test]
async fn a_dead_host_is_passed_over() {
    let world = World::new().await;
    world.route("example.com", &[DEAD, FIRST]);
    let delivery = world.accept("bob@example.com");
    let fact = world.outcome(delivery).await;
    assert!(matches!(fact, Fact::Delivery { .. }));
    assert_eq!(
        codes(&fact),
        [
            ("mx0.example.com".to_owned(), Phase::Connect, 451),
            ("mx1.example.com".to_owned(), Phase::Message, 250)
        ]
    );
    world.end().await;
}

#[tokio::test]
async fn a_host_that_greets_with_554_is_passed_over() {
    let world = World::new().await;
    let second = world.start_mx_at(SECOND).await;
    world.route("example.com", &[FIRST, SECOND]);
    world
        .mx
        .script_always(Script::new().reply(Stage::Greeting, "554 5.3.2 No mail here"));
    let delivery = world.accept("bob@example.com");
    let fact = world.outcome(delivery).await;
    assert_eq!(
        codes(&fact),
        [
            ("mx0.example.com".to_owned(), Phase::Greeting, 554),
            ("mx1.example.com".to_owned(), Phase::Message, 250)
        ]
    );
    assert_eq!(second.counts().messages, 1);
    world.end().await;
}

#[tokio::test]
async fn all_that_waits_for_a_dead_site_is_delayed_by_one_round_and_retried() {
    let world = World::new().await;
    world.route("example.com", &[DEAD]);
    let deliveries: Vec<_> = (0..50).map(|_| world.accept("bob@example.com")).collect();
    for delivery in &deliveries {
        let Fact::DeliveryDelay { class, .. } = world.outcome(*delivery).await else {
            panic!("not delayed");
        };
        assert_eq!(class, BounceClass::NetworkError);
    }
    let risen = world.start_mx_at(DEAD).await;
    world.clock.turn(Duration::from_secs(400));
    for delivery in &deliveries {
        let facts = world.queue.wait_for_facts(*delivery, 2).await;
        assert!(matches!(facts[1], Fact::Delivery { .. }));
    }
    assert_eq!(risen.counts().messages, 50);
    world.end().await;
}

#[tokio::test]
async fn at_most_two_hosts_are_spoken_to_in_an_attempt() {
    let world = World::new().await;
    let third = Ipv4Addr::new(127, 0, 0, 4);
    let servers = [
        world.start_mx_at(SECOND).await,
        world.start_mx_at(third).await,
    ];
    world.route("example.com", &[FIRST, SECOND, third]);
    for server in servers.iter().chain([&world.mx]) {
        server.script_always(Script::new().reply(Stage::Greeting, "421 4.3.2 Busy"));
    }
    let delivery = world.accept("bob@example.com");
    let fact = world.outcome(delivery).await;
    assert!(matches!(fact, Fact::DeliveryDelay { .. }));
    assert_eq!(codes(&fact).len(), 2);
    assert_eq!(servers[1].counts().connections, 0);
    world.end().await;
}

#[tokio::test]
async fn a_dns_failure_is_tried_again_and_holds_up_nobody() {
    let world = World::new().await;
    let broken = Entry::new(Answer::ServerFailure);
    world.dns.table().set("broken.example", broken);
    let silent = Entry::new(Answer::Silence);
    world.dns.table().set("silent.example", silent);
    let silent = world.accept("bob@silent.example");
    let broken = world.accept("bob@broken.example");
    let live = world.accept("bob@example.com");
    assert!(matches!(world.outcome(live).await, Fact::Delivery { .. }));
    assert!(
        world.queue.facts(silent).is_empty(),
        "it is still being looked up"
    );
    for delivery in [broken, silent] {
        let fact = world.outcome(delivery).await;
        assert!(matches!(fact, Fact::DeliveryDelay { .. }));
        assert_eq!(codes(&fact)[0].1, Phase::Dns);
        assert_eq!(codes(&fact)[0].2, 451);
    }
    world.end().await;
}

#[tokio::test]
async fn a_domain_that_does_not_exist_bounces() {
    let world = World::new().await;
    world
        .dns
        .table()
        .set("example.com", Entry::new(Answer::NoSuchDomain));
    let delivery = world.accept("bob@example.com");
    let fact = world.outcome(delivery).await;
    assert!(matches!(
        fact,
        Fact::Bounce {
            class: BounceClass::NoSuchDomain,
            ..
        }
    ));
    world.end().await;
}

#[tokio::test]
async fn an_address_literal_is_dialled() {
    let world = World::new().await;
    let delivery = world.accept("bob@[127.0.0.1]");
    assert!(matches!(
        world.outcome(delivery).await,
        Fact::Delivery { .. }
    ));
    world.end().await;
}

#[tokio::test]
async fn a_domain_without_mx_is_its_own_host() {
    let world = World::new().await;
    let own = Entry::addresses([FIRST.into()]);
    world.dns.table().set("example.com", own);
    let delivery = world.accept("bob@example.com");
    let fact = world.outcome(delivery).await;
    assert_eq!(
        codes(&fact),
        [("example.com".to_owned(), Phase::Message, 250)]
    );
    world.end().await;
}

#[tokio::test]
async fn a_domain_in_another_script_is_asked_for_by_its_a_label() {
    let world = World::new().await;
    world.route("xn--mller-kva.example", &[FIRST]);
    let delivery = world.accept("bob@müller.example");
    let fact = world.outcome(delivery).await;
    assert!(matches!(fact, Fact::Delivery { .. }), "{fact:?}");
    let limit = Duration::from_secs(10);
    let message = world.mx.wait_for_message(limit, |_| true).await.unwrap();
    assert_eq!(message.recipients, ["bob@xn--mller-kva.example"]);
    assert!(!message.parameters.contains("SMTPUTF8"));
    world.end().await;
}

#[tokio::test]
async fn a_local_part_in_another_script_needs_smtputf8() {
    let world = World::new().await;
    world.route("example.com", &[FIRST]);
    let delivery = world.accept("jürgen@example.com");
    assert!(matches!(
        world.outcome(delivery).await,
        Fact::Delivery { .. }
    ));
    let limit = Duration::from_secs(10);
    let message = world.mx.wait_for_message(limit, |_| true).await.unwrap();
    assert!(
        message.parameters.contains("SMTPUTF8"),
        "{}",
        message.parameters
    );
    let without = "250 mx.peer.test".to_owned();
    let script = Script::new().then(Stage::Ehlo, Action::Reply(without));
    let plain = world.start_mx_at(SECOND).await;
    plain.script_always(script);
    world.route("old.example", &[SECOND]);
    let delivery = world.accept("jürgen@old.example");
    let Fact::Bounce { attempt, .. } = world.outcome(delivery).await else {
        panic!("not bounced");
    };
    assert_eq!(
        attempt.last().unwrap().reply.enhanced.unwrap().to_string(),
        "5.6.7"
    );
    world.end().await;
}
