"""DKIM signatures of mail that other people's hosts have received, verified by other people's
programs: one message with everything in it, the fixtures, and every file of a corpus that may be
sent. Each mail has four: the sender's domain and the operator's sign with RSA and with Ed25519."""

import collections
import re
import smtplib
import tempfile
from pathlib import Path

import dkim_verify
from world import OPERATOR, RECIPIENTS, SENDER, Case, message

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures" / "reports"
CORPORA = ROOT.parent / "shared" / "corpora"
# Those of the corpora that are whole messages.
CORPUS = ("mime", "html-eml", "autoreply", "bounces")
ALGORITHMS = ["rsa-sha256", "ed25519-sha256"] * 2
# Fields that a sender may not have, or that would make the mail another's.
FOREIGN = re.compile(rb"(from|sender)[ \t]*:", re.IGNORECASE)


class Signed(Case):
    def setUp(self):
        reason = dkim_verify.why_not()
        if reason:
            self.skipTest(reason)

    def test_the_records_that_are_told_are_what_is_asked_for(self):
        self.assertEqual(set(self.world.checked), {SENDER.partition("@")[2], OPERATOR})
        for domain, checked in self.world.checked.items():
            self.assertTrue(checked["ready"], checked)
            states = [key["state"] for key in checked["keys"]]
            self.assertEqual(states, ["active", "active"], domain)

    def test_one_message_is_verified_and_a_changed_one_is_not(self):
        text = "Grüße  mit\tLeerzeichen \n\n.\nund einem Punkt.\n \n\n"
        self.submit(message("signed", "Signed, ünd folded " + "again " * 20, text))
        (mail,) = self.received("signed", 1)
        self.assertEqual(dkim_verify.verify(mail, self.world.keys), ALGORITHMS)
        changed = mail.replace(b"Punkt", b"Pfund")
        self.assertNotEqual(mail, changed)
        with self.assertRaises(AssertionError):
            dkim_verify.verify(changed, self.world.keys)
        with self.opendkim() as opendkim:
            self.assertTrue(opendkim.verifies(mail))
            self.assertFalse(opendkim.verifies(changed))

    def test_the_fixtures_are_verified(self):
        self.check_files("fixtures", sorted(FIXTURES.glob("*.eml")), 0)

    def test_every_file_of_the_corpora_that_may_be_sent_is_verified(self):
        if not CORPORA.exists():
            # It is not part of this repository: that it is not there is no fault of the machine.
            print(f"left out: {CORPORA} is not there")
            return
        found = (path for name in CORPUS for path in sorted((CORPORA / name).rglob("*")))
        self.check_files("corpus", [path for path in found if path.is_file()], 60)

    def check_files(self, user, files, unread_max):
        """Sends each as one of ours; every mail that arrives has to be verified by both."""
        counts, door = collections.Counter(), self.world.postbell.smtp
        for path in files:
            counts[sent(door, f"{user}@{RECIPIENTS}", path)] += 1
        mails = self.received(user, counts["sent"])
        wrong = []
        with self.opendkim() as opendkim:
            for mail in mails:
                said = {"dkimpy": self.verified_by_dkimpy(mail), "opendkim": opendkim.verifies(mail)}
                counts.update(said.items())
                if False in said.values():
                    wrong.append((source(mail), said))
        print(dict(counts), end=" ")
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(counts["sent"], len(files) * 0.9)
        for program in ("dkimpy", "opendkim"):
            self.assertLessEqual(counts[program, None], unread_max)

    def verified_by_dkimpy(self, mail):
        """Whether all signatures are right; None where the header is one that dkimpy reads in no
        mail."""
        import dkim

        try:
            return dkim_verify.verify(mail, self.world.keys) == ALGORITHMS
        except dkim.MessageFormatError:
            return None
        except AssertionError:
            return False

    def received(self, user, count):
        """The mails of a user as they went over the wire; the host keeps them with its own line
        ends."""
        mails = self.wait_for_mails(f"{user}@{RECIPIENTS}", count, seconds=120)
        return [re.sub(rb"\r?\n", b"\r\n", mail) for mail in mails]

    def opendkim(self):
        if not dkim_verify.OpenDkim.is_installed():
            self.skipTest("opendkim is not installed; dkimpy has verified")
        return dkim_verify.OpenDkim(self.world.keys)


def sent(door, to, path):
    """`sent`, or how the door refused it. A connection each, since a client that is refused again and
    again is sent away."""
    raw = re.sub(rb"\r*\n|\r", b"\r\n", path.read_bytes()).replace(b"\0", b"")
    try:
        with smtplib.SMTP("127.0.0.1", door, timeout=30) as client:
            client.sendmail(SENDER, [to], ours(raw, path), mail_options=["BODY=8BITMIME"])
    except smtplib.SMTPDataError as refused:
        return f"{refused.smtp_code} {refused.smtp_error.decode()[:40]}"
    return "sent"


def ours(raw, path):
    """The message with an author who may send it, and with where it comes from."""
    header, gap, body = raw.partition(b"\r\n\r\n")
    fields = re.split(rb"\r\n(?![ \t])", header)
    kept = [field for field in fields if not FOREIGN.match(field) and field[:5] != b"From "]
    added = [f"X-File: {path.name}", f"From: {SENDER}"]
    return b"\r\n".join([*(line.encode() for line in added), *kept]) + gap + body


def source(mail):
    return re.search(rb"^X-File: (.*)\r$", mail, re.MULTILINE)[1].decode()
