"""A real Postfix as the recipients' MX: its own configuration, queue and log in a folder of its
own, on an unprivileged port of the loopback interface. Needs root, since Postfix does. The system's
own Postfix, if it runs, is not touched."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
maillog_file = {folder}/log/maillog
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = {host}
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 192.0.2.0/24
local_header_rewrite_clients =
smtpd_relay_restrictions = permit_auth_destination, reject
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/etc/boxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
default_transport = error:this server sends nothing
"""

MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n -  0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n -  - trivial-rewrite
bounce    unix - - n -  0 bounce
defer     unix - - n -  0 bounce
trace     unix - - n -  0 bounce
error     unix - - n -  - error
virtual   unix - n n -  - virtual
anvil     unix - - n -  1 anvil
postlog   unix-dgram n - n - 1 postlogd
"""


def why_not():
    """Why Postfix can't be run here; None where it can."""
    if shutil.which("postfix") is None and not Path("/usr/sbin/postfix").exists():
        return "postfix is not installed"
    if os.geteuid() != 0:
        return "postfix can only be started by root"
    return None


class Postfix:
    """Takes mail for some users of one domain, each with a Maildir, and knows no others. Use it
    in a `with` statement."""

    def __init__(self, folder, port, domain, users):
        self.folder = Path(folder)
        self.port = port
        self.log = self.folder / "log" / "maillog"
        self._write(domain, users)

    def _write(self, domain, users):
        owner = pwd.getpwnam("postfix")
        # Its processes run as the user postfix and have to reach their folders.
        self.folder.mkdir()
        self.folder.chmod(0o755)
        for name in ("etc", "queue", "data", "log", "mail"):
            (self.folder / name).mkdir(parents=True)
        for name in ("data", "mail"):
            os.chown(self.folder / name, owner.pw_uid, owner.pw_gid)
        facts = {
            "folder": self.folder,
            "port": self.port,
            "domain": domain,
            "host": f"mx.{domain}",
            "uid": owner.pw_uid,
            "gid": owner.pw_gid,
        }
        (self.folder / "etc" / "main.cf").write_text(MAIN_CF.format(**facts))
        (self.folder / "etc" / "master.cf").write_text(MASTER_CF.format(**facts))
        boxes = "".join(f"{user}@{domain} {user}/\n" for user in users)
        (self.folder / "etc" / "boxes").write_text(boxes)

    def __enter__(self):
        self._command("start")
        return self

    def __exit__(self, *_):
        self._command("stop")

    def _command(self, verb):
        """`postfix start` answers once the master listens; `stop` once it has gone."""
        command = ["/usr/sbin/postfix", "-c", self.folder / "etc", verb]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            log = self.log.read_text() if self.log.exists() else ""
            raise RuntimeError(f"postfix {verb}: {done.stdout}{done.stderr}{log}")

    def mails(self, user):
        """The mails that a user has so far."""
        return [path.read_bytes() for path in sorted(self._box(user).glob("*"))]

    def _box(self, user):
        return self.folder / "mail" / user / "new"
