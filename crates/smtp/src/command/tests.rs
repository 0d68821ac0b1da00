use super::*;

fn check(line: &str, expected: &str) {
    let got = match parse(line.as_bytes()) {
        Ok(command) => format!("{command:?}"),
        Err(error) => error.reply().to_string(),
    };
    assert!(got.starts_with(expected), "{line}: {got}");
}

#[test]
fn verbs_are_read_in_any_case_and_strictly() {
    check("ehlo client.example", "Ehlo(\"client.example\")");
    check("HELO [192.0.2.1]", "Helo(\"[192.0.2.1]\")");
    check("EHLO [IPv6:2001:db8::1]", "Ehlo");
    check("dAtA", "Data");
    check("DATA  ", "Data");
    check("DATA now", "501 5.5.4");
    check("NOOP anything at all", "Noop");
    check("HELO", "501 5.5.4");
    check("EHLO a b", "501 5.5.4");
    check("EHLO <script>alert(1)</script>", "501 5.5.4");
    check("VRFY", "501 5.5.4");
    check("VRFY bob", "Vrfy");
    check("STARTTLS", "StartTls");
    check("STARTTLS now", "501 5.5.4 The command takes no argument");
    check("AUTH", "501 5.5.4 The command needs an argument");
    check(
        "auth plain AGEAYg==",
        "Auth(AuthParams { mechanism: \"PLAIN\", initial: Some([redacted]) })",
    );
    check(
        "AUTH LOGIN",
        "Auth(AuthParams { mechanism: \"LOGIN\", initial: None })",
    );
    check("AUTH PLAIN a b", "501 5.5.4 Bad parameter");
    check("AUTH PL+AIN", "501 5.5.4 Bad parameter");
    check("BDAT 99999999999999999999 LAST", "NotOffered");
    check("XCLIENT ADDR=127.0.0.1", "Unknown");
    check("PROXY TCP4 127.0.0.1 127.0.0.1 1 2", "Unknown");
    check(" EHLO x", "Unknown");
    check("", "Unknown");
    check("GET / HTTP/1.1", "Foreign");
    check("Host: mail.example.com", "Foreign");
}

