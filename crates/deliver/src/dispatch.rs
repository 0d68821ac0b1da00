//! Carries out what the board orders.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use postbell_model::{BounceClass, Phase, Reply};

use crate::board::{Order, Parcel, Seat};
use crate::outcome::unsent;
use crate::plan::{Heading, Planned, Refusal};
use crate::stage::Stage;
use crate::worker::work;

/// Carries out orders until the end.
pub(crate) async fn dispatch(stage: &Stage) {
    while let Some(orders) = stage.stop.run_until_cancelled(stage.board.orders()).await {
        let stage = stage.of_now();
        for order in orders {
            carry_out(&stage, order).await;
        }
    }
}

async fn carry_out(stage: &Stage, order: Order) {
    match order {
        Order::LookUp(heading) => stage.spawn(look_up(stage.clone(), heading)),
        Order::Dial(site, worker) => {
            let seat = Seat::new(stage.board.clone(), site, worker);
            stage.spawn(work(stage.clone(), seat));
        }
        Order::Refuse(..) | Order::Release(..) | Order::Delay(_) => end(stage, order).await,
    }
}

/// Closes the board and gives back all that nobody works on.
pub(crate) async fn close(stage: &Stage) {
    for order in stage.board.close() {
        end(stage, order).await;
    }
}

/// Carries out orders that begin nothing.
async fn end(stage: &Stage, order: Order) {
    match order {
        Order::Refuse(parcels, refusal) => {
            let (back, parcels): (Vec<_>, Vec<_>) = parcels
                .into_iter()
                .partition(|parcel| stage.goes_back(parcel));
            stage.release(back, Duration::ZERO).await;
            for parcel in &parcels {
                let tried = unsent(&refusal.host, Phase::Dns, refusal.reply.clone());
                stage.settle_unsent(parcel, tried, refusal.class).await;
            }
        }
        Order::Release(parcels, after) => stage.release(parcels, after).await,
        Order::Delay(parcel) => delay(stage, &parcel).await,
        Order::LookUp(_) | Order::Dial(..) => {}
    }
}

/// Looks up one heading after the other, while more of them wait.
async fn look_up(stage: Stage, first: Heading) {
    let mut next = Some(first);
    while let Some(heading) = next {
        let lookup = Arc::clone(&stage.settings.load().lookup);
        let planning = AssertUnwindSafe(lookup.plan(&heading)).catch_unwind();
        let Some(planned) = stage.stop.run_until_cancelled(planning).await else {
            return;
        };
        let planned = planned.unwrap_or_else(|_| {
            Planned::refused(Refusal {
                host: heading.name().clone(),
                reply: fault(),
                class: BounceClass::Other,
            })
        });
        next = stage
            .board
            .planned(&heading, planned, stage.clock.monotonic());
    }
}

/// Settles a delivery whose attempt broke off by a fault of ours.
async fn delay(stage: &Stage, parcel: &Parcel) {
    tracing::error!(
        workspace.id = %parcel.claimed.message.workspace,
        message.id = %parcel.claimed.message.id,
        delivery.id = %parcel.claimed.delivery.id,
        "an attempt ended by a fault of the program"
    );
    let tried = unsent(parcel.domain(), Phase::Render, fault());
    stage.settle_unsent(parcel, tried, BounceClass::Other).await;
}

fn fault() -> Reply {
    Reply::new(451, 3, 0, "The attempt ended by a fault of ours")
}
