//! One order, from its beginning to the certificate (RFC 8555 §7.4).

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus,
    Problem,
};
use postbell_model::Secret;
use tokio::time::sleep;

use super::authority::{Asked, Prover};
use super::error::{AcmeError, Refusal};
use super::exchange::Exchange;
use super::issued::IssuedCertificate;
use super::options::ChallengeKind;

// An authority takes some seconds to look at a proof, and longer when it has much to do.
const FIRST_LOOK: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
// What an authority may ask for; the order's deadline holds anyway.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Orders, proves, finishes and fetches.
pub(super) async fn order(
    account: &Account,
    exchange: &Exchange,
    asked: Asked<'_>,
    prover: &dyn Prover,
) -> Result<IssuedCertificate, AcmeError> {
    let failed = |error| AcmeError::of(error, exchange.retry_after());
    let identifiers = [Identifier::Dns(asked.host.as_str().to_owned())];
    let order = account.new_order(&NewOrder::new(&identifiers)).await;
    let mut order = order.map_err(|error| failed(error).of_the_account())?;
    prove(&mut order, exchange, asked.challenge, prover).await?;
    settled(&mut order, exchange, |status| {
        status != OrderStatus::Pending
    })
    .await?;
    let key = order.finalize().await.map_err(failed)?;
    settled(&mut order, exchange, |status| status == OrderStatus::Valid).await?;
    let chain = order.certificate().await.map_err(failed)?;
    let chain = chain.ok_or_else(|| AcmeError::Nonsense("it has no certificate".to_owned()))?;
    let issued = IssuedCertificate::read(chain, Secret::new(key));
    let issued = issued.map_err(|error| AcmeError::Unusable(error.to_string()))?;
    let for_host = issued.check_host(asked.host);
    for_host.map_err(|error| AcmeError::Unusable(error.to_string()))?;
    if issued.expires_at() <= exchange.now() {
        let ended = "it has ended already: see whether the clock of this machine is right";
        return Err(AcmeError::Unusable(ended.to_owned()));
    }
    Ok(issued)
}

/// Proves the host to be ours, unless the authority remembers it from the last time.
async fn prove(
    order: &mut Order,
    exchange: &Exchange,
    wanted: ChallengeKind,
    prover: &dyn Prover,
) -> Result<(), AcmeError> {
    let failed = |error| AcmeError::of(error, exchange.retry_after());
    let kind = match wanted {
        ChallengeKind::Http01 => ChallengeType::Http01,
        ChallengeKind::TlsAlpn01 => ChallengeType::TlsAlpn01,
    };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(failed)?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let challenge = authorization.challenge(kind.clone());
        let mut challenge = challenge.ok_or(AcmeError::NoChallenge(wanted.name()))?;
        let answer = challenge.key_authorization();
        let shown = prover.show(&challenge.token, answer.as_str()).await;
        shown.map_err(AcmeError::NotShown)?;
        challenge.set_ready().await.map_err(failed)?;
    }
    Ok(())
}

/// Looks at the order until it stands as wanted. RFC 8555 §7.5.1: not more often than Retry-After asks.
async fn settled(
    order: &mut Order,
    exchange: &Exchange,
    wanted: impl Fn(OrderStatus) -> bool,
) -> Result<(), AcmeError> {
    let mut pause = FIRST_LOOK;
    loop {
        match order.state().status {
            OrderStatus::Invalid => return Err(why_invalid(order, exchange).await),
            status if wanted(status) => return Ok(()),
            _ => {}
        }
        let asked = exchange.retry_after().unwrap_or_default();
        sleep(asked.min(RETRY_AFTER_MAX).max(pause)).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        let looked = order.refresh().await;
        looked.map_err(|error| AcmeError::of(error, exchange.retry_after()))?;
    }
}

/// What the authority found when it looked at the proof: it stands with the challenge.
async fn why_invalid(order: &mut Order, exchange: &Exchange) -> AcmeError {
    let found = match proof_problem(order).await {
        Ok(found) => found,
        Err(error) => return AcmeError::of(error, exchange.retry_after()),
    };
    let problem = found.or_else(|| order.state().error.clone());
    match problem {
        Some(problem) => AcmeError::Refused(Refusal::of(&problem, None)),
        None => AcmeError::Nonsense("the order is not valid, and it is not said why".to_owned()),
    }
}

async fn proof_problem(order: &mut Order) -> Result<Option<Problem>, Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let state = authorization.refresh().await?;
        let mut problems = state.challenges.iter().filter_map(|c| c.error.clone());
        if let Some(problem) = problems.next() {
            return Ok(Some(problem));
        }
    }
    Ok(None)
}
