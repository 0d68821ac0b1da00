"""Real Postfixes on both sides: the recipients' MX, and a client that hands in what it is given.
Each has its own configuration, queue and log in a folder of its own, on unprivileged ports of the
loopback interface. Needs root, since Postfix does. The system's own, if it runs, is not touched."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from program import CERTS, USERNAME, free_ports

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
maillog_file = {folder}/log/maillog
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
local_header_rewrite_clients =
"""

MASTER_CF = """
pickup    unix n - n 60 1 pickup
cleanup   unix n - n -  0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n -  - trivial-rewrite
bounce    unix - - n -  0 bounce
defer     unix - - n -  0 bounce
trace     unix - - n -  0 bounce
error     unix - - n -  - error
retry     unix - - n -  - error
anvil     unix - - n -  1 anvil
tlsmgr    unix - - n 1000? 1 tlsmgr
postlog   unix-dgram n - n - 1 postlogd
"""

# Bare line feeds are let pass, as by a Postfix of before 2024: the host that a message which
# smuggles would fool, if it got one. Long fields are kept, since a cut one is no longer what was
# signed.
HOST_MAIN_CF = """
myhostname = mx.{domain}
mynetworks = 192.0.2.0/24
smtpd_relay_restrictions = permit_auth_destination, reject
smtpd_forbid_bare_newline = no
header_size_limit = 1000000
smtpd_tls_cert_file = {certs}/dev.pem
smtpd_tls_key_file = {certs}/dev-key.pem
smtpd_tls_loglevel = 1
virtual_mailbox_domains = {domain}, {secure}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/etc/boxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
default_transport = error:this server sends nothing
"""

HOST_MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.4:{port} inet n - n - - smtpd
  -o smtpd_tls_security_level=may
virtual   unix - n n -  - virtual
"""

CLIENT_MAIN_CF = """
myhostname = client.{domain}
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
relayhost = [localhost]:{submission}
transport_maps = inline:{{ {implicit}=implicit:[localhost]:{submissions} }}
smtp_host_lookup = native
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:{folder}/etc/passwords
smtp_sasl_tls_security_options = noanonymous
smtp_tls_security_level = secure
smtp_tls_secure_cert_match = nexthop
smtp_tls_CAfile = {certs}/ca.pem
smtp_tls_loglevel = 1
"""

CLIENT_MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
smtp      unix - - n -  - smtp
implicit  unix - - n -  - smtp
  -o smtp_tls_wrappermode=yes
"""

# Takes mail for every address of its domain, and finds then that most have no box. What it has for
# another domain, reports to the return path among it, goes to the inbound door.
LATER_MAIN_CF = """
myhostname = mx.{domain}
mynetworks = 192.0.2.0/24
smtpd_relay_restrictions = permit_auth_destination, reject
relay_domains = {domain}
relay_recipient_maps =
transport_maps = inline:{{ {domain}=virtual: }}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/etc/boxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
relayhost = [localhost]:{inbound}
smtp_host_lookup = native
smtp_tls_security_level = secure
smtp_tls_secure_cert_match = nexthop
smtp_tls_CAfile = {certs}/ca.pem
smtp_tls_loglevel = 1
"""

LATER_MASTER_CF = """
127.0.0.5:{port} inet n - n - - smtpd
smtp      unix - - n -  - smtp
virtual   unix - n n -  - virtual
"""


def why_not():
    """Why Postfix can't be run here; None where it can."""
    if shutil.which("postfix") is None and not Path("/usr/sbin/postfix").exists():
        return "postfix is not installed"
    if os.geteuid() != 0:
        return "postfix can only be started by root"
    return None


class Postfix:
    """One Postfix of its own. Use it in a `with` statement."""

    def __init__(self, folder, main, master, tables, **facts):
        self.folder = Path(folder)
        self.etc = self.folder / "etc"
        self.log = self.folder / "log" / "maillog"
        owner = pwd.getpwnam("postfix")
        facts |= {"folder": self.folder, "certs": CERTS}
        facts |= {"uid": owner.pw_uid, "gid": owner.pw_gid}
        # Its processes run as the user postfix and have to reach their folders.
        self.folder.mkdir()
        self.folder.chmod(0o755)
        for name in ("etc", "queue", "data", "log", "mail"):
            (self.folder / name).mkdir(parents=True)
        for name in ("data", "mail"):
            os.chown(self.folder / name, owner.pw_uid, owner.pw_gid)
        (self.etc / "main.cf").write_text((MAIN_CF + main).format(**facts))
        (self.etc / "master.cf").write_text((MASTER_CF + master).format(**facts))
        for name, text in tables.items():
            (self.etc / name).write_text(text)

    def __enter__(self):
        self._command("start")
        return self

    def __exit__(self, *_):
        self._command("stop")

    def _command(self, verb):
        """`postfix start` answers once the master listens; `stop` once it has gone."""
        command = ["/usr/sbin/postfix", "-c", self.etc, verb]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            log = self.log.read_text() if self.log.exists() else ""
            raise RuntimeError(f"postfix {verb}: {done.stdout}{done.stderr}{log}")

    def queued(self):
        """How many messages it holds."""
        folders = ("maildrop", "incoming", "active", "deferred", "hold")
        return sum(
            1
            for name in folders
            for path in (self.folder / "queue" / name).rglob("*")
            if path.is_file()
        )

    def log_lines(self, *words):
        """The lines of its log that hold all these words."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if all(word in line for word in words)]


class Host(Postfix):
    """The MX of two domains: takes mail for some users, each with a Maildir, and knows no others.
    The first domain's address offers no TLS, the second's does."""

    def __init__(self, folder, port, domain, secure, users):
        addresses = [(user, each) for user in users for each in (domain, secure)]
        boxes = "".join(f"{user}@{each} {user}@{each}/\n" for user, each in addresses)
        facts = {"port": port, "domain": domain, "secure": secure}
        super().__init__(folder, HOST_MAIN_CF, HOST_MASTER_CF, {"boxes": boxes}, **facts)
        self.port = port

    def box(self, address):
        """The files of the mails that an address has so far."""
        return sorted((self.folder / "mail" / address / "new").glob("*"))

    def mails(self, address):
        """The mails that an address has so far."""
        return [path.read_bytes() for path in self.box(address)]

    def accepted(self, address):
        """Whether its log tells that it put a mail into the box of this address."""
        return bool(self.log_lines(f"to=<{address}>", "status=sent"))


class Client(Postfix):
    """Hands in all its mail to Postbell, logged in and under TLS: for one address under implicit
    TLS, for the others by STARTTLS."""

    def __init__(self, folder, domain, implicit, postbell):
        (self.port,) = free_ports(1)
        login = f"{USERNAME}:{postbell.password}"
        ports = {"submission": postbell.smtp, "submissions": postbell.smtps}
        passwords = "".join(f"[localhost]:{port} {login}\n" for port in ports.values())
        facts = ports | {"port": self.port, "domain": domain, "implicit": implicit}
        tables = {"passwords": passwords}
        super().__init__(folder, CLIENT_MAIN_CF, CLIENT_MASTER_CF, tables, **facts)


class Later(Postfix):
    """The MX of a domain that takes mail before it knows whether there is a box: `ann` has one."""

    def __init__(self, folder, port, domain, postbell):
        facts = {"port": port, "domain": domain, "inbound": postbell.inbound}
        boxes = f"ann@{domain} ann@{domain}/\n"
        super().__init__(folder, LATER_MAIN_CF, LATER_MASTER_CF, {"boxes": boxes}, **facts)
