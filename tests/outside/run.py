"""Other people's programs on both sides of Postbell: smtplib, swaks and lettre submit, a real
Postfix is the recipients' MX, and the `standardwebhooks` package checks the webhooks.

    python3 tests/outside/run.py --programs target/ci

Its last line counts; a line `SKIPPED …` before it says what was left out and why.
"""

import argparse
import contextlib
import email
import email.policy
import shutil
import smtplib
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
from email.message import EmailMessage
from pathlib import Path

import postfix
from dns import Dns
from program import CERTS, USERNAME, Postbell, free_ports
from signatures import Signatures
from webhook import Receiver

RECIPIENTS = "recipients.test"
SENDER = "orders@sender.test"
USERS = ["smtplib", "starttls", "implicit", "swaks", "login", "plain", "lettre", "dots", "ann", "bob"]


class World:
    """Everything that runs while the tests do."""

    def __init__(self, stack, programs):
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="postbell-")))
        folder.chmod(0o755)
        self.programs = programs
        self.receiver = stack.enter_context(Receiver())
        (port,) = free_ports(1)
        mx = postfix.Postfix(folder / "postfix", port, RECIPIENTS, USERS)
        self.postfix = stack.enter_context(mx)
        dns = stack.enter_context(Dns(f"mx.{RECIPIENTS}", "127.0.0.1"))
        (folder / "postbell").mkdir()
        self.postbell = stack.enter_context(
            Postbell(
                programs / "postbell",
                folder / "postbell",
                dns.port,
                port,
                SENDER.partition("@")[2],
                self.receiver.url,
            )
        )


