"""Hostile sessions and malformed messages, in through the door and out to a host, beside ordinary
mail: nothing panics, and what is acknowledged arrives."""

import contextlib
import itertools
import json
import re
import socket
import threading
from pathlib import Path

from house import RECIPIENT, SENDER, house
from rows import Row
from work import hand_in
from work import Row as Work

ROOT = Path(__file__).resolve().parents[2]
# Beside the repository, where it is at all; its own reports are few, but malformed in no way.
CORPORA = ROOT.parent / "shared" / "corpora"
FIXTURES = ROOT / "fixtures" / "reports"
THREADS = 8
AUTHOR = re.compile(rb"^(from|sender)\s*:", re.I)


def run(options):
    sessions, messages = hostile(), mime()
    if not messages:
        print("the corpora are not there: the fixtures alone go in")
        messages = sorted(FIXTURES.glob("*.eml"))
    if options.quick:
        messages = messages[::8]
    environment = {"POSTBELL_SUBMISSION__LIMITS__MAX_CONNECTIONS_PER_IP": "1000"}
    with house(options, environment) as one, one.sink, one.postbell:
        counts = Counts()
        jobs = [*sessions, *map(conversation, messages)]
        ordinary = 2_000 if options.quick else 20_000
        beside = threading.Thread(target=ordinary_mail, args=(one, ordinary, counts))
        beside.start()
        talk(one, jobs, counts)
        beside.join()
        how = f"{len(sessions)} hostile sessions and {len(messages)} messages beside {ordinary:,}"
        yield Row(how, "the server goes on", "healthy", one.healthy())
        panics = one.log().count("panicked at")
        yield Row(how, "no panic", f"{panics} panics", panics == 0)
        whole = one.arrived(counts.taken, 120)
        result = f"{one.sink.messages()} of {counts.taken}"
        yield Row(how, "what was acknowledged arrives, once", result, whole)


def hostile():
    file = CORPORA / "smtp" / "hostile.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [ours(json.loads(line)["bytes"].encode("latin-1")) for line in lines]


def ours(octets):
    """With the workspace's domain as the sender, so that more of it is taken."""
    octets = octets.replace(b"alice@example.org", SENDER.encode())
    return octets.replace(b"bob@example.com", RECIPIENT.encode())


def mime():
    return sorted(path for path in (CORPORA / "mime").rglob("*") if path.is_file())


def conversation(file):
    """A session that hands a message in, with an author of the workspace's domain."""
    raw = file.read_bytes()
    header, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    kept = [f"From: {SENDER}".encode()]
    dropped = False
    for line in header.split(b"\n"):
        if not line.startswith((b" ", b"\t")):
            dropped = bool(AUTHOR.match(line))
        if not dropped:
            kept.append(line)
    lines = [*kept, b"", *body.split(b"\n")]
    data = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)
    start = f"EHLO client\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n"
    return start.encode() + data + b"\r\n.\r\nQUIT\r\n"


class Counts:
    def __init__(self):
        self.lock = threading.Lock()
        self.taken = 0

    def add(self, count):
        with self.lock:
            self.taken += count


def ordinary_mail(one, count, counts):
    hand_in(one.postbell.smtp, Work("", 20, True, {}), count, 2048)
    counts.add(count)


def talk(one, jobs, counts):
    queue = itertools.chain(jobs)
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                octets = next(queue, None)
            if octets is None:
                return
            counts.add(say(one.postbell.smtp, octets))

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def say(port, octets):
    """Says all at once, and counts the messages that were taken."""
    said = b""
    with contextlib.suppress(OSError):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as session:
            sender = threading.Thread(target=send, args=(session, octets))
            sender.start()
            with contextlib.suppress(OSError):
                while part := session.recv(65536):
                    said += part
            sender.join()
    return said.count(b"\r\n250 2.0.0 Accepted as ")


def send(session, octets):
    with contextlib.suppress(OSError):
        session.sendall(octets)
        session.shutdown(socket.SHUT_WR)
