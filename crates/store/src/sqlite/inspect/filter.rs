//! Which rows a filter means, as conditions of a statement.

use postbell_model::{Address, DeliveryId, DeliveryState, Timestamp};
use sqlx::{QueryBuilder, Sqlite};

use crate::{DeliveryFilter, WAITING};

use super::super::rows::blob;

/// One of the states in which deliveries wait, each with an index of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) struct Waits(DeliveryState);

impl Waits {
    /// The states that a filter is about.
    pub(in crate::sqlite) fn of(filter: &DeliveryFilter) -> Vec<Self> {
        let wanted =
            |state: &DeliveryState| filter.states.is_empty() || filter.states.contains(state);
        WAITING.into_iter().filter(wanted).map(Self).collect()
    }

    pub(in crate::sqlite) const fn state(self) -> DeliveryState {
        self.0
    }

    /// ` FROM delivery d INDEXED BY … WHERE d.state = …`. A message or a delivery is found by the
    /// primary key.
    pub(in crate::sqlite) fn from(self, filter: &DeliveryFilter) -> String {
        let by_key = filter.message.is_some() || filter.delivery.is_some();
        let index = match self.0 {
            _ if by_key => "",
            DeliveryState::Held => "INDEXED BY delivery_held",
            DeliveryState::Scheduled => "INDEXED BY delivery_scheduled",
            _ => "INDEXED BY delivery_due",
        };
        format!(" FROM delivery d {index} WHERE d.state = '{}'", self.0)
    }

    /// Whether what a filter means are whole lanes, of which there is a table.
    pub(in crate::sqlite) fn has_lanes(self, filter: &DeliveryFilter) -> bool {
        let whole = DeliveryFilter {
            workspace: filter.workspace,
            states: filter.states.clone(),
            ..DeliveryFilter::default()
        };
        self.0 == DeliveryState::Queued && *filter == whole
    }

    /// The order of its index.
    pub(in crate::sqlite) const fn order(self) -> &'static str {
        if self.by_lane() {
            "d.workspace_id, d.domain, d.next_at, d.id"
        } else {
            "d.next_at, d.id"
        }
    }

    /// Whether its index has one lane after the other.
    pub(in crate::sqlite) const fn by_lane(self) -> bool {
        !matches!(self.0, DeliveryState::Scheduled)
    }
}

/// Adds the conditions of a filter, each with `AND` before it.
pub(in crate::sqlite) fn push(query: &mut QueryBuilder<Sqlite>, filter: &DeliveryFilter) {
    if let Some(workspace) = filter.workspace {
        query.push(" AND d.workspace_id = ");
        query.push_bind(i64::from(workspace.0));
    }
    let domain = filter.recipient.as_ref().map(Address::domain);
    if let Some(domain) = filter.domain.as_ref().or(domain) {
        query.push(" AND d.domain = ");
        query.push_bind(domain.as_str().to_owned());
        if filter.workspace.is_none() {
            // The indexes begin with the workspace: each is looked into, and not all deliveries.
            query.push(" AND d.workspace_id IN (SELECT id FROM workspace)");
        }
    }
    if let Some(recipient) = &filter.recipient {
        query.push(" AND d.recipient = ");
        query.push_bind(recipient.as_str().to_owned());
    }
    if let Some(delivery) = filter.delivery {
        query.push(" AND d.id = ");
        query.push_bind(blob(delivery.as_bytes()));
    }
    if let Some(message) = filter.message {
        query.push(" AND d.message_id = ");
        query.push_bind(blob(message.as_bytes()));
        push_made_at(query, message.made_at());
    }
    if let Some(sender) = &filter.sender_domain {
        // The domain of an address stands in it as domains are written, so its end tells.
        let end = format!("@{sender}");
        query.push(
            " AND EXISTS (SELECT 1 FROM message s WHERE s.id = d.message_id \
             AND substr(s.source, -length(",
        );
        query.push_bind(end.clone());
        query.push(")) = ");
        query.push_bind(end);
        query.push(")");
    }
    if let Some(credential) = filter.credential {
        query.push(
            " AND EXISTS (SELECT 1 FROM message c WHERE c.id = d.message_id AND c.credential_id = ",
        );
        query.push_bind(i64::from(credential.0));
        query.push(")");
    }
    if let Some(before) = filter.accepted_before {
        query.push(" AND d.id < ");
        query.push_bind(blob(DeliveryId::lowest_at(before).as_bytes()));
    }
}

/// Deliveries are made in the millisecond of their message, which is what finds them: they need
/// no index of their own.
pub(super) fn push_made_at(query: &mut QueryBuilder<Sqlite>, at: Timestamp) {
    let after = at.after(std::time::Duration::from_millis(1));
    query.push(" AND d.id >= ");
    query.push_bind(blob(DeliveryId::lowest_at(at).as_bytes()));
    query.push(" AND d.id < ");
    query.push_bind(blob(DeliveryId::lowest_at(after).as_bytes()));
}
