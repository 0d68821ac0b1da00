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

/// The payload of an open or a click without whose it was: of a link is left where it leads. `None`
/// where there was nothing to be left out.
pub(super) fn visit(payload: &str) -> Option<String> {
    let Ok(Value::Object(mut members)) = serde_json::from_str::<Value>(payload) else {
        return Some("null".to_owned());
    };
    let mut any = members.remove("ip").is_some();
    for (name, member) in &mut members {
        let Value::String(text) = member else {
            continue;
        };
        let left = match name.as_str() {
            "user_agent" => String::new(),
            "url" => origin(text).unwrap_or_else(|| ERASED.to_owned()),
            _ => continue,
        };
        any |= *text != left;
        *text = left;
    }
    any.then(|| Value::Object(members).to_string())
}

/// `https://shop.example` of an address: what stands behind it may be the recipient's own.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit('@').next()?;
    Some(format!("{scheme}://{host}"))
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
    fn of_a_visit_is_left_that_it_was_and_where_to() {
        let click = r#"{"url":"https://ann:pw@shop.example:8443/p?mail=ann","index":4,"ip":"192.0.2.1","user_agent":"x","count":2}"#;
        let left = r#"{"count":2,"index":4,"url":"https://shop.example:8443","user_agent":""}"#;
        assert_eq!(visit(click).as_deref(), Some(left));
        assert_eq!(visit(left), None);
        assert_eq!(visit(r#"{"user_agent":"","count":1}"#), None);
        let odd = visit(r#"{"url":"ann","user_agent":""}"#).unwrap();
        assert!(!odd.contains("ann"), "{odd}");
        assert_eq!(visit("{").as_deref(), Some("null"));
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
