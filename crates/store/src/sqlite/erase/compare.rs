//! Addresses in SQL, compared as the program compares them: `recipient = ? COLLATE address`.
//!
//! SQLite knows the case of ASCII alone. No index has this order, so it is for tables that are read as a
//! whole, and for single rows.

use std::borrow::Cow;
use std::cmp::Ordering;

use postbell_model::Address;
use postbell_model::suppression::LocalPart;
use sqlx::SqliteConnection;

/// Makes the order known to a connection.
pub(super) async fn register(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut handle = connection.lock_handle().await?;
    handle.create_collation("address", compare)
}

fn compare(one: &str, other: &str) -> Ordering {
    if is_plain(one) && is_plain(other) {
        return lower_of(one).cmp(lower_of(other));
    }
    folded(one).cmp(&folded(other))
}

/// Whether an address has but one form beside its case: in ASCII, and not between quotes.
fn is_plain(address: &str) -> bool {
    address.is_ascii() && !address.starts_with('"')
}

/// Without a copy: most are compared like this.
fn lower_of(ascii: &str) -> impl Iterator<Item = u8> {
    ascii.bytes().map(|octet| octet.to_ascii_lowercase())
}

/// What an address is found by. A text that is none is like itself alone.
fn folded(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return text.to_ascii_lowercase().into();
    }
    match Address::parse(text) {
        Ok(address) => LocalPart::Fold.key(&address).into(),
        Err(_) => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_the_same_in_any_case() {
        for (one, other) in [
            ("Ann@example.com", "aNN@EXAMPLE.com"),
            ("\u{c4}NN@example.com", "\u{e4}nn@Example.com"),
            ("\u{212a}im@example.com", "kim@example.com"),
            ("\"Ann\"@example.com", "ann@EXAMPLE.com"),
            ("ann@m\u{fc}nchen.example", "Ann@xn--mnchen-3ya.example"),
            ("\u{c4} no address", "\u{c4} no address"),
            ("", ""),
        ] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one} {other}");
            assert_eq!(compare(other, one), Ordering::Equal, "{one} {other}");
        }
        for (one, other) in [
            ("\u{e4}nn@example.com", "ann@example.com"),
            ("ann@example.com", "anna@example.com"),
            ("\"an n\"@example.com", "ann@example.com"),
            ("\u{c4} no address", "\u{e4} no address"),
        ] {
            let order = compare(one, other);
            assert_ne!(order, Ordering::Equal, "{one} {other}");
            assert_eq!(compare(other, one), order.reverse(), "{one} {other}");
        }
    }
}
