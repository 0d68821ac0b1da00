//! A connection as hyper wants it.

use hyper_util::client::legacy::connect::{Connected, Connection};

use crate::Stream;

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
