//! What surrounds a page: encodings, character sets, parts.

use super::*;
use crate::inbound::mime::Mail;
use crate::transfer::{LINE_MAX, Need, fit};

#[test]
fn plain_text_is_tracked_on_demand() {
    let raw = message(
        "Subject: a",
        "See https://a.example/.\r\n-- \r\nhttp://b.example \r\n",
    );
    assert_eq!(rendered(&raw).whole(), raw);
    let options = Options {
        plain_text: PlainText::Rewrite,
        ..Options::default()
    };
    struct Twice;
    impl Tracker for Twice {
        fn link(&self, url: &str, place: Place) -> Option<String> {
            assert_eq!(place.form, Form::Text);
            Some(format!("{url}{url}{}", place.index))
        }
        fn pixel(&self) -> Option<String> {
            Some("p".to_owned())
        }
        fn unsubscribe(&self) -> Option<String> {
            None
        }
    }
    let tracked = Plan::of(&raw, &options).render(&Twice);
    let wanted = "See https://a.example/https://a.example/0.\r\n-- \r\nhttp://b.examplehttp://b.example1 \r\n";
    assert_eq!(text(&tracked.whole()), wanted);
    assert_eq!((tracked.links, tracked.pixel), (2, false));
}

#[test]
fn placeholders_may_be_all_that_is_looked_for() {
    let page = "<a href=https://a.example>{{ postbell.unsubscribe_url }}</a></body>";
    let raw = message("Content-Type: text/html", page);
    let options = Options {
        seek: Seek::Placeholders,
        ..Options::default()
    };
    let plan = Plan::of(&raw, &options);
    assert_eq!((plan.links().count(), plan.notes()), (0, &[][..]));
    let tracked = plan.render(&Plain);
    assert_eq!((tracked.links, tracked.pixel), (0, false));
    let filled = "<a href=https://a.example>https://u.example/?a&amp;b</a></body>";
    assert_eq!(text(&tracked.whole()), filled);
    assert!(plan.octets() >= raw.len());
}

#[test]
fn some_links_are_left_alone() {
    let body = "<a href='https://a.example/u?x=1&amp;y'><a href='https://B.example/c'><a href='https://d.example#e'>";
    let raw = message(
        "Content-Type: text/html\nList-Unsubscribe: <mailto:a@b.example>,\n <https://A.example/u?x=1&y>",
        body,
    );
    let options = Options {
        untracked: vec![Pattern::new("*://b.example/*")],
        additions: vec![("s".to_owned(), "a b".to_owned())],
        ..Options::default()
    };
    let plan = Plan::of(&raw, &options);
    assert_eq!(
        plan.links().collect::<Vec<_>>(),
        ["https://d.example?s=a%20b#e"]
    );
}

#[test]
fn the_header_names_the_address_of_its_recipient() {
    let head = |field: &str| format!("From: a@b.example\r\n{field}\r\nSubject: x");
    let body = "\r\n\r\n<a href='https://a.example'>x</a>";
    for (written, filled) in [
        (
            "List-Unsubscribe: <{{postbell.unsubscribe_url}}>",
            "List-Unsubscribe: <https://u.example/?a&b>",
        ),
        (
            "list-unsubscribe:\r\n <mailto:u@b.example>,\r\n <https://{{ postbell.unsubscribe_url }}>",
            "list-unsubscribe:\r\n <mailto:u@b.example>,\r\n <https://u.example/?a&b>",
        ),
        (
            "X-Link: {{postbell.unsubscribe_url}}",
            "X-Link: {{postbell.unsubscribe_url}}",
        ),
        (
            "List-Unsubscribe: <{{other}}>",
            "List-Unsubscribe: <{{other}}>",
        ),
    ] {
        let raw = Bytes::from(head(written) + body);
        let tracked = rendered(&raw);
        let whole = String::from_utf8(tracked.whole().to_vec()).unwrap();
        assert_eq!(whole, head(filled) + body);
        // Who signs and who renders look for the header there.
        let first = String::from_utf8_lossy(tracked.chunks.first().unwrap()).into_owned();
        assert!(first.starts_with(&head(filled)), "{first}");
        assert!(tracked.notes.is_empty(), "{:?}", tracked.notes);
    }
    let place = "<{{postbell.unsubscribe_url}}>,";
    let many = format!("List-Unsubscribe: {}", place.repeat(9));
    assert_eq!(notes(&many, "x"), [Note::TooManyLinks]);
    let long = format!("List-Unsubscribe: {place}\nX: {}", "x".repeat(200_000));
    assert_eq!(notes(&long, "x"), [Note::TooComplex]);
}

