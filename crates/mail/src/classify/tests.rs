use std::collections::BTreeMap;
use std::path::Path;

use BounceClass as C;

use super::*;

fn check(phase: Phase, code: u16, text: &str, class: BounceClass) {
    assert_eq!(
        classify(phase, &Reply::received(code, text)),
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

/// The classes that a reason of another vocabulary may be in ours.
fn classes(vocabulary: &str, reason: &str) -> &'static [C] {
    match (vocabulary, reason) {
        ("sisimai", "userunknown" | "hasmoved")
        | ("bounceparser", "user_unknown")
        | ("kumomta", "InvalidRecipient")
        | ("postalsys", "user_unknown" | "invalid_address") => &[C::NoSuchUser],
        // A refusal after the body, by the recipient's own choice.
        ("sisimai", "filtered") => &[C::NoSuchUser, C::PolicyRejected],
        ("sisimai", "hostunknown" | "notaccept")
        | ("bounceparser", "domain_error")
        | ("kumomta", "BadDomain") => &[C::NoSuchDomain],
        ("sisimai", "mailboxfull") | ("postalsys", "mailbox_full") | ("kumomta", "QuotaIssues") => {
            &[C::MailboxFull]
        }
        ("sisimai", "suspend") | ("postalsys", "mailbox_disabled") => &[C::MailboxDisabled],
        ("sisimai", "mesgtoobig" | "exceedlimit") => &[C::MessageTooLarge],
        ("sisimai", "contenterror" | "notcompliantrfc" | "virusdetected")
        | ("postalsys", "virus_detected") => &[C::ContentRejected],
        ("sisimai", "spamdetected") | ("postalsys", "spam_blocked") => &[C::SpamRejected],
        ("sisimai", "policyviolation") => &[C::PolicyRejected, C::ContentRejected],
        ("sisimai", "rejected" | "securityerror") | ("postalsys", "policy_blocked") => {
            &[C::PolicyRejected]
        }
        ("sisimai", "authfailure") | ("postalsys", "auth_failure") => &[C::AuthenticationFailed],
        ("sisimai", "blocked" | "badreputation" | "requireptr")
        | ("zone-mta", "blacklist")
        | ("postalsys", "ip_blacklisted" | "domain_blacklisted") => &[C::IpBlocked],
        ("sisimai", "speeding" | "toomanyconn")
        | ("zone-mta", "capacity")
        | ("postalsys", "rate_limited" | "greylisting") => &[C::RateLimited],
        ("sisimai", "norelaying") | ("postalsys", "relay_denied") => &[C::RelayDenied],
        ("sisimai", "networkerror") => &[C::NetworkError],
        ("postalsys", "server_error") => &[C::NetworkError, C::Other],
        ("sisimai", "failedstarttls") => &[C::TlsRequired],
        ("sisimai", "expired") => &[C::Expired, C::NetworkError],
        ("sisimai", "mailererror" | "systemerror" | "syntaxerror" | "onhold") => &[C::Other],
        _ => &[],
    }
}

/// Replies of other projects' test suites, in their vocabularies.
#[test]
fn most_replies_of_the_corpus_have_their_class() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/smtp/replies.jsonl");
    let Ok(lines) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not there", path.display());
        return;
    };
    let mut scores: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut taken_for_dead = 0;
    for line in lines.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| row.get(key).and_then(|value| value.as_str());
        // Without a reply there is no SMTP conversation: the text is a report's prose.
        let (Some(said), Some(reason), Some(vocabulary)) =
            (text("reply"), text("reason"), text("vocabulary"))
        else {
            continue;
        };
        let accepted = accepted(&row, vocabulary, reason);
        if text("quality") == Some("unscorable") || accepted.is_empty() {
            continue;
        }
        let code = said.get(..3).and_then(|code| code.parse().ok()).unwrap();
        let reply = Reply::received(code, said.get(4..).unwrap_or(""));
        let class = classify(phase(said), &reply);
        let hit = accepted.contains(&class);
        if !hit {
            println!("{class} is not {reason}: {said:.160}");
        }
        let dead = accepted.iter().any(|class| class.means_dead_address());
        taken_for_dead += u32::from(class.means_dead_address() && !dead);
        let both = [format!("{vocabulary} {reason}"), "all".to_owned()];
        for key in both {
            let score = scores.entry(key).or_default();
            score.0 += u32::from(hit);
            score.1 += 1;
        }
    }
    for (key, (hits, rows)) in &scores {
        println!("{key}: {hits} of {rows}");
    }
    println!("taken for dead without cause: {taken_for_dead}");
    let (hits, rows) = scores.get("all").copied().unwrap();
    assert!(hits * 100 >= rows * 85, "{hits} of {rows}");
    assert!(taken_for_dead * 100 <= rows, "{taken_for_dead} of {rows}");
}

fn accepted(row: &serde_json::Value, vocabulary: &str, reason: &str) -> Vec<C> {
    let also = row.get("accept").and_then(|value| value.as_array());
    also.into_iter()
        .flatten()
        .filter_map(|value| value.as_str())
        .chain([reason])
        .flat_map(|reason| classes(vocabulary, reason))
        .copied()
        .collect()
}

/// The corpus does not say in answer to what; some replies do, and most are to RCPT.
fn phase(said: &str) -> Phase {
    if said.contains("end of DATA") {
        Phase::Message
    } else if said.contains("MAIL FROM command") || said.contains("[MAIL_FROM]") {
        Phase::Mail
    } else {
        Phase::Rcpt
    }
}
