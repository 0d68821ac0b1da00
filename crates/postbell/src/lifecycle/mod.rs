//! How the program's parts are started, told to stop, and waited for.
//!
//! Stages end in an order: doors first, so that nothing new comes in; then what delivers; then
//! what tells of it; the store last. Each stage has its own tracker and token, so that a late
//! one can be named.

mod clock;
mod folder;
mod inherited;
mod one_thread;
mod signals;
mod stage;
mod systemd;

pub use clock::SystemClock;
pub(crate) use folder::make_data_folder;
pub use inherited::Inherited;
pub(crate) use one_thread::OneThread;
pub(crate) use signals::{Hangups, Signals};
pub(crate) use stage::Stage;
pub(crate) use systemd::Manager;
