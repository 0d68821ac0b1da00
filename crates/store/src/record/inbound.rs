//! Facts that came in by mail.

use postbell_model::inbound::{
    Attachment, Content, Excerpt, FeedbackReport, LateReport, MailFact, ReplyFact,
};
use postbell_model::{Address, BounceType, EnhancedCode, EventKind, Fact, WorkspaceFact};
use serde::{Deserialize, Serialize};

use super::authentication::{AuthenticationRecord, authentication_record, sender};
use super::json;

fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Report {
    inbound: String,
    matched_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    diagnostic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_mta: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reporting_mta: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    is_permanent: bool,
}

/// The payload of a late `Bounce`, a late `DeliveryDelay` or a `Confirmed`: `late` tells it from one
/// that has an attempt.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Late {
    late: Option<Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bounce_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmation: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Feedback {
    inbound: String,
    matched_by: String,
    feedback_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrival_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reporting_mta: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Unsubscribed {
    method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    inbound: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Reply {
    inbound: String,
    via: String,
    is_from_recipient: bool,
    #[serde(skip_serializing_if = "is_false")]
    is_forwarded: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also_to: Vec<String>,
    content: ContentRecord,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Mail {
    inbound: String,
    mail_from: String,
    recipient: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "is_false")]
    is_suspicious: bool,
    content: ContentRecord,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct ContentRecord {
    from: String,
    from_name: String,
    to: Vec<String>,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<String>,
    text: ExcerptRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<ExcerptRecord>,
    stripped_text: ExcerptRecord,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<AttachmentRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_reply: Option<String>,
    authentication: AuthenticationRecord,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct ExcerptRecord {
    text: String,
    #[serde(skip_serializing_if = "is_false")]
    is_cut: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct AttachmentRecord {
    part: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    media_type: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_id: Option<String>,
}

/// The payload of a fact that came in; `None`: it is none of these.
pub(super) fn write(fact: &Fact) -> Option<String> {
    let late = |report| Late {
        late: Some(report_record(report)),
        ..Late::default()
    };
    Some(match fact {
        Fact::LateBounce {
            class,
            bounce_type,
            report,
        } => json(&Late {
            class: Some(class.name().to_owned()),
            bounce_type: Some(bounce_type.name().to_owned()),
            ..late(report)
        }),
        Fact::LateDelay { report } => json(&late(report)),
        Fact::Confirmed {
            confirmation,
            report,
        } => json(&Late {
            confirmation: Some(confirmation.name().to_owned()),
            ..late(report)
        }),
        Fact::Complaint(report) | Fact::NotSpam(report) => json(&feedback_record(report)),
        Fact::Reply(reply) => json(&reply_record(reply)),
        Fact::Unsubscribe { method, inbound } => json(&Unsubscribed {
            method: method.name().to_owned(),
            inbound: inbound.map(|inbound| inbound.to_string()),
        }),
        _ => return None,
    })
}

/// Reads the payload of such a fact; `None`: it is that of another fact.
pub(super) fn read(kind: EventKind, json: &str) -> Option<Result<Fact, String>> {
    let reading = match kind {
        EventKind::Bounce | EventKind::DeliveryDelay if !json.starts_with("{\"late\":{") => {
            return None;
        }
        EventKind::Bounce | EventKind::DeliveryDelay | EventKind::Confirmed => read_late,
        EventKind::Complaint | EventKind::NotSpam => read_feedback,
        EventKind::Reply => |_, json: &str| read_reply(json),
        EventKind::Unsubscribe => |_, json: &str| read_unsubscribed(json),
        _ => return None,
    };
    Some(reading(kind, json))
}

fn read_late(kind: EventKind, json: &str) -> Result<Fact, String> {
    let late: Late = parse(json)?;
    let report = Box::new(read_report(late.late.ok_or("it has no report")?)?);
    let bounce_type = late.bounce_type.as_deref().map(str::parse::<BounceType>);
    Ok(match kind {
        EventKind::Bounce => Fact::LateBounce {
            class: named(late.class, "class")?,
            bounce_type: bounce_type.and_then(Result::ok).ok_or("it has no type")?,
            report,
        },
        EventKind::DeliveryDelay => Fact::LateDelay { report },
        _ => Fact::Confirmed {
            confirmation: named(late.confirmation, "confirmation")?,
            report,
        },
    })
}

fn read_feedback(kind: EventKind, json: &str) -> Result<Fact, String> {
    let record: Feedback = parse(json)?;
    let report = Box::new(FeedbackReport {
        inbound: named(Some(record.inbound), "id")?,
        matched_by: named(Some(record.matched_by), "match")?,
        feedback_type: record.feedback_type,
        user_agent: record.user_agent,
        arrival_date: record.arrival_date,
        source_ip: record.source_ip,
        reporting_mta: record.reporting_mta,
    });
    Ok(match kind {
        EventKind::NotSpam => Fact::NotSpam(report),
        _ => Fact::Complaint(report),
    })
}

fn read_unsubscribed(json: &str) -> Result<Fact, String> {
    let record: Unsubscribed = parse(json)?;
    let inbound = record.inbound.map(|id| named(Some(id), "id")).transpose()?;
    Ok(Fact::Unsubscribe {
        method: named(Some(record.method), "method")?,
        inbound,
    })
}

fn read_reply(json: &str) -> Result<Fact, String> {
    let record: Reply = parse(json)?;
    Ok(Fact::Reply(Box::new(ReplyFact {
        inbound: named(Some(record.inbound), "id")?,
        via: named(Some(record.via), "address")?,
        is_from_recipient: record.is_from_recipient,
        is_forwarded: record.is_forwarded,
        also_to: record.also_to,
        content: read_content(record.content)?,
    })))
}

/// The payload of a `Received`.
pub(super) fn write_mail(mail: &MailFact) -> String {
    json(&Mail {
        inbound: mail.inbound.to_string(),
        mail_from: mail.mail_from.clone(),
        recipient: mail.recipient.as_str().to_owned(),
        tag: mail.tag.clone(),
        headers: mail.headers.clone(),
        is_suspicious: mail.is_suspicious,
        content: content_record(&mail.content),
    })
}

pub(super) fn read_mail(json: &str) -> Result<WorkspaceFact, String> {
    let record: Mail = parse(json)?;
    let recipient = Address::parse(&record.recipient);
    Ok(WorkspaceFact::Received(Box::new(MailFact {
        inbound: named(Some(record.inbound), "id")?,
        mail_from: record.mail_from,
        recipient: recipient.map_err(|_| "its recipient is malformed")?,
        tag: record.tag,
        headers: record.headers,
        is_suspicious: record.is_suspicious,
        content: read_content(record.content)?,
    })))
}

fn report_record(report: &LateReport) -> Report {
    Report {
        inbound: report.inbound.to_string(),
        matched_by: report.matched_by.name().to_owned(),
        recipient: report.recipient.clone(),
        status: report.status.map(|status| status.to_string()),
        code: report.code,
        diagnostic: report.diagnostic.clone(),
        remote_mta: report.remote_mta.clone(),
        reporting_mta: report.reporting_mta.clone(),
        class: report.class.map(|class| class.name().to_owned()),
        is_permanent: report.is_permanent,
    }
}

fn read_report(record: Report) -> Result<LateReport, String> {
    let status = record.status.as_deref().map(EnhancedCode::parse);
    let class = record.class.map(|class| named(Some(class), "class"));
    Ok(LateReport {
        inbound: named(Some(record.inbound), "id")?,
        matched_by: named(Some(record.matched_by), "match")?,
        recipient: record.recipient,
        status: status.flatten(),
        code: record.code,
        diagnostic: record.diagnostic,
        remote_mta: record.remote_mta,
        reporting_mta: record.reporting_mta,
        class: class.transpose()?,
        is_permanent: record.is_permanent,
    })
}

fn feedback_record(report: &FeedbackReport) -> Feedback {
    Feedback {
        inbound: report.inbound.to_string(),
        matched_by: report.matched_by.name().to_owned(),
        feedback_type: report.feedback_type.clone(),
        user_agent: report.user_agent.clone(),
        arrival_date: report.arrival_date.clone(),
        source_ip: report.source_ip.clone(),
        reporting_mta: report.reporting_mta.clone(),
    }
}

fn reply_record(reply: &ReplyFact) -> Reply {
    Reply {
        inbound: reply.inbound.to_string(),
        via: reply.via.name().to_owned(),
        is_from_recipient: reply.is_from_recipient,
        is_forwarded: reply.is_forwarded,
        also_to: reply.also_to.clone(),
        content: content_record(&reply.content),
    }
}

fn content_record(content: &Content) -> ContentRecord {
    let attachments = content
        .attachments
        .iter()
        .map(|attachment| AttachmentRecord {
            part: attachment.part,
            name: attachment.name.clone(),
            media_type: attachment.media_type.clone(),
            size: attachment.size,
            content_id: attachment.content_id.clone(),
        });
    ContentRecord {
        from: content.from.clone(),
        from_name: content.from_name.clone(),
        to: content.to.clone(),
        subject: content.subject.clone(),
        message_id: content.message_id.clone(),
        in_reply_to: content.in_reply_to.clone(),
        references: content.references.clone(),
        text: excerpt_record(&content.text),
        html: content.html.as_ref().map(excerpt_record),
        stripped_text: excerpt_record(&content.stripped_text),
        attachments: attachments.collect(),
        auto_reply: content.auto_reply.map(|class| class.name().to_owned()),
        authentication: authentication_record(&content.authentication),
    }
}

fn read_content(record: ContentRecord) -> Result<Content, String> {
    let attachments = record.attachments.into_iter().map(|attachment| Attachment {
        part: attachment.part,
        name: attachment.name,
        media_type: attachment.media_type,
        size: attachment.size,
        content_id: attachment.content_id,
    });
    let auto_reply = record.auto_reply.map(|class| named(Some(class), "class"));
    Ok(Content {
        from: record.from,
        from_name: record.from_name,
        to: record.to,
        subject: record.subject,
        message_id: record.message_id,
        in_reply_to: record.in_reply_to,
        references: record.references,
        text: excerpt(record.text),
        html: record.html.map(excerpt),
        stripped_text: excerpt(record.stripped_text),
        attachments: attachments.collect(),
        auto_reply: auto_reply.transpose()?,
        authentication: sender(record.authentication)?,
    })
}

fn excerpt_record(excerpt: &Excerpt) -> ExcerptRecord {
    ExcerptRecord {
        text: excerpt.text.clone(),
        is_cut: excerpt.is_cut,
    }
}

fn excerpt(record: ExcerptRecord) -> Excerpt {
    Excerpt {
        text: record.text,
        is_cut: record.is_cut,
    }
}

pub(super) fn parse<'j, T: Deserialize<'j>>(json: &'j str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// What this name stands for.
pub(super) fn named<T: std::str::FromStr>(name: Option<String>, what: &str) -> Result<T, String> {
    let name = name.ok_or_else(|| format!("it has no {what}"))?;
    name.parse().map_err(|_| format!("its {what} is unknown"))
}

#[cfg(test)]
mod tests {
    use postbell_model::Domain;
    use postbell_model::authentication::{
        Aligned, ArcResult, Authentication, DkimAlgorithm, DkimResult, DmarcPolicy, DmarcRequest,
        DmarcResult, SpfIdentity, SpfResult, Verdict,
    };
    use postbell_model::inbound::{
        AutoReplyClass, Confirmation, MatchedBy, UnsubscribeMethod, Via,
    };
    use postbell_model::{BounceClass, InboundId, Timestamp};

    use super::super::authentication::{read_authentication, write_authentication};
    use super::*;

    fn id() -> InboundId {
        InboundId::new(Timestamp::from_micros(1_700_000_000_000_000))
    }

    fn authentication() -> Authentication {
        let domain = || Domain::parse("example.com").ok();
        Authentication {
            spf: SpfResult {
                verdict: Verdict::Pass,
                identity: SpfIdentity::Helo,
                domain: domain(),
            },
            dkim: vec![DkimResult {
                verdict: Verdict::Fail,
                domain: domain(),
                selector: Some("s1".to_owned()),
                algorithm: Some(DkimAlgorithm::RsaSha256),
                reason: Some("the body was changed".to_owned()),
            }],
            dmarc: DmarcResult {
                verdict: Verdict::Pass,
                from: domain(),
                request: Some(DmarcRequest {
                    policy: DmarcPolicy::Reject,
                    percent: 50,
                }),
                aligned: domain().into_iter().map(Aligned::Spf).collect(),
            },
            arc: ArcResult {
                verdict: Verdict::Pass,
                sets: 2,
                sealer: domain(),
            },
        }
    }

    fn content() -> Content {
        Content {
            from: "b@example.com".to_owned(),
            from_name: "B".to_owned(),
            to: vec!["a@example.org".to_owned()],
            subject: "Re: hello".to_owned(),
            message_id: Some("2@example.com".to_owned()),
            in_reply_to: Some("1@example.org".to_owned()),
            references: vec!["1@example.org".to_owned()],
            text: Excerpt::of("yes\n> no".to_owned(), 100),
            html: Some(Excerpt::of("<p>yes".to_owned(), 3)),
            stripped_text: Excerpt::of("yes".to_owned(), 100),
            attachments: vec![Attachment {
                part: 3,
                name: Some("a.pdf".to_owned()),
                media_type: "application/pdf".to_owned(),
                size: 7,
                content_id: None,
            }],
            auto_reply: Some(AutoReplyClass::Vacation),
            authentication: authentication(),
        }
    }

    fn report() -> Box<LateReport> {
        Box::new(LateReport {
            inbound: id(),
            matched_by: MatchedBy::ReturnedToken,
            recipient: Some("B@example.com".to_owned()),
            status: EnhancedCode::parse("5.1.1"),
            code: Some(550),
            diagnostic: "no such user".to_owned(),
            remote_mta: None,
            reporting_mta: Some("mx.example.com".to_owned()),
            class: Some(BounceClass::NoSuchUser),
            is_permanent: true,
        })
    }

    fn feedback() -> Box<FeedbackReport> {
        Box::new(FeedbackReport {
            inbound: id(),
            matched_by: MatchedBy::Address,
            feedback_type: "abuse".to_owned(),
            user_agent: Some("x/1".to_owned()),
            arrival_date: None,
            source_ip: Some("192.0.2.1".to_owned()),
            reporting_mta: None,
        })
    }

    #[test]
    fn facts_come_back_as_they_were() {
        let reply = ReplyFact {
            inbound: id(),
            via: Via::ReturnPath,
            is_from_recipient: true,
            is_forwarded: true,
            also_to: vec!["c@example.com".to_owned()],
            content: content(),
        };
        let report = report();
        for fact in [
            Fact::LateBounce {
                class: BounceClass::NoSuchUser,
                bounce_type: BounceType::Permanent,
                report: report.clone(),
            },
            Fact::LateDelay {
                report: report.clone(),
            },
            Fact::Confirmed {
                confirmation: Confirmation::Relayed,
                report,
            },
            Fact::Complaint(feedback()),
            Fact::NotSpam(feedback()),
            Fact::Reply(Box::new(reply)),
            Fact::Unsubscribe {
                method: UnsubscribeMethod::OneClick,
                inbound: Some(id()),
            },
        ] {
            let written = super::super::write(&fact);
            let read = super::super::read(fact.kind(), written.as_deref());
            assert_eq!(read, Ok(fact));
        }
    }

    #[test]
    fn mail_comes_back_as_it_was() {
        let mail = MailFact {
            inbound: id(),
            mail_from: String::new(),
            recipient: Address::parse("support+x@acme.example").unwrap(),
            tag: Some("x".to_owned()),
            headers: vec![("Subject".to_owned(), "Re: hello".to_owned())],
            is_suspicious: true,
            content: content(),
        };
        let written = write_mail(&mail);
        assert_eq!(
            read_mail(&written),
            Ok(WorkspaceFact::Received(Box::new(mail)))
        );
        assert!(read_mail("{}").is_err());
    }

    #[test]
    fn what_was_found_out_comes_back_from_its_column() {
        let written = write_authentication(&authentication());
        assert_eq!(read_authentication(&written), Ok(authentication()));
        assert!(read_authentication("{}").is_err());
    }
}
