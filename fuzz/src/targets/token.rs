use postbell_model::token::{Claim, Purpose};
use postbell_model::{DeliveryId, Secret, TokenKeys, WorkspaceId};

use crate::input::Input;

const PURPOSES: [Purpose; 2] = [Purpose::Bounce, Purpose::Header];

/// What was made verifies, for its purpose, under its keys and unchanged alone; what verifies was
/// made.
pub fn token(data: &[u8]) {
    let old = Secret::new([1; 32]);
    let new = Secret::new([2; 32]);
    let keys = TokenKeys::new([(3, &old), (9, &new)]).expect("there are keys");
    let others = TokenKeys::new([(3, &new), (9, &old)]).expect("there are keys");
    if let Ok(text) = str::from_utf8(data) {
        check_guess(&keys, text);
    }
    let mut input = Input::new(data);
    let claim = Claim {
        workspace: WorkspaceId(u32::from_be_bytes(input.octets())),
        delivery: DeliveryId::from_bytes(input.octets()),
    };
    for purpose in PURPOSES {
        let made = keys.sign(purpose, claim);
        assert!(
            made.len() == 53
                && made
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        );
        assert_eq!(keys.verify(purpose, &made), Ok(claim));
        assert_eq!(keys.verify(purpose, &made.to_ascii_uppercase()), Ok(claim));
        assert!(others.verify(purpose, &made).is_err());
        let other = PURPOSES.into_iter().find(|other| *other != purpose);
        assert!(other.is_none_or(|other| keys.verify(other, &made).is_err()));
        check_changed(&keys, purpose, &made, input.octets());
    }
}

fn check_guess(keys: &TokenKeys, text: &str) {
    for purpose in PURPOSES {
        if let Ok(claim) = keys.verify(purpose, text) {
            assert!(keys.sign(purpose, claim).eq_ignore_ascii_case(text));
        }
    }
}

/// Another character in one place, one more, one fewer.
fn check_changed(keys: &TokenKeys, purpose: Purpose, made: &str, [at, to]: [u8; 2]) {
    let at = usize::from(at) % made.len();
    let mut changed = made.as_bytes().to_vec();
    changed[at] = to;
    let is_same = changed.eq_ignore_ascii_case(made.as_bytes());
    if let Ok(changed) = String::from_utf8(changed) {
        assert_eq!(keys.verify(purpose, &changed).is_ok(), is_same, "{changed}");
    }
    for text in [&made[1..], &made[..at], &format!("{made}a")] {
        assert!(keys.verify(purpose, text).is_err(), "{text}");
    }
}
