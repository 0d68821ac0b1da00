//! The gate for mail that comes in before a store of paper.

mod addresses;
mod deliveries;
mod hostile;
mod mailboxes;
mod people;
mod refusals;
mod untokened;
mod world;
