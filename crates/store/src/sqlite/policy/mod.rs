//! What keeps a workspace's mail within bounds: sandboxes, and how the mail fares.

mod reputation;
mod sandboxes;

pub(super) use reputation::begin_anew;
pub(super) use sandboxes::read_verified;
