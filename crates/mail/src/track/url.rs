//! Which addresses are tracked, and what is added to them (WHATWG URL, RFC 3986 §5).

use std::borrow::Cow;

use memchr::memchr3;

use super::options::{Options, Pattern};

/// What marks places that a sender's program should have filled in.
const LEFTOVERS: [(&str, &str); 8] = [
    ("{{", "}}"),
    ("%7B%7B", "%7D%7D"),
    ("%7b%7b", "%7d%7d"),
    ("{%", "%}"),
    ("%%", "%%"),
    ("[[", "]]"),
    ("*|", "|*"),
    ("<%", "%>"),
];

/// Where a link goes, as a browser would understand it: an address on the web, relative ones
/// resolved. `None` where it is something else, or would not be understood by all alike.
pub(super) fn target(written: &str, base: Option<&str>) -> Option<String> {
    let stripped = stripped(written);
    if is_leftover(&stripped) || is_unwritable(&stripped) {
        return None;
    }
    if is_web(&stripped) {
        return Some(stripped.into_owned());
    }
    let is_relative = !stripped.is_empty()
        && !stripped.starts_with('#')
        && !stripped.contains('\\')
        && !has_scheme(&stripped);
    let resolved = base.filter(|_| is_relative)?;
    Some(resolve(resolved, &stripped)).filter(|url| is_web(url))
}

/// The address that relative ones of a page are resolved with.
pub(super) fn base(written: &str) -> Option<String> {
    target(written, None)
}

/// WHATWG URL, 4.4: what is stripped of and removed from an address before it is read.
fn stripped(written: &str) -> Cow<'_, str> {
    let trimmed = written.trim_matches(|c| c <= ' ');
    if memchr3(b'\t', b'\n', b'\r', trimmed.as_bytes()).is_some() {
        return Cow::Owned(trimmed.replace(['\t', '\n', '\r'], ""));
    }
    Cow::Borrowed(trimmed)
}

/// Whether the address of a host on the web begins here. Browsers also take one slash, three, or
/// backslashes, but not all else does.
fn is_web(url: &str) -> bool {
    let behind = |scheme: &str| {
        let head = url.get(..scheme.len())?;
        let behind = url.get(scheme.len()..)?;
        head.eq_ignore_ascii_case(scheme).then_some(behind)
    };
    let host = behind("http://").or_else(|| behind("https://"));
    host.is_some_and(|host| !host.is_empty() && !host.starts_with(['/', '\\', '?', '#']))
}

/// Whether it has controls, or what stands where octets were no characters.
fn is_unwritable(url: &str) -> bool {
    has(url, |octet| octet.is_ascii_control()) || url.contains(char::REPLACEMENT_CHARACTER)
}

fn is_leftover(url: &str) -> bool {
    if !has(url, |octet| {
        matches!(octet, b'{' | b'%' | b'[' | b'|' | b'<')
    }) {
        return false;
    }
    LEFTOVERS.iter().any(|(open, close)| {
        let behind = url.split_once(open).map(|(_, behind)| behind);
        behind.is_some_and(|behind| behind.contains(close))
    })
}

/// Whether an octet is of some kind. Nearly always none is, so that it is quicker to look at all of
/// them, many at once, than to be ready to stop at each.
fn has(url: &str, is_of_it: impl Fn(u8) -> bool) -> bool {
    url.bytes()
        .fold(false, |is_any, octet| is_any | is_of_it(octet))
}

fn has_scheme(url: &str) -> bool {
    let Some((scheme, _)) = url.split_once(':') else {
        return false;
    };
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(in_scheme)
}

