//! A destination as its task needs it: everything parsed, nothing left that can be wrong.

use http::{HeaderMap, HeaderValue, Uri, header};
use postbell_model::{ConfigurationSetId, Destination, DestinationId};
use postbell_net::http::check_url;
use postbell_store::LoggedEvent;

use crate::format::UnknownFormat;
use crate::signature::Signer;
use crate::{Document, Format, Matching, UnknownName, render};

/// Why a destination can't be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDestination {
    /// The URL is none, or one that is never called. It is not repeated, since it may hold a
    /// secret.
    #[error("the URL can't be used: {0}")]
    Url(&'static str),
    /// There is no such format.
    #[error(transparent)]
    Format(#[from] UnknownFormat),
    /// There is no such event.
    #[error(transparent)]
    EventType(#[from] UnknownName),
}

/// Whether a destination can be called as it is set up. For whoever sets it up, so that mistakes
/// show at once.
///
/// # Errors
/// Says what is wrong.
pub fn check(destination: &Destination) -> Result<(), BadDestination> {
    Profile::new(destination, String::new()).map(drop)
}

/// A destination, parsed.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) id: DestinationId,
    pub(crate) set: ConfigurationSetId,
    pub(crate) url: Uri,
    pub(crate) signer: Signer,
    /// Those that are the same in every call.
    pub(crate) headers: HeaderMap,
    set_name: String,
    format: Format,
    matching: Matching,
}

impl Profile {
    pub(crate) fn new(destination: &Destination, set_name: String) -> Result<Self, BadDestination> {
        Ok(Self {
            id: destination.id,
            set: destination.configuration_set,
            url: parse_url(&destination.url)?,
            signer: Signer::new([&destination.secret]),
            headers: fixed_headers(),
            set_name,
            format: destination.format.parse()?,
            matching: Matching::parse(&destination.matching_event_types)?,
        })
    }

    /// What the destination hears of an event: nothing, where it does not want such events or
    /// its vocabulary has no word for this one.
    pub(crate) fn documents(&self, event: &LoggedEvent) -> Vec<Document> {
        if !self.matching.matches(event.event.fact.kind()) {
            return Vec::new();
        }
        render(self.format, event, &self.set_name)
    }
}

fn parse_url(text: &str) -> Result<Uri, BadDestination> {
    let url: Uri = text
        .parse()
        .map_err(|_| BadDestination::Url("it is no URL"))?;
    check_url(&url).map_err(BadDestination::Url)?;
    Ok(url)
}

fn fixed_headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("postbell/", env!("CARGO_PKG_VERSION"))),
    );
    headers
}

#[cfg(test)]
mod tests {
    use postbell_model::{DestinationState, Secret, Timestamp, WorkspaceId};

    use super::*;

    fn destination(url: &str, format: &str, names: &[&str]) -> Destination {
        let now = Timestamp::from_micros(0);
        Destination {
            id: DestinationId::new(now),
            workspace: WorkspaceId(1),
            configuration_set: ConfigurationSetId(1),
            name: "hook".to_owned(),
            url: url.to_owned(),
            secret: Secret::new("s"),
            matching_event_types: names.iter().map(|name| (*name).to_owned()).collect(),
            format: format.to_owned(),
            state: DestinationState::Active,
            created_at: now,
        }
    }

    #[test]
    fn mistakes_in_a_destination_are_named() {
        let good = destination("https://hooks.example/a?b=c", "splashify", &["bounce"]);
        assert_eq!(check(&good), Ok(()));
        for (bad, sentence) in [
            (
                destination("hooks.example", "postbell", &[]),
                "the URL can't be used: it is neither http nor https",
            ),
            (
                destination("https://a b/", "postbell", &[]),
                "the URL can't be used: it is no URL",
            ),
            (
                destination("https://hooks.example/", "soap", &[]),
                "there is no format \"soap\"; known are postbell and splashify",
            ),
        ] {
            assert_eq!(check(&bad).unwrap_err().to_string(), sentence);
        }
        let unknown = destination("https://hooks.example/", "postbell", &["fax"]);
        assert!(matches!(check(&unknown), Err(BadDestination::EventType(_))));
    }
}
