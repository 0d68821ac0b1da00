//! What a configuration set says of tracking, as a column.

use postbell_model::tracking::SetTracking;
use serde::{Deserialize, Serialize};

use super::json;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    opens: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clicks: Option<bool>,
    plain_text: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    additions: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    untracked: Vec<String>,
    unsubscribe: bool,
}

/// The column's value; `None` where nothing is said.
pub(crate) fn write_tracking(tracking: &SetTracking) -> Option<String> {
    if *tracking == SetTracking::default() {
        return None;
    }
    Some(json(&Record {
        opens: tracking.opens,
        clicks: tracking.clicks,
        plain_text: tracking.plain_text,
        additions: tracking.additions.clone(),
        untracked: tracking.untracked.clone(),
        unsubscribe: tracking.unsubscribe,
    }))
}

/// Reads the column back; `None`: it can't be.
pub(crate) fn read_tracking(column: Option<&str>) -> Option<SetTracking> {
    let record: Record = match column {
        Some(column) => serde_json::from_str(column).ok()?,
        None => Record::default(),
    };
    Some(SetTracking {
        opens: record.opens,
        clicks: record.clicks,
        plain_text: record.plain_text,
        additions: record.additions,
        untracked: record.untracked,
        unsubscribe: record.unsubscribe,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tracked_comes_back_as_it_was() {
        let tracking = SetTracking {
            opens: Some(true),
            clicks: None,
            plain_text: true,
            additions: vec![("utm_source".to_owned(), "news & more".to_owned())],
            untracked: vec!["*/legal/*".to_owned()],
            unsubscribe: true,
        };
        let written = write_tracking(&tracking);
        assert_eq!(read_tracking(written.as_deref()), Some(tracking));
        assert_eq!(write_tracking(&SetTracking::default()), None);
        assert_eq!(read_tracking(None), Some(SetTracking::default()));
        assert_eq!(read_tracking(Some("[")), None);
    }
}