// RFC 3986 §5.2.2
fn resolve(base: &str, relative: &str) -> String {
    let base = cut(base, '#').0;
    let authority = base.find("//").map_or(0, |at| at + 2);
    let behind = base.get(authority..).unwrap_or_default();
    let origin_len = authority + behind.find(['/', '?']).unwrap_or(behind.len());
    let (origin, rest) = base.split_at_checked(origin_len).unwrap_or((base, ""));
    if relative.starts_with("//") {
        let scheme = base.get(..authority.saturating_sub(2)).unwrap_or_default();
        return format!("{scheme}{relative}");
    }
    let path = cut(rest, '?').0;
    if relative.starts_with('?') {
        let path = if path.is_empty() { "/" } else { path };
        return format!("{origin}{path}{relative}");
    }
    let behind_path = relative.find(['?', '#']).unwrap_or(relative.len());
    let (ahead, behind) = relative
        .split_at_checked(behind_path)
        .unwrap_or((relative, ""));
    let folder = match path.rfind('/') {
        _ if ahead.starts_with('/') => "",
        Some(slash) => path.get(..=slash).unwrap_or("/"),
        None => "/",
    };
    format!(
        "{origin}{}{behind}",
        without_dots(&format!("{folder}{ahead}"))
    )
}

// RFC 3986 §5.2.4
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// What stands before the first `mark`, and the rest from it on.
fn cut(url: &str, mark: char) -> (&str, &str) {
    let at = url.find(mark).unwrap_or(url.len());
    url.split_at_checked(at).unwrap_or((url, ""))
}

/// The addresses in a List-Unsubscribe field (RFC 2369 §3.2) that links are compared with.
pub(super) fn listed(field: &str) -> Vec<String> {
    let behind = field.split('<').skip(1);
    let written = behind.filter_map(|behind| behind.split_once('>'));
    let targets = written.filter_map(|(written, _)| target(written, None));
    targets.map(|url| comparable(&url)).collect()
}

/// Whether an address is to be left alone.
pub(super) fn is_untracked(url: &str, listed: &[String], untracked: &[Pattern]) -> bool {
    let is_listed = !listed.is_empty() && listed.contains(&comparable(url));
    if is_listed || untracked.is_empty() {
        return is_listed;
    }
    let url = url.to_ascii_lowercase();
    untracked.iter().any(|pattern| pattern.matches(&url))
}

/// The address with scheme and host in lower case.
fn comparable(url: &str) -> String {
    let authority = url.find("//").map_or(0, |at| at + 2);
    let behind = url.get(authority..).unwrap_or_default();
    let end = authority + behind.find(['/', '?', '#']).unwrap_or(behind.len());
    let (head, rest) = url.split_at_checked(end).unwrap_or((url, ""));
    format!("{}{rest}", head.to_ascii_lowercase())
}

/// The address with the additions that it does not have yet, before its fragment.
pub(super) fn with_additions(url: &str, options: &Options) -> String {
    if options.additions.is_empty() {
        return url.to_owned();
    }
    let (head, fragment) = cut(url, '#');
    let mut added = head.to_owned();
    let (_, query) = cut(head, '?');
    let pairs = query.trim_start_matches('?').split('&');
    let names: Vec<&str> = pairs.map(|pair| cut(pair, '=').0).collect();
    for (name, value) in &options.additions {
        let name = quoted(name);
        if names.contains(&name.as_str()) {
            continue;
        }
        if !added.contains('?') {
            added.push('?');
        } else if !added.ends_with(['?', '&']) {
            added.push('&');
        }
        added.push_str(&name);
        added.push('=');
        added.push_str(&quoted(value));
    }
    added.push_str(fragment);
    added
}

