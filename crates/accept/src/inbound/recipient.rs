//! The addresses of ours that mail comes in to, and whose they are: RCPT, decided without I/O.
//!
//! A local part `reply+`, `bounce+` or `unsub+` with a token is ours at any domain: domains and
//! their hosts may have changed since the token was made, and the token itself says whose it is.
//! What begins so and has no token of ours is nobody's, at a domain that takes all addresses as
//! well: a guess at a token must not be told from any other unknown address.

use postbell_model::token::{Claim, Purpose};
use postbell_model::{
    Address, ConfigurationSetId, DmarcMode, Domain, ForwardTo, SendingDomain, TokenKeys,
    WorkspaceId,
};
use postbell_store::Directory;

use super::InboundRefusal;

/// The local parts that lead to a delivery, before their token.
const PREFIXES: [(&str, Purpose); 3] = [
    ("bounce+", Purpose::Bounce),
    ("reply+", Purpose::Reply),
    ("unsub+", Purpose::Unsubscribe),
];

/// Names that every host of ours has (RFC 5321 §4.5.1, RFC 2142 §4), and the one that complaints
/// come to.
const ROLES: [&str; 3] = ["postmaster", "abuse", "fbl"];

/// An address of ours that mail can be taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundRecipient {
    /// It.
    pub address: Address,
    pub(super) place: Place,
}

/// What an address is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// That of one delivery, for this purpose.
    Token(Purpose, Claim),
    /// `postmaster`, `abuse`, `fbl`: at a domain that takes mail, or at a host of ours.
    Role(Option<Home>),
    /// Any other address of a domain that takes mail.
    Mailbox(Home),
}

/// The domain that an address is of, and what becomes of mail to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) workspace: WorkspaceId,
    pub(super) configuration_set: ConfigurationSetId,
    pub(super) dmarc: DmarcMode,
    pub(super) tells: bool,
    pub(super) forward: Option<ForwardTo>,
}

impl InboundRecipient {
    /// How the sender is looked at.
    pub const fn dmarc(&self) -> DmarcMode {
        match &self.place {
            Place::Mailbox(home) => home.dmarc,
            // What reports and complaints come to takes them whatever their From says.
            Place::Token(..) | Place::Role(_) => DmarcMode::Mark,
        }
    }

    /// Whether both can be recipients of one transaction: its sender is looked at in one way,
    /// and its octets are kept for one workspace.
    pub fn goes_with(&self, other: &Self) -> bool {
        self.dmarc() == other.dmarc() && self.workspace() == other.workspace()
    }

    /// Whose address it is; `None`: the operator's.
    pub(super) const fn workspace(&self) -> Option<WorkspaceId> {
        match &self.place {
            Place::Token(_, claim) => Some(claim.workspace),
            Place::Mailbox(home) | Place::Role(Some(home)) => Some(home.workspace),
            Place::Role(None) => None,
        }
    }
}

/// Finds what an address is.
///
/// # Errors
/// It is none of ours, or nobody has it.
pub(super) fn resolve(
    to: &Address,
    directory: &Directory,
    keys: &TokenKeys,
    hostname: &Domain,
) -> Result<InboundRecipient, InboundRefusal> {
    let found = |place| InboundRecipient {
        address: to.clone(),
        place,
    };
    let local = &*to.plain_local_part();
    let tokened = PREFIXES
        .iter()
        .find_map(|(prefix, purpose)| Some((*purpose, after(prefix, local)?)));
    if let Some((purpose, token)) = tokened
        && let Ok(claim) = keys.verify(purpose, token)
        && directory.workspace(claim.workspace).is_some()
    {
        return Ok(found(Place::Token(purpose, claim)));
    }
    let domain = directory
        .domain(to.domain())
        .filter(|domain| domain.inbound);
    let is_host = to.domain() == hostname || directory.is_our_host(to.domain());
    if domain.is_none() && !is_host {
        return Err(InboundRefusal::Relaying(to.domain().clone()));
    }
    if tokened.is_some() {
        return Err(InboundRefusal::NoSuchAddress);
    }
    let home = domain.and_then(|domain| home(directory, domain, local));
    if ROLES.iter().any(|role| role.eq_ignore_ascii_case(local)) {
        let all = |domain| Home::of(domain, true, None);
        return Ok(found(Place::Role(home.or(domain.map(all)))));
    }
    home.map(|home| found(Place::Mailbox(home)))
        .ok_or(InboundRefusal::NoSuchAddress)
}

impl Home {
    const fn of(domain: &SendingDomain, tells: bool, forward: Option<ForwardTo>) -> Self {
        Self {
            workspace: domain.workspace,
            configuration_set: domain.configuration_set,
            dmarc: domain.dmarc,
            tells,
            forward,
        }
    }
}

/// What the routes of a domain say of a local part. Without any route all of its addresses take
/// mail.
fn home(directory: &Directory, domain: &SendingDomain, local: &str) -> Option<Home> {
    let routes = directory.inbound_routes_of(&domain.name);
    if routes.is_empty() {
        return Some(Home::of(domain, true, None));
    }
    let ranked = routes
        .iter()
        .filter_map(|route| Some((route.pattern.matches(local)?, route)));
    let (_, route) = ranked.max_by_key(|(rank, _)| *rank)?;
    Some(Home::of(domain, route.tells, route.forward.clone()))
}

/// What stands behind a prefix, which relays may have written in another case.
pub(super) fn after<'t>(prefix: &str, text: &'t str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}
