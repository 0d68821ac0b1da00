//! Rates and quotas, as they are told.

use postbell_model::SendingLimits;
use serde_json::{Value, json};

/// Headings of the columns of [`cells`].
pub(super) const HEADING: [&str; 2] = ["RATE/MIN", "QUOTA/DAY"];

/// Adds both limits to what is told of an account.
pub(super) fn document(document: &mut Value, limits: SendingLimits) {
    document["rate"] = json!(limits.rate);
    document["quota"] = json!(limits.quota);
}

/// Both limits as cells of a table.
pub(super) fn cells(limits: SendingLimits) -> [String; 2] {
    [limits.rate, limits.quota].map(|limit| limit.map_or_else(|| "-".to_owned(), |n| n.to_string()))
}

/// Both limits as a sentence's end.
pub(super) fn sentence(limits: SendingLimits) -> String {
    let rate = match limits.rate {
        Some(rate) => format!("{rate} messages a minute"),
        None => "any number of messages a minute".to_owned(),
    };
    match limits.quota {
        Some(quota) => format!("{rate}, {quota} recipients a day"),
        None => format!("{rate}, any number of recipients a day"),
    }
}
