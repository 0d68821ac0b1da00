//! `postbell credential revoke`: counted first, done with `--yes`.

use postbell_model::{CredentialId, LeftQueue};
use postbell_store::{DeliveryFilter, Nobody, Operated, Revocations};
use serde_json::json;

use super::desk::Desk;
use super::{credential, waiting};
use crate::alone::Alone;
use crate::cli::{CredentialRevoke, LeftQueueArg};

pub(super) async fn revoke(desk: &Desk, args: &CredentialRevoke) -> anyhow::Result<()> {
    let directory = desk.directory();
    let id = credential::find(&directory, &args.username)?.id;
    let of_credential = DeliveryFilter {
        credential: Some(id),
        ..DeliveryFilter::default()
    };
    let waits = waiting::count(desk, &of_credential).await?;
    if !args.yes {
        let sentence = format!(
            "{} would be refused from then on; {} of it would be {}; say --yes to do it",
            args.username,
            waiting::deliveries(waits),
            past(args.queue)
        );
        let document = json!({"done": false, "username": args.username, "deliveries": waits});
        desk.tell(&args.output, &document, &sentence);
        return Ok(());
    }
    let left = left(args.queue);
    let (tenants, now) = (&desk.tenants, desk.clock.now());
    tenants.revoke_credential(&args.username, left, now).await?;
    let mut sentence = format!(
        "revoked {}; a server that runs sees it within two seconds",
        args.username
    );
    let outcome = match left {
        LeftQueue::Keep => None,
        LeftQueue::Hold | LeftQueue::Cancel => Some(finish(desk, id).await?),
    };
    sentence.push_str(&match &outcome {
        None => String::new(),
        Some(None) => format!(
            ", and the {} that wait are {} by it",
            waiting::deliveries(waits),
            past(args.queue)
        ),
        Some(Some(done)) => format!(
            "; {} were {}",
            waiting::deliveries(done.changed),
            past(args.queue)
        ),
    });
    let directory = desk.directory();
    let credential = credential::find(&directory, &args.username)?;
    let mut document = credential::document(&directory, credential);
    document["done"] = json!(true);
    document["queue"] = json!(left.name());
    document["deliveries"] = json!(waits);
    if let Some(Some(done)) = outcome {
        document["changed"] = json!(done.changed);
        document["leftAlone"] = json!(done.left_alone);
    }
    desk.tell(&args.output, &document, &sentence);
    Ok(())
}

const fn left(queue: LeftQueueArg) -> LeftQueue {
    match queue {
        LeftQueueArg::Keep => LeftQueue::Keep,
        LeftQueueArg::Hold => LeftQueue::Hold,
        LeftQueueArg::Cancel => LeftQueue::Cancel,
    }
}

const fn past(queue: LeftQueueArg) -> &'static str {
    match queue {
        LeftQueueArg::Keep => "sent all the same",
        LeftQueueArg::Hold => "held",
        LeftQueueArg::Cancel => "cancelled",
    }
}

/// By this process, where no server has the store; one that runs does it by itself (`None`).
async fn finish(desk: &Desk, credential: CredentialId) -> anyhow::Result<Option<Operated>> {
    let folder = &desk.config.server.data_dir;
    let Some(store) = Alone::open(folder, &desk.config.store, &desk.clock).await? else {
        return Ok(None);
    };
    let (of, now) = (Some(credential), desk.clock.now());
    let finished = store.finish_revocations_beside(of, now, &Nobody).await;
    store.close().await;
    Ok(Some(finished?.done))
}
