//! The targets, one a file.

mod address;
mod auth;
mod classify;
mod client;
mod command;
mod configuration;
mod data;
mod header;
mod html_rewrite;
mod inbound;
mod message;
mod reply;
mod report;
mod retry;
mod session;
mod token;
mod transfer;

pub use address::address;
pub use auth::auth;
pub use classify::classify;
pub use client::client;
pub use command::command;
pub use configuration::configuration;
pub use data::data;
pub use header::header;
pub use html_rewrite::html_rewrite;
pub use inbound::inbound;
pub use message::message;
pub use reply::reply;
pub use report::report;
pub use retry::retry;
pub use session::session;
pub use token::token;
pub use transfer::transfer;

/// A target.
pub type Target = fn(&[u8]);

/// All of them, by the names of their programs and of their folders in `corpus/`.
pub const TARGETS: [(&str, Target); 16] = [
    ("address", address),
    ("auth", auth),
    ("classify", classify),
    ("client", client),
    ("command", command),
    ("configuration", configuration),
    ("data", data),
    ("header", header),
    ("html_rewrite", html_rewrite),
    ("inbound", inbound),
    ("message", message),
    ("reply", reply),
    ("report", report),
    ("retry", retry),
    ("session", session),
    ("token", token),
    ("transfer", transfer),
];
