//! Which header fields are signed.

use crate::header::{Field, Header};

use super::canonical::relaxed_field;

/// Of more fields of one name only the last ones are signed.
const FIELDS_MAX: usize = 32;

/// Named once more than there are such fields, so that none can be added (RFC 6376 §8.15).
const OVERSIGNED: [&str; 9] = [
    "From",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Content-Type",
    "MIME-Version",
];

/// Signed where they are there, so that a list's manager may still add its own.
// RFC 8058 §4: List-Unsubscribe and List-Unsubscribe-Post have to be covered.
const COVERED: [&str; 13] = [
    "Feedback-ID",
    "X-Postbell-Delivery",
    "In-Reply-To",
    "References",
    "Sender",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-ID",
    "List-Help",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
];

/// The names of the `h=` tag, and the fields that they stand for in canonical form. Of `also`,
/// too, the fields are signed that are there.
pub(crate) fn signed(header: Header<'_>, also: &[&'static str]) -> (Vec<&'static str>, Vec<u8>) {
    let fields: Vec<_> = header.fields().collect();
    let mut signed = Signed {
        names: Vec::with_capacity(OVERSIGNED.len() * 2 + COVERED.len()),
        octets: Vec::with_capacity(header.as_bytes().len() + 1024),
    };
    for name in OVERSIGNED {
        if signed.take(name, &fields) < FIELDS_MAX {
            // RFC 6376 §5.4.2: one that isn't there adds nothing to what is signed.
            signed.names.push(name);
        }
    }
    for name in COVERED.iter().chain(also) {
        signed.take(name, &fields);
    }
    (signed.names, signed.octets)
}

struct Signed {
    names: Vec<&'static str>,
    octets: Vec<u8>,
}

impl Signed {
    /// The fields of this name, and how many there are.
    // RFC 6376 §5.4.2: of several fields of a name, the last one counts first.
    fn take(&mut self, name: &'static str, fields: &[Field<'_>]) -> usize {
        let named = fields.iter().rev().filter(|field| field.is(name));
        let mut count = 0;
        for field in named.take(FIELDS_MAX) {
            self.names.push(name);
            relaxed_field(field.name(), field.value(), &mut self.octets);
            self.octets.extend_from_slice(b"\r\n");
            count += 1;
        }
        count
    }
}
