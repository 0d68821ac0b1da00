//! track: a message as one recipient gets it: links that report a click, a pixel that reports an opening, the
//! address to unsubscribe at.
//!
//! What is done to a message is asked of the directory when it is sent. A message is planned once for all
//! who get it (`plans`), away from the threads that serve sockets, and rendered for each with `addresses`
//! of its own. All this comes before the message is made to fit its host and signed. Where nothing is tracked it
//! costs a search for the placeholder, and nothing at all while the tracking door is closed.
//!
//! Never tracked: mail that came in and goes on, mail from `<>`, which reports are, and mail of no domain of
//! ours, since no host would answer.

mod addresses;
mod metrics;
mod plans;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_mail::track::{self, Note, Placeholders, Seek};
use postbell_model::token::Claim;
use postbell_model::tracking::{SetTracking, Tracking};
use postbell_model::{ConfigurationSet, Message, Reply, SendingDomain};
use postbell_store::{Directory, Links, StoreError};

use crate::board::Parcel;
use crate::render::{Unready, claim};
use crate::stage::Stage;

pub(crate) use addresses::Addresses;
pub(crate) use metrics::TrackMetrics;
use plans::{Asked, Planned, Plans};

/// How long a delivery waits for its plan and its links, with the connection open.
const PATIENCE: Duration = Duration::from_secs(30);
/// What has so few octets is rendered where it is asked for: that takes less than to have it done elsewhere.
const AT_ONCE: usize = 128 * 1024;
/// The same of what is searched for the placeholder.
const SEARCHED_AT_ONCE: usize = 1024 * 1024;
/// Links kept in one go.
const LINKS: usize = 500;
/// The longest note, in characters: some name what a stranger wrote.
const NOTE_MAX: usize = 200;

/// What tracking has beside the stage.
pub(crate) struct Tracks {
    plans: Plans,
    placeholders: Placeholders,
    /// Where links are kept that are too long for a token; `None`: they are not tracked.
    links: Option<Arc<dyn Links>>,
    metrics: TrackMetrics,
}

impl Tracks {
    pub(crate) fn new(links: Option<Arc<dyn Links>>, metrics: TrackMetrics) -> Self {
        Self {
            plans: Plans::default(),
            placeholders: Placeholders::default(),
            links,
            metrics,
        }
    }
}

/// A message as one recipient gets it.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) body: Bytes,
    /// What was left alone of it, and why.
    pub(crate) notes: Vec<String>,
}

/// What is done to a message, and for whom.
struct Order<'a> {
    message: &'a Message,
    set: Option<&'a SetTracking>,
    domain: &'a SendingDomain,
    tracking: Tracking,
    claim: Claim,
}

impl Stage {
    /// The body with what is tracked of it.
    pub(crate) async fn track(
        &self,
        parcel: &Parcel,
        (directory, sender): (&Directory, Option<&SendingDomain>),
        body: Bytes,
    ) -> Result<Tracked, Unready> {
        let message = &*parcel.claimed.message;
        let Some(domain) = sender.filter(|_| self.options.tracking.open) else {
            return Ok(untouched(body));
        };
        let set = directory.configuration_set(message.configuration_set);
        let order = Order {
            message,
            set: set.map(|set| &set.tracking),
            domain,
            tracking: Tracking::of(&message.instructions, set, sender),
            claim: claim(parcel),
        };
        let working = self.track_as(&order, body);
        match tokio::time::timeout(PATIENCE, working).await {
            Ok(done) => done,
            Err(_) => Err(Unready::NoRoom),
        }
    }

    async fn track_as(&self, order: &Order<'_>, body: Bytes) -> Result<Tracked, Unready> {
        let tracking = order.tracking;
        let seek = if tracking.opens || tracking.clicks {
            Seek::Everything
        } else if self.may_have_placeholder(&body).await? {
            Seek::Placeholders
        } else {
            return Ok(untouched(body));
        };
        let asked = Asked {
            seek,
            set: order.set,
        };
        let planned = self.planned(order.message, asked, &body).await?;
        if tracking.clicks {
            self.keep_links(order.message, &planned).await?;
        }
        let addresses = self.addresses(order.domain, tracking, order.claim);
        let tracked = self.rendered(planned, addresses).await?;
        self.tracks.metrics.tracked(&tracked);
        Ok(Tracked {
            notes: notes(tracked.notes, tracking),
            body: tracked.raw,
        })
    }

