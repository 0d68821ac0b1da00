//! Taking an address out of what far servers have said.

use postbell_model::Address;
use serde_json::Value;

const ERASED: &str = "[erased]";

/// Knows an address when it sees it.
#[derive(Debug)]
pub(super) struct Scrub {
    /// In lower case.
    local: String,
}

impl Scrub {
    pub(super) fn of(address: &Address) -> Self {
        let text = address.to_string().to_lowercase();
        let local = text
            .rsplit_once('@')
            .map_or(text.as_str(), |(local, _)| local);
        Self {
            local: local.to_owned(),
        }
    }

    /// A payload in which no text names the address; `None` where none did. A text that has the
    /// local part anywhere goes as a whole: servers write addresses in many ways.
    pub(super) fn payload(&self, payload: &str) -> Option<String> {
        let Ok(mut value) = serde_json::from_str::<Value>(payload) else {
            // Nobody can read it; so that nobody can, it goes.
            return Some("null".to_owned());
        };
        self.clean(&mut value).then(|| value.to_string())
    }

    fn clean(&self, value: &mut Value) -> bool {
        match value {
            Value::Array(items) => {
                let cleaned = items.iter_mut().map(|item| self.clean(item));
                cleaned.fold(false, |any, one| any | one)
            }
            Value::Object(members) => {
                let cleaned = members.iter_mut().map(|(name, member)| match member {
                    Value::String(text) if name == "text" => self.clean_text(text),
                    Value::String(_) => false,
                    other => self.clean(other),
                });
                cleaned.fold(false, |any, one| any | one)
            }
            _ => false,
        }
    }

    fn clean_text(&self, text: &mut String) -> bool {
        let names = text.to_lowercase().contains(&self.local);
        if names {
            ERASED.clone_into(text);
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_name_the_address_go_and_nothing_else() {
        let scrub = Scrub::of(&Address::parse("Bob@example.org").unwrap());
        let tries = r#"{"number":1,"tries":[
            {"host":"mx.bob.example","text":"<BOB@example.org> unknown","code":550},
            {"host":"mx.example.org","text":"try later","code":451}]}"#;
        let scrubbed = scrub.payload(tries).unwrap();
        assert!(!scrubbed.contains("BOB"), "{scrubbed}");
        assert!(scrubbed.contains("[erased]") && scrubbed.contains("try later"));
        assert!(scrubbed.contains("mx.bob.example"), "hosts are no texts");
        assert_eq!(scrub.payload(r#"{"tries":[{"text":"try later"}]}"#), None);
        assert_eq!(scrub.payload("{").as_deref(), Some("null"));
    }
}
