//! Domains whose mail comes in at this very server: their hosts are ourselves, and rightly so.

use std::fmt;
use std::sync::Arc;

use postbell_model::Domain;
use postbell_store::Tenants;

/// Knows them. Mail to one goes out and comes in again by the inbound door, where hops are counted
/// as of any mail, so that what goes in circles still ends.
#[derive(Clone, Default)]
pub(crate) enum Home {
    /// There are none.
    #[default]
    Nowhere,
    /// This very domain.
    Only(Domain),
    /// Hosts of ours, and domains that take mail.
    Of(Arc<dyn Tenants>),
}

impl Home {
    /// Whether mail to a domain comes in here.
    pub(crate) fn takes(&self, domain: &Domain) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Only(only) => only == domain,
            Self::Of(tenants) => tenants.directory().takes_mail(domain),
        }
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Home").finish_non_exhaustive()
    }
}
