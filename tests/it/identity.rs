//! Who mail is from: keys, their records, and signatures.

use anyhow::{Context, ensure};
use postbell_peers::dns::{Answer, Entry, Records};
use postbell_tests::installation::SENDER_DOMAIN;
use postbell_tests::{LIMIT, World};
use serde_json::Value;
use std::collections::BTreeMap;

#[tokio::test]
async fn mail_is_signed_once_the_records_are_seen() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.submit(&["before@far.test"]).await?;
    let before = world.delivered("before@far.test").await?;
    ensure!(
        signatures(&before.body).is_empty(),
        "signed with a key that nobody can find"
    );

    let shown = show(&world).await?;
    let refused = world.run(&["domain", "check", SENDER_DOMAIN]).await;
    ensure!(refused.is_err(), "a domain without records is not ready");
    publish(&world, &shown);
    let checked = world
        .run(&["domain", "check", SENDER_DOMAIN, "--json"])
        .await?;
    let checked: Value = serde_json::from_str(&checked)?;
    ensure!(checked["ready"] == true, "{checked:#}");

    // The server sees what another process has changed within a second or two.
    let signed = async {
        for number in 0.. {
            let to = format!("after{number}@far.test");
            world.submit(&[&to]).await?;
            let after = world.delivered(&to).await?;
            if !signatures(&after.body).is_empty() {
                return Ok::<_, anyhow::Error>(after);
            }
        }
        anyhow::bail!("never")
    };
    let signed = tokio::time::timeout(LIMIT, signed).await;
    let signed = signed.context("no signature came")??;
    let algorithms: Vec<_> = signatures(&signed.body)
        .into_iter()
        .map(|s| tag(&s, "a"))
        .collect();
    ensure!(
        algorithms == ["rsa-sha256", "ed25519-sha256"],
        "{algorithms:?}"
    );
    world.finish().await
}

#[tokio::test]
async fn new_keys_take_the_place_of_old_ones_that_stay_published() -> anyhow::Result<()> {
    let mut world = World::set_up(&[("dkim.check_every", "200ms")]).await?;
    publish(&world, &show(&world).await?);
    world.start_program().await?;
    let first = states(&wait_for(&world, &["active", "active"]).await?);

    world.run(&["domain", "rotate", SENDER_DOMAIN]).await?;
    let again = world.run(&["domain", "rotate", SENDER_DOMAIN]).await;
    ensure!(again.is_err(), "new keys while there are new keys");
    let shown = show(&world).await?;
    ensure!(states(&shown).len() == 4, "{shown:#}");
    publish(&world, &shown);
    let after = wait_for(&world, &["retiring", "retiring", "active", "active"]).await?;
    let kept = states(&after);
    ensure!(
        kept.iter().zip(&first).all(|(now, then)| now.0 == then.0),
        "{kept:?}"
    );

    world.submit(&["rotated@far.test"]).await?;
    let mail = world.delivered("rotated@far.test").await?;
    let selectors: Vec<_> = signatures(&mail.body).iter().map(|s| tag(s, "s")).collect();
    let expected: Vec<_> = kept
        .iter()
        .skip(2)
        .map(|(selector, _)| selector.clone())
        .collect();
    ensure!(selectors == expected, "{selectors:?} are not {expected:?}");
    world.finish().await
}

#[tokio::test]
async fn without_the_secret_key_no_domain_is_added() -> anyhow::Result<()> {
    let world = World::prepare(&[("secrets.key", "env:NO_SUCH_SECRET_KEY")]).await?;
    world.run(&["workspace", "add", "acme"]).await?;
    let add = ["domain", "add", SENDER_DOMAIN, "--workspace", "acme"];
    let refused = world.run(&add).await.err();
    let refused = refused
        .context("a key was sealed with nothing")?
        .to_string();
    ensure!(refused.contains("NO_SUCH_SECRET_KEY"), "{refused}");
    let unsigned = [&add[..], &["--no-dkim"]].concat();
    world.run(&unsigned).await?;
    ensure!(states(&show(&world).await?).is_empty(), "there are keys");
    world.finish().await
}

pub(crate) async fn show(world: &World) -> anyhow::Result<Value> {
    let shown = world
        .run(&["domain", "show", SENDER_DOMAIN, "--json"])
        .await?;
    Ok(serde_json::from_str(&shown)?)
}

/// Puts the records into the DNS, and those of the server itself.
pub(crate) fn publish(world: &World, shown: &Value) {
    let mut names: BTreeMap<String, Records> = BTreeMap::new();
    for record in shown["records"].as_array().into_iter().flatten() {
        let of_name = names.entry(text(&record["name"])).or_default();
        let value = text(&record["value"]);
        match (record["type"].as_str(), value.split_once(' ')) {
            (Some("TXT"), _) => of_name.txt.push(value),
            (Some("MX"), Some((_, host))) => of_name.mx.push((10, host.to_owned())),
            _ => {}
        }
    }
    for (name, records) in names {
        let entry = Entry::new(Answer::Records(records));
        world.dns.table().set(&name, entry);
    }
}

/// Waits until the keys have these states.
async fn wait_for(world: &World, wanted: &[&str]) -> anyhow::Result<Value> {
    let look = async {
        loop {
            let shown = show(world).await?;
            let states = states(&shown);
            if states
                .iter()
                .map(|(_, state)| state.as_str())
                .eq(wanted.iter().copied())
            {
                return Ok(shown);
            }
        }
    };
    let found = tokio::time::timeout(LIMIT, look).await;
    found.with_context(|| format!("the keys never were {wanted:?}"))?
}

fn states(shown: &Value) -> Vec<(String, String)> {
    let keys = shown["keys"].as_array().into_iter().flatten();
    keys.map(|key| (text(&key["selector"]), text(&key["state"])))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The DKIM-Signature fields, unfolded.
fn signatures(mail: &[u8]) -> Vec<String> {
    let mail = String::from_utf8_lossy(mail);
    let head = mail.split("\r\n\r\n").next().unwrap_or_default();
    let unfolded = head.replace("\r\n\t", " ");
    let fields = unfolded
        .split("\r\n")
        .filter(|field| field.starts_with("DKIM-Signature:"));
    fields.map(str::to_owned).collect()
}

fn tag(signature: &str, name: &str) -> String {
    let tags = signature
        .split([';', ':'])
        .filter_map(|tag| tag.split_once('='));
    let mut found = tags.filter(|(tag, _)| tag.trim() == name);
    found
        .next()
        .map(|(_, value)| value.trim().to_owned())
        .unwrap_or_default()
}