#[test]
fn what_has_no_places_is_not_copied() {
    let page = "<a href='https://a.example'>x</a>";
    let file = "x".repeat(10_000);
    for encoding in ["8bit", "quoted-printable"] {
        let body = format!(
            "--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{page}\r\n\
             --b\r\nContent-Type: application/octet-stream\r\n\r\n{file}\r\n--b--\r\n"
        );
        let raw = message("Content-Type: multipart/mixed; boundary=b", &body);
        let tracked = rendered(&raw);
        let [head, page, rest] = &tracked.chunks[..] else {
            panic!("{:?}", tracked.chunks);
        };
        assert_eq!(head.as_ptr(), raw.as_ptr());
        assert_eq!(page.len(), tracked.written);
        assert_eq!(rest.as_ptr_range().end, raw.as_ptr_range().end);
        assert!(rest.len() > file.len());
    }
    let raw = message("Content-Type: text/plain", &file);
    let tracked = rendered(&raw);
    assert_eq!((tracked.chunks, tracked.written), (vec![raw], 0));
}

#[test]
fn the_encoding_stays() {
    let raw = message(
        "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable",
        "a=20b=\r\n<a href=3D\"https=\r\n://a.example/=3F\">x=\r\n</a>=C3=A9\r\n</=\r\nbody>=\r\n",
    );
    let tracked = text(&rendered(&raw).whole());
    let (before, rest) = tracked.split_once("href=3D\"").unwrap();
    assert_eq!(before, "a=20b=\r\n<a ");
    let (link, rest) = rest.split_once("\">x=\r\n</a>=C3=A9\r\n").unwrap();
    assert_eq!(link, "&lt;https://a.example/?&gt;");
    assert!(
        rest.starts_with("<img src=3D\"P\"") && rest.ends_with("</=\r\nbody>=\r\n"),
        "{rest}"
    );
    assert!(tracked.lines().all(|line| line.len() <= 76));

    let raw = message(
        "Content-Type: text/html\nContent-Transfer-Encoding: BASE64",
        " \r\nPGEgaHJlZj0i\r\naHR0cDovL2Eu\r\nZXhhbXBsZSI+\r\nxyDHIMcgxw==\r\n\r\n",
    );
    let tracked = rendered(&raw);
    let lines: Vec<_> = text(&tracked.whole())
        .split("\r\n")
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.concat().get(..13), Some(" PGEgaHJlZj0i"));
    assert!(lines.iter().all(|line| line.len() <= 12));
    assert!(tracked.whole().ends_with(b"\r\n\r\n"));
    let content = Mail::read(&tracked.whole()).octets(0).into_owned();
    let mut wanted = b"<a href=\"&lt;http://a.example&gt;\">\xc7 \xc7 \xc7 \xc7".to_vec();
    wanted.extend(pixel().bytes());
    assert_eq!(content, wanted);
}

#[test]
fn lines_stay_short() {
    let long = "x".repeat(LINE_MAX - 60);
    let raw = page(&format!(
        "<p class=\"{long}\"></p><a class=y href=\"https://a.example/?{}\" id=z>b</a>{long}<br>",
        "q".repeat(20)
    ));
    let once = rendered(&raw).whole();
    assert!(text(&once).split("\r\n").all(|line| line.len() <= LINE_MAX));
    assert!(text(&once).contains("\r\nhref=\"&lt;https://a"));
    // What can't be broken at a tag is encoded on its way.
    let url = format!("https://a.example/?{}", "q".repeat(LINE_MAX));
    let raw = page(&format!("<a href=\"{}\r\n{}\">", &url[..500], &url[500..]));
    let once = rendered(&raw);
    assert_eq!(once.links, 1);
    let fitted = fit(&once.whole(), Need::ShortLines).unwrap();
    assert!(
        fitted
            .split(|octet| *octet == b'\n')
            .all(|line| line.len() <= LINE_MAX)
    );
    assert_eq!(
        Mail::read(&fitted).octets(0),
        Mail::read(&once.whole()).octets(0)
    );
}

#[test]
fn what_is_protected_stays() {
    let link = "<a href='https://a.example'>{{postbell.unsubscribe_url}}</a>";
    let signed = "Content-Type: multipart/signed; boundary=b";
    let body = format!("--b\r\nContent-Type: text/html\r\n\r\n{link}\r\n--b--\r\n");
    assert_eq!(notes(signed, &body), [Note::Protected]);
    let encrypted = "Content-Type: multipart/encrypted; boundary=b";
    assert_eq!(notes(encrypted, &body), [Note::Protected]);
    assert_eq!(
        notes("Content-Type: application/pkcs7-mime", link),
        [Note::Protected]
    );
    assert_eq!(
        notes(
            "Subject: a",
            "-----BEGIN PGP SIGNED MESSAGE-----\r\n{{postbell.unsubscribe_url}}"
        ),
        [Note::Protected]
    );
    let mixed = "Content-Type: multipart/mixed; boundary=b";
    for head in [
        "Content-Type: message/rfc822\r\n\r\nContent-Type: text/html",
        "Content-Type: text/html\r\nContent-Disposition: attachment",
        "Content-Type: text/html\r\nContent-Disposition: inline; filename=a.html",
        "Content-Type: text/html; name=a.html",
        "Content-Type: text/html\r\nContent-Disposition: x-other",
        "Content-Type: application/xhtml+xml",
    ] {
        let body = format!("--b\r\n{head}\r\n\r\n{link}\r\n--b--\r\n");
        assert_eq!(notes(mixed, &body), [], "{head}");
    }
}