    async fn may_have_placeholder(&self, body: &Bytes) -> Result<bool, Unready> {
        let placeholders = &self.tracks.placeholders;
        if body.len() <= SEARCHED_AT_ONCE {
            return Ok(placeholders.may_be_in(body));
        }
        let (placeholders, body) = (placeholders.clone(), body.clone());
        let searching = self.pool.run(move || placeholders.may_be_in(&body));
        searching.await.ok_or_else(untracked)
    }

    /// The plan of a message, made unless it was.
    async fn planned(
        &self,
        message: &Message,
        asked: Asked<'_>,
        body: &Bytes,
    ) -> Result<Arc<Planned>, Unready> {
        let place = self.tracks.plans.place(message.id, asked);
        let mut is_made = false;
        let planning = place.get_or_try_init(|| async {
            is_made = true;
            let (body, options) = (body.clone(), asked.options());
            let planning = self.pool.run(move || Planned::of(&body, &options));
            planning.await.map(Arc::new).ok_or_else(untracked)
        });
        let planned = Arc::clone(planning.await?);
        self.tracks.metrics.planned(is_made);
        if is_made {
            self.tracks.plans.made(message.id, &place);
        }
        Ok(planned)
    }

    /// Has the store keep the links that are too long for a token, before anybody gets one.
    async fn keep_links(&self, message: &Message, planned: &Planned) -> Result<(), Unready> {
        let Some(links) = &self.tracks.links else {
            return Ok(());
        };
        let keeping = planned.kept.get_or_try_init(|| async {
            for some in planned.long.chunks(LINKS) {
                links.keep_links(some.to_vec(), self.clock.now()).await?;
            }
            Ok(())
        });
        if let Err(error) = keeping.await {
            return Err(unkept(message, &error));
        }
        Ok(())
    }

    /// The addresses of one recipient's message.
    pub(crate) fn addresses(
        &self,
        domain: &SendingDomain,
        tracking: Tracking,
        claim: Claim,
    ) -> Addresses {
        Addresses::new(
            self.options.tracking.base_url.as_deref(),
            (domain, tracking, claim),
            Arc::clone(&self.keys),
            self.tracks.links.is_some(),
        )
    }

    async fn rendered(
        &self,
        planned: Arc<Planned>,
        addresses: Addresses,
    ) -> Result<track::Tracked, Unready> {
        if planned.octets() <= AT_ONCE {
            return Ok(planned.plan.render(&addresses));
        }
        let rendering = self.pool.run(move || planned.plan.render(&addresses));
        rendering.await.ok_or_else(untracked)
    }

    /// Where a message's recipient unsubscribes, where its List-Unsubscribe is ours to write.
    pub(crate) fn unsubscribing(
        &self,
        message: &Message,
        set: Option<&ConfigurationSet>,
        (domain, claim): (Option<&SendingDomain>, Claim),
    ) -> Unsubscribing {
        let tracking = Tracking::of(&message.instructions, set, domain);
        let Some(domain) = domain.filter(|_| tracking.unsubscribe) else {
            return Unsubscribing::default();
        };
        let addresses = self.addresses(domain, tracking, claim);
        let options = &self.options;
        Unsubscribing {
            page: options.tracking.open.then(|| addresses.page()),
            address: options
                .inbound_open
                .then(|| addresses.mailbox(domain))
                .flatten(),
        }
    }
}

/// Where a recipient unsubscribes; nowhere without a door.
#[derive(Debug, Default)]
pub(crate) struct Unsubscribing {
    pub(crate) page: Option<String>,
    pub(crate) address: Option<String>,
}

const fn untouched(body: Bytes) -> Tracked {
    Tracked {
        body,
        notes: Vec::new(),
    }
}

/// What an event tells of what was left alone: nothing about what nobody asked for.
fn notes(notes: Vec<Note>, tracking: Tracking) -> Vec<String> {
    let is_asked = |note: &Note| match note {
        Note::NoPlaceForPixel => tracking.opens,
        Note::LongLink => tracking.clicks,
        _ => true,
    };
    let notes = notes.into_iter().filter(is_asked);
    notes
        .map(|note| note.to_string().chars().take(NOTE_MAX).collect())
        .collect()
}

fn untracked() -> Unready {
    Unready::Bad(Reply::new(451, 3, 0, "The message can't be tracked"))
}

fn unkept(message: &Message, error: &StoreError) -> Unready {
    tracing::error!(
        error = error as &dyn std::error::Error,
        workspace.id = %message.workspace,
        message.id = %message.id,
        "the links of a message can't be kept; it waits"
    );
    let text = "The links of the message can't be kept";
    Unready::Bad(Reply::new(451, 3, 0, text))
}
