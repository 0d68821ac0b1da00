"""Other people's servers at the inbound door: smtplib, swaks and a Postfix bring mail from outside, and
a Postfix that takes mail and can't deliver it reports that of the right delivery."""

import smtplib
import subprocess
from email.message import EmailMessage

from world import LATER, SENDER, Case, message, tls_context, wait

DOMAIN = SENDER.partition("@")[2]
SUPPORT = f"support@{DOMAIN}"
STRANGER = "joe@stranger.test"
# What a header field may not become, wherever it is told.
ENCODED = "=?utf-8?q?Joe=0D=0AX-Injected:_yes=00?="


class Inbound(Case):
    def test_inbound_smtplib(self):
        with self.door() as client:
            client.send_message(self.mail("From smtplib"))
        self.check_received("From smtplib", "ESMTP")

    def test_inbound_smtplib_with_starttls(self):
        with self.door() as client:
            client.starttls(context=tls_context())
            client.send_message(self.mail("Under STARTTLS"))
        self.check_received("Under STARTTLS", "ESMTPS")

    def test_inbound_swaks(self):
        self.need("swaks")
        command = (
            "swaks", "--server", f"127.0.0.1:{self.world.postbell.inbound}", "--tls",
            "--from", STRANGER, "--to", SUPPORT,
            "--header", "Subject: From swaks", "--body", "Hello.",
        )  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.check_received("From swaks", "ESMTPS")

    def test_inbound_nobody_relays(self):
        for to, reply in ((f"nobody@{DOMAIN}.test", b"5.7.1"), (f"x@no.{DOMAIN}", b"5.7.1")):
            with self.door() as client, self.assertRaises(smtplib.SMTPRecipientsRefused) as raised:
                client.sendmail(STRANGER, [to], "Subject: Hi\r\n\r\nHi\r\n")
            code, text = raised.exception.recipients[to]
            self.assertEqual((code, text[:5]), (550, reply))

    def test_inbound_postfix(self):
        """A Postfix whose route for our domain is the inbound door, under TLS that it insists on."""
        mail = self.mail("From Postfix")
        command = ("/usr/sbin/sendmail", "-C", self.world.later.etc, "-f", STRANGER, "-i", SUPPORT)
        subprocess.run(command, input=mail.as_bytes(), check=True, timeout=60)
        self.check_received("From Postfix", "ESMTPS")
        sent = wait(lambda: self.world.later.log_lines(f"to=<{SUPPORT}>", "status="), "attempt")
        self.assertIn("status=sent", sent[0])

    def test_inbound_postfix_reports_later(self):
        """It takes both; of one it finds that the box is none, and says so to the return path."""
        for user in ("dead", "ann"):
            self.submit(message(user, "To be reported", "Hello.\n", LATER))
        to = f"dead@{LATER}"
        _, _, delivered = self.world.receiver.wait_for("Delivery", to)
        _, _, document = self.world.receiver.wait_for("Bounce", to)
        bounce = document["bounce"]
        self.assertTrue(bounce["late"])
        self.assertEqual(document["mail"]["deliveryId"], delivered["mail"]["deliveryId"])
        self.assertEqual(bounce["report"]["matchedBy"], "address")
        self.assertEqual(bounce["enhancedCode"], "5.1.1")
        self.assertEqual(bounce["bounceSubType"], "no_such_user")
        self.assertEqual(bounce["reportingMta"], f"mx.{LATER}")
        self.world.receiver.wait_for("Delivery", f"ann@{LATER}")
        wait(lambda: self.world.later.queued() == 0, "end of its queue")
        self.assertFalse(self.world.receiver.told("Bounce", f"ann@{LATER}"))

    def test_inbound_fields_stay_on_their_line(self):
        """Encoded CR, LF and NUL, and a raw BEL; what Python's header classes would not write."""
        part = f'name="a{ENCODED}.pdf"; filename*=utf-8\'\'b%0D%0AX-Injected%3A%20yes%00.pdf'
        lines = [
            f"From: {ENCODED} <{STRANGER}>",
            f"To: {SUPPORT}",
            "Subject: Injected =?utf-8?b?DQpYLUluamVjdGVkOiB5ZXMA?=",
            "Message-ID: <1=?utf-8?q?=0D=0AX-Injected:_yes?=\a@stranger.test>",
            "MIME-Version: 1.0",
            'Content-Type: multipart/mixed; boundary="b"',
            "",
            "--b",
            f"Content-Type: application/pdf; {part}",
            f"Content-Disposition: attachment; {part}",
            f"Content-ID: <{ENCODED}\a>",
            "",
            "x",
            "--b--",
            "",
        ]
        with self.door() as client:
            client.sendmail(STRANGER, [SUPPORT], "\r\n".join(lines).encode())
        document = self.received("Injected")
        for path, text in strings(document["received"]):
            if not path.startswith(("text_body", "html_body", "strippedText")):
                self.assertFalse(any(ord(letter) < 32 or letter == "\x7f" for letter in text), path)
        raw = self.raw(document)
        ours, _, theirs = raw.partition(b"From: ")
        self.assertNotIn(b"X-Injected", ours)
        self.assertEqual(b"From: " + theirs, "\r\n".join(lines).encode())
        self.assertNotIn("X-Injected", self.world.postbell.log.read_text())

    def door(self):
        return smtplib.SMTP("localhost", self.world.postbell.inbound, timeout=30)

    def mail(self, subject):
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = STRANGER, SUPPORT, subject
        mail.set_content("Hello.\n")
        return mail

    def received(self, subject):
        """The document that tells of it."""
        return self.world.receiver.wait_for_document(
            lambda document: document["eventType"] == "Received"
            and document["received"]["subject"].startswith(subject),
            f"Received of {subject}",
        )

    def check_received(self, subject, protocol):
        document = self.received(subject)
        told = document["received"]
        self.assertEqual(told["fromAddress"], STRANGER)
        self.assertEqual(told["strippedText"].strip(), "Hello.")
        self.assertIn(f" with {protocol}\r\n".encode(), self.raw(document))

    def raw(self, document):
        """The octets as they are kept."""
        postbell = self.world.postbell
        words = ("inbound", "raw", document["received"]["inboundId"])
        command = (postbell.binary, *words, "--config", postbell.config)
        return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


def strings(value, path=""):
    """Every string in a document, with where it stands."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from strings(member, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from strings(member, f"{path}[{index}]")
