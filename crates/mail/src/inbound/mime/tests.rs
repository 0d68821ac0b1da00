use proptest::prelude::*;

use super::*;

fn check(raw: &str, tree: &str) {
    let raw = raw.replace('\n', "\r\n");
    let mail = Mail::read(raw.as_bytes());
    let mut told = String::new();
    for (index, part) in mail.parts().iter().enumerate() {
        let indent = "  ".repeat(part.depth);
        told.push_str(&format!("{indent}{}/{}", part.media.main, part.media.sub));
        if part.kind == Kind::Leaf {
            told.push_str(&format!(" {:?}", mail.text(index, 1_000)));
        }
        told.push('\n');
    }
    assert_eq!(told.trim_end(), tree.trim(), "{raw}");
}

#[test]
fn a_message_without_mime_is_text() {
    check("Subject: a\n\nb\n", r#"text/plain "b\r\n""#);
    check("", r#"text/plain """#);
    check("no header\n", r#"text/plain "no header\r\n""#);
    check("A: b\nno field\n\nc", r#"text/plain "no field\r\n\r\nc""#);
}

// RFC 2046 §5.1.1
#[test]
fn parts_lie_between_boundaries() {
    check(
        "Content-Type: multipart/mixed; boundary=\"b c\"\n\npreamble\n--b c\n\none\n--b c \nContent-Type: TEXT/HTML\n\n<p>two\n\n--b c--\nepilogue\n--b c\n",
        "multipart/mixed\n  text/plain \"one\"\n  text/html \"<p>two\\r\\n\"",
    );
    // RFC 2046 §5.1.2: the last boundary was lost.
    check(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n",
        "multipart/mixed\n  text/plain \"one\"",
    );
    // A longer line is none.
    check(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--bc\n--b--\n",
        "multipart/mixed\n  text/plain \"--bc\"",
    );
    check(
        "Content-Type: multipart/mixed; boundary=b\n\nno parts\n",
        "multipart/mixed \"no parts\\r\\n\"",
    );
}

#[test]
fn messages_lie_within_messages() {
    check(
        "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: a\n\none\n--b\nContent-Type: text/plain\n\ntwo\n--b--\n",
        "multipart/digest\n  message/rfc822\n    text/plain \"one\"\n  text/plain \"two\"",
    );
    check(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n--b--\n",
        "multipart/mixed\n  message/rfc822\n    text/plain \"\"",
    );
}

#[test]
fn leaves_are_decoded() {
    let part = |head: &str, body: &str, text: &str| {
        check(
            &format!("{head}\n\n{body}"),
            &format!("text/plain {text:?}"),
        );
    };
    part("Content-Transfer-Encoding: base64", "R3LDvMOfZQ==", "Grüße");
    part(
        "Content-Transfer-Encoding: base64",
        "R3LD\n!vMOfZQ",
        "Grüße",
    );
    part(
        "Content-Transfer-Encoding: Quoted-Printable (x)",
        "a=3D=\nb=zz=",
        "a=b=zz",
    );
    part(
        "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable",
        "Gr=FC=DFe",
        "Grüße",
    );
    part(
        "Content-Type: text/plain; charset=\"iso-2022-jp\"",
        "\u{1b}$B$\"\u{1b}(B",
        "あ",
    );
    part(
        "Content-Type: text/plain; charset=nobody-knows",
        "Grüße",
        "Grüße",
    );
    part(
        "Content-Transfer-Encoding: x-uuencode",
        "begin 644 a\n#0V%T\n`\nend\n",
        "Cat",
    );
    part("Content-Transfer-Encoding: base9000", "R3LD", "R3LD");
}

#[test]
fn a_header_is_in_the_character_set_of_the_text() {
    let check = |header: &[u8], rest: &str, subject: &str| {
        let raw = [b"Subject: ", header, b"\r\n", rest.as_bytes()].concat();
        let mail = Mail::read(&raw);
        let field = mail.field("Subject").unwrap();
        assert_eq!(field.text_in(mail.charset()), subject, "{rest}");
    };
    let german = "Content-Type: text/plain; charset=iso-8859-15\r\n\r\n";
    check(b"10 \xa4", german, "10 €");
    check("10 €".as_bytes(), german, "10 €");
    check(b"=?iso-8859-1?q?10_=A4?= \xa4", german, "10 ¤ €");
    let parts = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\na\r\n--b\r\n\
                 Content-Type: text/html; charset=koi8-r\r\n\r\nb\r\n--b--\r\n";
    check(b"\xf0\xd2\xc9\xd7\xc5\xd4", parts, "Привет");
    let other = "Content-Type: text/plain; charset=utf-8\r\n\r\n";
    check(b"Gr\xfc\xdfe", other, "Grüße");
    check(b"Gr\xfc\xdfe", "\r\n", "Grüße");
}

// RFC 2231 §3, §4; RFC 2047 in a parameter is forbidden, and usual.
#[test]
fn file_names_are_decoded() {
    for (field, name) in [
        ("attachment; filename=a.txt", "a.txt"),
        (
            "attachment; filename=\"a \\\"b\\\"; c.txt\"",
            "a \"b\"; c.txt",
        ),
        (
            "attachment; filename*=utf-8'de'Gr%C3%BC%C3%9Fe.txt",
            "Grüße.txt",
        ),
        (
            "attachment; filename*0=\"a\"; filename*1=b; filename*2*=%2Etxt",
            "ab.txt",
        ),
        (
            "attachment; filename=\"=?utf-8?q?Gr=C3=BC=C3=9Fe.txt?=\"",
            "Grüße.txt",
        ),
        // A name is not to lead anywhere.
        ("attachment; filename=../../etc/passwd", "passwd"),
        ("attachment; filename=\"C:\\\\Users\\\\a.txt\"", "a.txt"),
        ("attachment; filename=\"a/b.txt/\"", "b.txt"),
        ("attachment; filename*=utf-8''..%2F..%5Cc%2Ftxt", "txt"),
        (
            "attachment; filename=\"=?utf-8?q?=2E=2E=2Fa=2Etxt?=\"",
            "a.txt",
        ),
    ] {
        let raw = format!("Content-Disposition: {field}\r\n\r\n");
        let mail = Mail::read(raw.as_bytes());
        let part = mail.parts().first().unwrap();
        assert_eq!(part.filename.as_deref(), Some(name), "{field}");
        assert!(part.is_attachment);
    }
    for none in ["..", ".", "/", "a/..", "\" \""] {
        let raw = format!("Content-Disposition: attachment; filename={none}\r\n\r\n");
        let mail = Mail::read(raw.as_bytes());
        assert_eq!(mail.parts().first().unwrap().filename, None, "{none}");
    }
}

#[test]
fn trees_have_limits() {
    let mut deep = String::new();
    for level in 0..200 {
        deep.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"
        ));
    }
    let mail = Mail::read(deep.as_bytes());
    assert!(mail.is_limited());
    assert_eq!(mail.parts().len(), DEPTH_MAX + 1);

    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(200);
    let mail = Mail::read(messages.as_bytes());
    assert!(mail.is_limited());
    assert_eq!(mail.parts().len(), DEPTH_MAX + 1);

    let mut wide = "Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned();
    wide.push_str(&"--b\r\n\r\nx\r\n".repeat(5_000));
    let mail = Mail::read(wide.as_bytes());
    assert!(mail.is_limited());
    assert_eq!(mail.parts().len(), PARTS_MAX);

    let long = format!(
        "{}Content-Type: text/html\r\n\r\nx",
        "A: b\r\n".repeat(HEADER_MAX / 6 + 1)
    );
    let mail = Mail::read(long.as_bytes());
    assert!(mail.is_limited());
    assert_eq!(mail.body(0), b"x");
    assert!(mail.parts().first().unwrap().media.is("text", "plain"));
}

proptest! {
    #[test]
    fn a_size_is_that_of_the_content(
        encoding in prop::sample::select(vec!["base64", "quoted-printable", "x-uuencode", "8bit"]),
        body in prop::collection::vec(prop::sample::select(b"QUJDRA== =\r\n-+/\x80!".to_vec()), 0..40),
    ) {
        let head = format!("Content-Transfer-Encoding: {encoding}\r\n\r\n");
        let raw = [head.as_bytes(), &body].concat();
        let mail = Mail::read(&raw);
        prop_assert_eq!(mail.size(0), mail.octets(0).len());
    }
}

#[test]
fn base64_is_read_wherever_something_else_stands_in_it() {
    let digits = "w7zDvMO8w7zDvA==";
    let content = "ü".repeat(5).into_bytes();
    for at in 0..=digits.len() - 2 {
        for between in ["\r\n", " ", "\u{fc}", "!-_"] {
            let (before, after) = digits.split_at(at);
            let body = format!("{before}{between}{after}");
            assert_eq!(*Encoding::Base64.decode(body.as_bytes()), content, "{body}");
            assert_eq!(Encoding::Base64.decoded_len(body.as_bytes()), content.len());
        }
    }
    for (body, content) in [("w7w", "ü"), ("w7w=w7w=", "ü"), ("=w7w=", "ü"), ("w", "")] {
        assert_eq!(
            *Encoding::Base64.decode(body.as_bytes()),
            *content.as_bytes()
        );
    }
}
