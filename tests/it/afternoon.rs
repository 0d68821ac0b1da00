//! An operator's afternoon beside the running server, by commands alone: a site goes down and is
//! seen, explained, held and released; a destination dies and is seen, mended and told again.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, ensure};
use postbell_peers::dns::Entry;
use postbell_peers::mx::{MxOptions, MxServer, Received};
use postbell_peers::webhook::{Answer, Post};
use postbell_tests::{LIMIT, World};
use serde_json::{Value, json as value};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::destination::{json, until};

const DOMAIN: &str = "shop.test";
const HOST: &str = "mx.shop.test";
const ADDRESS: [u8; 4] = [127, 0, 0, 2];

/// The MX of a domain, which dies and comes back.
struct Mx {
    server: MxServer,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Mx {
    async fn start(world: &World) -> anyhow::Result<Self> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let options = MxOptions {
            bind: SocketAddr::new(IpAddr::from(ADDRESS), world.mx.addr().port()),
            ..MxOptions::default()
        };
        let server = MxServer::start(options, &tasks, stop.clone()).await?;
        Ok(Self {
            server,
            tasks,
            stop,
        })
    }

    async fn delivered(&self, to: &str) -> anyhow::Result<()> {
        let wanted = |received: &Received| received.recipients.iter().any(|one| one == to);
        self.server.wait_for_message(LIMIT, wanted).await?;
        Ok(())
    }

    async fn die(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(LIMIT, self.tasks.wait()).await?;
        Ok(())
    }
}

/// Nothing is tried again, but where the operator says so.
const SETTINGS: &[(&str, &str)] = &[
    ("deliver.retry.first", "1h"),
    ("deliver.site_pause", "1h"),
    ("deliver.longest_site_pause", "2h"),
];

fn at_shop(name: &str) -> String {
    format!("{name}@{DOMAIN}")
}

#[tokio::test]
async fn a_site_goes_down_and_is_held_until_it_is_back() -> anyhow::Result<()> {
    let world = World::with(SETTINGS).await?;
    world.dns.table().set(DOMAIN, Entry::mx([(10, HOST)]));
    let address = Entry::addresses([IpAddr::from(ADDRESS)]);
    world.dns.table().set(HOST, address);
    let mx = Mx::start(&world).await?;
    world.submit(&[&at_shop("ann")]).await?;
    mx.delivered(&at_shop("ann")).await?;
    mx.die().await?;
    for name in ["bob", "cat", "dan"] {
        world.submit(&[&at_shop(name)]).await?;
    }

    let bob = see(&world).await?;
    explain(&world).await?;
    hold(&world, &bob).await?;
    let dan = at_shop("dan");
    let cancel = ["queue", "cancel", "--recipient", &dan, "--yes"];
    assert_eq!(world.run(&cancel).await?, "1 deliveries were cancelled\n");

    let mx = Mx::start(&world).await?;
    let release = ["queue", "release", "--domain", DOMAIN, "--yes"];
    let told = json(&world, &release).await?;
    assert_eq!(
        told,
        value!({"done": true, "deliveries": 2, "leftAlone": 0})
    );
    mx.delivered(&at_shop("bob")).await?;
    mx.delivered(&at_shop("cat")).await?;
    until(&world, &["queue", "--domain", DOMAIN], |lanes| {
        *lanes == value!([])
    })
    .await?;
    let show = ["message", "show", &bob];
    let history = until(&world, &show, |history| {
        let events = history["deliveries"][0]["events"].as_array();
        events.is_some_and(|events| events.iter().all(is_told))
    });
    let history = history.await?;
    let delivery = &history["deliveries"][0];
    assert_eq!(delivery["state"], "delivered");
    assert_eq!(delivery["nextAttemptAt"], Value::Null);
    let kinds = delivery["events"].as_array().into_iter().flatten();
    let kinds: Vec<_> = kinds.map(|event| &event["eventType"]).collect();
    assert_eq!(
        kinds,
        ["Send", "DeliveryDelay", "Held", "Released", "Delivery"]
    );
    assert_eq!(mx.server.counts().messages, 2, "nothing was sent twice");
    mx.die().await?;
    world.finish().await
}

fn is_told(event: &Value) -> bool {
    event["webhooks"][0]["state"] == "told"
}

/// The lane grows, and says why. The id of its oldest delivery.
async fn see(world: &World) -> anyhow::Result<String> {
    let lanes = until(world, &["queue", "--domain", DOMAIN], |lanes| {
        lanes[0]["count"] == 3 && lanes[0]["lastReply"].is_string()
    });
    let lanes = lanes.await?;
    let reply = lanes[0]["lastReply"].as_str().unwrap_or_default();
    assert!(reply.starts_with("451 4.4."), "{reply}");
    let pause = lanes[0]["sites"][0]["pausedForSeconds"].as_f64();
    assert!(pause.is_some_and(|left| left > 600.0), "{lanes}");
    let table = world.run(&["queue"]).await?;
    let (heading, lane) = table.split_once('\n').context("two lines")?;
    assert!(heading.ends_with("OPEN  PAUSE  LAST REPLY"), "{heading}");
    assert!(
        lane.starts_with("acme       shop.test  queued  3 "),
        "{lane}"
    );
    let sites = world.run(&["queue", "--sites", "--domain", DOMAIN]).await?;
    assert!(
        sites.contains(HOST) && sites.contains("451 4.4."),
        "{sites}"
    );
    let one_by_one = json(world, &["queue", "show", "--domain", DOMAIN]).await?;
    assert_eq!(one_by_one.as_array().map(Vec::len), Some(3));
    let oldest = lanes[0]["oldestDeliveryId"].as_str();
    Ok(oldest.context("an id")?.to_owned())
}

