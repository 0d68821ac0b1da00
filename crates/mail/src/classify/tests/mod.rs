mod figures;

use std::path::Path;
use std::sync::LazyLock;

use BounceClass as C;

use super::*;

static STANDARD: LazyLock<Classifier> = LazyLock::new(Classifier::standard);

fn check(phase: Phase, code: u16, text: &str, class: BounceClass) {
    assert_eq!(
        STANDARD.classify(phase, &Reply::received(code, text)),
        class,
        "{text}"
    );
}

#[test]
fn plain_replies_have_their_class() {
    for (code, text, class) in [
        (550, "5.1.1 <a@example.com>: user unknown", C::NoSuchUser),
        (550, "5.1.1", C::NoSuchUser),
        (550, "No such user here", C::NoSuchUser),
        (
            550,
            "Requested action not taken: mailbox unavailable",
            C::NoSuchUser,
        ),
        (550, "5.1.2 Host unknown", C::NoSuchDomain),
        (556, "5.1.10 Recipient domain has null MX", C::NoSuchDomain),
        (452, "4.2.2 Mailbox full", C::MailboxFull),
        (
            552,
            "sorry, that mailbox is over quota (#5.1.1)",
            C::MailboxFull,
        ),
        (
            550,
            "5.2.1 The email account is inactive",
            C::MailboxDisabled,
        ),
        (
            552,
            "5.3.4 Message size exceeds fixed limit",
            C::MessageTooLarge,
        ),
        (554, "5.6.1 Media not supported", C::ContentRejected),
        (550, "5.7.1 Message rejected as spam", C::SpamRejected),
        (550, "5.7.1 Rejected due to local policy", C::PolicyRejected),
        (550, "5.7.26 Fails DMARC", C::AuthenticationFailed),
        (
            554,
            "5.7.1 Client host [192.0.2.1] blocked using zen.example",
            C::IpBlocked,
        ),
        (421, "4.7.0 Too many connections, slow down", C::RateLimited),
        (
            450,
            "4.7.1 Greylisted, try again in 5 minutes",
            C::RateLimited,
        ),
        (554, "5.7.1 Relay access denied", C::RelayDenied),
        (
            530,
            "5.7.0 Must issue a STARTTLS command first",
            C::TlsRequired,
        ),
        (451, "4.4.7 Delivery time expired", C::Expired),
        (550, "Rejected", C::Other),
        (451, "4.3.0 Local error", C::Other),
    ] {
        check(Phase::Rcpt, code, text, class);
    }
}

#[test]
fn our_own_replies_have_their_class() {
    for (phase, code, text, class) in [
        (
            Phase::Dns,
            451,
            "4.4.3 The name server did not answer",
            C::NetworkError,
        ),
        (
            Phase::Dns,
            550,
            "5.1.2 There is no such domain",
            C::NoSuchDomain,
        ),
        (
            Phase::Dns,
            556,
            "5.1.10 The domain takes no mail",
            C::NoSuchDomain,
        ),
        (
            Phase::Dns,
            550,
            "5.4.4 No host to deliver to",
            C::NoSuchDomain,
        ),
        (
            Phase::Connect,
            451,
            "4.4.1 No answer: the user unknown",
            C::NetworkError,
        ),
        (
            Phase::Greeting,
            451,
            "4.4.2 The connection broke",
            C::NetworkError,
        ),
        (
            Phase::Tls,
            451,
            "4.7.5 No valid certificate",
            C::TlsRequired,
        ),
        (
            Phase::Tls,
            451,
            "4.4.2 The connection broke",
            C::NetworkError,
        ),
        (
            Phase::Message,
            451,
            "4.4.2 The connection broke",
            C::NetworkError,
        ),
        (
            Phase::Render,
            550,
            "5.6.3 The host takes no 8-bit content",
            C::ContentRejected,
        ),
        (
            Phase::Render,
            552,
            "5.3.4 Too large for the host",
            C::MessageTooLarge,
        ),
    ] {
        check(phase, code, text, class);
    }
}

#[test]
fn the_phase_tells_a_bare_code_apart() {
    check(Phase::Greeting, 554, "No", C::IpBlocked);
    check(Phase::Greeting, 450, "Busy", C::NetworkError);
    check(Phase::Rcpt, 552, "No", C::MailboxFull);
    check(Phase::Message, 552, "No", C::MessageTooLarge);
    check(Phase::Message, 550, "mailbox unavailable", C::Other);
    check(Phase::Message, 421, "Bye", C::NetworkError);
}

#[test]
fn words_in_addresses_and_links_are_not_the_servers() {
    check(Phase::Rcpt, 550, "<spam@blacklist.example>... no", C::Other);
    check(
        Phase::Rcpt,
        550,
        "5.1.1 <quota@example.com> see https://example.com/help?reason=dmarc#spam",
        C::NoSuchUser,
    );
}

#[test]
fn rules_of_an_operator_come_first() {
    let own = Table::parse(
        r#"
[[rule]]
class = "spam_rejected"
phases = ["rcpt"]
codes = ["55*"]
enhanced = ["5.1.1"]
any = ["user unknown", "gone fishing"]
and = ["code 17"]
unless = ["truly"]
"#,
    );
    let classifier = Classifier::extended(own.unwrap());
    let class = |phase, code, text| classifier.classify(phase, &Reply::received(code, text));
    let (text, other) = ("5.1.1 User unknown, code 17", "5.1.1 User unknown, code 18");
    assert_eq!(class(Phase::Rcpt, 550, text), C::SpamRejected);
    assert_eq!(class(Phase::Mail, 550, text), C::PolicyRejected);
    assert_eq!(class(Phase::Rcpt, 450, text), C::NoSuchUser);
    assert_eq!(class(Phase::Rcpt, 550, other), C::NoSuchUser);
    let truly = "5.1.1 User truly unknown, gone fishing, code 17";
    assert_eq!(class(Phase::Rcpt, 550, truly), C::NoSuchUser);
}

#[test]
fn a_table_without_rules_knows_nothing() {
    let classifier = Classifier::from_table(Table::default());
    let reply = Reply::received(550, "5.1.1 User unknown");
    assert_eq!(classifier.classify(Phase::Rcpt, &reply), C::Other);
}

#[test]
fn a_status_code_within_the_text_counts_where_none_leads() {
    check(Phase::Rcpt, 550, "sorry (#5.1.1)", C::NoSuchUser);
    check(Phase::Rcpt, 450, "sorry (#5.1.1)", C::Other);
    check(Phase::Rcpt, 550, "5.0.0 sorry (#5.1.1)", C::Other);
}

/// `fixtures/replies/*.jsonl`: replies as their senders document them, with our class.
#[test]
fn documented_replies_have_their_class() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/replies");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_none_or(|extension| extension != "jsonl")
        {
            continue;
        }
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let member = |key: &str| row.get(key).and_then(|value| value.as_str()).unwrap();
            let (code, text) = member("reply").split_once(' ').unwrap();
            let reply = Reply::received(code.parse().unwrap(), text);
            let class = STANDARD.classify(member("phase").parse().unwrap(), &reply);
            if class.name() != member("class") {
                wrong.push(format!("{class} is not {line}"));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 120, "only {count} replies");
}

proptest::proptest! {
    #[test]
    fn any_text_has_a_class(code in 200u16..600, text in "\\PC{0,400}") {
        let reply = Reply::received(code, &text);
        STANDARD.classify(Phase::Rcpt, &reply);
    }
}
