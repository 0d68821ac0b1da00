//! Fuzz targets: octets that strangers write, and what must hold of whatever is made of them.
//!
//! A target is a function that panics where a law is broken. libFuzzer calls it through the
//! program of its name in `fuzz_targets/`; the ordinary test `tests/replay.rs` calls it with every
//! file of `corpus/NAME/`. A law says more than that nothing panics: what was read and is written
//! is read as the same again, cuts between reads do not matter, what nobody made is not believed.
//!
//! Read [`targets`] first: its table names them all.

mod input;
pub mod targets;

pub use targets::TARGETS;
