use super::address::all;
use super::signs::is_answer;
use super::*;

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

#[test]
fn programs_are_told_by_their_names() {
    for from in [
        "MAILER-DAEMON@mx.example",
        "Mail Delivery Subsystem <mailer-daemon@provider.example>",
        "\"Mail Delivery System\" <noreply@provider.example>",
        "postmaster@customer.example",
        "<>",
    ] {
        assert!(is_daemon(from), "{from}");
    }
    for from in [
        "Ann <ann@customer.example>",
        "",
        "Bounce House Rentals <info@shop.example>",
    ] {
        assert!(!is_daemon(from), "{from}");
    }
}

#[test]
fn answers_are_told_by_their_subjects() {
    for subject in ["re: a", "aw: a", "fwd: a", "  sv: a"] {
        assert!(is_answer(subject), "{subject}");
    }
    for subject in ["a re: b", "returned mail", "re a"] {
        assert!(!is_answer(subject), "{subject}");
    }
}
