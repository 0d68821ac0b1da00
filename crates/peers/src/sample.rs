//! What `postbell dev` sends on its own, and what it invites people to type.
//!
//! Date and Message-ID are left out of the sample: the server adds them.

use bytes::Bytes;

use crate::client::Mail;

const BOUNDARY: &str = "=_a-quiet-afternoon";

/// Who gets the sample, and under which subject.
const RECIPIENTS: &[(&str, &str)] = &[
    ("ada", "Ada, your tickets are here"),
    ("bounce", "A letter to nobody"),
    ("delay", "Please come again later"),
    ("softbounce", "A letter to a full mailbox"),
    ("reply", "Did everything arrive?"),
    ("vacation", "Are you there?"),
    ("bounce-later", "A letter to somebody who has left"),
    ("complaint", "One more newsletter"),
    ("open", "Have you seen this?"),
    ("click", "Your tickets, once more"),
    ("unsubscribe", "The last newsletter"),
];

/// A mail for each thing that can happen to one: taken, refused, delayed, mailbox full; answered by a
/// person and by a program, bounced later, complained about, opened, clicked, unsubscribed from.
pub fn mails(from_domain: &str, to_domain: &str) -> Vec<Mail> {
    let mail = |(local_part, subject): &(&str, &str)| {
        let from = format!("hello@{from_domain}");
        let to = format!("{local_part}@{to_domain}");
        Mail {
            body: body(&from, &to, subject),
            from,
            to: vec![to],
            parameters: String::new(),
        }
    };
    RECIPIENTS.iter().map(mail).collect()
}

fn body(from: &str, to: &str, subject: &str) -> Bytes {
    let lines = format!(
        r#"From: Postbell <{from}>
To: <{to}>
Subject: {subject}
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="{BOUNDARY}"

--{BOUNDARY}
Content-Type: text/plain; charset=us-ascii

Hello!

The night train to Lisbon leaves at 21:34 from platform 7.
Your tickets: https://example.com/tickets/42

A good journey!

--{BOUNDARY}
Content-Type: text/html; charset=us-ascii

<!doctype html>
<html lang="en">
<body style="font-family: sans-serif">
<p>Hello!</p>
<p>The night train to Lisbon leaves at <b>21:34</b> from platform 7.</p>
<p><a href="https://example.com/tickets/42">Your tickets</a></p>
<p>A good journey!</p>
</body>
</html>

--{BOUNDARY}--
"#
    );
    lines.replace('\n', "\r\n").into()
}

