//! Relays in the place of MX hosts.

use std::time::Duration;

use postbell_deliver::{DeliverOptions, RelayCertificate, RelayOptions, RelayTls};
use postbell_model::attempt::Verification;
use postbell_model::{Fact, HostTry, Phase};
use postbell_peers::ServerTls;
use postbell_peers::mx::{Action, MxOptions, Script, Stage};

use crate::world::{Setup, World};

const LIMIT: Duration = Duration::from_secs(10);
/// The certificates were made in the year of the clock, but later in it.
const YEAR: Duration = Duration::from_hours(365 * 24);

fn relay(options: &DeliverOptions) -> RelayOptions {
    RelayOptions {
        host: "127.0.0.1".to_owned(),
        port: options.smtp_port,
        tls: RelayTls::StartTls,
        certificate: RelayCertificate::Verified,
        username: None,
        password_file: None,
        password_env: None,
        preference: 10,
        domains: Vec::new(),
    }
}

/// A relay that logs in with a password that is there in each run: a variable that cargo sets.
fn logged_in(options: &DeliverOptions) -> RelayOptions {
    RelayOptions {
        username: Some("acme".to_owned()),
        password_env: Some("CARGO_PKG_NAME".to_owned()),
        ..relay(options)
    }
}

async fn world(mx: MxOptions, change: fn(&mut DeliverOptions)) -> World {
    let world = World::with(Setup {
        mx,
        change,
        ..Setup::default()
    })
    .await;
    world.clock.turn(YEAR);
    world
}

fn secured() -> MxOptions {
    MxOptions {
        tls: Some(ServerTls::development()),
        ..MxOptions::default()
    }
}

fn with_login() -> MxOptions {
    let login = ("acme".to_owned(), "postbell-deliver".to_owned());
    MxOptions {
        login: Some(login),
        ..secured()
    }
}

async fn delivered(world: &World) -> HostTry {
    // No DNS knows of this domain: nobody asks for its MX.
    let delivery = world.accept("bob@unknown.example");
    match world.outcome(delivery).await {
        Fact::Delivery { attempt } => attempt.last().unwrap().clone(),
        other => panic!("not delivered: {other:?}"),
    }
}

async fn delayed(world: &World) -> HostTry {
    let delivery = world.accept("bob@unknown.example");
    match world.outcome(delivery).await {
        Fact::DeliveryDelay { attempt, .. } => attempt.last().unwrap().clone(),
        other => panic!("not delayed: {other:?}"),
    }
}

#[tokio::test]
async fn mail_goes_to_the_relay_under_tls_and_logged_in() {
    let world = world(with_login(), |options| {
        options.relay = vec![logged_in(options)];
    })
    .await;
    let last = delivered(&world).await;
    let tls = last.tls.unwrap();
    assert_eq!(
        (&*tls.policy, tls.verification),
        ("relay", Verification::Verified)
    );
    let message = world.mx.wait_for_message(LIMIT, |_| true).await.unwrap();
    assert!(message.secured);
    assert_eq!(message.recipients, ["bob@unknown.example"]);
    world.end().await;
}

#[tokio::test]
async fn tls_may_come_first() {
    let mx = MxOptions {
        implicit_tls: true,
        ..with_login()
    };
    let world = world(mx, |options| {
        options.relay = vec![RelayOptions {
            tls: RelayTls::Implicit,
            ..logged_in(options)
        }];
    })
    .await;
    delivered(&world).await;
    world.end().await;
}

#[tokio::test]
async fn without_tls_there_is_no_mail() {
    let world = world(MxOptions::default(), |options| {
        options.relay = vec![relay(options)];
    })
    .await;
    let last = delayed(&world).await;
    assert_eq!(last.phase, Phase::Tls);
    assert_eq!(world.mx.counts().messages, 0);
    world.end().await;
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_refused_unless_any_will_do() {
    let mx = || MxOptions {
        tls: Some(ServerTls::self_signed()),
        ..MxOptions::default()
    };
    let strict = world(mx(), |options| options.relay = vec![relay(options)]).await;
    let last = delayed(&strict).await;
    assert_eq!(last.phase, Phase::Tls);
    assert!(last.reply.text.contains("does not hold"), "{}", last.reply);
    assert_eq!(strict.mx.counts().messages, 0);
    strict.end().await;
    let lenient = world(mx(), |options| {
        options.relay = vec![RelayOptions {
            certificate: RelayCertificate::Any,
            ..relay(options)
        }];
    })
    .await;
    delivered(&lenient).await;
    lenient.end().await;
}

#[tokio::test]
async fn a_login_that_is_refused_bounces_nothing() {
    let mx = MxOptions {
        login: Some(("acme".to_owned(), "another".to_owned())),
        ..secured()
    };
    let refused = world(mx, |options| options.relay = vec![logged_in(options)]).await;
    let last = delayed(&refused).await;
    assert_eq!(
        (last.phase, last.reply.code, last.from_peer),
        (Phase::Auth, 535, true)
    );
    refused.end().await;
    let missing = world(with_login(), |options| options.relay = vec![relay(options)]).await;
    let last = delayed(&missing).await;
    assert_eq!(
        (last.phase, last.reply.code),
        (Phase::Auth, 530),
        "said to MAIL"
    );
    missing.end().await;
}

#[tokio::test]
async fn a_silent_login_has_a_deadline() {
    let world = world(with_login(), |options| {
        options.timeouts.auth = Duration::from_millis(200);
        options.relay = vec![logged_in(options)];
    })
    .await;
    world
        .mx
        .script_always(Script::new().then(Stage::Auth, Action::Stall));
    let last = delayed(&world).await;
    assert_eq!((last.phase, last.from_peer), (Phase::Auth, false));
    world.end().await;
}

#[tokio::test]
async fn the_next_relay_takes_over_within_the_attempt() {
    let world = world(secured(), |options| {
        let gone = RelayOptions {
            // Nobody listens on this address of the machine.
            host: "127.0.0.77".to_owned(),
            preference: 5,
            ..relay(options)
        };
        options.relay = vec![relay(options), gone];
    })
    .await;
    let delivery = world.accept("bob@unknown.example");
    let Fact::Delivery { attempt } = world.outcome(delivery).await else {
        panic!("not delivered");
    };
    assert_eq!(attempt.tries.len(), 2);
    assert_eq!(attempt.tries[0].phase, Phase::Connect);
    world.end().await;
}