/// RFC 3986 §2.3: everything but what is unreserved is percent-encoded.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
                quoted.push(char::from(octet));
            }
            _ => quoted.push_str(&format!("%{octet:02X}")),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_on_the_web_are_tracked() {
        for (written, url) in [
            ("https://a.example/?b=c#d", "https://a.example/?b=c#d"),
            ("HTTP://A.example", "HTTP://A.example"),
            (" \u{1}https://a.example/b c\r\n", "https://a.example/b c"),
            ("ht\ntp://a.exa\r\n\tmple/", "http://a.example/"),
            (
                "https://u:p@b\u{fc}cher.example:8443/%25",
                "https://u:p@b\u{fc}cher.example:8443/%25",
            ),
        ] {
            assert_eq!(target(written, None).as_deref(), Some(url), "{written}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        for written in [
            "",
            " ",
            "#top",
            "mailto:a@b.example",
            "tel:+1",
            "sms:+1",
            "cid:a@b",
            "data:text/html,a",
            "javascript:alert('http://a.example')",
            "ftp://a.example/",
            "/a",
            "a",
            "//a.example/",
            "http:",
            "http://",
            "https:///a",
            "https:a.example",
            "http:/a.example",
            "http://?a",
            "https:\\\\a.example",
            "https://a.example/\0b",
            "https://a.example/\u{fffd}",
            "{{url}}",
            "https://a.example/{{token}}",
            "%%url%%",
            "https://a.example/[[x]]",
            "*|UNSUB|*",
            "https://a.example/*|X|*",
            "<%= url %>",
            "{% url %}",
        ] {
            assert_eq!(target(written, None), None, "{written}");
        }
        assert!(target("https://a.example/{a}[b]*%25|", None).is_some());
    }

    // RFC 3986 §5.4.1 and some of §5.4.2
    #[test]
    fn relative_addresses_are_resolved_with_a_base() {
        let base = "http://a/b/c/d;p?q";
        for (written, url) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("g#s", "http://a/b/c/g#s"),
            ("g?y#s", "http://a/b/c/g?y#s"),
            (";x", "http://a/b/c/;x"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("./g/.", "http://a/b/c/g/"),
            ("g/../h", "http://a/b/c/h"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
        ] {
            assert_eq!(
                target(written, Some(base)).as_deref(),
                Some(url),
                "{written}"
            );
        }
        for written in ["", "#s", "mailto:a", "g\\h", "{{g}}", "//"] {
            assert_eq!(target(written, Some(base)), None, "{written}");
        }
        assert_eq!(
            target("g", Some("https://a.example#x")).as_deref(),
            Some("https://a.example/g")
        );
        assert_eq!(
            target("?g", Some("https://a.example?x")).as_deref(),
            Some("https://a.example/?g")
        );
        assert_eq!(super::base("/a"), None);
    }

    #[test]
    fn additions_do_not_replace() {
        let options = Options {
            additions: vec![
                ("utm_source".to_owned(), "news".to_owned()),
                ("utm_campaign".to_owned(), "a b&c\u{e9}".to_owned()),
            ],
            ..Options::default()
        };
        let both = "utm_source=news&utm_campaign=a%20b%26c%C3%A9";
        for (url, added) in [
            ("https://a.example", format!("https://a.example?{both}")),
            (
                "https://a.example/#f?x",
                format!("https://a.example/?{both}#f?x"),
            ),
            ("https://a.example/?", format!("https://a.example/?{both}")),
            (
                "https://a.example/?b=c",
                format!("https://a.example/?b=c&{both}"),
            ),
            (
                "https://a.example/?b&",
                format!("https://a.example/?b&{both}"),
            ),
            (
                "https://a.example/?utm_campaign=&utm_source#f",
                "https://a.example/?utm_campaign=&utm_source#f".to_owned(),
            ),
        ] {
            assert_eq!(with_additions(url, &options), added);
            assert_eq!(with_additions(&added, &options), added);
            assert_eq!(with_additions(url, &Options::default()), url);
        }
    }

    #[test]
    fn listed_addresses_are_left_alone() {
        let listed = listed("<mailto:a@b.example>, <HTTPS://News.example/u?A=1> (x), <https://");
        assert_eq!(listed, ["https://news.example/u?A=1"]);
        assert!(is_untracked("https://NEWS.example/u?A=1", &listed, &[]));
        assert!(!is_untracked("https://news.example/u?a=1", &listed, &[]));
        let untracked = ["*://a.example/*", "*://b.Example/*"].map(Pattern::new);
        assert!(is_untracked("https://B.example/", &[], &untracked));
        assert!(!is_untracked("https://c.example/", &[], &untracked));
    }
}
