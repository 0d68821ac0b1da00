"""What is measured: Debian's Postfix, Postbell, and nothing between source and sink. Each has a
folder of its own and relays all mail for one domain to the sink.

A server is used in a `with` statement; it says the `port` of its door, the `cpu` seconds that its
processes have used, and whether anything is `queued`."""

import os
import pwd
import subprocess
from pathlib import Path

from dns import Dns
from program import Postbell, free_ports

SENDER = "orders@sender.test"
RECIPIENT = "ann@recipients.test"

# A relay as a competent admin would set it up for this work; each line is followed by why it is so.
# What isn't here has its default, durability above all: a message is synced before it is accepted.
POSTFIX_MAIN = [
    ("compatibility_level", "3.6", "no defaults of old versions"),
    ("queue_directory", "{folder}/queue", "a queue of its own, on the disk that Postbell uses too"),
    ("data_directory", "{folder}/data", "the same"),
    ("mail_owner", "postfix", "Debian's"),
    ("maillog_file", "{folder}/log/maillog", "a file, as Postbell's log is one; no syslog here"),
    ("maillog_file_prefixes", "{folder}", "permits it"),
    ("myhostname", "postfix.sender.test", "no question to the system"),
    ("inet_interfaces", "127.0.0.1", "loopback only"),
    ("inet_protocols", "ipv4", "no search for IPv6 addresses"),
    ("mynetworks", "127.0.0.0/8", "the source may relay, and has no limits per client"),
    ("smtpd_relay_restrictions", "permit_mynetworks, reject", "the shortest that is not open"),
    ("smtpd_peername_lookup", "no", "no reverse lookups: Postbell makes none"),
    ("mydestination", "", "nothing is local"),
    ("local_recipient_maps", "", "so no users are looked up"),
    ("alias_maps", "", "nor aliases"),
    ("alias_database", "", "nor these"),
    ("relayhost", "[127.0.0.1]:{sink}", "everything goes to the sink, without MX lookups"),
    ("disable_dns_lookups", "yes", "so DNS need not be asked at all"),
    ("default_process_limit", "200", "50 sessions and 50 deliveries at once, with room"),
    ("smtp_destination_concurrency_limit", "50", "the default of 20 spares other people's hosts"),
    ("initial_destination_concurrency", "50", "no slow start, the sink can take it"),
    ("in_flow_delay", "{in_flow_delay}", "see docs/performance.md"),
]

POSTFIX_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix n - n -  0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n -  - trivial-rewrite
bounce    unix - - n -  0 bounce
defer     unix - - n -  0 bounce
trace     unix - - n -  0 bounce
error     unix - - n -  - error
retry     unix - - n -  - error
smtp      unix - - n -  - smtp
anvil     unix - - n -  1 anvil
scache    unix - - n -  1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix:
    name = "Postfix"

    def __init__(self, folder, sink, options):
        self.folder = Path(folder)
        (self.port,) = free_ports(1)
        facts = {"folder": self.folder, "sink": sink, "port": self.port}
        facts["in_flow_delay"] = options.in_flow_delay
        for name in ("etc", "queue", "data", "log"):
            (self.folder / name).mkdir()
        owner = pwd.getpwnam("postfix")
        os.chown(self.folder / "data", owner.pw_uid, owner.pw_gid)
        main = "".join(f"{name} = {value}\n" for name, value, _ in POSTFIX_MAIN)
        (self.folder / "etc" / "main.cf").write_text(main.format(**facts))
        (self.folder / "etc" / "master.cf").write_text(POSTFIX_MASTER.format(**facts))

    def __enter__(self):
        self._command("start")
        self.master = int((self.folder / "queue" / "pid" / "master.pid").read_text())
        return self

    def __exit__(self, *_):
        self._command("stop")

    def _command(self, verb):
        command = ["/usr/sbin/postfix", "-c", self.folder / "etc", verb]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"postfix {verb}: {done.stdout}{done.stderr}")

    def queued(self):
        names = ("maildrop", "incoming", "active", "deferred")
        folders = (self.folder / "queue" / name for name in names)
        return any(path.is_file() for folder in folders for path in folder.rglob("*"))

    def cpu(self):
        """Of the master, of its daemons, and of those that have ended: Postfix's daemons are all
        children of the master, which waits for each, so that their time becomes its children's."""
        return sum(cpu_with_waited(pid) for pid in [self.master, *children(self.master)])


class Bell:
    name = "Postbell"

    def __init__(self, folder, sink, options):
        self.dns = Dns({RECIPIENT.partition("@")[2]: "127.0.0.1"})
        domain = SENDER.partition("@")[2]
        self.postbell = Postbell(options.postbell, folder, self.dns.port, sink, domain)
        self.port = self.postbell.smtp

    def __enter__(self):
        self.dns.__enter__()
        self.postbell.__enter__()
        return self

    def __exit__(self, *reason):
        self.postbell.__exit__(*reason)
        self.dns.__exit__(*reason)

    def queued(self):
        """Not known; that its processor time stands still tells."""
        return False

    def cpu(self):
        return cpu_with_waited(self.postbell.process.pid)


class Nothing:
    """The source sends straight into the sink."""

    name = "straight"

    def __init__(self, folder, sink, options):
        self.port = sink

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def queued(self):
        return False

    def cpu(self):
        return 0.0


def children(pid):
    """All processes below this one."""
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        direct = [int(word) for word in tasks.read_text().split()]
    except FileNotFoundError:
        return []
    return direct + [below for child in direct for below in children(child)]


def cpu_with_waited(pid):
    """Seconds of processor time of a process and of the children that it has waited for."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return 0.0
    # The name, in brackets, may hold spaces. proc(5): utime, stime, cutime, cstime are 14 to 17.
    fields = stat.rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
