"""A real Exim as the MX of two domains, with a configuration, a spool and a log of its own, on
addresses of the loopback interface. Its Debian package can't be installed beside Postfix's, so the
program is run from a folder that the package was unpacked into; see `unpack` in tests/run."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from program import CERTS, listens

# Debian's build looks this user up before it reads a configuration.
USER = "Debian-exim"
CONFIG = """
exim_path = {binary}
keep_environment = LD_LIBRARY_PATH
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/pid
primary_hostname = mx.{plain}
local_interfaces = 127.0.0.2.{port} : 127.0.0.3.{port}
tls_advertise_hosts = ${{if eq{{$received_ip_address}}{{127.0.0.2}}{{*}}}}
tls_certificate = {certs}/dev.pem
tls_privatekey = {folder}/key.pem
domainlist ours = {plain} : {secure}
acl_smtp_rcpt = rcpt
acl_smtp_data = data
host_lookup =
rfc1413_hosts =
deliver_drop_privilege = true
message_size_limit = 30M
smtp_accept_queue_per_connection = 0

begin acl
rcpt:
  deny    !domains = +ours
          message = relaying denied
  accept  local_parts = lsearch;{folder}/users
  deny    message = no such user here
data:
  accept

begin routers
boxes:
  driver = accept
  domains = +ours
  local_parts = lsearch;{folder}/users
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = {folder}/mail/$local_part_data@$domain_data
  maildir_format
  delivery_date_add
  envelope_to_add
  return_path_add
"""


def why_not(packages):
    """Why Exim can't be run here; None where it can."""
    if not binary(packages).exists():
        return "exim4-daemon-light is not unpacked"
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return f"there is no user {USER}, whom Exim runs as"
    return None


def binary(packages):
    return packages / "usr" / "sbin" / "exim4"


def libraries(packages):
    """What Exim needs that was not installed."""
    return [path for path in (packages / "usr" / "lib").glob("*-linux-gnu/*.so*")]


def environment(folder):
    return os.environ | {"LD_LIBRARY_PATH": str(folder)}


class Exim:
    """The MX of two domains: takes mail for some users, each with a Maildir, and knows no others.
    The first domain's address offers no TLS, the second's does. Use it in a `with` statement."""

    def __init__(self, packages, folder, port, plain, secure, users):
        self.folder = Path(folder)
        self.log = self.folder / "log" / "mainlog"
        self.port = port
        for name in ("spool", "log", "mail"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "users").write_text("".join(f"{user}: {user}\n" for user in users))
        self._copy_what_its_user_may_not_reach(packages)
        facts = {"binary": self.folder / "exim4", "folder": self.folder, "certs": CERTS}
        facts |= {"port": port, "plain": plain, "secure": secure}
        (self.folder / "config").write_text(CONFIG.format(**facts))
        for name in ("spool", "log", "mail", "key.pem"):
            shutil.chown(self.folder / name, USER)

    def _copy_what_its_user_may_not_reach(self, packages):
        for path in (binary(packages), *libraries(packages)):
            shutil.copy(path, self.folder)
        shutil.copy(CERTS / "dev-key.pem", self.folder / "key.pem")
        (self.folder / "key.pem").chmod(0o600)

    def __enter__(self):
        user = pwd.getpwnam(USER)
        command = [self.folder / "exim4", "-C", self.folder / "config", "-bdf", "-q1m"]
        self.output = self.folder / "log" / "output"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                command,
                env=environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=user.pw_uid,
                group=user.pw_gid,
                extra_groups=[],
            )
        if not listens("127.0.0.2", self.port, self.process):
            self.process.kill()
            raise RuntimeError(f"Exim does not listen: {self.output.read_text()}")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=60)

    def queued(self):
        """How many messages it holds."""
        return sum(1 for _ in (self.folder / "spool" / "input").rglob("*-H"))

    def box(self, address):
        """The files of the mails that an address has so far."""
        return sorted((self.folder / "mail" / address / "new").glob("*"))

    def mails(self, address):
        """The mails that an address has so far."""
        return [path.read_bytes() for path in self.box(address)]

    def accepted(self, address):
        """Whether its log tells that it put a mail into the box of this address."""
        user = address.partition("@")[0]
        lines = self.log.read_text().splitlines()
        return any(f"=> {user} <{address}>" in line for line in lines)
