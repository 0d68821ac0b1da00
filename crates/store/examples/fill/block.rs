//! The first block: mail to many domains, of which some waits after two attempts and the rest has
//! ended.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::message::Received;
use postbell_model::{
    Address, Attempt, BounceClass, BounceType, ConfigurationSetId, DeliveryId, Domain, Fact,
    HostTry, Instructions, Message, MessageId, Phase, Reply, ReportRequest, ReversePath, Timestamp,
    WorkspaceId,
};
use postbell_store::{NewDelivery, Settlement, Store, Submission};

use crate::Outcome;

/// Deliveries of a block that wait, each with three events.
pub(crate) const QUEUED: u64 = 2_000;
const RECIPIENTS: u64 = 4;
/// The domains of a block; a tenth of the mail goes to one more, which all blocks share.
const DOMAINS: u64 = 500;
pub(crate) const SHARED: &str = "large.example";
const SETTLED_AT_ONCE: usize = 512;

/// How many deliveries of a block have ended, each with two events, where it has this many in all.
pub(crate) const fn ended(events: u64) -> u64 {
    events.saturating_sub(QUEUED * 3).div_ceil(2)
}

/// Writes the block: mail that came from `begin` on, over a time.
pub(crate) async fn write(
    store: &dyn Store,
    tenants: &[(WorkspaceId, ConfigurationSetId)],
    (begin, over): (Timestamp, Duration),
    ended: u64,
) -> Outcome<()> {
    let mut fresh = store.fresh().ok_or("nothing is offered")?;
    let count = (QUEUED + ended).div_ceil(RECIPIENTS);
    let apart = over / u32::try_from(count)?;
    let mut deliveries = Vec::new();
    let mut batch = Vec::new();
    for number in 0..count {
        let at = begin.after(apart * u32::try_from(number)?);
        let tenant = tenants[usize::try_from(number)? % tenants.len()];
        let submission = submission(tenant, number, at);
        deliveries.extend(submission.deliveries.iter().map(|new| (new.id, at)));
        batch.push(submission);
        if batch.len() == 64 || number + 1 == count {
            for stored in store.accept(std::mem::take(&mut batch)).await {
                stored?;
            }
        }
    }
    // All of it is in flight from now on.
    for _ in &deliveries {
        fresh.recv().await.ok_or("an offer is missing")?;
    }
    let every = deliveries.len() as u64 / QUEUED;
    let waits =
        |place: usize| (place as u64).is_multiple_of(every) && place as u64 / every < QUEUED;
    let (mut first, mut waiting) = (Vec::new(), Vec::new());
    for (place, (delivery, at)) in deliveries.into_iter().enumerate() {
        if waits(place) {
            waiting.push((delivery, at));
        }
        first.push(outcome(delivery, at, waits(place)));
    }
    settle(store, first).await?;
    let again = begin.after(over);
    for lane in store
        .lanes_due(again.after(Duration::from_hours(9)), usize::MAX)
        .await?
    {
        let at = again.after(Duration::from_hours(9));
        store.claim(&lane, at, usize::MAX >> 8).await?;
    }
    let second = |(delivery, at): (DeliveryId, Timestamp)| Settlement {
        delivery,
        at: at.after(Duration::from_secs(2)),
        fact: delay(at.after(Duration::from_secs(2)), 2),
    };
    settle(store, waiting.into_iter().map(second).collect()).await
}

async fn settle(store: &dyn Store, settlements: Vec<Settlement>) -> Outcome<()> {
    for batch in settlements.chunks(SETTLED_AT_ONCE) {
        for settled in store.settle(batch.to_vec()).await {
            settled?;
        }
    }
    Ok(())
}

fn submission(
    (workspace, configuration_set): (WorkspaceId, ConfigurationSetId),
    number: u64,
    at: Timestamp,
) -> Submission {
    let body = format!("From: a@tenant.example\r\nSubject: Order {number}\r\n\r\nHello\r\n");
    let from = format!("orders{number}@tenant.example");
    let message = Message {
        id: MessageId::new(at),
        workspace,
        configuration_set,
        mail_from: Address::parse(&from).map_or(ReversePath::Null, ReversePath::Mailbox),
        source: from,
        subject: format!("Order {number}"),
        header_message_id: format!("<{number}@tenant.example>"),
        accepted_at: at,
        size: body.len() as u64,
        eight_bit: false,
        smtputf8: false,
        received: Received {
            helo: "shop.tenant.example".to_owned(),
            peer: Some([192, 0, 2, 7].into()),
            with: "ESMTPSA".to_owned(),
        },
        reports: false,
        instructions: Instructions::default(),
        forward: None,
    };
    let deliveries = (0..RECIPIENTS).filter_map(|n| recipient(number * RECIPIENTS + n, at));
    Submission {
        credential: None,
        message: Arc::new(message),
        deliveries: deliveries.collect(),
        body: Bytes::from(body),
        send_at: None,
        idempotency: None,
    }
}

fn recipient(number: u64, at: Timestamp) -> Option<NewDelivery> {
    let address = if number % 10 == 3 {
        format!("user{number}@{SHARED}")
    } else {
        format!("user{number}@d{}.example", number % DOMAINS)
    };
    Some(NewDelivery {
        id: DeliveryId::new(at),
        recipient: Address::parse(&address).ok()?,
        retry_at: at.after(Duration::from_mins(5)),
        expires_at: at.after(Duration::from_hours(120)),
        report: ReportRequest::default(),
        ends_with: None,
    })
}

/// What the first attempt came to.
fn outcome(delivery: DeliveryId, at: Timestamp, waits: bool) -> Settlement {
    let at = at.after(Duration::from_secs(1));
    let fact = if waits {
        delay(at, 1)
    } else if delivery.as_bytes()[15].is_multiple_of(16) {
        Fact::Bounce {
            attempt: attempt(1, at, Reply::new(550, 1, 1, "No such user here")),
            class: BounceClass::NoSuchUser,
            bounce_type: BounceType::Permanent,
        }
    } else {
        Fact::Delivery {
            attempt: attempt(1, at, Reply::new(250, 0, 0, "Ok: queued as 4F2D81C0A7")),
        }
    };
    Settlement { delivery, at, fact }
}

fn delay(at: Timestamp, number: u32) -> Fact {
    let reply = Reply::new(451, 7, 1, "Greylisted, please try again in five minutes");
    Fact::DeliveryDelay {
        attempt: attempt(number, at, reply),
        class: BounceClass::RateLimited,
        next_attempt_at: at.after(Duration::from_hours(3)),
        expires_at: at.after(Duration::from_hours(120)),
    }
}

fn attempt(number: u32, at: Timestamp, reply: Reply) -> Attempt {
    let host = Domain::parse("mx1.mail.example").ok();
    let tried = |host| HostTry {
        host,
        ip: Some([198, 51, 100, 25].into()),
        tls: None,
        plaintext: None,
        phase: Phase::Rcpt,
        reply,
        from_peer: true,
        dsn: false,
    };
    Attempt {
        number,
        started_at: at.before(Duration::from_millis(300)),
        ended_at: at,
        tracking_notes: Vec::new(),
        tries: host.map(tried).into_iter().collect(),
    }
}
