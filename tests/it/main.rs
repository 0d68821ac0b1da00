//! One test binary for what no single crate can test: the shape of the workspace, and the whole
//! program on real sockets, one scenario a file.

mod config;
mod deliver;
mod destination;
mod house;
mod identity;
mod layers;
mod logs;
mod notify;
mod purity;
mod reports;
mod restart;
mod rfcs;
mod sources;
mod submit;
