//! Trees and decoded leaves, beside those of `CPython`'s reader.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use postbell_mail::inbound::mime::{Mail, Part};

use super::Row;
use super::score::Scores;

pub(crate) fn measure(row: &Row, scores: &mut Scores) {
    let Some(reference) = row.value.get("reference") else {
        return;
    };
    let mail = Mail::read(&row.raw);
    let own: Vec<_> = mail
        .leaves()
        .flat_map(|(index, part)| leaf(&mail, index, part))
        .collect();
    let leaves = reference["leaves"].as_array().unwrap();
    let wanted: Vec<_> = leaves
        .iter()
        .map(|leaf| {
            (
                leaf["type"].as_str().unwrap().to_owned(),
                leaf["sha1"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    let types = |leaves: &[(String, String)]| {
        leaves
            .iter()
            .map(|(media, _)| {
                media
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect::<Vec<_>>()
    };
    // Of very large trees the reference has the first leaves.
    let is_cut = reference["n_leaves"]
        .as_u64()
        .is_some_and(|count| count > wanted.len() as u64);
    let own: Vec<_> = if is_cut {
        own.into_iter().take(wanted.len()).collect()
    } else {
        own
    };
    let same_tree = types(&own) == types(&wanted);
    scores.count("mime: same tree", row, same_tree, || {
        format!(
            "wanted {:?}, found {:?} {}",
            types(&wanted),
            types(&own),
            reference["defects"]
        )
    });
    let same = same_tree
        && own
            .iter()
            .zip(&wanted)
            .all(|((_, own), (_, wanted))| own == wanted);
    scores.count("mime: same tree and leaves", row, same, || {
        let lens: Vec<_> = mail
            .leaves()
            .map(|(index, _)| mail.octets(index).len())
            .collect();
        let wanted: Vec<_> = leaves
            .iter()
            .map(|leaf| {
                (
                    leaf["bytes"].as_u64(),
                    leaf["cte"].as_str().map(str::to_owned),
                )
            })
            .collect();
        let off: Vec<_> = (0..lens.len().max(wanted.len()))
            .filter(|at| {
                lens.get(*at).map(|len| *len as u64) != wanted.get(*at).and_then(|(len, _)| *len)
            })
            .take(3)
            .map(|at| (at, lens.get(at), wanted.get(at)))
            .collect();
        format!("{off:?} of {} {}", wanted.len(), reference["defects"])
    });
}

/// The reference takes the fields of a report for headers of messages without a body.
fn leaf(mail: &Mail<'_>, index: usize, part: &Part) -> Vec<(String, String)> {
    let octets = mail.octets(index);
    let blocks = match part.media.sub.as_str() {
        _ if part.media.main != "message" => 0,
        "delivery-status" => String::from_utf8_lossy(&octets)
            .replace("\r\n", "\n")
            .split("\n\n")
            .filter(|block| !block.trim().is_empty())
            .count(),
        _ => 1,
    };
    match blocks {
        0 => vec![(
            format!("{}/{}", part.media.main, part.media.sub),
            sha1(&octets),
        )],
        count => vec![("text/plain".to_owned(), sha1(b"")); count],
    }
}

fn sha1(octets: &[u8]) -> String {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, octets);
    data_encoding::HEXLOWER.encode(hash.as_ref())
}
