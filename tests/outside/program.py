"""The program under test: the real binary on a folder of its own, set up through its own command
line as an operator would."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

CERTS = Path(__file__).resolve().parents[2] / "certs"
USERNAME = "shop"
CONFIG = """
[server]
hostname = "postbell.sender.test"
data_dir = "{folder}/data"

[submission]
listen = ["127.0.0.1:{smtp}"]
listen_tls = ["127.0.0.1:{smtps}"]
trusted = [{{ network = "127.0.0.0/8", workspace = "acme" }}]
bare_line_ends = "{bare_line_ends}"

[inbound]
listen = ["127.0.0.1:{inbound}"]

[tls]
certificate = "{certs}/dev.pem"
key = "{certs}/dev-key.pem"

[dns]
servers = ["127.0.0.1:{dns}"]

[guard]
allow_deliver = ["127.0.0.0/8"]
allow_notify = ["127.0.0.0/8"]

[deliver]
smtp_port = {mx}

[http]
listen = ["127.0.0.1:{http}"]

[tracking]
listen = ["127.0.0.1:{tracking}"]
base_url = "http://127.0.0.1:{tracking}"
hold = "1s"
early = "1ms"

[dkim]
operator_domain = "{operator}"
"""


class Postbell:
    """`postbell serve` with one workspace, one domain and at most one destination. Use it in a
    `with` statement. `environment` is that of the server beside its own: keys of the
    configuration, for instance. A domain of the operator's signs beside the sender's where it is
    named."""

    def __init__(
        self,
        binary,
        folder,
        dns,
        mx,
        domain,
        url=None,
        bare_line_ends="normalise",
        operator=None,
        environment=None,
    ):
        self.binary = binary
        self.folder = Path(folder)
        self.environment = os.environ | (environment or {})
        self.smtp, self.smtps, self.http, self.inbound, self.tracking = free_ports(5)
        self.config = self.folder / "postbell.toml"
        facts = {"folder": folder, "smtp": self.smtp, "smtps": self.smtps, "http": self.http}
        facts |= {"dns": dns, "mx": mx, "certs": CERTS, "inbound": self.inbound, "tracking": self.tracking}
        facts |= {"bare_line_ends": bare_line_ends, "operator": operator or "none"}
        self.config.write_text(CONFIG.format(**facts))
        self.log = self.folder / "log"
        self.command("workspace", "add", "acme")
        for name in filter(None, (domain, operator)):
            self.command("domain", "add", name, "--workspace", "acme")
        self.password = self.command("credential", "add", USERNAME, "--workspace", "acme")[
            "password"
        ]
        if url is not None:
            words = ("destination", "add", "hook", "--workspace", "acme", "--url", url)
            self.secret = self.command(*words)["secret"]

    def __enter__(self):
        command = [self.binary, "serve", "--config", self.config]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=self.environment
            )
        if not listens("127.0.0.1", self.smtp, self.process):
            self.process.kill()
            raise RuntimeError(f"postbell serve does not listen:\n{self.log.read_text()}")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        if code != 0:
            raise RuntimeError(f"postbell serve ended with {code}:\n{self.log.read_text()}")

    def command(self, *words):
        done = self._run(words)
        if done.returncode != 0:
            raise RuntimeError(f"postbell {' '.join(words)}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def ask(self, *words):
        """What a command tells whose exit code says that not all is well."""
        return json.loads(self._run(words).stdout)

    def _run(self, words):
        command = [self.binary, *words, "--json", "--config", self.config]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)


def listens(address, port, process, seconds=30):
    """Whether this port is listened on, before the process ends or so many seconds are over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((address, port)) == 0:
                return True
        time.sleep(0.02)
    return False


def free_ports(count):
    """Ports of the loopback interface on which nobody listens now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
