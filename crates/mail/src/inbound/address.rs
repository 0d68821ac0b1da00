//! Addresses in prose.

/// What stands before an address that begins a line.
pub(crate) const BEFORE: [char; 11] = [
    ' ', '\t', '*', '•', '-', '<', '"', '\'', '[', '\u{a0}', '\u{3000}',
];

/// Longer ones are none (RFC 5321 §4.5.3.1).
const ADDRESS_MAX: usize = 320;

/// The first address in a text.
pub(crate) fn first(text: &str) -> Option<String> {
    all(text).next().map(|found| found.address)
}

/// An address in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) address: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The addresses in a text, in their order.
pub(crate) fn all(text: &str) -> impl Iterator<Item = Found> + '_ {
    let mut from = 0;
    text.match_indices('@').filter_map(move |(at, _)| {
        if at < from {
            return None;
        }
        let found = around(text, at)?;
        from = found.end;
        Some(found)
    })
}

fn around(text: &str, at: usize) -> Option<Found> {
    let before = text.get(..at)?;
    let after = text.get(at + 1..)?;
    let start = local_start(before)?;
    let len = domain_len(after)?;
    let end = at + 1 + len;
    let address = text.get(start..end)?;
    (address.len() <= ADDRESS_MAX).then(|| Found {
        address: address.to_owned(),
        start,
        end,
    })
}

fn local_start(before: &str) -> Option<usize> {
    if let Some(quoted) = before.strip_suffix('"') {
        let window = quoted.len().saturating_sub(ADDRESS_MAX);
        let open = quoted.rfind('"')?;
        return (open >= window && !quoted.get(open..)?.contains(['\n', '@'])).then_some(open);
    }
    let is_part = |c: char| c.is_alphanumeric() || "!#$%&*+-/=?^_{|}~.".contains(c) || c == '\'';
    let tail = before.rfind(|c: char| !is_part(c));
    let start = match tail {
        Some(index) => index + before.get(index..)?.chars().next()?.len_utf8(),
        None => 0,
    };
    let local = before.get(start..)?;
    let trimmed = local.trim_start_matches(['\'', '.', '*', '-', '/', '|']);
    (!trimmed.is_empty()).then(|| before.len() - trimmed.len())
}

fn domain_len(after: &str) -> Option<usize> {
    if after.starts_with('[') {
        return after
            .get(..64.min(after.len()))
            .and_then(|head| head.find(']'))
            .map(|end| end + 1);
    }
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    let end = after.find(|c: char| !is_part(c)).unwrap_or(after.len());
    let domain = after.get(..end)?.trim_end_matches(['.', '-', '_']);
    // `...`, as sendmail puts it behind an address, ends it.
    let domain = domain.split("..").next()?;
    (!domain.is_empty() && !domain.starts_with('.')).then_some(domain.len())
}

/// Whether two addresses are the same: the domain in any case, and most likely the local part.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Whether there is a local part and a domain.
pub(crate) fn is_whole(address: &str) -> bool {
    address
        .rsplit_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}
