//! API keys: what a program shows to the HTTP API.

use crate::{Timestamp, WorkspaceId};

/// An API key, without the key: what is kept of it is too little to use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// How the key begins, unique in the installation: enough to tell it by.
    pub prefix: String,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Its name, unique in its workspace.
    pub name: String,
    /// What it is for.
    pub kind: ApiKeyKind,
    /// SHA-256 of the whole key. It is random, so it needs no salt and no slow hash.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, roughly; `None`: never.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it is refused by now.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

/// What an API key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApiKeyKind {
    /// Everything in its workspace; never leaves a server.
    Secret,
    /// Tracking alone; may stand in a web page.
    Public,
}

impl ApiKeyKind {
    /// `secret`, `public`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Public => "public",
        }
    }

    /// What its keys begin with.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Secret => "sk_",
            Self::Public => "pk_",
        }
    }

    /// The kind of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Secret, Self::Public]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_expires_at_its_moment() {
        let moment = Timestamp::from_micros(7);
        let key = |expires_at| ApiKey {
            prefix: "sk_a".to_owned(),
            workspace: WorkspaceId(1),
            name: "app".to_owned(),
            kind: ApiKeyKind::Secret,
            hash: [0; 32],
            created_at: Timestamp::default(),
            expires_at,
            last_used_at: None,
        };
        assert!(!key(None).has_expired(moment));
        assert!(!key(Some(moment)).has_expired(Timestamp::from_micros(6)));
        assert!(key(Some(moment)).has_expired(moment));
    }
}