/// Commands to copy and paste that submit a mail to this port, and the addresses to try.
pub fn invitation(host: &str, smtp_port: u16, from_domain: &str, user: &str) -> String {
    format!(
        r#"Send some mail yourself, from any address at {from_domain}:

  swaks --server {host}:{smtp_port} --from you@{from_domain} --to ada@example.org

  printf 'From: you@{from_domain}\r\nTo: ada@example.org\r\nSubject: Hello\r\n\r\nHello, Ada!\r\n' |
    curl smtp://{host}:{smtp_port} --mail-from you@{from_domain} --mail-rcpt ada@example.org -T -

  python3 -c 'import smtplib; smtplib.SMTP("{host}", {smtp_port}).sendmail(
      "you@{from_domain}", "ada@example.org",
      "From: you@{from_domain}\nTo: ada@example.org\nSubject: Hello\n\nHello, Ada!\n")'

With TLS and a password, as on a server of your own:

  swaks --server {host}:{smtp_port} --tls --auth PLAIN --auth-user {user} --auth-password {user} \
    --from you@{from_domain} --to ada@example.org

The recipient decides what happens, at any domain:

  bounce@      does not exist: 550 5.1.1
  softbounce@  is full: 552 5.2.2
  delay@       says come again: 451 4.7.1, then takes it
  slow@        takes its time over the final dot
  anything     else is taken

And these answer a moment after they have taken it, at the door for mail that comes in:

  reply@         a person answers
  bounce-later@  its server reports that it could not be delivered
  complaint@     its provider reports that it was not wanted
  vacation@      a program answers that somebody is away

And of HTML mail, by way of the tracking host:

  open@          somebody looks at it
  click@         somebody follows its first link
  unsubscribe@   somebody wants no more
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_mail() {
        let mails = mails("sample.test", "example.org");
        let to: Vec<_> = mails.iter().map(|mail| mail.to[0].as_str()).collect();
        assert_eq!(
            to,
            [
                "ada@example.org",
                "bounce@example.org",
                "delay@example.org",
                "softbounce@example.org",
                "reply@example.org",
                "vacation@example.org",
                "bounce-later@example.org",
                "complaint@example.org",
                "open@example.org",
                "click@example.org",
                "unsubscribe@example.org"
            ]
        );
        for mail in &mails {
            let text = str::from_utf8(&mail.body).unwrap();
            assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 78));
            assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
            assert!(text.ends_with(&format!("--{BOUNDARY}--\r\n")));
        }
        let shown = str::from_utf8(&mails[0].body)
            .unwrap()
            .replace("\r\n", "\n");
        insta::assert_snapshot!(shown, @r#"
        From: Postbell <hello@sample.test>
        To: <ada@example.org>
        Subject: Ada, your tickets are here
        MIME-Version: 1.0
        Content-Type: multipart/alternative; boundary="=_a-quiet-afternoon"

        --=_a-quiet-afternoon
        Content-Type: text/plain; charset=us-ascii

        Hello!

        The night train to Lisbon leaves at 21:34 from platform 7.
        Your tickets: https://example.com/tickets/42

        A good journey!

        --=_a-quiet-afternoon
        Content-Type: text/html; charset=us-ascii

        <!doctype html>
        <html lang="en">
        <body style="font-family: sans-serif">
        <p>Hello!</p>
        <p>The night train to Lisbon leaves at <b>21:34</b> from platform 7.</p>
        <p><a href="https://example.com/tickets/42">Your tickets</a></p>
        <p>A good journey!</p>
        </body>
        </html>

        --=_a-quiet-afternoon--
        "#);
    }

    #[test]
    fn the_invitation_names_host_port_and_domain() {
        insta::assert_snapshot!(invitation("127.0.0.1", 2525, "sample.test", "dev"), @r#"
        Send some mail yourself, from any address at sample.test:

          swaks --server 127.0.0.1:2525 --from you@sample.test --to ada@example.org

          printf 'From: you@sample.test\r\nTo: ada@example.org\r\nSubject: Hello\r\n\r\nHello, Ada!\r\n' |
            curl smtp://127.0.0.1:2525 --mail-from you@sample.test --mail-rcpt ada@example.org -T -

          python3 -c 'import smtplib; smtplib.SMTP("127.0.0.1", 2525).sendmail(
              "you@sample.test", "ada@example.org",
              "From: you@sample.test\nTo: ada@example.org\nSubject: Hello\n\nHello, Ada!\n")'

        With TLS and a password, as on a server of your own:

          swaks --server 127.0.0.1:2525 --tls --auth PLAIN --auth-user dev --auth-password dev \
            --from you@sample.test --to ada@example.org

        The recipient decides what happens, at any domain:

          bounce@      does not exist: 550 5.1.1
          softbounce@  is full: 552 5.2.2
          delay@       says come again: 451 4.7.1, then takes it
          slow@        takes its time over the final dot
          anything     else is taken

        And these answer a moment after they have taken it, at the door for mail that comes in:

          reply@         a person answers
          bounce-later@  its server reports that it could not be delivered
          complaint@     its provider reports that it was not wanted
          vacation@      a program answers that somebody is away

        And of HTML mail, by way of the tracking host:

          open@          somebody looks at it
          click@         somebody follows its first link
          unsubscribe@   somebody wants no more
        "#);
    }
}
