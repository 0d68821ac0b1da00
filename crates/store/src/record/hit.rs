//! Requests to the tracking host, as they wait to be told.

use std::borrow::Cow;

use postbell_model::engagement::{Hit, HitTarget};
use postbell_model::{DeliveryId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};

use super::json;

/// What stands of a hit beside its delivery and its time.
#[derive(Debug, Serialize, Deserialize)]
struct Record<'a> {
    workspace: u32,
    /// None: the pixel.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    index: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    user_agent: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    signs: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<Cow<'a, str>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_zero(index: &u16) -> bool {
    *index == 0
}

/// What is kept of a hit beside its delivery and its time.
pub(crate) fn write_hit(hit: &Hit) -> String {
    let (url, index) = match &hit.target {
        HitTarget::Pixel => (None, 0),
        HitTarget::Link { url, index } => (Some(url.as_str().into()), *index),
    };
    let signs = hit.signs.iter().map(|sign| sign.name().into());
    json(&Record {
        workspace: hit.workspace.0,
        url,
        index,
        ip: hit.ip.as_deref().map(Into::into),
        user_agent: hit.user_agent.as_str().into(),
        signs: signs.collect(),
        proxy: hit.proxy.map(|proxy| proxy.name().into()),
    })
}

/// Reads a hit back.
pub(crate) fn read_hit(
    (delivery, at): (DeliveryId, Timestamp),
    request: &str,
) -> Result<Hit, String> {
    let record: Record<'static> =
        serde_json::from_str(request).map_err(|error| error.to_string())?;
    let signs = record.signs.iter().map(|name| name.parse());
    let signs = signs.collect::<Result<_, _>>();
    let proxy = record.proxy.as_deref().map(str::parse).transpose();
    let target = match record.url {
        None => HitTarget::Pixel,
        Some(url) => HitTarget::Link {
            url: url.into_owned(),
            index: record.index,
        },
    };
    Ok(Hit {
        workspace: WorkspaceId(record.workspace),
        delivery,
        at,
        target,
        ip: record.ip.map(Cow::into_owned),
        user_agent: record.user_agent.into_owned(),
        signs: signs.map_err(|_| "a sign of machines is unknown")?,
        proxy: proxy.map_err(|_| "its proxy is unknown")?,
    })
}

#[cfg(test)]
mod tests {
    use postbell_model::engagement::{ImageProxy, MachineReason};

    use super::*;

    fn hit(target: HitTarget) -> Hit {
        Hit {
            workspace: WorkspaceId(3),
            delivery: DeliveryId::new(Timestamp::from_micros(5)),
            at: Timestamp::from_micros(9),
            target,
            ip: Some("192.0.2.0/24".to_owned()),
            user_agent: "Mozilla/5.0 \"x\" ä".to_owned(),
            signs: MachineReason::ALL.to_vec(),
            proxy: Some(ImageProxy::Google),
        }
    }

    #[test]
    fn hits_come_back_as_they_were() {
        let link = |index| HitTarget::Link {
            url: "https://shop.example/?a=ä&b=\"\\".to_owned(),
            index,
        };
        let bare = Hit {
            ip: None,
            user_agent: String::new(),
            signs: Vec::new(),
            proxy: None,
            ..hit(HitTarget::Pixel)
        };
        assert_eq!(write_hit(&bare), r#"{"workspace":3}"#);
        for hit in [bare, hit(HitTarget::Pixel), hit(link(0)), hit(link(7))] {
            let read = read_hit((hit.delivery, hit.at), &write_hit(&hit));
            assert_eq!(read, Ok(hit));
        }
    }

    #[test]
    fn unreadable_hits_are_errors() {
        let about = (
            DeliveryId::new(Timestamp::from_micros(5)),
            Timestamp::default(),
        );
        for request in [
            "",
            "{}",
            r#"{"workspace":1,"signs":["person"]}"#,
            r#"{"workspace":1,"proxy":"nobody"}"#,
        ] {
            assert!(read_hit(about, request).is_err(), "{request}");
        }
    }
}
