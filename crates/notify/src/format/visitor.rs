//! Who or what has opened a message or followed a link, under the names that the Splashify reference
//! has for it.

use std::borrow::Cow;

use postbell_model::engagement::Engagement;
use serde::Serialize;

use super::incoming::one_line;

/// Each a text, empty where there is none.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Visitor<'a> {
    ip_address: &'a str,
    user_agent: Cow<'a, str>,
}

impl<'a> Visitor<'a> {
    pub(super) fn new(engagement: &'a Engagement) -> Self {
        Self {
            ip_address: engagement.ip.as_deref().unwrap_or_default(),
            // Whoever asks writes it.
            user_agent: one_line(&engagement.user_agent),
        }
    }
}