#[test]
fn what_is_not_understood_stays() {
    let link = "<a href='https://a.example'>";
    let html = "Content-Type: text/html";
    assert_eq!(notes(&format!("{html}\n{html}"), link), [Note::Unclear]);
    assert_eq!(
        notes("Content-Type: text/html; charset=UTF-16", link),
        [Note::CharsetLeftAlone("utf-16".to_owned())]
    );
    for (name, body) in [
        ("x-uuencode", link),
        ("base64", link),
        ("base64", "PGEg\r\n--\r\nlist"),
        ("base64", "PGE"),
        ("base64", "PGF="),
        ("base64", "PG E="),
        ("base64", "PGE=\r\nPGE="),
    ] {
        let head = format!("{html}\nContent-Transfer-Encoding: {name}");
        assert_eq!(
            notes(&head, body),
            [Note::EncodingLeftAlone(name.to_owned())]
        );
    }
    assert_eq!(
        notes(html, &"<a href=x>".repeat(LINKS_MAX + 1)),
        [Note::TooManyLinks]
    );
    assert_eq!(
        notes(
            html,
            &"{{postbell.unsubscribe_url}}".repeat(PLACEHOLDERS_MAX + 1)
        ),
        [Note::TooManyLinks]
    );
    assert_eq!(notes(html, &"x".repeat(CONTENT_MAX + 1)), [Note::TooLong]);
    let long = format!("<a href='https://a.example/{}'>", "x".repeat(URL_MAX));
    assert_eq!(rendered(&page(&long)).notes, [Note::LongLink]);
}

#[test]
fn characters_of_two_octets_stay() {
    let body =
        "<p>\u{1b}$B$3<\"\u{1b}(B<a href=\"https://a.example/\">\u{1b}$B%j\u{1b}(B</a>\u{1b}$B<";
    let raw = message("Content-Type: text/html; charset=ISO-2022-JP", body);
    let tracked = rendered(&raw);
    let wanted = body.replace("https://a.example/", "&lt;https://a.example/&gt;");
    assert_eq!(tracked.links, 1);
    // It ends within such characters: the pixel stands before the last tag.
    assert_eq!(
        text(&tracked.whole()),
        wanted.replace("</a>", &format!("{}</a>", pixel()))
    );

    let raw = message(
        "Content-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable",
        "<a href=3D'https://a.example/=E9'>=E9</a>",
    );
    let plan = Plan::of(&raw, &Options::default());
    assert_eq!(plan.links().collect::<Vec<_>>(), ["https://a.example/é"]);
}

#[test]
fn one_pixel_stands_in_the_page_that_is_shown() {
    let leaf = |name: &str| format!("Content-Type: text/html; x={name}\r\n\r\n{name}");
    let multi = |kind: &str, boundary: &str, parts: &[String]| {
        let parts = parts.join(&format!("\r\n--{boundary}\r\n"));
        format!(
            "Content-Type: multipart/{kind}; boundary={boundary}\r\n\r\n--{boundary}\r\n{parts}\r\n--{boundary}--\r\n"
        )
    };
    let check = |whole: String, shown: &str| {
        let raw = Bytes::from(whole);
        let tracked = rendered(&raw);
        let at = tracked
            .whole()
            .windows(4)
            .position(|octets| octets == b"<img")
            .unwrap();
        assert!(
            tracked
                .whole()
                .slice(..at)
                .ends_with(format!("\r\n{shown}").as_bytes()),
            "{tracked:?}"
        );
        assert_eq!(tracked.whole().len(), raw.len() + pixel().len());
    };
    let [a, b, c] = ["a", "b", "c"].map(leaf);
    check(multi("mixed", "m", &[a.clone(), b.clone()]), "a");
    check(multi("alternative", "m", &[a.clone(), b.clone()]), "b");
    let related = multi("related", "r", &[b.clone(), c.clone()]);
    check(
        multi("alternative", "m", &[a.clone(), related.clone()]),
        "b",
    );
    check(
        multi("mixed", "m", &[multi("alternative", "n", &[a, related]), c]),
        "b",
    );
    let amp = "Content-Type: text/x-amp-html\r\n\r\n<a href='http://a.example'>x</body>".to_owned();
    check(
        multi(
            "alternative",
            "m",
            &[b.clone(), "Content-Type: text/plain\r\n\r\nx".to_owned()],
        ),
        "b",
    );
    let raw = Bytes::from(multi("alternative", "m", &[amp, b]));
    let tracked = rendered(&raw);
    assert_eq!((tracked.links, tracked.pixel), (1, true));
    assert!(text(&tracked.whole()).contains("gt;'>x</body>"));
}
