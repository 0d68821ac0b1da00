//! Files that were cut off and that lost bits on the way.

use postbell_mail::inbound::{Envelope, Mail, Reader, reply_text};

use super::{Row, with_crlf};

/// How often a file is cut where nothing is left out.
pub(crate) const CUTS: usize = 1_000;
/// Octets between two cuts of a file that is short enough.
const STEP: usize = 64;
/// Copies of a file with bits turned over, at most.
const FLIPS: usize = 10;

/// Reads a file in every way that the program does.
pub(crate) fn read_all(raw: &[u8], reader: &Reader) {
    let mail = Mail::read(raw);
    for (index, part) in mail.parts().iter().enumerate() {
        assert!(part.parent.is_none_or(|parent| parent < index));
        assert!(mail.octets(index).len() <= raw.len());
    }
    reader.read(&mail, Envelope::Noted);
    reply_text(&mail);
}

/// How many readings a file went through, whole, cut `cuts` times and as often, up to ten times,
/// with bits turned over.
pub(crate) fn torment(row: &Row, reader: &Reader, cuts: usize) -> usize {
    let raw = with_crlf(&row.raw);
    let mut random = Random::seeded(&row.file);
    read_all(&row.raw, reader);
    let places: Vec<_> = if raw.len() <= cuts * STEP {
        (0..raw.len()).step_by(STEP).collect()
    } else {
        (0..cuts).map(|_| random.below(raw.len())).collect()
    };
    for at in &places {
        read_all(raw.get(..*at).unwrap_or_default(), reader);
    }
    let flips = FLIPS.min(cuts);
    for _ in 0..flips {
        let mut flipped = raw.clone();
        for _ in 0..=random.below(20) {
            let at = random.below(flipped.len().max(1));
            if let Some(octet) = flipped.get_mut(at) {
                *octet ^= 1 << random.below(8);
            }
        }
        read_all(&flipped, reader);
    }
    1 + places.len() + flips
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