class Outside(Signatures, unittest.TestCase):
    programs = None
    world = None

    @classmethod
    def setUpClass(cls):
        reason = postfix.why_not()
        if reason:
            raise unittest.SkipTest(reason)
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.world = World(stack, cls.programs)

    def test_smtplib(self):
        self.submit(message("smtplib", "From smtplib", "Grüße von smtplib.\n"))
        self.check_delivered("smtplib", "From smtplib", "Grüße von smtplib.")

    def test_smtplib_with_starttls_and_login(self):
        self.submit_under_tls(message("starttls", "Under STARTTLS", "Hello.\n"))
        mail = self.check_delivered("starttls", "Under STARTTLS", "Hello.")
        self.assertIn("with ESMTPSA", "".join(mail.get_all("Received")))

    def test_smtplib_with_implicit_tls_and_login(self):
        door, tls = self.world.postbell, tls_context()
        with smtplib.SMTP_SSL("localhost", door.smtps, timeout=30, context=tls) as client:
            client.login(USERNAME, door.password)
            client.send_message(message("implicit", "Under TLS", "Hello.\n"))
        mail = self.check_delivered("implicit", "Under TLS", "Hello.")
        self.assertIn("with ESMTPSA", "".join(mail.get_all("Received")))

    def test_smtplib_with_a_wrong_password(self):
        door = self.world.postbell
        with smtplib.SMTP("localhost", door.smtp, timeout=30) as client:
            client.starttls(context=tls_context())
            with self.assertRaises(smtplib.SMTPAuthenticationError) as raised:
                client.login(USERNAME, "wrong")
            self.assertEqual(raised.exception.smtp_code, 535)

    def test_openssl_s_client(self):
        if shutil.which("openssl") is None:
            self.skipTest("openssl is not installed")
        door = self.world.postbell
        self.s_client("-connect", f"127.0.0.1:{door.smtps}")
        self.s_client("-connect", f"127.0.0.1:{door.smtp}", "-starttls", "smtp", "-tls1_2")

    def test_swaks_with_starttls_and_login(self):
        self.swaks_under_tls("login", "LOGIN", "--tls", self.world.postbell.smtp)

    def test_swaks_with_implicit_tls_and_plain(self):
        self.swaks_under_tls("plain", "PLAIN", "--tls-on-connect", self.world.postbell.smtps)

    def test_swaks(self):
        if shutil.which("swaks") is None:
            self.skipTest("swaks is not installed")
        self.program(
            "swaks",
            "--server", f"127.0.0.1:{self.world.postbell.smtp}",
            "--from", SENDER,
            "--to", address("swaks"),
            "--header", "Subject: From swaks",
            "--body", "Sent by swaks.",
        )  # fmt: skip
        self.check_delivered("swaks", "From swaks", "Sent by swaks.")

    def test_lettre(self):
        port = str(self.world.postbell.smtp)
        program = self.world.programs / "examples" / "lettre"
        self.program(program, "127.0.0.1", port, SENDER, address("lettre"))
        self.check_delivered("lettre", "From lettre", "Sent by lettre.")

    def test_lines_that_begin_with_dots(self):
        text = ".\n..\n.hidden\nplain\n.\n"
        self.submit(message("dots", "Dots", text))
        self.check_delivered("dots", "Dots", text.strip())

    def test_two_recipients_have_return_paths_of_their_own(self):
        mail = message("ann", "For two", "Hello.\n")
        mail.replace_header("To", f"{address('ann')}, {address('bob')}")
        self.submit(mail)
        ann = self.check_delivered("ann", "For two", "Hello.")
        bob = self.check_delivered("bob", "For two", "Hello.")
        paths = {ann["Return-Path"], bob["Return-Path"]}
        self.assertEqual(len(paths), 2, paths)

    def test_unknown_user_bounces(self):
        self.submit(message("nobody", "To nobody", "Hello?\n"))
        _, _, document = self.world.receiver.wait_for("Bounce", address("nobody"))
        self.assertEqual(document["bounce"]["bounceType"], "Permanent")
        self.assertIn("550", document["bounce"]["bouncedRecipients"][0]["diagnosticCode"])

    def test_webhooks_verify_with_standardwebhooks(self):
        try:
            from standardwebhooks.webhooks import Webhook, WebhookVerificationError
        except ImportError:
            self.skipTest("the Python package standardwebhooks is not installed")
        self.submit(message("ann", "Signed", "Hello.\n"))
        headers, body, document = self.world.receiver.wait_for("Delivery", address("ann"))
        webhook = Webhook(self.world.postbell.secret)
        self.assertEqual(webhook.verify(body, headers)["id"], document["id"])
        self.assertEqual(headers["webhook-id"], document["id"])
        with self.assertRaises(WebhookVerificationError):
            webhook.verify(body.replace(b"Delivery", b"Delivers"), headers)

    def submit(self, mail):
        with smtplib.SMTP("127.0.0.1", self.world.postbell.smtp, timeout=30) as client:
            self.assertEqual(client.send_message(mail), {})

    def submit_under_tls(self, mail):
        door = self.world.postbell
        with smtplib.SMTP("localhost", door.smtp, timeout=30) as client:
            client.starttls(context=tls_context())
            client.login(USERNAME, door.password)
            self.assertEqual(client.send_message(mail), {})

    def s_client(self, *options):
        """A session of one command under TLS, the certificate verified."""
        trust = ("-CAfile", CERTS / "ca.pem", "-verify_return_error", "-verify_hostname", "localhost")
        command = ("openssl", "s_client", "-quiet", "-crlf", *options, *trust)
        done = subprocess.run(
            command, input="QUIT\n", capture_output=True, text=True, timeout=60
        )
        self.assertIn("221 2.0.0", done.stdout, done.stderr)

    def swaks_under_tls(self, user, mechanism, tls, port):
        if shutil.which("swaks") is None:
            self.skipTest("swaks is not installed")
        self.program(
            "swaks",
            "--server", f"127.0.0.1:{port}",
            tls,
            "--auth", mechanism,
            "--auth-user", USERNAME,
            "--auth-password", self.world.postbell.password,
            "--from", SENDER,
            "--to", address(user),
            "--header", f"Subject: By {mechanism}",
            "--body", "Sent by swaks.",
        )  # fmt: skip
        mail = self.check_delivered(user, f"By {mechanism}", "Sent by swaks.")
        self.assertIn("with ESMTPSA", "".join(mail.get_all("Received")))

    def program(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def check_delivered(self, user, subject, text):
        """The mail is in the user's box as it was sent, Postfix's log says so, and so do the
        webhooks. Returns the mail."""
        to = address(user)
        for kind in ("Send", "Delivery"):
            self.world.receiver.wait_for(kind, to)
        mail = wait(lambda: self.find(user, subject), f"mail for {to}")
        self.assertEqual(mail.get_content().strip(), text)
        for field in ("Date", "Message-ID", "From", "To"):
            self.assertEqual(len(mail.get_all(field, [])), 1, field)
        self.assertIn("postbell.sender.test", "".join(mail.get_all("Received")))
        wait(lambda: self.logged(to), f"status=sent for {to} in Postfix's log")
        return mail

    def find(self, user, subject):
        for raw in self.world.postfix.mails(user):
            mail = email.message_from_bytes(raw, policy=email.policy.default)
            if mail["Subject"] == subject:
                return mail
        return None

    def logged(self, to):
        lines = self.world.postfix.log.read_text().splitlines()
        return any(f"to=<{to}>" in line and "status=sent" in line for line in lines)


def tls_context():
    """Trusts the development certificates alone."""
    return ssl.create_default_context(cafile=CERTS / "ca.pem")


def message(user, subject, text):
    mail = EmailMessage()
    mail["From"] = SENDER
    mail["To"] = address(user)
    mail["Subject"] = subject
    mail.set_content(text)
    return mail


def address(user):
    return f"{user}@{RECIPIENTS}"


def wait(look, what, seconds=30):
    """What `look` finds. It is asked again and again: files don't tell when they change."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"no {what} within {seconds} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=Path, required=True, help="the folder of the binaries")
    Outside.programs = parser.parse_args().programs.resolve()
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Outside)
    total = suite.countTestCases()
    close(unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite), total)


def close(result, total):
    for case, reason in result.skipped:
        print(f"SKIPPED outside peers, {str(case).split()[0]}: {reason}")
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    if result.testsRun == 0:
        # What all tests need could not be set up: none of them ran.
        failed, skipped = (total, 0) if failed else (0, total)
    print(f"outside: {total - failed - skipped} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
