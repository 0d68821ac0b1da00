use postbell_model::authentication::{Aligned, DkimAlgorithm, DmarcPolicy, DmarcRequest};

use super::*;

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn found() -> Authentication {
    Authentication {
        spf: SpfResult {
            verdict: Verdict::SoftFail,
            identity: SpfIdentity::Helo,
            domain: Some(domain("mx.example.com")),
        },
        dkim: vec![
            DkimResult {
                verdict: Verdict::Pass,
                domain: Some(domain("example.com")),
                selector: Some("a.b".to_owned()),
                algorithm: Some(DkimAlgorithm::RsaSha256),
                reason: None,
            },
            DkimResult {
                verdict: Verdict::PermError,
                reason: Some("there is no key".to_owned()),
                ..DkimResult::default()
            },
        ],
        dmarc: DmarcResult {
            verdict: Verdict::Pass,
            from: Some(domain("example.com")),
            request: Some(DmarcRequest {
                policy: DmarcPolicy::Reject,
                percent: 50,
            }),
            aligned: vec![Aligned::Dkim(domain("example.com"))],
        },
        arc: ArcResult {
            verdict: Verdict::Pass,
            sets: 2,
            sealer: Some(domain("list.example.org")),
        },
    }
}

#[test]
fn results_are_written() {
    let expected = "Authentication-Results: mx.example.net;\r\n\
        \tspf=softfail smtp.helo=mx.example.com;\r\n\
        \tdkim=pass header.d=example.com header.s=a.b header.a=rsa-sha256;\r\n\
        \tdkim=permerror reason=\"there is no key\";\r\n\
        \tdmarc=pass (p=reject pct=50) header.from=example.com;\r\n\
        \tarc=pass (i=2 d=list.example.org) smtp.remote-ip=192.0.2.1\r\n";
    let client = Some([192, 0, 2, 1].into());
    assert_eq!(field(&domain("mx.example.net"), client, &found()), expected);
}

#[test]
fn nothing_found_is_said_as_well() {
    let expected = "Authentication-Results: mx.example.net;\r\n\
        \tspf=none;\r\n\tdkim=none;\r\n\tdmarc=none;\r\n\tarc=none\r\n";
    let found = Authentication::default();
    assert_eq!(field(&domain("mx.example.net"), None, &found), expected);
}

#[test]
fn a_value_stays_a_value() {
    let mut found = found();
    found.dkim.first_mut().unwrap().selector =
        Some("x; dmarc=pass\r\nSubject: \"\\\u{e9}".to_owned());
    found.dkim.first_mut().unwrap().reason = Some("\")\r\n\r\nbody".to_owned());
    found.spf.domain = Some(domain("[192.0.2.1]"));
    let written = field(&domain("mx.example.net"), None, &found);
    assert!(written.contains("header.s=\"x; dmarc=pass??Subject: \\\"\\\\?\""));
    assert!(written.contains("smtp.helo=\"[192.0.2.1]\""));
    assert!(written.is_ascii());
    let header = Header::find(written.as_bytes()).unwrap();
    assert_eq!(header.fields().count(), 1);
    assert_eq!(header.as_bytes().len(), written.len());
}

#[test]
fn a_long_result_is_folded() {
    let mut found = found();
    found.dkim.first_mut().unwrap().domain =
        Some(domain(&format!("{}.example.com", "a".repeat(60))));
    let written = field(&domain("mx.example.net"), None, &found);
    let lines = written.trim_end().split("\r\n");
    assert!(
        lines
            .skip(1)
            .all(|line| line.starts_with('\t') && line.len() < 90)
    );
}

#[test]
fn fields_that_claim_to_be_ours_are_removed() {
    let ours = domain("mx.example.net");
    for claim in [
        "mx.example.net; spf=pass",
        " MX.Example.NET.; spf=pass",
        "mx.example.net/1; spf=pass",
        "mx.example.net./1; spf=pass",
        "\"mx.example.net.\"/1; spf=pass",
        "mx.example.net.. 1; spf=pass",
        "(hi (there)) mx.example.net 1; none",
        "\r\n \"mx.example.net\"; none",
        "\"mx.\\example.net\"; none",
        "mx.example.net",
        "mx.example.net(a); none",
        "(unclosed mx.example.org; none",
    ] {
        let text = format!(
            "From: a\r\nAuthentication-results:{claim}\r\nTo: b\r\n\r\nAuthentication-Results: mx.example.net\r\n"
        );
        let cleaned = without(&Bytes::from(text), &ours).unwrap();
        let rest = "From: a\r\nTo: b\r\n\r\nAuthentication-Results: mx.example.net\r\n";
        assert_eq!(cleaned, rest, "{claim}");
    }
    for other in [
        "mx.example.org; none",
        "mx.example.net.evil.example; none",
        "xmx.example.net;",
        "mx.example.org./1; none",
    ] {
        let text = Bytes::from(format!("Authentication-Results: {other}\r\n\r\n"));
        let cleaned = without(&text, &ours).unwrap();
        assert_eq!(
            cleaned.as_ptr(),
            text.as_ptr(),
            "{other}: nothing is copied"
        );
        assert_eq!(cleaned, text);
    }
}
