use super::address::all;
use super::*;
use crate::inbound::origin::Envelope;

#[test]
fn addresses_are_found_in_prose() {
    for (text, wanted) in [
        ("write to <ann@customer.example>.", "ann@customer.example"),
        (
            "ann@customer.example... User unknown",
            "ann@customer.example",
        ),
        (
            "\"ann smith\"@customer.example: no",
            "\"ann smith\"@customer.example",
        ),
        ("ann@[192.0.2.1] failed", "ann@[192.0.2.1]"),
        (
            "=?utf-8?b?4pyJ?=@customer.example",
            "=?utf-8?b?4pyJ?=@customer.example",
        ),
        (
            "mailto:ann+b=c@customer.example,",
            "ann+b=c@customer.example",
        ),
        ("jürgen@kunde.example", "jürgen@kunde.example"),
        ("@ @@ a@ @b a@.b", ""),
    ] {
        let found = all(text).next().map(|found| found.address);
        assert_eq!(found.unwrap_or_default(), wanted, "{text}");
    }
}

fn report_of(head: &str, text: &str) -> Option<StatusReport> {
    let raw = format!("{head}\r\n\r\n{text}");
    let mail = Mail::read(raw.as_bytes());
    let judge = Judge::new(crate::Classifier::standard());
    read(
        &mail,
        &Origin::of(&mail, Envelope::Noted),
        &Notice::of(&mail),
        &judge,
    )
}

#[test]
fn what_a_customer_writes_about_delivery_is_no_bounce() {
    let head = "From: Ann <ann@customer.example>\r\nSubject: Frage zur Zustellung";
    let text = "Mein Paket konnte nicht zugestellt werden.\r\n\
        Bitte antworten Sie auch an bob@customer.example\r\n";
    assert_eq!(report_of(head, text), None);
    // What Outlook puts above a quote is no returned message.
    let quoted =
        "\r\nFrom: Shop\r\nSent: Monday\r\nTo: Ann\r\nSubject: Zustellung\r\n\r\nGuten Tag\r\n";
    assert_eq!(report_of(head, &format!("{text}{quoted}")), None);
    let said = "\r\n<bob@customer.example>: 550 5.1.1 nicht bekannt\r\n";
    assert!(report_of(head, &format!("{text}{said}")).is_some());
    let returned =
        "\r\nReceived: by mx.example\r\nMessage-ID: <1@a.example>\r\nTo: bob@customer.example\r\n";
    assert!(report_of(head, &format!("{text}{returned}")).is_some());
}

#[test]
fn fields_in_a_text_count_where_a_program_wrote_it() {
    let fields = "Frage zur Zustellung:\r\n\r\nFinal-Recipient: rfc822; bob@customer.example\r\n\
        Action: failed\r\nStatus: 5.1.1\r\n";
    for (head, is_report) in [
        (
            "From: <postmaster@customer.example>\r\nSubject: Zustellung",
            true,
        ),
        (
            "From: Ann <ann@customer.example>\r\nReturn-Path: <>\r\nSubject: Zustellung",
            true,
        ),
        (
            "From: Ann <ann@customer.example>\r\nSubject: Frage zur Zustellung",
            false,
        ),
        (
            "From: <postmaster@customer.example>\r\nSubject: Re: Zustellung",
            false,
        ),
    ] {
        let raw = format!("{head}\r\n\r\n{fields}");
        let mail = Mail::read(raw.as_bytes());
        let judge = Judge::new(crate::Classifier::standard());
        let (origin, notice) = (Origin::of(&mail, Envelope::Noted), Notice::of(&mail));
        let report = crate::inbound::status::read(&mail, &origin, &notice, &judge);
        assert_eq!(report.is_some(), is_report, "{head}");
    }
}
