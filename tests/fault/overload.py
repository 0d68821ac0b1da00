"""More clients than the server can serve, for a minute: what it takes it takes as fast as before,
what it does not take gets a reason, and its memory does not grow."""

import re

from programs import load
from rows import Row

# What is refused for want of room, at the greeting or at a message.
REFUSAL = re.compile(r"(the server refused the session: )?4\d\d ")
PEAK_SESSIONS = 50
# Fewer clients than a machine can simulate overrun these: of 90 sessions of an address 30 are refused,
# of the others those wait that find no place among what is to be committed.
SMALL = (
    *("--set", "store.commit_queue=64"),
    *("--set", "submission.limits.max_connections_per_ip=60"),
)


def run(options):
    before = peak(options)
    seconds = "10" if options.quick else "60"
    sessions = str(900 if not options.quick else 450)
    words = ("--messages", "5000000", "--seconds", seconds, "--sessions", sessions)
    told = load(options, *words, *SMALL, "--limit", "900")
    best = (before + peak(options)) / 2
    how = f"{sessions} sessions for {seconds} s, {PEAK_SESSIONS} give the peak"
    rate = told["accepted_per_second"]
    good = f"{100 * rate / best:.0f} % of {best:,.0f}/s"
    yield Row(how, "goodput at least 90 % of the peak", good, rate >= 0.9 * best)
    bad = {fault: count for fault, count in told["faults"].items() if not REFUSAL.match(fault)}
    refused = sum(told["faults"].values())
    result = f"{refused} refusals, {sum(bad.values())} without: {list(bad)[:3]}"
    yield Row(how, "every refusal is a 4xx with a reason", result, not bad)
    yield memory(how, told["memory_mib"])


def peak(options):
    """Messages a second that it keeps up; measured before and after, since a machine may slow down
    meanwhile."""
    seconds = "3" if options.quick else "20"
    words = ("--messages", "5000000", "--seconds", seconds, "--sessions", str(PEAK_SESSIONS))
    return load(options, *words)["accepted_per_second"]


def memory(how, looks):
    """What it is after a third of the time, and at the end."""
    early, late = looks[len(looks) // 3], looks[-1]
    flat = late <= early * 1.1 + 16
    return Row(how, "memory flat: at most 10 % and 16 MiB more", f"{early} to {late} MiB", flat)
