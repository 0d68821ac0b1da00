"""A server of its own for a fault: with a name server, Postfix's smtp-sink as the MX of
`recipients.test`, and a client that keeps count of what was acknowledged."""

import contextlib
import smtplib
import socket
import tempfile
import time
import urllib.request
from pathlib import Path

from dns import Dns
from program import Postbell, free_ports
from rows import need
from work import Sink

SENDER_DOMAIN = "sender.test"
SENDER = f"orders@{SENDER_DOMAIN}"
RECIPIENT = "ann@recipients.test"


class House:
    """Everything around the server, which is started and stopped with `serving`."""

    def __init__(self, options, folder, environment=None):
        need("smtp-sink")
        self.folder = Path(folder)
        (mx,) = free_ports(1)
        self.sink = Sink(mx, self.folder / "sink")
        self.dns = Dns({"recipients.test": "127.0.0.1", "dead.test": "127.0.0.9"})
        binary = options.programs / "postbell"
        facts = (binary, self.folder, self.dns.port, mx, SENDER_DOMAIN)
        self.postbell = Postbell(*facts, environment=environment)

    @property
    def pid(self):
        return self.postbell.process.pid

    def log(self):
        return self.postbell.log.read_text()

    def healthy(self):
        url = f"http://127.0.0.1:{self.postbell.http}/readyz"
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status == 200
        return False

    def client(self):
        return smtplib.SMTP("127.0.0.1", self.postbell.smtp, timeout=30)

    def greets_within(self, seconds):
        """How long a new client waits for its greeting; `None`: longer than that."""
        begin = time.monotonic()
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", self.postbell.smtp), timeout=seconds) as one:
                one.settimeout(seconds)
                if one.recv(4) == b"220 ":
                    return time.monotonic() - begin
        return None

    def arrived(self, count, seconds=60):
        """Whether the sink has so many messages by then, and a little later no more."""
        deadline = time.monotonic() + seconds
        while self.sink.messages() < count and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        return self.sink.messages() == count


@contextlib.contextmanager
def house(options, environment=None, folder=None):
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder))
        Path(folder).chmod(0o755)
        made = House(options, folder, environment)
        stack.enter_context(made.dns)
        yield made


class Client:
    """Hands messages in, over one connection while it lasts."""

    def __init__(self, house, octets=2_000):
        self.house = house
        self.body = "x" * 70 + "\r\n"
        self.body *= max(1, octets // len(self.body))
        self.session = None
        self.acknowledged = 0
        self.refusals = []
        self.slowest = 0.0

    def send(self, recipient=RECIPIENT):
        """Whether the message was taken."""
        begin = time.monotonic()
        try:
            if self.session is None:
                self.session = self.house.client()
            mail = f"From: {SENDER}\r\nTo: {recipient}\r\nSubject: Hello\r\n\r\n{self.body}"
            self.session.sendmail(SENDER, [recipient], mail)
        except smtplib.SMTPRecipientsRefused as refusal:
            return self._refused(*refusal.recipients[recipient])
        except smtplib.SMTPResponseException as refusal:
            if refusal.smtp_code == 421:
                self.session = None
            return self._refused(refusal.smtp_code, refusal.smtp_error)
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            self.session = None
            return self._refused(0, str(error).encode())
        finally:
            self.slowest = max(self.slowest, time.monotonic() - begin)
        self.acknowledged += 1
        return True

    def _refused(self, code, said):
        self.refusals.append(f"{code} {said.decode(errors='replace')}")
        return False
