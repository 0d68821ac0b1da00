use super::*;

fn check(text: &str, stripped: &str) {
    assert_eq!(strip(text), stripped, "{text}");
}

#[test]
fn what_is_quoted_below_goes() {
    for attribution in [
        "On Mon, May 4, 2026 at 11:00 AM Ann <ann@a.example> wrote:",
        "Am 04.05.26 um 11:00 schrieb Ann:",
        "Le lun. 4 mai 2026 à 11:00, Ann <ann@a.example> a écrit :",
        "El lun, 4 may 2026 a las 11:00, Ann (<ann@a.example>) escribió:",
        "Em seg., 4 de mai. de 2026 às 11:00, Ann <ann@a.example> escreveu:",
        "Il giorno lun 4 mag 2026 alle ore 11:00 Ann <ann@a.example> ha scritto:",
        "Op ma 4 mei 2026 om 11:00 schreef Ann <ann@a.example>:",
        "Den mån 4 maj 2026 kl 11:00 skrev Ann <ann@a.example>:",
        "пн, 4 мая 2026 г. в 11:00, Анна <ann@a.example> написал(а):",
        "2026年5月4日(月) 11:00 Ann <ann@a.example>:",
        "-----Original Message-----",
        "-------- Ursprüngliche Nachricht --------",
    ] {
        check(
            &format!("Yes.\n\n{attribution}\n\n> Well?\n> No?\n"),
            "Yes.",
        );
        check(&format!("Yes.\n\n{attribution}\n\nWell?\nNo?\n"), "Yes.");
    }
}

#[test]
fn signatures_go() {
    check("Yes.\n-- \nAnn\n", "Yes.");
    check("Yes.\n\nSent from my iPhone\n", "Yes.");
    check("Ja.\n\nVon meinem iPhone gesendet\n", "Ja.");
    let thread = "On Mon, May 4, 2026 at 11:00 AM Ann <ann@a.example> wrote:\n\n> Well?\n";
    check(&format!("Yes.\n\nSent from my iPhone\n\n{thread}"), "Yes.");
    let header = "From: Ann\nSent: Monday, 4 May 2026\nTo: Bob\nSubject: it\n\nWell?\n";
    check(&format!("Yes.\n\nSent from my iPhone\n\n{header}"), "Yes.");
}

#[test]
fn what_somebody_wrote_stays() {
    for text in [
        "I wrote:\n\nthis",
        "To: do\nis a list",
        "Please book it.\n\nFrom: Berlin\nTo: Munich\nSubject: move",
        "Please book it.\n\nFrom: Berlin\nTo: Munich\nSubject: move\n\nThanks, Ann",
        "a - b -- c",
        "At 11:00 we meet:\nat the station",
        "```\n----\n> code\n```\nwith code",
        "> only a quote",
        "Two boxes are missing.\nSent from our warehouse on Monday.\nCan you look?",
        "Von meinem Paket fehlt die Hälfte.",
        "Sent from our warehouse on Monday.\n\nTo: me\n\nIt never came.",
    ] {
        check(text, text);
    }
}

#[test]
fn answers_between_quotes_stay() {
    let turn = "On Mon, May 4, 2026 at 11:00 AM Ann <ann@a.example> wrote:\n> Well?\n";
    check(
        &format!("Yes.\n{turn}No.\n{turn}Bob\n"),
        "Yes.\n> Well?\nNo.",
    );
    check(&format!("Yes.\n{turn}{turn}Bob\n"), "Yes.");
    check(
        &format!("Yes.\n{turn}{}", "No.\n".repeat(7)),
        format!("Yes.\n> Well?\n{}", "No.\n".repeat(7)).trim_end(),
    );
}

/// A part of this form, with these fields, that says this.
fn part(form: &str, fields: &str, says: &str) -> String {
    format!("Content-Type: text/{form}\n{fields}\n{says}")
}

