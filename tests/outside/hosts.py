"""Other people's MX hosts, with TLS and without: a Postfix, whose TLS is OpenSSL's, and an Exim,
whose TLS is GnuTLS's."""

import smtplib

from world import EXIM, EXIM_SECURE, SECURE, SENDER, Case, message

DOTS = ".\n..\n.hidden\nplain\n...\n.\n"
EIGHT = "Grüße, 你好, naïve. Each line is eight-bit.\n.Ünd ein Punkt.\n"


class Hosts(Case):
    def test_postfix_under_tls(self):
        self.submit(message("hello", "To Postfix", "Hello.\n", SECURE))
        mail = self.check_delivered("hello", "To Postfix", "Hello.", SECURE)
        self.assertIn("with ESMTPS ", "".join(mail.get_all("Received")))

    def test_postfix_lines_that_begin_with_dots_under_tls(self):
        self.check_text("dots", DOTS, SECURE)

    def test_exim(self):
        self.check_text("hello", "Hello.\n", EXIM)
        mail = self.check_delivered("hello", "hello", "Hello.", EXIM)
        self.assertIn("with esmtp ", "".join(mail.get_all("Received")))

    def test_exim_under_tls(self):
        self.check_text("hello", "Hello.\n", EXIM_SECURE)
        mail = self.check_delivered("hello", "hello", "Hello.", EXIM_SECURE)
        self.assertIn("with esmtps ", "".join(mail.get_all("Received")))

    def test_exim_lines_that_begin_with_dots(self):
        self.check_text("dots", DOTS, EXIM)
        self.check_text("dots", DOTS, EXIM_SECURE)

    def test_exim_eight_bits(self):
        self.need_exim()
        for domain in (EXIM, EXIM_SECURE):
            self.submit_eight_bits(f"eight@{domain}")
            mail = self.check_delivered("eight", "Eight bits", EIGHT.strip(), domain)
            self.assertEqual(mail["Content-Transfer-Encoding"], "8bit")

    def test_exim_two_recipients_have_return_paths_of_their_own(self):
        self.need_exim()
        mail = message("ann", "For two", "Hello.\n", EXIM)
        mail.replace_header("To", f"ann@{EXIM}, bob@{EXIM}")
        self.submit(mail)
        mails = [self.check_delivered(user, "For two", "Hello.", EXIM) for user in ("ann", "bob")]
        paths = {mail["Return-Path"] for mail in mails}
        self.assertEqual(len(paths), 2, paths)

    def test_exim_unknown_user_bounces(self):
        self.need_exim()
        for domain in (EXIM, EXIM_SECURE):
            to = f"nobody@{domain}"
            self.submit(message("nobody", "To nobody", "Hello?\n", domain))
            _, _, document = self.world.receiver.wait_for("Bounce", to)
            self.assertEqual(document["bounce"]["bounceType"], "Permanent")
            diagnostic = document["bounce"]["bouncedRecipients"][0]["diagnosticCode"]
            self.assertIn("550", diagnostic)
            self.assertIn("no such user here", diagnostic)

    def test_exim_many(self):
        """Over connections that are kept, each arrives once."""
        self.need_exim()
        with smtplib.SMTP("127.0.0.1", self.world.postbell.smtp, timeout=30) as client:
            for count in range(50):
                client.send_message(message("many", f"Many {count}", "Hello.\n", EXIM_SECURE))
        self.wait_for_mails(f"many@{EXIM_SECURE}", 50)

    def check_text(self, user, text, domain):
        if domain in (EXIM, EXIM_SECURE):
            self.need_exim()
        self.submit(message(user, user, text, domain))
        self.check_delivered(user, user, text.strip(), domain)

    def submit_eight_bits(self, to):
        header = f"From: {SENDER}\r\nTo: {to}\r\nSubject: Eight bits\r\nMIME-Version: 1.0\r\n"
        header += "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
        raw = (header + "\r\n" + EIGHT.replace("\n", "\r\n")).encode()
        with smtplib.SMTP("127.0.0.1", self.world.postbell.smtp, timeout=30) as client:
            client.sendmail(SENDER, [to], raw, mail_options=["BODY=8BITMIME"])
