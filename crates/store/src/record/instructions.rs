//! What a sender asked for, as it stands beside a message.

use std::collections::BTreeMap;

use postbell_model::{Instructions, Ret};
use serde::{Deserialize, Serialize};

use super::json;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    envid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    track_opens: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    track_clicks: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsubscribe: Option<bool>,
}

/// The column's value; `None` where nothing was asked for.
pub(crate) fn write_instructions(instructions: &Instructions) -> Option<String> {
    if instructions.is_empty() {
        return None;
    }
    Some(json(&Record {
        envid: instructions.envid.clone(),
        ret: instructions.ret.map(|ret| ret.name().to_owned()),
        stream: instructions.stream.clone(),
        tags: instructions.tags.clone(),
        metadata: instructions.metadata.clone(),
        track_opens: instructions.track_opens,
        track_clicks: instructions.track_clicks,
        unsubscribe: instructions.unsubscribe,
    }))
}

/// Reads the column back; `None`: it can't be.
pub(crate) fn read_instructions(column: Option<&str>) -> Option<Instructions> {
    let Some(column) = column else {
        return Some(Instructions::default());
    };
    let record: Record = serde_json::from_str(column).ok()?;
    Some(Instructions {
        envid: record.envid,
        ret: match record.ret {
            Some(name) => Some(Ret::of_name(&name)?),
            None => None,
        },
        stream: record.stream,
        tags: record.tags,
        metadata: record.metadata,
        track_opens: record.track_opens,
        track_clicks: record.track_clicks,
        unsubscribe: record.unsubscribe,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_come_back_as_they_were() {
        let all = Instructions {
            envid: Some("QQ314159".to_owned()),
            ret: Some(Ret::Headers),
            stream: Some("newsletter".to_owned()),
            tags: vec!["welcome".to_owned()],
            metadata: BTreeMap::from([("order".to_owned(), "42".to_owned())]),
            track_opens: Some(true),
            track_clicks: Some(false),
            unsubscribe: Some(true),
        };
        for instructions in [all, Instructions::default()] {
            let column = write_instructions(&instructions);
            assert_eq!(read_instructions(column.as_deref()), Some(instructions));
        }
        assert_eq!(write_instructions(&Instructions::default()), None);
        assert_eq!(read_instructions(Some("{")), None);
    }
}