#[test]
fn reverse_paths() {
    check("MAIL FROM:<>", "Mail(MailParams { from: Null");
    check(
        "mail from:<a@Example.ORG>",
        "Mail(MailParams { from: Mailbox(a@example.org)",
    );
    check(r#"MAIL FROM:<"a\"b> c"@example.org>"#, "Mail");
    check("MAIL FROM:<a@[127.0.0.1]>", "Mail");
    check("MAIL FROM: <a@example.org>", "501 5.1.7");
    check("MAIL FROM :<a@example.org>", "501 5.5.2");
    check("MAIL FROM:a@example.org", "501 5.1.7");
    check("MAIL FROM:<a@example.org", "501 5.1.7");
    check("MAIL FROM:<a@@example.org>", "501 5.1.7");
    check("MAIL FROM:<a@-bad-.example>", "501 5.1.7");
    check(
        "MAIL FROM:<@a.example,@b.example:user@c.example>",
        "553 5.1.3",
    );
    check("MAIL", "501 5.5.2");
    check("MAIL TO:<a@example.org>", "501 5.5.2");
    assert_eq!(
        parse(b"MAIL FROM:<\xff@example.org>"),
        Err(CommandError::NotUtf8)
    );
}

#[test]
fn forward_paths() {
    check("RCPT TO:<POSTMASTER>", "Rcpt(RcptParams { to: Postmaster");
    check(
        "RCPT TO:<bob@example.com>",
        "Rcpt(RcptParams { to: Mailbox(bob@example.com)",
    );
    check("RCPT TO:<bob+tag/x=1@example.com>", "Rcpt");
    check("RCPT TO:<>", "501 5.1.3");
    check("RCPT TO:<bob>", "501 5.1.3");
    check("RCPT TO:<bob@example.com\t>", "501 5.1.3");
    check("RCPT TO:<@relay.example:bob@example.com>", "553 5.1.3");
    check("RCPT TO:<bob%elsewhere.example@example.com>", "553 5.1.3");
    check("RCPT TO:<elsewhere.example!bob@example.com>", "553 5.1.3");
    check(
        "RCPT TO:<\"bob@elsewhere.example\"@example.com>",
        "553 5.1.3",
    );
    check("RCPT TO:<bob@example.com@elsewhere.example>", "501 5.1.3");
    check("RCPT TO:<bob@example.com> SIZE=1", "555 5.5.4");
    check("RCPT TO:<bob@example.com>NOTIFY=SUCCESS", "501 5.5.4");
}

#[test]
fn mail_parameters() {
    let params = |line: &str| match parse(line.as_bytes()) {
        Ok(Command::Mail(params)) => params,
        other => panic!("{line}: {other:?}"),
    };
    let all = params("MAIL FROM:<a@example.org> size=1000 BODY=8bitmime SMTPUTF8");
    assert_eq!(
        (all.size, all.eight_bit, all.smtputf8),
        (Some(1000), true, true)
    );
    let seven = params("MAIL FROM:<a@example.org> BODY=7BIT");
    assert!(!seven.eight_bit && !seven.non_ascii);
    assert!(params("MAIL FROM:<jörg@example.org> SMTPUTF8").non_ascii);
    assert!(params("MAIL FROM:<a@münchen.example> SMTPUTF8").non_ascii);
    let huge = params("MAIL FROM:<a@example.org> SIZE=99999999999999999999");
    assert_eq!(huge.size, Some(u64::MAX));
    for (parameters, reply) in [
        ("SIZE=", "501 5.5.4"),
        ("SIZE", "501 5.5.4"),
        ("SIZE=-1", "501 5.5.4"),
        ("SIZE=999999999999999999999", "501 5.5.4"),
        ("SIZE=1 SIZE=1", "501 5.5.4"),
        ("BODY=8BITMIME BODY=7BIT", "501 5.5.4"),
        ("BODY=BINARYMIME", "501 5.5.4"),
        ("SMTPUTF8=yes", "501 5.5.4"),
        ("SMTPUTF8 SMTPUTF8", "501 5.5.4"),
        ("AUTH=", "501 5.5.4"),
        ("AUTH", "501 5.5.4"),
        ("AUTH=a+3", "501 5.5.4"),
        ("AUTH=a+3d", "501 5.5.4"),
        ("AUTH=<> AUTH=<>", "501 5.5.4"),
        ("NOTIFY=NEVER", "555 5.5.4"),
        ("=", "555 5.5.4"),
    ] {
        check(&format!("MAIL FROM:<a@example.org> {parameters}"), reply);
    }
}

#[test]
fn report_parameters() {
    check(
        "MAIL FROM:<a@example.org> ret=hdrs ENVID=QQ+2B1",
        "Mail(MailParams { from: Mailbox(a@example.org), non_ascii: false, size: None, \
         eight_bit: false, smtputf8: false, ret: Some(Headers), envid: Some(\"QQ+1\") })",
    );
    check(
        "RCPT TO:<b@example.org> notify=success,Delay ORCPT=rfc822;B@example.org",
        "Rcpt(RcptParams { to: Mailbox(b@example.org), non_ascii: false, report: ReportRequest { \
         notify: Some(Notify { success: true, failure: false, delay: true }), \
         orcpt: Some(OriginalRecipient { kind: \"rfc822\", address: \"B@example.org\" }) } })",
    );
    for (parameters, reply) in [
        ("RET=HALF", "501 5.5.4 RET is FULL or HDRS"),
        ("RET", "501 5.5.4 RET is FULL or HDRS"),
        ("RET=", "501 5.5.4 RET is FULL or HDRS"),
        ("RET=FULL RET=FULL", "501 5.5.4 A parameter was given twice"),
        ("ENVID=", "501 5.5.4 ENVID is"),
        ("ENVID", "501 5.5.4 ENVID is"),
        ("ENVID=a+0A", "501 5.5.4 ENVID is"),
        ("ENVID=a ENVID=b", "501 5.5.4 A parameter was given twice"),
    ] {
        check(&format!("MAIL FROM:<a@example.org> {parameters}"), reply);
    }
    for (parameters, reply) in [
        ("NOTIFY", "501 5.5.4 NOTIFY is"),
        ("NOTIFY=", "501 5.5.4 NOTIFY is"),
        ("NOTIFY=NEVER,SUCCESS", "501 5.5.4 NOTIFY is"),
        ("NOTIFY=DELAY,DELAY", "501 5.5.4 NOTIFY is"),
        ("NOTIFY=NEVER NOTIFY=NEVER", "501 5.5.4 A parameter"),
        ("ORCPT=a@example.org", "501 5.5.4 ORCPT is"),
        ("ORCPT=rfc822;a+0D+0A", "501 5.5.4 ORCPT is"),
        ("ORCPT=rfc822;a ORCPT=rfc822;a", "501 5.5.4 A parameter"),
        ("RET=FULL", "555 5.5.4"),
    ] {
        check(&format!("RCPT TO:<a@example.org> {parameters}"), reply);
    }
}
