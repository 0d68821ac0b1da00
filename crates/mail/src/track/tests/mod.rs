mod messages;
mod property;

use bytes::Bytes;

use super::*;

/// Addresses that say what they stand for.
struct Plain;

impl Tracker for Plain {
    fn link(&self, url: &str, _: Place) -> Option<String> {
        Some(format!("<{url}>"))
    }

    fn pixel(&self) -> Option<String> {
        Some("P".to_owned())
    }

    fn unsubscribe(&self) -> Option<String> {
        Some("https://u.example/?a&b".to_owned())
    }
}

fn page(body: &str) -> Bytes {
    message("Content-Type: text/html", body)
}

fn message(head: &str, body: &str) -> Bytes {
    let head = head.replace('\n', "\r\n");
    Bytes::from(format!("{head}\r\n\r\n{body}"))
}

fn text(raw: &Bytes) -> String {
    let raw = String::from_utf8_lossy(raw);
    raw.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn rendered(raw: &Bytes) -> Tracked {
    Plan::of(raw, &Options::default()).render(&Plain)
}

/// `{url}` in `marked` stands for a tracked link, `¶` for the pixel.
fn check(body: &str, marked: &str) {
    let tracked = rendered(&page(body));
    let mut wanted = marked.replace('¶', &pixel());
    let links = marked.matches('{').count();
    wanted = wanted.replace('{', "&lt;").replace('}', "&gt;");
    assert_eq!(text(&tracked.whole()), wanted);
    assert_eq!(
        (tracked.links, tracked.pixel),
        (links, marked.contains('¶'))
    );
}

fn pixel() -> String {
    let tracked = rendered(&page(""));
    text(&tracked.whole())
}

fn notes(head: &str, body: &str) -> Vec<Note> {
    let raw = message(head, body);
    let tracked = rendered(&raw);
    assert_eq!(tracked.whole(), raw);
    tracked.notes
}

#[test]
fn links_are_tracked() {
    check(
        "<a href=\"https://a.example/?b=1&amp;c=2\">x</a></body>",
        "<a href=\"{https://a.example/?b=1&amp;c=2}\">x</a>¶</body>",
    );
    check(
        "<A\r\n HREF = 'HTTP://a.example' x>",
        "<A\r\n HREF = '{HTTP://a.example}' x>¶",
    );
    check(
        "<a href=https://a.example/>x",
        "<a href={https://a.example/}>x¶",
    );
    check(
        "<a href=\" https://a\r\n.example \">",
        "<a href=\"{https://a.example}\">¶",
    );
    check(
        "<area href=https://a.example>",
        "<area href={https://a.example}>¶",
    );
    check(
        "<a href=https://a.example href=https://b.example>",
        "<a href={https://a.example} href=https://b.example>¶",
    );
    check(
        "<svg><a href='http://a.example'/></svg>",
        "<svg><a href='{http://a.example}'/></svg>¶",
    );
}

#[test]
fn everything_else_stays() {
    for body in [
        "<a href=\"mailto:a@b.example\">",
        "<a href='#top'>",
        "<a href>",
        "<a href=''>",
        "<a>",
        "<a data-href='https://a.example'>",
        "<link href='https://a.example'>",
        "<a href='{{url}}'>",
        "<a href='/relative'>",
        "<svg><a xlink:href='https://a.example'/></svg>",
        "<form action='https://a.example'></form>",
        "<img src='https://a.example'>",
        "<a data-postbell-no-track href='https://a.example'>",
        "<a href='https://a.example' DATA-POSTBELL-NO-TRACK=''>",
        "<!-- <a href='https://a.example'> -->",
        "<textarea><a href='https://a.example'></textarea>",
        "<script>'<a href=\"https://a.example\">'</script>",
        "<title><a href='https://a.example'></title>",
        "<a href='https://a.example/\0'>",
        "text https://a.example text",
    ] {
        let raw = page(body);
        let tracked = rendered(&raw);
        assert_eq!(
            text(&tracked.whole()),
            format!("{body}{}", pixel()),
            "{body}"
        );
        assert_eq!(tracked.links, 0, "{body}");
    }
}

#[test]
fn conditional_comments_are_looked_into() {
    check(
        "<!--[if mso]><a href=\"https://a.example\">x</a><v:roundrect href='https://b.example'/><![endif]-->",
        "<!--[if mso]><a href=\"{https://a.example}\">x</a><v:roundrect href='{https://b.example}'/><![endif]-->¶",
    );
    check(
        "<!--[if !mso]><!--><a href='http://a.example'><!--<![endif]-->",
        "<!--[if !mso]><!--><a href='{http://a.example}'><!--<![endif]-->¶",
    );
    check(
        "<![if !mso]><v:rect HREF='http://a.example'><![endif]>",
        "<![if !mso]><v:rect HREF='{http://a.example}'><![endif]>¶",
    );
    check(
        "<!-- [IF (gte mso 9)|(IE)]><a href=http://a.example><![endif]-->",
        "<!-- [IF (gte mso 9)|(IE)]><a href={http://a.example}><![endif]-->¶",
    );
    check(
        "<!--[if mso]><a href=http://a.example>-->",
        "<!--[if mso]><a href={http://a.example}>-->¶",
    );
    check(
        "<!--[if mso]><a href=http://a.example-->",
        "<!--[if mso]><a href=http://a.example-->¶",
    );
    check(
        "<!--[if mso]><script><a href=http://a.example></script><![endif]-->",
        "<!--[if mso]><script><a href=http://a.example></script><![endif]-->¶",
    );
}

#[test]
fn an_address_ends_no_comment() {
    struct Dashed;
    impl Tracker for Dashed {
        fn link(&self, _: &str, _: Place) -> Option<String> {
            Some("https://t.example/c/a--b--".to_owned())
        }
        fn pixel(&self) -> Option<String> {
            None
        }
        fn unsubscribe(&self) -> Option<String> {
            None
        }
    }
    let raw = page("<!--[if mso]><a href=http://a.example>x</a><![endif]--></body>");
    let tracked = Plan::of(&raw, &Options::default()).render(&Dashed);
    assert_eq!(
        text(&tracked.whole()),
        "<!--[if mso]><a href=https://t.example/c/a&#45;-b&#45;&#45;>x</a><![endif]--></body>"
    );
}

#[test]
fn a_base_resolves() {
    check(
        "<base href='https://a.example/b/'><a href='c'></a><a href='#d'></a><!--[if mso]><a href=/e></a><![endif]-->",
        "<base href='https://a.example/b/'><a href='{https://a.example/b/c}'></a><a href='#d'></a><!--[if mso]><a href={https://a.example/e}></a><![endif]-->¶",
    );
    check(
        "<base href='ftp://a.example/'><a href='c'>",
        "<base href='ftp://a.example/'><a href='c'>¶",
    );
}

#[test]
fn the_pixel_stands_at_the_end_of_the_body() {
    check("<body>x</body></html>", "<body>x¶</body></html>");
    check("x</BODY >y</html>", "x¶</BODY >y</html>");
    check("<body>x</html>\r\n", "<body>x¶</html>\r\n");
    check("x\r\n\r\n", "x¶\r\n\r\n");
    check("x</body>y</body>z", "x</body>y¶</body>z");
    check("x</body></bodyguard>", "x¶</body></bodyguard>");
    check("x</body><!-- </body> -->", "x¶</body><!-- </body> -->");
    check(
        "x</body><script></body></script>",
        "x¶</body><script></body></script>",
    );
    check(
        "x</body><title></body></title>",
        "x¶</body><title></body></title>",
    );
    check(
        "x</body><style></body></style><textarea></body></textarea>",
        "x¶</body><style></body></style><textarea></body></textarea>",
    );
    check(
        "x</body><img alt='</body>'>",
        "x¶</body><img alt='</body>'>",
    );
    check(
        "x</body><img alt=\"> </body>\" </body>",
        "x¶</body><img alt=\"> </body>\" </body>",
    );
    // The page ends within something: before that.
    check(
        "x<a href='http://a.example'>y</a><a href=\"http://b.example>z</a></body>",
        "x<a href='{http://a.example}'>y</a>¶<a href=\"http://b.example>z</a></body>",
    );
    check("x<!-- y</body>", "x¶<!-- y</body>");
    check("x<title>y</body>", "x¶<title>y</body>");
}

#[test]
fn a_page_may_have_no_place_for_a_pixel() {
    let body = format!("<!--{}", "<b>".repeat(100));
    assert_eq!(
        notes("Content-Type: text/html", &body),
        [Note::NoPlaceForPixel]
    );
}

#[test]
fn placeholders_are_replaced() {
    check(
        "<a href=\"{{postbell.unsubscribe_url}}\">",
        "<a href=\"https://u.example/?a&amp;b\">¶",
    );
    check(
        "%7B%7Bpostbell.unsubscribe_url%7D%7D {{ postbell.unsubscribe_url\r\n}}",
        "https://u.example/?a&amp;b https://u.example/?a&amp;b¶",
    );
    // Editors take it for the address of a host.
    check(
        "<a href=\"http://{{postbell.unsubscribe_url}}\"><a href='https://%7B%7Bpostbell.unsubscribe_url%7D%7D'>",
        "<a href=\"https://u.example/?a&amp;b\"><a href='https://u.example/?a&amp;b'>¶",
    );
    // A letter behind a `<` would begin a tag.
    check(
        "<{{postbell.unsubscribe_url}}>",
        "<&#104;ttps://u.example/?a&amp;b>¶",
    );
    let raw = message(
        "Subject: a",
        "{{postbell.unsubscribe_url}}\r\n{{other}}\r\n",
    );
    assert_eq!(
        text(&rendered(&raw).whole()),
        "https://u.example/?a&b\r\n{{other}}\r\n"
    );

    struct Silent;
    impl Tracker for Silent {
        fn link(&self, _: &str, _: Place) -> Option<String> {
            None
        }
        fn pixel(&self) -> Option<String> {
            None
        }
        fn unsubscribe(&self) -> Option<String> {
            None
        }
    }
    let tracked = Plan::of(&raw, &Options::default()).render(&Silent);
    assert_eq!(
        (tracked.whole(), tracked.notes),
        (raw, vec![Note::NoUnsubscribeUrl])
    );
}

#[test]
fn a_part_without_content_keeps_its_boundary() {
    let raw = message(
        "Content-Type: multipart/mixed; boundary=b",
        "--b\r\nContent-Type: text/html\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
    );
    assert_eq!(rendered(&raw).whole(), raw);
}
