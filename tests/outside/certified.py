"""Certificates by ACME, from Pebble: proved over HTTP and in a TLS handshake, seen by Python's TLS,
renewed while a connection goes on, kept over a restart."""

import contextlib
import http.client
import shutil
import signal
import socket
import ssl
import tempfile
from pathlib import Path

import pebble
from dns import Dns
from program import CERTS, Postbell, free_ports
from world import Case, wait

DOMAIN, LATER, ELSEWHERE = "sender.test", "later.test", "elsewhere.test"
# Nobody listens there.
NOBODY = "127.0.0.99"
ACME = """
[tracking.acme]
directory = "{directory}"
contact = ["mailto:postmaster@sender.test"]
accept_terms = true
challenges = ["{challenge}"]
ca_file = "{certs}/ca.pem"
first_retry = "1s"
longest_retry = "1h"
"""


def host(domain):
    return f"track.{domain}"


class Certified(Case):
    def setUp(self):
        if reason := pebble.why_not():
            self.skipTest(reason)
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = Path(tempfile.mkdtemp(prefix="postbell-acme-"))
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)

    def begin(self, challenge):
        """A server that asks Pebble, and Pebble, which finds it."""
        dns = self.stack.enter_context(Dns({}))
        dns.publish(host(DOMAIN), "A", "127.0.0.1")
        dns.publish(host(LATER), "A", "127.0.0.1")
        dns.publish(host(ELSEWHERE), "A", NOBODY)
        (self.tls,) = free_ports(1)
        binary = self.programs / "postbell"
        self.postbell = Postbell(binary, self.folder, dns.port, 25, DOMAIN)
        ports = (self.postbell.tracking, self.tls)
        self.pebble = pebble.Pebble(self.folder / "pebble", dns.port, *ports)
        config = self.postbell.config
        text = config.read_text()
        doors = f'[tracking]\nlisten_tls = ["127.0.0.1:{self.tls}"]'
        text = text.replace("[tracking]", doors)
        text = text.replace("[guard]", '[guard]\nallow_acme = ["127.0.0.0/8"]')
        facts = {"directory": self.pebble.directory, "challenge": challenge, "certs": CERTS}
        config.write_text(text)
        self.acme = ACME.format(**facts)

    def turn_on(self):
        """Has it ask for certificates from now on."""
        config = self.postbell.config
        config.write_text(config.read_text() + self.acme)

    def trusting(self):
        """Those who believe Pebble's root alone."""
        return ssl.create_default_context(cadata=self.pebble.root())

    def shown(self, trust, domain):
        """The serial number of the certificate that a client is shown which believes `trust`."""
        try:
            with socket.create_connection(("127.0.0.1", self.tls), timeout=30) as plain:
                with trust.wrap_socket(plain, server_hostname=host(domain)) as secured:
                    return secured.getpeercert()["serialNumber"]
        except (ssl.SSLError, ConnectionError):
            return None

    def standing(self, domain):
        hosts = self.postbell.command("certificate", "list")
        return next(each for each in hosts if each["host"] == host(domain))

    def counted(self, outcome):
        """How many orders ended so since the server began."""
        connection = http.client.HTTPConnection("127.0.0.1", self.postbell.http, timeout=30)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        name = f'postbell_acme_orders_total{{outcome="{outcome}"}} '
        lines = [line for line in text.splitlines() if line.startswith(name)]
        return int(lines[0].removeprefix(name)) if lines else 0

    def test_certified_over_http(self):
        """Proved over HTTP; renewed while a connection goes on; kept over a restart."""
        self.begin("http-01")
        self.turn_on()
        with self.pebble:
            trust = self.trusting()
            with self.postbell:
                first = wait(lambda: self.shown(trust, DOMAIN), "certificate", 90)
                self.check_renewal(trust, first)
        # Nobody could be asked now.
        with self.postbell:
            second = self.shown(trust, DOMAIN)
            self.assertIsNotNone(second)
            self.assertNotEqual(second, first)
            self.assertEqual(self.standing(DOMAIN)["state"], "valid")
            self.assertEqual(self.counted("issued"), 0)
        self.check_kept_sealed()

    def check_renewal(self, trust, first):
        address = ("127.0.0.1", self.tls)
        with socket.create_connection(address, timeout=30) as plain:
            with trust.wrap_socket(plain, server_hostname=host(DOMAIN)) as open_before:
                self.ask(open_before)
                self.postbell.command("certificate", "renew", host(DOMAIN))
                renewed = lambda: self.shown(trust, DOMAIN) not in (None, first)
                wait(renewed, "renewed certificate", 90)
                # The connection goes on with what it began with.
                self.ask(open_before)
                self.assertEqual(open_before.getpeercert()["serialNumber"], first)
        self.assertEqual(self.counted("issued"), 2)

    def ask(self, connection):
        connection.sendall(f"GET /robots.txt HTTP/1.1\r\nHost: {host(DOMAIN)}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        self.assertEqual(answer.status, 200)
        answer.read()

    def check_kept_sealed(self):
        """No key lies in the folder as it is."""
        for file in (self.folder / "data").rglob("*"):
            if file.is_file():
                self.assertNotIn(b"PRIVATE KEY", file.read_bytes(), file)
        self.postbell.command("verify")

    def test_certified_in_a_handshake(self):
        """Turned on while it runs, proved in a TLS handshake; a host that fails keeps no other from its
        certificate."""
        self.begin("tls-alpn-01")
        with self.pebble, self.postbell:
            self.add(ELSEWHERE)
            trust = self.trusting()
            self.turn_on()
            self.postbell.process.send_signal(signal.SIGHUP)
            wait(lambda: self.shown(trust, DOMAIN), "certificate", 90)
            wait(lambda: self.standing(ELSEWHERE)["failures"] > 0, "failure", 90)
            failed = self.standing(ELSEWHERE)
            self.assertEqual(failed["state"], "missing")
            self.assertIn("tls-alpn-01", failed["lastFault"], failed)
            self.add(LATER)
            wait(lambda: self.shown(trust, LATER), "certificate of a new domain", 60)
            self.assertIsNone(self.shown(trust, ELSEWHERE))
            # Who asks for anybody else's host is given nothing, and nothing is asked for.
            self.assertIsNone(self.shown(trust, "stranger.test"))
            self.assertEqual(self.counted("issued"), 2)
            self.check_doctor()

    def add(self, domain):
        self.postbell.command("domain", "add", domain, "--workspace", "acme")

    def check_doctor(self):
        """The host that has failed is told, with what the authority has said."""
        checks = self.postbell.ask("doctor")["checks"]
        found = [check["found"] for check in checks if check["name"] == "certificates"]
        self.assertIn("2 of 3", found[0])
        self.assertTrue(any(host(ELSEWHERE) in each for each in found[1:]), found)
