//! Taking an address out of what far servers have said.

use postbell_model::Address;
use serde_json::Value;

use super::forget::NOBODY;

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
        let came_in = self.clean_mail(&mut value);
        (self.clean(&mut value) || came_in).then(|| value.to_string())
    }

    /// A payload of what came in without what the message says, whoever wrote it.
    pub(super) fn mail(&self, payload: &str) -> String {
        let Ok(mut value) = serde_json::from_str::<Value>(payload) else {
            return "null".to_owned();
        };
        self.clean_mail(&mut value);
        value.to_string()
    }

    /// Empties what a message that came in says, and who wrote it; what was found out about its
    /// sender's host stays. Tells whether there was anything.
    fn clean_mail(&self, value: &mut Value) -> bool {
        let Value::Object(members) = value else {
            return false;
        };
        let mut any = false;
        for (name, member) in members.iter_mut() {
            any |= match (name.as_str(), member) {
                ("content", Value::Object(content)) => {
                    let before = content.len();
                    content.retain(|part, _| part == "authentication");
                    content.len() < before
                }
                ("late", Value::Object(report)) => {
                    let before = report.len();
                    report.retain(|part, _| part != "recipient" && part != "diagnostic");
                    report.len() < before
                }
                ("headers" | "also_to", Value::Array(all)) if !all.is_empty() => {
                    all.clear();
                    true
                }
                ("mail_from", Value::String(text)) if !text.is_empty() => {
                    text.clear();
                    true
                }
                ("recipient", Value::String(text))
                    if text != NOBODY && text.to_lowercase().contains(&self.local) =>
                {
                    NOBODY.clone_into(text);
                    true
                }
                _ => false,
            };
        }
        any
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

    #[test]
    fn of_mail_that_came_in_nothing_is_left_but_where_it_came_from() {
        let scrub = Scrub::of(&Address::parse("Bob@example.org").unwrap());
        let mail = r#"{"inbound":"i","mail_from":"bob@example.org","recipient":"bob@acme.example",
            "headers":[["Subject","x"]],"content":{"from":"bob@example.org","authentication":7}}"#;
        let left = r#"{"content":{"authentication":7},"headers":[],"inbound":"i","mail_from":"","recipient":"erased@erased.invalid"}"#;
        assert_eq!(scrub.mail(mail), left);
        assert_eq!(scrub.payload(mail).as_deref(), Some(left));
        assert_eq!(scrub.payload(left), None);
        let late = r#"{"late":{"inbound":"i","recipient":"x@y","diagnostic":"bob is gone"},"class":"other"}"#;
        let left = r#"{"class":"other","late":{"inbound":"i"}}"#;
        assert_eq!(scrub.mail(late), left);
    }
}
