//! Simulated addresses of a server in this process: what each name leads to, and that nobody outside
//! is asked or dialled for it.

use serde_json::Value;

use crate::world::{SENDER, World, mail};

const NAMED: &str = "server.hostname = \"mail.sender.test\"\ndeliver.retry.first = \"5s\"\n";

fn at(name: &str) -> String {
    format!("{name}@simulator.mail.sender.test")
}

/// A mail with all that can be tracked.
async fn submit(world: &World, to: &str) {
    let text = format!(
        "From: a@{SENDER}\r\nTo: <{to}>\r\nSubject: x\r\nX-Postbell-Track-Opens: yes\r\n\
         X-Postbell-Track-Clicks: yes\r\nX-Postbell-Unsubscribe: yes\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/html; charset=utf-8\r\n\r\n\
         <html><body><a href=\"https://shop.test/sale\">Sale</a></body></html>\r\n"
    );
    let mut client = world.client().await;
    let outcome = client.send(&mail(&[to], text.into())).await.unwrap();
    client.quit().await.unwrap();
    assert!(outcome.is_taken(), "{}", outcome.deciding());
}

/// The last of the events that a name leads to, which must come in this order.
async fn leads_to(world: &World, name: &str, kinds: &[&str]) -> Value {
    let to = at(name);
    submit(world, &to).await;
    let last = kinds.last().unwrap();
    let event = world.told_in_time("hook", &to, &[last]).await;
    assert_eq!(world.kinds("hook", &to), kinds, "{name}");
    event
}

fn text<'v>(event: &'v Value, pointer: &str) -> &'v str {
    let value = event.pointer(pointer).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("no {pointer} in {event}"))
}

/// Nobody but the simulator has seen a mail, reports to who sent it aside.
fn nobody_was_dialled(world: &World) {
    for received in world.mx.messages() {
        let of = (received.from.as_str(), received.recipients.as_slice());
        assert_eq!(of, ("", &[format!("a@{SENDER}")][..]));
    }
    assert_eq!(world.old_mx.counts().connections, 0);
}

#[tokio::test]
async fn mail_is_taken_refused_and_put_off() {
    let world = World::start_with(NAMED).await;
    leads_to(&world, "success", &["Send", "Delivery"]).await;
    let bounce = leads_to(&world, "bounce+order42", &["Send", "Bounce"]).await;
    assert_eq!(text(&bounce, "/bounce/bounceType"), "Permanent");
    let soft = leads_to(&world, "softbounce", &["Send", "Bounce"]).await;
    assert_eq!(text(&soft, "/bounce/bounceType"), "Transient");
    leads_to(&world, "delay", &["Send", "DeliveryDelay", "Delivery"]).await;
    let unknown = leads_to(&world, "bouncer", &["Send", "Bounce"]).await;
    let why = unknown.to_string();
    assert!(
        why.contains(
            "550 5.1.1 No such user at simulator.mail.sender.test; there are success, bounce,"
        ),
        "{why}"
    );
    nobody_was_dialled(&world);
    world.end().await;
}

#[tokio::test]
async fn a_bounce_can_be_had_again_and_again() {
    let world = World::start_with(NAMED).await;
    leads_to(&world, "bounce", &["Send", "Bounce"]).await;
    submit(&world, &at("bounce")).await;
    world
        .until(|world| world.kinds("hook", &at("bounce")).len() == 4)
        .await;
    let kinds = world.kinds("hook", &at("bounce"));
    assert_eq!(kinds, ["Send", "Bounce", "Send", "Bounce"]);
    world.end().await;
}

#[tokio::test]
async fn what_comes_back_comes_in_by_the_inbound_door() {
    let world = World::start_with(NAMED).await;
    let complaint = leads_to(&world, "complaint", &["Send", "Delivery", "Complaint"]).await;
    assert_eq!(
        text(&complaint, "/complaint/complaintFeedbackType"),
        "abuse"
    );
    leads_to(&world, "bounce-later", &["Send", "Delivery", "Bounce"]).await;
    leads_to(&world, "reply", &["Send", "Delivery", "Reply"]).await;
    leads_to(&world, "vacation", &["Send", "Delivery", "Reply"]).await;
    nobody_was_dialled(&world);
    world.end().await;
}

#[tokio::test]
async fn recipients_open_click_and_unsubscribe() {
    let world = World::start_with(NAMED).await;
    leads_to(&world, "open", &["Send", "Delivery", "Open"]).await;
    let click = leads_to(&world, "click", &["Send", "Delivery", "Click"]).await;
    assert_eq!(text(&click, "/click/link"), "https://shop.test/sale");
    leads_to(&world, "unsubscribe", &["Send", "Delivery", "Unsubscribe"]).await;
    nobody_was_dialled(&world);
    world.end().await;
}

#[tokio::test]
async fn suppressed_ends_without_being_sent() {
    let world = World::start_with(NAMED).await;
    let reject = leads_to(&world, "suppressed", &["Reject"]).await;
    assert!(reject.to_string().contains("MANUAL"), "{reject}");
    nobody_was_dialled(&world);
    world.end().await;
}

#[tokio::test]
async fn what_a_name_lacks_is_said() {
    // Whoever comes from this machine is taken for a proxy, which the simulator is not.
    let behind = format!("{NAMED}inbound.proxy_from = [\"127.0.0.0/8\"]\n");
    let world = World::start_with(&behind).await;
    let complaint = leads_to(&world, "complaint", &["Send", "Bounce"]).await;
    let complaint = complaint.to_string();
    assert!(
        complaint.contains("550 5.3.5 Nothing can come back"),
        "{complaint}"
    );
    let to = at("click");
    world.submit(&to, "").await;
    let click = world
        .told_in_time("hook", &to, &["Bounce"])
        .await
        .to_string();
    assert!(
        click.contains("554 5.6.0 The message has no tracked link"),
        "{click}"
    );
    world.end().await;
}

#[tokio::test]
async fn other_settings_are_followed() {
    let settings = "inbound.proxy_from = [\"127.0.0.0/8\"]\ntracking.early = \"1h\"\n";
    let world = World::start_with(&format!("{NAMED}{settings}")).await;
    leads_to(&world, "complaint", &["Send", "Bounce"]).await;
    // Its visit waits for an hour to pass.
    leads_to(&world, "open", &["Send", "Delivery"]).await;
    world.follow(NAMED).unwrap();
    leads_to(
        &world,
        "complaint+again",
        &["Send", "Delivery", "Complaint"],
    )
    .await;
    let open = world.told_in_time("hook", &at("open"), &["Open"]).await;
    assert_eq!(open["open"]["machine"], false, "{open}");
    world.end().await;
}

#[tokio::test]
async fn switched_off_it_is_a_domain_like_any() {
    let settings = format!("{NAMED}simulator.enabled = false\n");
    let world = World::start_with(&settings).await;
    let to = at("success");
    world.submit(&to, "").await;
    world.delivered(&to).await;
    world.end().await;
}
