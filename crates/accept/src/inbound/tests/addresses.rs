//! What an address at RCPT is.

use postbell_model::token::{Claim, Purpose};
use postbell_model::{DeliveryId, DmarcMode, Reply, WorkspaceId};

use super::world::{NOW, OURS, World, address, keys, route};
use crate::inbound::{InboundRecipient, InboundRefusal};

/// Mutated tokens that are tried; `MUTATED_TOKENS` says another number.
const MUTATED: u64 = 100_000;

fn resolve(world: &World, to: &str) -> Result<InboundRecipient, InboundRefusal> {
    world.gate.resolve(&address(to))
}

fn unknown() -> Reply {
    Reply::new(550, 1, 1, "No such address here")
}

#[test]
fn a_token_is_taken_at_any_domain() {
    let world = World::new();
    let token = world.token(Purpose::Reply);
    for to in [
        world.reply(),
        world.bounce(),
        world.unsubscribe(),
        format!("REPLY+{}@mx.post.example", token.to_uppercase()),
        format!("\"reply+{token}\"@reply.shop.example"),
        format!("\"re\\ply+{token}\"@reply.shop.example"),
        format!("reply+{token}@removed.example"),
        format!("reply+{token}@closed.example"),
    ] {
        let found = resolve(&world, &to).unwrap();
        assert_eq!(found.dmarc(), DmarcMode::Mark);
        assert_eq!(found.workspace(), Some(OURS));
    }
}

#[test]
fn a_token_of_an_older_key_is_taken() {
    let world = World::new();
    let claim = |workspace| Claim {
        workspace,
        delivery: DeliveryId::new(NOW),
    };
    let older = keys(&[1]).sign(Purpose::Bounce, claim(OURS));
    assert!(resolve(&world, &format!("bounce+{older}@bounce.shop.example")).is_ok());
    let gone = keys(&[1]).sign(Purpose::Bounce, claim(WorkspaceId(77)));
    let forged = keys(&[3]).sign(Purpose::Bounce, claim(OURS));
    for token in [gone, forged] {
        let refusal = resolve(&world, &format!("bounce+{token}@bounce.shop.example"));
        assert_eq!(refusal.unwrap_err().reply(), unknown());
    }
}

#[test]
fn what_is_no_token_is_an_unknown_address() {
    let world = World::with_routes([route("*", true, None)]);
    let token = world.token(Purpose::Reply);
    for to in [
        "nobody@reply.shop.example".to_owned(),
        "nobody@mx.post.example".to_owned(),
        "reply+x@reply.shop.example".to_owned(),
        "bounce+x@shop.example".to_owned(),
        format!("bounce+{token}@bounce.shop.example"),
        format!("unsub+{token}@reply.shop.example"),
        format!("reply+{}@reply.shop.example", &token[1..]),
        format!("reply+{token}a@reply.shop.example"),
    ] {
        let refusal = resolve(&world, &to).unwrap_err();
        assert_eq!(refusal.reply(), unknown(), "{to}");
    }
}

#[test]
fn mail_for_others_is_not_relayed() {
    let world = World::new();
    let denied = |domain: &str| {
        let text = format!("Relaying denied: mail for {domain} is not taken here");
        Reply::new(550, 7, 1, text)
    };
    for to in [
        "a@elsewhere.example",
        "reply+x@elsewhere.example",
        "postmaster@elsewhere.example",
    ] {
        let refusal = resolve(&world, to).unwrap_err();
        assert_eq!(refusal.reply(), denied("elsewhere.example"));
    }
    // A domain that only sends.
    let refusal = resolve(&world, "a@closed.example").unwrap_err();
    assert_eq!(refusal.reply(), denied("closed.example"));
}

#[test]
fn every_host_of_ours_has_its_roles() {
    let world = World::with_routes([route("support", true, None)]);
    for host in [
        "mx.post.example",
        "bounce.shop.example",
        "reply.closed.example",
        "shop.example",
    ] {
        for role in ["postmaster", "Abuse", "FBL"] {
            assert!(
                resolve(&world, &format!("{role}@{host}")).is_ok(),
                "{role}@{host}"
            );
        }
    }
    let strict = resolve(&world, "postmaster@strict.example").unwrap();
    assert_eq!(strict.dmarc(), DmarcMode::Mark, "reports must come through");
    let operators = resolve(&world, "postmaster@mx.post.example").unwrap();
    assert_eq!(operators.workspace(), None);
}

#[test]
fn routes_say_which_addresses_there_are() {
    let world = World::with_routes([route("support", true, None), route("sales-*", true, None)]);
    for to in [
        "Support@shop.example",
        "support+42@shop.example",
        "sales-eu@shop.example",
        "\"support+42\"@shop.example",
        "\"postmaster\"@shop.example",
    ] {
        assert!(resolve(&world, to).is_ok(), "{to}");
    }
    let refusal = resolve(&world, "info@shop.example").unwrap_err();
    assert_eq!(refusal.reply(), unknown());
    assert!(
        resolve(&world, "info@lax.example").is_ok(),
        "no route: all addresses"
    );
}

#[test]
fn recipients_go_together_by_workspace_and_mode() {
    let world = World::new();
    let found = |to: &str| resolve(&world, to).unwrap();
    let reply = found(&world.reply());
    assert!(reply.goes_with(&found(&world.bounce())));
    assert!(reply.goes_with(&found("info@shop.example")));
    assert!(!reply.goes_with(&found("info@strict.example")));
    assert!(!reply.goes_with(&found("info@theirs.example")));
    assert!(!reply.goes_with(&found("fbl@mx.post.example")));
    let apart = InboundRefusal::Apart.reply();
    let text = "Send to this recipient in a transaction of its own";
    assert_eq!(apart, Reply::new(452, 5, 3, text));
}

#[test]
fn no_mutated_token_is_accepted() {
    let count = std::env::var("MUTATED_TOKENS").ok();
    let count = count
        .and_then(|count| count.parse().ok())
        .unwrap_or(MUTATED);
    let world = World::new();
    let keys = keys(&[1, 2]);
    let real = world.token(Purpose::Reply);
    let mut random = Numbers(0x5eed);
    for _ in 0..count {
        let mutated = mutate(&real, &mut random);
        if mutated == real {
            continue;
        }
        assert!(keys.verify(Purpose::Reply, &mutated).is_err(), "{mutated}");
    }
    for _ in 0..1_000 {
        let mutated = mutate(&real, &mut random);
        let taken = resolve(&world, &format!("reply+{mutated}@reply.shop.example")).is_ok();
        assert_eq!(taken, mutated == real);
    }
}

/// One to three characters are others.
fn mutate(token: &str, random: &mut Numbers) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut octets = token.as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(octets.len());
        octets[at] = LETTERS[random.below(LETTERS.len())];
    }
    String::from_utf8(octets).unwrap()
}

/// A generator of numbers that is the same in every run (Steele's `SplitMix64`).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = usize::try_from(mixed ^ (mixed >> 31)).unwrap();
        mixed % limit
    }
}