async fn explain(world: &World) -> anyhow::Result<()> {
    let told = world.run(&["explain", DOMAIN]).await?;
    for words in [
        "1. mx.shop.test  127.0.0.2",
        "Of acme: 3 deliveries queued",
        "left alone for",
        "connect: 451 4.4.",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    Ok(())
}

/// Counted, then done. One that waits without an attempt is held like one that was tried.
async fn hold(world: &World, oldest: &str) -> anyhow::Result<()> {
    let hold = ["queue", "hold", "--domain", DOMAIN];
    let counted = world.run(&hold).await?;
    assert_eq!(
        counted,
        "3 deliveries in 1 lanes would be held; say --yes to do it\n"
    );
    let held = world.run(&[&hold[..], &["--yes"]].concat()).await?;
    assert_eq!(held, "3 deliveries were held\n");
    let lanes = json(world, &["queue", "--domain", DOMAIN]).await?;
    assert_eq!(
        (&lanes[0]["state"], &lanes[0]["count"]),
        (&value!("held"), &value!(3))
    );
    let told = world.run(&["message", "show", oldest]).await?;
    for words in [
        "bob@shop.test  held, attempt 2 due in ",
        "attempt 1 in 0.",
        "mx.shop.test [127.0.0.2], connect: we say 451 4.4.",
        "kept back by the operator",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn a_destination_dies_and_hears_all_of_it_in_the_end() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.submit(&["ann@recipient.test"]).await?;
    world.told("Delivery", "ann@recipient.test").await?;
    world
        .webhook
        .answer_path("/hook", Some(Answer::Status(410)));
    for name in ["bob", "cat"] {
        let to = format!("{name}@recipient.test");
        world.submit(&[&to]).await?;
        world.delivered(&to).await?;
    }
    let show = ["destination", "show", "hook"];
    until(&world, &show, |hook| hook["state"] == "disabled").await?;
    let listed = world.run(&["destination", "list"]).await?;
    assert!(listed.contains("disabled"), "{listed}");
    let log = json(&world, &["destination", "log", "hook", "--failed"]).await?;
    assert_eq!(log[0]["status"], 410);
    let id = log[0]["event"].as_str().context("an event")?;
    let events = all_events(&world).await?;
    assert!(events.contains(id), "{id} is not among {events:?}");
    let pending = pending_of(&world, "cat@recipient.test").await?;
    assert!(
        !pending.is_empty() && pending.iter().all(|state| state == "pending"),
        "{pending:?}"
    );

    let mended = world.webhook.url("mended");
    let update = [
        "destination",
        "update",
        "hook",
        "--url",
        &mended,
        "--state",
        "active",
    ];
    world.run(&update).await?;
    world
        .told_at("mended", "Delivery", "bob@recipient.test")
        .await?;
    world
        .told_at("mended", "Delivery", "cat@recipient.test")
        .await?;
    let events = all_events(&world).await?;
    let replay = ["destination", "replay", "hook", "--since", "1h"];
    // The place of the last ones in the log is written down a moment after their answers.
    until(&world, &replay, |counted| counted["events"] == events.len()).await?;
    let told = world.run(&[&replay[..], &["--yes"]].concat()).await?;
    assert!(told.contains(&events.len().to_string()), "{told}");
    for id in &events {
        let again = |post: &Post| post.path == "/mended" && post.id() == id;
        world
            .webhook
            .wait_for_post(LIMIT, again)
            .await
            .with_context(|| id.clone())?;
    }
    let posts = world.webhook.posts();
    let taken = posts
        .iter()
        .filter(|post| (200..300).contains(&post.status));
    let ids: BTreeSet<_> = taken.map(|post| post.id().to_owned()).collect();
    assert_eq!(ids, events, "each event is there, and each once by its id");
    world.finish().await
}

/// The ids of all events.
async fn all_events(world: &World) -> anyhow::Result<BTreeSet<String>> {
    let printed = world
        .run(&["events", "list", "--limit", "1000", "--json"])
        .await?;
    let mut ids = BTreeSet::new();
    for line in printed.lines() {
        let event: Value = serde_json::from_str(line)?;
        // What is about the workspace is not for the destination of a set.
        if event["mail"].is_object() {
            let id = event["id"].as_str().context("an id")?;
            ensure!(ids.insert(id.to_owned()), "{id} twice");
        }
    }
    Ok(ids)
}

/// What the destination has of a recipient's events.
async fn pending_of(world: &World, recipient: &str) -> anyhow::Result<Vec<String>> {
    let found = json(
        world,
        &["events", "list", "--recipient", recipient, "--limit", "1"],
    )
    .await?;
    let message = found["mail"]["messageId"].as_str().context("a message")?;
    let history = json(world, &["message", "show", message]).await?;
    let events = history["deliveries"][0]["events"].as_array();
    let states = events
        .into_iter()
        .flatten()
        .map(|event| &event["webhooks"][0]["state"]);
    Ok(states
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect())
}
