//! A destination as its task needs it: everything parsed, nothing left that can be wrong.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, Uri, header};
use postbell_model::engagement::Engagement;
use postbell_model::inbound::Content;
use postbell_model::{
    Audience, ConfigurationSetId, Delays, Destination, DestinationId, Fact, Telling, Timestamp,
    WorkspaceFact,
};
use postbell_net::http::check_url;
use postbell_store::Logged;

use crate::format::{UnknownFormat, is_first_delay};
use crate::headers::{BadHeader, HEADERS_MAX, field};
use crate::signature::Signer;
use crate::{Document, Format, Matching, UnknownName, render};

/// What configuration sets are called.
pub(crate) type SetNames = BTreeMap<ConfigurationSetId, String>;

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
    /// One of its headers can't be sent.
    #[error(transparent)]
    Header(#[from] BadHeader),
}

/// Whether a destination can be called as it is set up. For whoever sets it up, so that mistakes
/// show at once.
///
/// # Errors
/// Says what is wrong.
pub fn check(destination: &Destination) -> Result<(), BadDestination> {
    Profile::new(destination, SetNames::new()).map(drop)
}

/// Whether a destination hears of an event of its audience: it wants such events, and its format has
/// a word for this one. One that can't be called hears of none.
pub fn hears(destination: &Destination, event: &Logged) -> bool {
    let profile = Profile::new(destination, SetNames::new());
    profile.is_ok_and(|profile| !profile.documents(event).is_empty())
}

/// A destination, parsed.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) id: DestinationId,
    /// For people.
    pub(crate) name: String,
    pub(crate) audience: Audience,
    pub(crate) url: Uri,
    /// Those that are the same in every call.
    pub(crate) headers: HeaderMap,
    /// Calls under way at once, where it says so itself.
    pub(crate) in_flight: Option<usize>,
    signer: Signer,
    /// While one secret takes over from another: with both, until then.
    overlap: Option<(Signer, Timestamp)>,
    set_names: SetNames,
    format: Format,
    matching: Matching,
    delays: Delays,
    auto_replies: Telling,
    machines: Telling,
}

impl Profile {
    pub(crate) fn new(
        destination: &Destination,
        set_names: SetNames,
    ) -> Result<Self, BadDestination> {
        let settings = &destination.settings;
        let overlap = destination.previous_secret.as_ref().map(|previous| {
            let both = Signer::new([&destination.secret, &previous.secret]);
            (both, previous.until)
        });
        Ok(Self {
            id: destination.id,
            name: destination.name.clone(),
            audience: destination.audience(),
            url: parse_url(&destination.url)?,
            headers: headers(destination)?,
            in_flight: settings
                .in_flight
                .map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
            signer: Signer::new([&destination.secret]),
            overlap,
            set_names,
            format: destination.format.parse()?,
            matching: Matching::parse(&destination.matching_event_types)?,
            delays: settings.delays,
            auto_replies: settings.auto_replies,
            machines: settings.machines,
        })
    }

    /// What calls are signed with now.
    pub(crate) fn signer(&self, now: Timestamp) -> &Signer {
        match &self.overlap {
            Some((both, until)) if now < *until => both,
            Some(_) | None => &self.signer,
        }
    }

    /// What the destination hears of an event: nothing, where it does not want such events or
    /// its vocabulary has no word for this one.
    pub(crate) fn documents(&self, event: &Logged) -> Vec<Document> {
        if !self.matching.matches(event.kind()) || self.is_passed_over(event) {
            return Vec::new();
        }
        render(self.format, event, self.set_name(event))
    }

    fn set_name(&self, event: &Logged) -> &str {
        let Logged::Delivery(logged) = event else {
            return "";
        };
        let name = self.set_names.get(&logged.message.configuration_set);
        name.map(String::as_str).unwrap_or_default()
    }

