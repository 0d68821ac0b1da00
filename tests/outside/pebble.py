"""Pebble, the ACME server that Let's Encrypt tests clients with: it looks at hosts as they do."""

import json
import os
import shutil
import ssl
import subprocess
import urllib.request
from pathlib import Path

from program import CERTS, free_ports, listens


def why_not():
    return None if shutil.which("pebble") else "pebble is not installed"


class Pebble:
    """Looks at hosts on these ports, with this name server. It refuses some good nonces, as it does by
    itself, and remembers no proof from one order to the next. Use it in a `with` statement."""

    def __init__(self, folder, dns, http_port, tls_port, nonces_refused=20):
        self.folder = Path(folder)
        self.folder.mkdir()
        self.port, self.management = free_ports(2)
        self.directory = f"https://127.0.0.1:{self.port}/dir"
        self.dns = dns
        self.environment = os.environ | {
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_AUTHZREUSE": "0",
            "PEBBLE_WFE_NONCEREJECT": str(nonces_refused),
        }
        config = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(CERTS / "dev.pem"),
            "privateKey": str(CERTS / "dev-key.pem"),
            "httpPort": http_port,
            "tlsPort": tls_port,
        }
        self.config = self.folder / "pebble.json"
        self.config.write_text(json.dumps({"pebble": config}))
        self.log = self.folder / "log"

    def __enter__(self):
        command = ["pebble", "-config", self.config, "-dnsserver", f"127.0.0.1:{self.dns}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=self.environment
            )
        if not listens("127.0.0.1", self.management, self.process):
            self.process.kill()
            raise RuntimeError(f"pebble does not listen:\n{self.log.read_text()}")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def root(self):
        """The root of the certificates that it gives, as PEM; another one at each start."""
        trust = ssl.create_default_context(cafile=CERTS / "ca.pem")
        url = f"https://127.0.0.1:{self.management}/roots/0"
        with urllib.request.urlopen(url, context=trust, timeout=30) as answer:
            return answer.read().decode()
