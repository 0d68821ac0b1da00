//! What a target reads decisions from.

/// Octets that are taken from the front; zeros once they are used up.
#[derive(Debug)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn octets<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        for octet in &mut octets {
            *octet = self.octet();
        }
        octets
    }

    pub(crate) fn octet(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, b""));
        self.0 = rest;
        *first
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// The ways in which octets are cut where the cuts must not matter: not at all, into single
/// octets, into pieces of a size that the input chose.
pub(crate) fn sizes(len: usize, chosen: u8) -> [usize; 3] {
    [len.max(1), 1, usize::from(chosen % 61) + 2]
}