    /// What it has heard already, what is about itself, and what programs answer, open and follow
    /// where it does not want that.
    fn is_passed_over(&self, event: &Logged) -> bool {
        match event {
            Logged::Delivery(logged) => match &logged.event.fact {
                // What another server keeps waiting is a delay of its own, and rare.
                Fact::DeliveryDelay { .. } => {
                    self.delays == Delays::First && !is_first_delay(logged)
                }
                Fact::Reply(reply) => self.is_unwanted_answer(&reply.content),
                Fact::Open(open) => self.is_unwanted_machine(open),
                Fact::Click(click) => self.is_unwanted_machine(&click.engagement),
                _ => false,
            },
            Logged::Workspace(logged) => match &logged.event.fact {
                WorkspaceFact::DestinationDisabled { destination, .. } => *destination == self.id,
                WorkspaceFact::DomainCreated { .. }
                | WorkspaceFact::DomainUpdated { .. }
                | WorkspaceFact::DomainVerified { .. }
                | WorkspaceFact::DomainUnverified { .. }
                | WorkspaceFact::DomainDeleted { .. }
                | WorkspaceFact::SendingPaused { .. }
                | WorkspaceFact::SendingResumed { .. }
                | WorkspaceFact::SuppressionAdded(_)
                | WorkspaceFact::SuppressionRemoved(_) => false,
                WorkspaceFact::Received(mail) => self.is_unwanted_answer(&mail.content),
            },
        }
    }

    fn is_unwanted_answer(&self, content: &Content) -> bool {
        self.auto_replies == Telling::Skip && content.auto_reply.is_some()
    }

    fn is_unwanted_machine(&self, engagement: &Engagement) -> bool {
        self.machines == Telling::Skip && engagement.is_machine()
    }
}

fn parse_url(text: &str) -> Result<Uri, BadDestination> {
    let url: Uri = text
        .parse()
        .map_err(|_| BadDestination::Url("it is no URL"))?;
    check_url(&url).map_err(BadDestination::Url)?;
    Ok(url)
}

fn headers(destination: &Destination) -> Result<HeaderMap, BadHeader> {
    let own = &destination.settings.headers;
    if own.len() > HEADERS_MAX {
        return Err(BadHeader::TooMany);
    }
    let mut headers = HeaderMap::with_capacity(8 + own.len());
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("postbell/", env!("CARGO_PKG_VERSION"))),
    );
    for header in own {
        let (name, value) = field(header)?;
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use postbell_model::{
        CustomHeader, DestinationSettings, DestinationState, PreviousSecret, Secret, WorkspaceId,
    };

    use super::*;

    fn destination(url: &str, format: &str, names: &[&str]) -> Destination {
        let now = Timestamp::from_micros(0);
        Destination {
            id: DestinationId::new(now),
            workspace: WorkspaceId(1),
            configuration_set: Some(ConfigurationSetId(1)),
            name: "hook".to_owned(),
            url: url.to_owned(),
            secret: Secret::new("s"),
            previous_secret: None,
            matching_event_types: names.iter().map(|name| (*name).to_owned()).collect(),
            format: format.to_owned(),
            settings: DestinationSettings::default(),
            replays: 0,
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

    #[test]
    fn a_header_that_is_ours_is_refused() {
        let mut bad = destination("https://hooks.example/", "postbell", &[]);
        bad.settings.headers = vec![CustomHeader {
            name: "webhook-id".to_owned(),
            value: Secret::new("evt_1"),
        }];
        assert!(matches!(check(&bad), Err(BadDestination::Header(_))));
    }

    #[test]
    fn both_secrets_sign_until_the_overlap_ends() {
        let mut rotated = destination("https://hooks.example/", "postbell", &[]);
        let until = Timestamp::from_micros(1_000);
        rotated.previous_secret = Some(PreviousSecret {
            secret: Secret::new("old"),
            until,
        });
        let profile = Profile::new(&rotated, SetNames::new()).unwrap();
        let signatures = |now| profile.signer(now).sign("evt_1", 0, b"{}");
        let (before, after) = (signatures(Timestamp::from_micros(999)), signatures(until));
        assert_eq!(before.split(' ').count(), 2);
        assert_eq!(before.split(' ').next(), Some(after.as_str()));
    }
}
