//! Reverse-path and forward-path (RFC 5321 §4.1.2).

use postbell_model::{Address, ReversePath};

use super::{CommandError, ForwardPath};

/// What stands between the angle brackets that the text begins with, and what follows them.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('<')?;
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let (path, rest) = inside.split_at_checked(at)?;
                return Some((path, rest.strip_prefix('>')?));
            }
            _ => {}
        }
    }
    None
}

pub(super) fn reverse_path(path: &str) -> Result<ReversePath, CommandError> {
    if path.is_empty() {
        return Ok(ReversePath::Null);
    }
    refuse_source_route(path)?;
    let address = Address::parse(path).map_err(|_| CommandError::BadSender)?;
    Ok(ReversePath::Mailbox(address))
}

pub(super) fn forward_path(path: &str) -> Result<ForwardPath, CommandError> {
    // RFC 5321 §4.1.1.3, §4.5.1: the one recipient without a domain.
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok(ForwardPath::Postmaster);
    }
    refuse_source_route(path)?;
    let address = Address::parse(path).map_err(|_| CommandError::BadRecipient)?;
    // A host that takes these apart would relay for whoever wrote them.
    if address.local_part().contains(['%', '!', '@']) {
        return Err(CommandError::RoutedLocalPart);
    }
    Ok(ForwardPath::Mailbox(address))
}

fn refuse_source_route(path: &str) -> Result<(), CommandError> {
    if path.starts_with('@') {
        return Err(CommandError::SourceRoute);
    }
    Ok(())
}
