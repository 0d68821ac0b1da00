"""One run of one row: Postfix's own smtp-source hands in, its smtp-sink takes, and the time ends
when the sink has got all, not when all was accepted."""

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from program import free_ports, listens
from servers import RECIPIENT, SENDER, cpu_with_waited

TOOLS = Path("/usr/sbin")
DEADLINE = 300


@dataclass
class Row:
    name: str
    sessions: int
    keep: bool
    # Messages a run: enough for some seconds, and so that the server is warm for most of it.
    messages: dict


@dataclass
class Run:
    messages: int
    seconds: float
    accepted_seconds: float
    server_cpu: float
    source_cpu: float
    sink_cpu: float

    @property
    def rate(self):
        return self.messages / self.seconds

    @property
    def server_cpu_us(self):
        return 1e6 * self.server_cpu / self.messages

    @property
    def other_cpu_us(self):
        return 1e6 * (self.source_cpu + self.sink_cpu) / self.messages


def run(row, server_class, options):
    messages = max(10, int(row.messages[server_class.name] * options.scale))
    with tempfile.TemporaryDirectory(prefix="versus-", dir=options.folder) as folder:
        # Postfix's processes run as the user postfix and have to reach their folders.
        os.chmod(folder, 0o755)
        (port,) = free_ports(1)
        with Sink(port, Path(folder) / "sink") as sink:
            (Path(folder) / "server").mkdir(mode=0o755)
            with server_class(Path(folder) / "server", port, options) as server:
                # Its processes start, its caches fill, its name servers are asked.
                warm = min(messages, 10 * row.sessions)
                hand_in(server.port, row, warm, options.size)
                sink.wait_for(warm)
                settle(server, sink)
                return measure(row, server, sink, warm, messages, options.size)


def measure(row, server, sink, already, messages, size):
    server_before, sink_before = server.cpu(), sink.cpu()
    begin = time.monotonic()
    source_cpu = hand_in(server.port, row, messages, size)
    accepted = time.monotonic() - begin
    arrived = sink.wait_for(already + messages) - begin
    settle(server, sink)
    if sink.messages() != already + messages:
        raise RuntimeError(f"the sink got {sink.messages() - already} of {messages} messages")
    return Run(
        messages,
        arrived,
        accepted,
        server.cpu() - server_before,
        source_cpu,
        sink.cpu() - sink_before,
    )


def hand_in(port, row, messages, size):
    """The processor time that the source took."""
    command = [TOOLS / "smtp-source", "-s", str(row.sessions), "-m", str(messages)]
    command += ["-l", str(size), "-f", SENDER, "-t", RECIPIENT]
    command += ["-d"] if row.keep else []
    source = subprocess.Popen([*command, f"127.0.0.1:{port}"], stderr=subprocess.PIPE)
    _, status, usage = os.wait4(source.pid, 0)
    source.returncode = os.waitstatus_to_exitcode(status)
    complaints = source.stderr.read().decode()
    source.stderr.close()
    if source.returncode != 0 or "fatal" in complaints:
        raise RuntimeError(f"smtp-source ended with {source.returncode}: {complaints}")
    return usage.ru_utime + usage.ru_stime


def settle(server, sink):
    """Waits until the server is done with what it knows was delivered, since that is work too."""
    quiet_since, before = time.monotonic(), (server.cpu(), sink.messages())
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        time.sleep(0.05)
        now = (server.cpu(), sink.messages())
        if now != before or server.queued():
            quiet_since, before = time.monotonic(), now
        elif time.monotonic() - quiet_since >= 0.5:
            return
    raise RuntimeError(f"{server.name} does not come to rest within {DEADLINE} s")


class Sink:
    """Postfix's smtp-sink, which counts into a file. Use it in a `with` statement."""

    def __init__(self, port, counter):
        self.port = port
        self.counter = counter

    def __enter__(self):
        command = [TOOLS / "smtp-sink", "-u", "nobody", "-c", f"127.0.0.1:{self.port}", "1000"]
        with open(self.counter, "wb") as counter:
            self.process = subprocess.Popen(command, stdout=counter, stderr=subprocess.PIPE)
        if not listens("127.0.0.1", self.port, self.process):
            self.process.kill()
            raise RuntimeError(f"smtp-sink does not listen: {self.process.stderr.read()}")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=10)
        self.process.stderr.close()

    def messages(self):
        """How many it has got. It writes `sess=… quit=… mesg=…` and a CR at each change."""
        with open(self.counter, "rb") as counter:
            counter.seek(max(0, counter.seek(0, os.SEEK_END) - 200))
            whole = counter.read().rpartition(b"\r")[0]
        return int(whole.rpartition(b"mesg=")[2] or 0)

    def wait_for(self, count):
        """When the last of so many had come."""
        deadline = time.monotonic() + DEADLINE
        while self.messages() < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the sink got {self.messages()} of {count} messages")
            time.sleep(0.005)
        return time.monotonic()

    def cpu(self):
        return cpu_with_waited(self.process.pid)
