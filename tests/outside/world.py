"""Everything that runs while the tests do, and what each of them asks of it."""

import contextlib
import email
import email.policy
import shutil
import smtplib
import ssl
import tempfile
import time
import unittest
from email.message import EmailMessage
from pathlib import Path

import exim
import postfix
from dns import Dns
from program import CERTS, USERNAME, Postbell, free_ports
from webhook import Receiver

SENDER = "orders@sender.test"
# Domains by their MX host, each without TLS and with it.
RECIPIENTS, SECURE = "recipients.test", "secure.test"
# Its MX takes mail for everybody, and looks for their boxes then.
LATER = "later.test"
EXIM, EXIM_SECURE = "exim.test", "exim-secure.test"
USERS = ["smtplib", "starttls", "implicit", "swaks", "login", "plain", "lettre", "dots"]
USERS += ["ann", "bob", "msmtp", "sendmail", "source", "wrapped", "eight", "hello", "many"]
USERS += ["first", "smuggled", "refused", "control", "signed", "corpus", "fixtures"]
USERS += ["news", "reader", "leaver", "pageful"]
# Signs all mail, beside the domain of SENDER.
OPERATOR = "operator.test"


class World:
    def __init__(self, stack, programs, packages):
        self.programs = programs
        self.folder = stack.enter_context(kept_on_failure(programs.parent / "outside-failed"))
        self.receiver = stack.enter_context(Receiver())
        self.hosts = {}
        self._start_hosts(stack, packages)
        addresses = {RECIPIENTS: "127.0.0.1", SECURE: "127.0.0.4"}
        addresses |= {EXIM: "127.0.0.3", EXIM_SECURE: "127.0.0.2", LATER: "127.0.0.5"}
        self.dns = stack.enter_context(Dns(addresses))
        postbell = self._postbell("postbell", "normalise", OPERATOR)
        self._publish(postbell)
        self.postbell = stack.enter_context(postbell)
        self.strict = stack.enter_context(self._postbell("strict", "refuse"))
        folder, implicit = self.folder / "client", f"wrapped@{SECURE}"
        client = postfix.Client(folder, RECIPIENTS, implicit, self.postbell)
        self.client = stack.enter_context(client)
        words = (self.folder / "later", self.mx, LATER, self.postbell)
        self.later = stack.enter_context(postfix.Later(*words))

    def _start_hosts(self, stack, packages):
        (self.mx,) = free_ports(1)
        host = postfix.Host(self.folder / "postfix", self.mx, RECIPIENTS, SECURE, USERS)
        self.postfix = stack.enter_context(host)
        self.hosts |= {RECIPIENTS: host, SECURE: host}
        self.no_exim = exim.why_not(packages)
        if self.no_exim is None:
            host = exim.Exim(packages, self.folder / "exim", self.mx, EXIM, EXIM_SECURE, USERS)
            self.hosts |= {EXIM: stack.enter_context(host), EXIM_SECURE: host}

    def _publish(self, postbell):
        """The records of its domains, as an operator is told to; then it looks for them."""
        self.keys, self.checked = {}, {}
        self.dns.publish("postbell.sender.test", "A", "127.0.0.1")
        for domain in (SENDER.partition("@")[2], OPERATOR):
            for record in postbell.command("domain", "show", domain)["records"]:
                self.dns.publish(record["name"], record["type"], record["value"])
                if "._domainkey." in record["name"]:
                    self.keys[record["name"]] = record["value"]
            self.checked[domain] = postbell.command("domain", "check", domain)
        postbell.command("domain", "update", SENDER.partition("@")[2], "--inbound", "on")

    def _postbell(self, name, bare_line_ends, operator=None):
        folder = self.folder / name
        folder.mkdir()
        domain = SENDER.partition("@")[2]
        binary, url = self.programs / "postbell", self.receiver.url
        words = (binary, folder, self.dns.port, self.mx, domain, url, bare_line_ends, operator)
        return Postbell(*words)


@contextlib.contextmanager
def kept_on_failure(kept):
    """A folder for everything, removed at the end; the logs in it stay where something failed."""
    folder = Path(tempfile.mkdtemp(prefix="postbell-"))
    folder.chmod(0o755)
    shutil.rmtree(kept, ignore_errors=True)
    try:
        yield folder
    except BaseException:
        Case.failed = True
        raise
    finally:
        if Case.failed:
            keep_logs(folder, kept)
        shutil.rmtree(folder, ignore_errors=True)


def keep_logs(folder, kept):
    for path in ("postfix/log", "client/log", "later/log", "exim/log", "postbell/log", "strict/log"):
        source, target = folder / path, kept / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.exists():
            shutil.copy(source, target)
    print(f"The logs of what ran are in {kept}")


class Case(unittest.TestCase):
    programs = None
    world = None
    failed = False

    def run(self, result=None):
        result = super().run(result)
        Case.failed = not result.wasSuccessful()
        return result

    def need_exim(self):
        if self.world.no_exim:
            self.skipTest(self.world.no_exim)

    def need(self, program):
        if shutil.which(program) is None:
            self.skipTest(f"{program} is not installed")

    def submit(self, mail):
        with smtplib.SMTP("127.0.0.1", self.world.postbell.smtp, timeout=30) as client:
            self.assertEqual(client.send_message(mail), {})

    def submit_under_tls(self, mail):
        door = self.world.postbell
        with smtplib.SMTP("localhost", door.smtp, timeout=30) as client:
            client.starttls(context=tls_context())
            client.login(USERNAME, door.password)
            self.assertEqual(client.send_message(mail), {})

    def check_delivered(self, user, subject, text, domain=RECIPIENTS):
        """The mail is in the user's box as it was sent, the host's log says so, and so do the
        webhooks. Returns the mail."""
        to, host = f"{user}@{domain}", self.world.hosts[domain]
        for kind in ("Send", "Delivery"):
            self.world.receiver.wait_for(kind, to)
        mail = wait(lambda: find(host, to, subject), f"mail for {to}")
        self.assertEqual(mail.get_content().strip(), text)
        for field in ("Date", "Message-ID", "From", "To"):
            self.assertEqual(len(mail.get_all(field, [])), 1, field)
        self.assertIn("postbell.sender.test", "".join(mail.get_all("Received")))
        wait(lambda: host.accepted(to), f"delivery to {to} in the host's log")
        return mail

    def wait_for_mails(self, address, count, seconds=30):
        """The mails of this address once there are so many, and nobody holds another."""
        host = self.world.hosts[address.partition("@")[2]]
        wait(lambda: len(host.box(address)) >= count, f"{count} mails for {address}", seconds)
        wait(lambda: host.queued() == 0, "end of the host's queue")
        mails = host.mails(address)
        self.assertEqual(len(mails), count, address)
        return mails


def find(host, address, subject):
    for raw in host.mails(address):
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        if mail["Subject"] == subject:
            return mail
    return None


def tls_context():
    """Trusts the development certificates alone."""
    return ssl.create_default_context(cafile=CERTS / "ca.pem")


def message(user, subject, text, domain=RECIPIENTS):
    mail = EmailMessage()
    mail["From"] = SENDER
    mail["To"] = f"{user}@{domain}"
    mail["Subject"] = subject
    mail.set_content(text)
    return mail


def wait(look, what, seconds=30):
    """What `look` finds. It is asked again and again: files don't tell when they change."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"no {what} within {seconds} s")
