//! "Did you mean …?"

/// The one of `known` that was probably meant by `key`, if any is near.
pub(super) fn nearest<'a>(key: &str, known: &'a [String]) -> Option<&'a str> {
    same_name_elsewhere(key, known).or_else(|| fewest_edits(key, known))
}

/// The right name in the wrong section, where only one section has it.
fn same_name_elsewhere<'a>(key: &str, known: &'a [String]) -> Option<&'a str> {
    let mut matches = known.iter().filter(|k| name(k) == name(key));
    let first = matches.next()?;
    matches.next().is_none().then_some(first)
}

fn fewest_edits<'a>(key: &str, known: &'a [String]) -> Option<&'a str> {
    let (edits, nearest) = known
        .iter()
        .map(|candidate| (distance(key, candidate), candidate))
        .min()?;
    (edits <= (key.len() / 4).clamp(1, 4)).then_some(nearest)
}

fn name(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.chars().enumerate() {
            let substituted = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = [
            "server.hostname",
            "submission.listen",
            "http.listen",
            "server.grace",
        ];
        let known: Vec<String> = known.iter().map(|k| (*k).to_owned()).collect();
        let check = |key, expected| assert_eq!(nearest(key, &known), expected, "{key}");
        check("server.hostnam", Some("server.hostname"));
        check("hostname", Some("server.hostname"));
        check("submision.listen", Some("submission.listen"));
        check("smtp.listen", Some("http.listen"));
        check("server.colour", None);
    }
}
