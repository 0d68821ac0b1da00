//! The `postbell` command as a person or a script meets it: arguments in, text and exit code out;
//! and the server within this process, where a test has to turn its clock.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod asked;
mod certificates;
mod config;
mod control;
mod corpus;
mod dev;
mod doctor;
mod explain;
mod forwards;
mod help;
mod inbound;
mod inbound_door;
mod inbound_routes;
mod kit;
mod links;
mod manual;
mod observe;
mod operator;
mod pauses;
mod reload;
mod reports;
mod reputation;
mod retention;
mod sandbox;
mod serve;
mod simulator;
mod suppressed;
mod suppression;
mod tenants;
mod tracking;
mod tracking_settings;
mod unsubscribed;
mod waiting;
mod world;
