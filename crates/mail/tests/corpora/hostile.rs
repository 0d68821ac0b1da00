//! Files that were cut off and that lost bits on the way.

use postbell_mail::inbound::{Mail, Reader, reply_text};

use super::{Row, with_crlf};

/// Cuts of a file, one every 64 octets where there are fewer.
const CUTS: usize = 1_000;
/// Files with bits turned over.
const FLIPS: usize = 10;

/// Reads a file in every way that the program does.
pub(crate) fn read_all(raw: &[u8], reader: &Reader) {
    let mail = Mail::read(raw);
    for (index, part) in mail.parts().iter().enumerate() {
        assert!(part.parent.is_none_or(|parent| parent < index));
        assert!(mail.octets(index).len() <= raw.len());
    }
    reader.read(&mail);
    reply_text(&mail);
}

/// How many readings a file went through. One in `share` of the cuts and flips is made.
pub(crate) fn torment(row: &Row, reader: &Reader, share: usize) -> usize {
    let mut count = 1;
    read_all(&row.raw, reader);
    let raw = with_crlf(&row.raw);
    let mut random = Random::seeded(&row.file);
    let step = 64.max(raw.len() / CUTS) * share;
    for at in (0..raw.len()).step_by(step) {
        read_all(raw.get(..at).unwrap_or_default(), reader);
        count += 1;
    }
    for _ in 0..FLIPS.div_ceil(share) {
        let mut flipped = raw.clone();
        for _ in 0..=random.below(20) {
            let at = random.below(flipped.len().max(1));
            if let Some(octet) = flipped.get_mut(at) {
                *octet ^= 1 << random.below(8);
            }
        }
        read_all(&flipped, reader);
        count += 1;
    }
    count
}

/// The same numbers on every machine (xorshift).
struct Random(u64);

impl Random {
    fn seeded(name: &str) -> Self {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
            (hash ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3)
        });
        Self(hash | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap_or(0)
    }
}
