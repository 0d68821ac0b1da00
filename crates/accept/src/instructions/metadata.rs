//! Metadata: one JSON object of strings.
//!
//! Whole numbers, `true` and `false` are taken as they are written, since that is how programs
//! hold order numbers and flags. Fractions, very large numbers, null, arrays and objects are
//! refused: what comes back in events must be what was given, and of these there is more than one
//! way to write the same.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::Wrong;
use super::fault::Shown;

/// Members of the object.
pub(super) const MEMBERS_MAX: usize = 50;
/// Characters of a name.
pub(super) const NAME_MAX: usize = 64;
/// Characters of a value.
pub(super) const VALUE_MAX: usize = 1_000;
/// Octets of all names and values: they go out with every event of the message.
pub(super) const OCTETS_MAX: usize = 8 * 1024;

pub(super) fn read(text: &str) -> Result<BTreeMap<String, String>, Wrong> {
    let members: Members = serde_json::from_str(text).map_err(|_| Wrong::NotJson)?;
    if members.0.len() > MEMBERS_MAX {
        return Err(Wrong::ManyMembers);
    }
    let mut read = BTreeMap::new();
    let mut octets = 0;
    for (name, value) in members.0 {
        let value = member(&name, value)?;
        octets += name.len() + value.len();
        let shown = Shown::of(&name);
        if read.insert(name, value).is_some() {
            return Err(Wrong::Twice(shown));
        }
    }
    if octets > OCTETS_MAX {
        return Err(Wrong::Large);
    }
    Ok(read)
}

fn member(name: &str, value: Value) -> Result<String, Wrong> {
    let plain = |text: &str, max| text.chars().count() <= max && !text.contains(char::is_control);
    if name.is_empty() || !plain(name, NAME_MAX) {
        return Err(Wrong::NotAKey);
    }
    let value = match value {
        Value::String(text) => text,
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return Err(Wrong::NotText(Shown::of(name)));
        }
    };
    if plain(&value, VALUE_MAX) {
        return Ok(value);
    }
    Err(Wrong::NotAValue(Shown::of(name)))
}

/// The members as they stand there: a map would drop one of two with the same name.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}
