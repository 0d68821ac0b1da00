//! The stage against real sockets: an MX and a DNS server of `postbell-peers`, a queue in
//! memory, a clock that is turned by hand.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod clock_steps;
mod drops;
mod egress;
mod faults;
mod fit;
mod forward;
mod home;
mod hosts;
mod outcomes;
mod pauses;
mod queue;
mod relay;
mod reply_to;
mod reuse;
mod room;
mod stop;
mod stored;
mod tls;
mod track;
mod trouble;
mod unsubscribe;
mod world;
