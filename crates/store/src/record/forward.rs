//! Where a message comes from and goes on to: the JSON of a column.

use postbell_model::reply::EnhancedCode;
use postbell_model::{Address, Domain, Forward, ForwardWay, Reply};
use serde::{Deserialize, Serialize};

use super::authentication::{AuthenticationRecord, authentication_record, sender};
use super::inbound::parse;

#[derive(Debug, Serialize, Deserialize)]
struct ForwardRecord {
    of: String,
    via: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<(String, u16)>,
    /// Code, enhanced code and text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<(u16, Option<String>, String)>,
    #[serde(default)]
    authentication: AuthenticationRecord,
}

/// The column of a message that goes on.
pub(crate) fn write_forward(forward: &Forward) -> String {
    let (host, refused) = match &forward.way {
        ForwardWay::Exchangers => (None, None),
        ForwardWay::Host { host, port } => (Some((host.as_str().to_owned(), *port)), None),
        ForwardWay::Nowhere(reply) => {
            let enhanced = reply.enhanced.map(|code| code.to_string());
            (None, Some((reply.code, enhanced, reply.text.clone())))
        }
    };
    super::json(&ForwardRecord {
        of: forward.of.to_string(),
        via: forward.via.as_str().to_owned(),
        host,
        refused,
        authentication: authentication_record(&forward.authentication),
    })
}

/// Reads it back.
pub(crate) fn read_forward(json: &str) -> Result<Forward, String> {
    let record: ForwardRecord = parse(json)?;
    let way = match (record.host, record.refused) {
        (_, Some((code, enhanced, text))) => ForwardWay::Nowhere(Reply {
            code,
            enhanced: enhanced.as_deref().and_then(EnhancedCode::parse),
            text,
        }),
        (Some((host, port)), None) => ForwardWay::Host {
            host: Domain::parse(&host).map_err(|error| error.to_string())?,
            port,
        },
        (None, None) => ForwardWay::Exchangers,
    };
    Ok(Forward {
        of: record.of.parse().map_err(|_| "it is of no message")?,
        via: Address::parse(&record.via).map_err(|error| error.to_string())?,
        way,
        authentication: sender(record.authentication)?,
    })
}

#[cfg(test)]
mod tests {
    use postbell_model::{Authentication, InboundId, Timestamp, Verdict};

    use super::*;

    #[test]
    fn forwards_come_back_as_they_were() {
        let mut authentication = Authentication::default();
        authentication.arc.verdict = Verdict::Pass;
        authentication.arc.sets = 2;
        for way in [
            ForwardWay::Exchangers,
            ForwardWay::Host {
                host: Domain::parse("[127.0.0.1]").unwrap(),
                port: 2525,
            },
            ForwardWay::Nowhere(Reply::new(554, 4, 6, "Mail loop")),
        ] {
            let forward = Forward {
                of: InboundId::new(Timestamp::from_micros(1_700_000_000_000_000)),
                via: Address::parse("support@acme.example").unwrap(),
                way,
                authentication: authentication.clone(),
            };
            assert_eq!(read_forward(&write_forward(&forward)), Ok(forward));
        }
        assert!(read_forward("{}").is_err());
    }
}
