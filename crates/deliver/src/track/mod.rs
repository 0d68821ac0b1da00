//! track: a message as one recipient gets it: links that report a click, a pixel that reports an opening, the
//! address to unsubscribe at.
//!
//! What is done to a message is asked of the directory when it is sent. A message is planned once for all
//! who get it (`plans`), away from the threads that serve sockets, and rendered for each with `addresses`
//! of its own. All this comes before the message is made to fit its host and signed. Where nothing is tracked it
//! costs a search for the placeholder.
//!
//! Never tracked: mail that came in and goes on, mail from `<>`, which reports are, mail of no domain of ours, and
//! all mail while the tracking door is closed, since no host would answer. A placeholder stays there then, and a
//! note tells so.

mod addresses;
mod metrics;
mod plans;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_mail::render::Unsubscribe;
use postbell_mail::track::{self, CONTENT_MAX, Note, Placeholders, Seek};
use postbell_model::tracking::{SetTracking, Tracking};
use postbell_model::{Message, Reply, SendingDomain};
use postbell_store::{Directory, Links, StoreError};

use crate::board::Parcel;
use crate::render::{Unready, claim};
use crate::stage::Stage;

use addresses::{Addresses, Nowhere};
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
    /// In chunks, of which the first has the whole header.
    pub(crate) body: Vec<Bytes>,
    /// The octets that it takes in memory beside what was submitted.
    pub(crate) written: usize,
    /// What was left alone of it, and why.
    pub(crate) notes: Vec<String>,
    /// Where its recipient unsubscribes, where its List-Unsubscribe is ours to write.
    pub(crate) unsubscribing: Option<Unsubscribing>,
}

impl Tracked {
    /// The message as it is.
    pub(crate) fn untouched(body: Bytes) -> Self {
        Self {
            body: vec![body],
            written: 0,
            notes: Vec::new(),
            unsubscribing: None,
        }
    }
}

/// What is done to a message, and for whom.
pub(crate) struct Order<'a> {
    message: &'a Message,
    set: Option<&'a SetTracking>,
    tracking: Tracking,
    /// `None`: no host of ours would answer.
    addresses: Option<Arc<Addresses>>,
    unsubscribing: Option<Unsubscribing>,
}

impl Order<'_> {
    /// What is looked for in the message whatever it says.
    pub(crate) const fn asks(&self) -> Option<Seek> {
        if self.tracking.opens || self.tracking.clicks {
            Some(Seek::Everything)
        } else {
            None
        }
    }

    /// The octets that the message may take in memory beside its own where this is looked for.
    pub(crate) fn octets(&self, seek: Option<Seek>) -> u64 {
        let is_copied = self.addresses.is_some() && seek.is_some();
        u64::from(is_copied) * self.message.size.min(CONTENT_MAX as u64)
    }
}

impl Stage {
    /// What is done to a message as its domain, its set and itself ask for; `None`: nothing.
    pub(crate) fn order<'a>(
        &self,
        parcel: &'a Parcel,
        (directory, sender): (&'a Directory, Option<&'a SendingDomain>),
    ) -> Option<Order<'a>> {
        let message = &*parcel.claimed.message;
        if !is_ours_to_change(message) {
            return None;
        }
        let set = directory.configuration_set(message.configuration_set);
        let tracking = Tracking::of(&message.instructions, set, sender);
        let is_open = self.options.tracking.open;
        let sender = sender.filter(|_| is_open || tracking.unsubscribe);
        let addresses = sender.map(|domain| Arc::new(self.addresses(domain, tracking, parcel)));
        let unsubscribing = addresses.clone().filter(|_| tracking.unsubscribe);
        Some(Order {
            message,
            set: set.map(|set| &set.tracking),
            tracking: if is_open {
                tracking
            } else {
                Tracking::default()
            },
            addresses: addresses.filter(|_| is_open),
            unsubscribing: unsubscribing.map(|addresses| self.unsubscribing(addresses)),
        })
    }

    /// What is looked for in a message that says this; `None`: nothing.
    pub(crate) async fn sought(
        &self,
        order: &Order<'_>,
        body: &Bytes,
    ) -> Result<Option<Seek>, Unready> {
        if let Some(seek) = order.asks() {
            return Ok(Some(seek));
        }
        let found = in_time(self.may_have_placeholder(body)).await?;
        Ok(found.then_some(Seek::Placeholders))
    }

    /// The body with what is tracked of it.
    pub(crate) async fn track(
        &self,
        order: Order<'_>,
        seek: Option<Seek>,
        body: Bytes,
    ) -> Result<Tracked, Unready> {
        let tracked = match seek {
            Some(seek) => in_time(self.track_as(&order, seek, body)).await?,
            None => Tracked::untouched(body),
        };
        Ok(Tracked {
            unsubscribing: order.unsubscribing,
            ..tracked
        })
    }

    async fn track_as(
        &self,
        order: &Order<'_>,
        seek: Seek,
        body: Bytes,
    ) -> Result<Tracked, Unready> {
        let tracking = order.tracking;
        let asked = Asked {
            seek,
            set: order.set,
        };
        let planned = self.planned(order.message, asked, &body).await?;
        if tracking.clicks {
            self.keep_links(order.message, &planned).await?;
        }
        let tracked = self.rendered(planned, order.addresses.clone()).await?;
        self.tracks.metrics.tracked(&tracked);
        Ok(Tracked {
            notes: notes(tracked.notes, tracking),
            body: tracked.chunks,
            written: tracked.written,
            unsubscribing: None,
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
    fn addresses(&self, domain: &SendingDomain, tracking: Tracking, parcel: &Parcel) -> Addresses {
        Addresses::new(
            self.options.tracking.base_url.as_deref(),
            (domain, tracking, claim(parcel)),
            Arc::clone(&self.keys),
            self.tracks.links.is_some(),
        )
    }

    async fn rendered(
        &self,
        planned: Arc<Planned>,
        addresses: Option<Arc<Addresses>>,
    ) -> Result<track::Tracked, Unready> {
        let octets = planned.octets();
        let render = move || match addresses {
            Some(addresses) => planned.plan.render(&*addresses),
            None => planned.plan.render(&Nowhere),
        };
        if octets <= AT_ONCE {
            return Ok(render());
        }
        self.pool.run(render).await.ok_or_else(untracked)
    }

    fn unsubscribing(&self, addresses: Arc<Addresses>) -> Unsubscribing {
        Unsubscribing {
            addresses,
            page: self.options.tracking.open,
            mailbox: self.options.inbound_open,
        }
    }
}

/// Where a recipient unsubscribes: by the doors that are open.
#[derive(Debug)]
pub(crate) struct Unsubscribing {
    addresses: Arc<Addresses>,
    page: bool,
    mailbox: bool,
}

impl Unsubscribe for Unsubscribing {
    fn page(&self) -> Option<String> {
        self.page.then(|| self.addresses.page().to_owned())
    }

    fn address(&self) -> Option<String> {
        self.mailbox.then(|| self.addresses.mailbox()).flatten()
    }
}

/// Whether a message is one that a sender has written: neither what came in and goes on nor a report.
fn is_ours_to_change(message: &Message) -> bool {
    message.forward.is_none() && message.mail_from.mailbox().is_some()
}

/// What is done while a connection is open.
async fn in_time<T>(working: impl Future<Output = Result<T, Unready>>) -> Result<T, Unready> {
    let done = tokio::time::timeout(PATIENCE, working).await;
    done.unwrap_or(Err(Unready::NoRoom))
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
