//! `postbell queue`, `message` and `events`.

use serde_json::Value;

use crate::kit::Place;
use crate::serve::Running;

/// Looks at the events until there is nothing more to wait for; each is a run of the program.
const LOOKS: usize = 2_000;

/// The events, one document a line.
fn events(place: &Place, arguments: &[&str]) -> Vec<Value> {
    let printed = place.ok(&[&["events", "list", "--json"], arguments].concat());
    let lines = printed.lines().map(serde_json::from_str);
    lines.map(Result::unwrap).collect()
}

/// A place where a server took two messages to b@b.example, could not resolve it, and has ended.
fn with_two_delayed() -> Place {
    let place = Place::new();
    let server = Running::with_acme(&place, "");
    server.submit();
    server.submit();
    let delayed = || events(&place, &["--kind", "DeliveryDelay"]).len() == 2;
    assert!((0..LOOKS).any(|_| delayed()), "no attempt was made");
    server.terminate();
    server.end();
    place
}

#[test]
fn a_queue_is_seen_held_and_released() {
    let place = with_two_delayed();
    let lanes = place.json(&["queue"]);
    assert_eq!(lanes[0]["domain"], "b.example");
    assert_eq!(
        (&lanes[0]["count"], &lanes[0]["state"]),
        (&2.into(), &"queued".into())
    );
    let reply = lanes[0]["lastReply"].as_str().unwrap();
    assert!(reply.starts_with("451 4.4."), "{reply}");
    assert!(place.ok(&["queue"]).contains("b.example"));

    let counted = place.ok(&["queue", "hold", "--domain", "b.example"]);
    assert_eq!(
        counted,
        "2 deliveries in 1 lanes would be held; say --yes to do it\n"
    );
    let held = place.json(&["queue", "hold", "--domain", "b.example", "--yes"]);
    assert_eq!(
        held,
        serde_json::json!({"done": true, "deliveries": 2, "leftAlone": 0})
    );
    let one = place.json(&["queue", "show", "--state", "held", "--limit", "1"]);
    let id = one[0]["deliveryId"].as_str().unwrap();
    place.ok(&["queue", "cancel", "--delivery", id, "--yes"]);
    let released = place.ok(&["queue", "release", "--all", "--yes"]);
    assert_eq!(released, "1 deliveries were released\n");
    place.ok(&[
        "queue",
        "fail",
        "--all",
        "--reason",
        "a typing error",
        "--yes",
    ]);
    assert_eq!(place.json(&["queue"]), serde_json::json!([]));

    let bounces = events(&place, &["--kind", "bounce"]);
    let said = &bounces[0]["bounce"]["diagnostic"];
    assert_eq!(said, "a typing error", "{bounces:?}");
    assert_eq!(events(&place, &["--kind", "Cancelled,Held"]).len(), 3);
    assert_eq!(events(&place, &["--recipient", "c@b.example"]).len(), 0);
}

#[test]
fn a_message_has_a_history() {
    let place = with_two_delayed();
    let sent = events(&place, &["--kind", "Send", "--limit", "1"]);
    let message = sent[0]["mail"]["messageId"].as_str().unwrap();
    let history = place.json(&["message", "show", message]);
    let delivery = &history["deliveries"][0];
    assert_eq!(delivery["state"], "queued");
    assert_eq!(delivery["events"][1]["eventType"], "DeliveryDelay");
    assert_eq!(delivery["events"][1]["tries"][0]["phase"], "dns");
    let by_delivery = delivery["deliveryId"].as_str().unwrap();
    assert_eq!(place.json(&["message", "show", by_delivery]), history);
    let text = place.ok(&["message", "show", message]);
    assert!(
        text.contains("b@b.example  queued, attempt 2 due in "),
        "{text}"
    );
}

#[test]
fn what_is_meant_has_to_be_said() {
    let place = Place::new();
    place.ok(&["workspace", "add", "acme"]);
    let nothing = place.fails(&["queue", "cancel", "--yes"]);
    assert!(
        nothing.contains("say which deliveries are meant"),
        "{nothing}"
    );
    let state = place.fails(&["queue", "release", "--state", "queued"]);
    assert!(state.contains("no delivery in that state"), "{state}");
    let kind = place.fails(&["events", "list", "--kind", "Bonce"]);
    assert!(kind.contains("known are Scheduled, Send"), "{kind}");
    let id = place.fails(&["message", "show", "17"]);
    assert!(id.contains("\"17\" is no id"), "{id}");
    let unknown = "0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10";
    let missing = place.fails(&["message", "show", unknown]);
    assert!(
        missing.contains("there is no message or delivery"),
        "{missing}"
    );
    let elsewhere = Place::new().fails(&["queue"]);
    assert!(elsewhere.contains("there is no data folder"), "{elsewhere}");
}
