"""Other people's clients at our doors: smtplib, openssl, swaks, msmtp and lettre submit, and a real
Postfix hands in what its own clients give it."""

import email
import smtplib
import subprocess

from program import CERTS, USERNAME
from world import RECIPIENTS, SECURE, SENDER, Case, message, tls_context, wait


class Clients(Case):
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
        self.need("openssl")
        door = self.world.postbell
        self.s_client("-connect", f"127.0.0.1:{door.smtps}")
        self.s_client("-connect", f"127.0.0.1:{door.smtp}", "-starttls", "smtp", "-tls1_2")

    def test_swaks_with_starttls_and_login(self):
        self.swaks_under_tls("login", "LOGIN", "--tls", self.world.postbell.smtp)

    def test_swaks_with_implicit_tls_and_plain(self):
        self.swaks_under_tls("plain", "PLAIN", "--tls-on-connect", self.world.postbell.smtps)

    def test_swaks(self):
        self.need("swaks")
        self.program(
            "swaks",
            "--server", f"127.0.0.1:{self.world.postbell.smtp}",
            "--from", SENDER,
            "--to", at("swaks"),
            "--header", "Subject: From swaks",
            "--body", "Sent by swaks.",
        )  # fmt: skip
        self.check_delivered("swaks", "From swaks", "Sent by swaks.")

    def test_lettre(self):
        port = str(self.world.postbell.smtp)
        program = self.world.programs / "examples" / "lettre"
        self.program(program, "127.0.0.1", port, SENDER, at("lettre"))
        self.check_delivered("lettre", "From lettre", "Sent by lettre.")

    def test_lines_that_begin_with_dots(self):
        text = ".\n..\n.hidden\nplain\n.\n"
        self.submit(message("dots", "Dots", text))
        self.check_delivered("dots", "Dots", text.strip())

    def test_two_recipients_have_return_paths_of_their_own(self):
        mail = message("ann", "For two", "Hello.\n")
        mail.replace_header("To", f"{at('ann')}, {at('bob')}")
        self.submit(mail)
        ann = self.check_delivered("ann", "For two", "Hello.")
        bob = self.check_delivered("bob", "For two", "Hello.")
        paths = {ann["Return-Path"], bob["Return-Path"]}
        self.assertEqual(len(paths), 2, paths)

    def test_unknown_user_bounces(self):
        self.submit(message("nobody", "To nobody", "Hello?\n"))
        _, _, document = self.world.receiver.wait_for("Bounce", at("nobody"))
        self.assertEqual(document["bounce"]["bounceType"], "Permanent")
        self.assertIn("550", document["bounce"]["bouncedRecipients"][0]["diagnosticCode"])

    def test_webhooks_verify_with_standardwebhooks(self):
        try:
            from standardwebhooks.webhooks import Webhook, WebhookVerificationError
        except ImportError:
            self.skipTest("the Python package standardwebhooks is not installed")
        self.submit(message("ann", "Signed", "Hello.\n"))
        headers, body, document = self.world.receiver.wait_for("Delivery", at("ann"))
        webhook = Webhook(self.world.postbell.secret)
        self.assertEqual(webhook.verify(body, headers)["id"], document["id"])
        self.assertEqual(headers["webhook-id"], document["id"])
        with self.assertRaises(WebhookVerificationError):
            webhook.verify(body.replace(b"Delivery", b"Delivers"), headers)

    def test_msmtp_with_starttls_and_login(self):
        self.msmtp("msmtp", self.world.postbell.smtp, "--tls-starttls=on", "--auth=plain")

    def test_msmtp_with_implicit_tls_and_login(self):
        self.msmtp("hello", self.world.postbell.smtps, "--tls-starttls=off", "--auth=login")

    def test_postfix_relays_what_its_sendmail_takes(self):
        for count in range(3):
            mail = message("sendmail", f"From sendmail {count}", f"Hello {count}.\n")
            self.sendmail(mail)
        for count in range(3):
            subject, text = f"From sendmail {count}", f"Hello {count}."
            mail = self.check_delivered("sendmail", subject, text)
            self.assertIn("with ESMTPSA", "".join(mail.get_all("Received")))
        self.check_relayed(at("sendmail"), 3)

    def test_postfix_relays_under_implicit_tls(self):
        self.sendmail(message("wrapped", "Wrapped", "Hello.\n", SECURE))
        mail = self.check_delivered("wrapped", "Wrapped", "Hello.", SECURE)
        self.assertIn("with ESMTPSA", "".join(mail.get_all("Received")))
        self.check_relayed(f"wrapped@{SECURE}", 1)

    def test_postfix_relays_what_smtp_source_sends(self):
        self.need("smtp-source")
        count, sessions, octets = "40", "5", "3000"
        self.program(
            "smtp-source", "-d", "-m", count, "-s", sessions, "-l", octets,
            "-f", SENDER, "-t", at("source"), f"127.0.0.1:{self.world.client.port}",
        )  # fmt: skip
        mails = self.check_relayed(at("source"), 40)
        names = {email.message_from_bytes(mail)["Message-ID"] for mail in mails}
        self.assertEqual(len(names), 40)

    def s_client(self, *options):
        """A session of one command under TLS, the certificate verified."""
        trust = ("-CAfile", CERTS / "ca.pem", "-verify_return_error")
        trust += ("-verify_hostname", "localhost")
        command = ("openssl", "s_client", "-quiet", "-crlf", *options, *trust)
        done = subprocess.run(
            command, input="QUIT\n", capture_output=True, text=True, timeout=60
        )
        self.assertIn("221 2.0.0", done.stdout, done.stderr)

    def swaks_under_tls(self, user, mechanism, tls, port):
        self.need("swaks")
        self.program(
            "swaks",
            "--server", f"127.0.0.1:{port}",
            tls,
            "--auth", mechanism,
            "--auth-user", USERNAME,
            "--auth-password", self.world.postbell.password,
            "--from", SENDER,
            "--to", at(user),
            "--header", f"Subject: By {mechanism}",
            "--body", "Sent by swaks.",
        )  # fmt: skip
        mail = self.check_delivered(user, f"By {mechanism}", "Sent by swaks.")
        self.assertIn("with ESMTPSA", "".join(mail.get_all("Received")))

    def msmtp(self, user, port, *options):
        self.need("msmtp")
        mail = message(user, "From msmtp", ".\nSent by msmtp.\n..\n")
        password = f"echo {self.world.postbell.password}"
        self.program(
            "msmtp", "--host=localhost", f"--port={port}", "--tls=on", *options,
            f"--tls-trust-file={CERTS / 'ca.pem'}", f"--user={USERNAME}",
            f"--passwordeval={password}", f"--from={SENDER}", at(user),
            input=mail.as_bytes(),
        )  # fmt: skip
        mail = self.check_delivered(user, "From msmtp", ".\nSent by msmtp.\n..")
        self.assertIn("with ESMTPSA", "".join(mail.get_all("Received")))

    def sendmail(self, mail):
        etc = self.world.client.etc
        command = ("/usr/sbin/sendmail", "-C", etc, "-f", SENDER, "-i", mail["To"])
        self.program(*command, input=mail.as_bytes())

    def check_relayed(self, address, count):
        """The Postfix that handed them in holds none any more, and each arrived once."""
        mails = self.wait_for_mails(address, count)
        wait(lambda: self.world.client.queued() == 0, "end of the client's queue")
        sent = self.world.client.log_lines(f"to=<{address}>", "status=sent")
        self.assertEqual(len(sent), count)
        self.assertEqual(len(self.wait_for_mails(address, count)), count)
        return mails

    def program(self, *command, input=None):
        done = subprocess.run(command, input=input, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def at(user):
    return f"{user}@{RECIPIENTS}"