fn multipart(sub: &str, parts: &[&str]) -> String {
    // Each has a boundary of its own.
    let boundary = format!("{sub}{}", parts.concat().len());
    let parts = parts.iter().map(|part| format!("--{boundary}\n{part}\n"));
    let parts: String = parts.collect();
    format!("Content-Type: multipart/{sub}; boundary={boundary}\n\n{parts}--{boundary}--\n")
}

fn texts(raw: &str) -> (String, Option<String>) {
    let raw = raw.replace('\n', "\r\n");
    let texts = reply_text(&Mail::read(raw.as_bytes()));
    let plain = |text: String| text.replace("\r\n", "\n").trim_end().to_owned();
    (plain(texts.text), texts.html.map(plain))
}

const IMAGE: &str = "Content-Type: image/png; name=a.png\nContent-Disposition: inline\n\nx";

#[test]
fn what_follows_a_picture_is_read_too() {
    let plain = |says| part("plain", "", says);
    let html = |says| part("html", "", says);
    let check = |raw: &str, text: &str, html: Option<&str>| {
        assert_eq!(
            texts(raw),
            (text.to_owned(), html.map(str::to_owned)),
            "{raw}"
        );
    };
    let (first, second) = (plain("first"), plain("second"));
    check(
        &multipart("mixed", &[&first, IMAGE, &second]),
        "first\nsecond",
        None,
    );
    check(
        &multipart("mixed", &[&plain(" \n"), IMAGE, &plain("please refund me")]),
        "please refund me",
        None,
    );
    let (look, well) = (html("<p>Look"), html("<b>well?"));
    let both = Some("<p>Look\n<b>well?");
    check(
        &multipart("mixed", &[&look, IMAGE, &well]),
        "Look\nwell?",
        both,
    );
    check(
        &multipart("related", &[&look, IMAGE, &well]),
        "Look\nwell?",
        both,
    );
    check(
        &multipart("mixed", &[&look, IMAGE, &second]),
        "Look\nsecond",
        Some("<p>Look"),
    );
    let within = multipart("related", &[&look, IMAGE, &well]);
    check(
        &multipart("alternative", &[&plain("Look\nwell?"), &within]),
        "Look\nwell?",
        both,
    );
    let letter = multipart("alternative", &[&plain("Look"), &look]);
    check(
        &multipart("mixed", &[&letter, IMAGE, &second]),
        "Look\nsecond",
        Some("<p>Look"),
    );
}

#[test]
fn each_text_is_taken_once_and_files_are_not() {
    let first = part("plain", "", "first");
    let check = |raw: &str, text: &str| assert_eq!(texts(raw).0, text, "{raw}");
    let other = part("plain", "", "the same otherwise");
    check(&multipart("alternative", &[&first, &other]), "first");
    // Both forms without saying so.
    let same = part("html", "", "<p>First and <b>last</b>");
    let last = part("plain", "", "First and last");
    check(&multipart("mixed", &[&last, &same]), "First and last");
    check(&multipart("mixed", &[&same, &last]), "First and last");
    check(
        &multipart("mixed", &[&last, &last]),
        "First and last\nFirst and last",
    );
    for file in [
        part("plain", "Content-Disposition: attachment\n", "file"),
        part("plain", "Content-Disposition: inline; filename=a\n", "file"),
        part("plain; name=a", "", "file"),
        part("x-log", "", "file"),
        format!("Content-Type: message/rfc822\n\n{first}"),
    ] {
        check(&multipart("mixed", &[&first, &file]), "first");
        check(&multipart("mixed", &[&file, &first]), "first");
    }
    // Nothing else.
    check(&part("plain; name=a", "", "file"), "file");
    let named = part("html; name=a.html", "", "<p>more");
    let both = texts(&multipart("alternative", &[&first, &named]));
    assert_eq!(both, ("first".to_owned(), Some("<p>more".to_owned())));
}

#[test]
fn texts_have_a_limit_together() {
    let long = part("plain", "", &"x".repeat(400 * 1024));
    let (text, _) = texts(&multipart("mixed", &[&long, IMAGE, &long, &long, &long]));
    assert_eq!(text.matches('x').count(), 1024 * 1024);
}
