//! One test binary for what no single crate can test: the shape of the workspace, and the whole
//! program on real sockets, one scenario a file.

mod afternoon;
mod backup;
mod config;
mod deliver;
mod destination;
mod domain;
mod house;
mod identity;
mod inbound;
mod layers;
mod logs;
mod notify;
mod purity;
mod reload;
mod reports;
mod restart;
mod rfcs;
mod sources;
mod submit;
mod systemd;
