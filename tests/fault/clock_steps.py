"""The clock is set while the server runs, through libfaketime: an hour and a year, ahead and back.
The monotonic clock goes on as it does on a real machine."""

import glob
import json
import subprocess
import tempfile
import time
from pathlib import Path

from house import Client, house
from rows import Row, Skipped

HOUR, YEAR = 3_600, 365 * 86_400
STEPS = [("1 h ahead", HOUR), ("1 h back", -HOUR), ("1 year ahead", YEAR), ("1 year back", -YEAR)]
EACH = 50


def run(options):
    libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not libraries:
        raise Skipped("libfaketime is not installed")
    with tempfile.TemporaryDirectory() as folder:
        offset = Path(folder) / "offset"
        set_clock(offset, 0)
        environment = {
            "LD_PRELOAD": libraries[0],
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
        }
        yield from steps(options, environment, offset)


def steps(options, environment, offset):
    with house(options, environment) as one, one.sink, one.postbell:
        client, dead = Client(one), Client(one)
        for _ in range(20):
            dead.send("ann@dead.test")
        for name, seconds in STEPS:
            set_clock(offset, seconds)
            begin = time.monotonic()
            for _ in range(EACH):
                client.send()
            whole = one.arrived(client.acknowledged, 30)
            took = time.monotonic() - begin
            result = f"{one.sink.messages()} of {client.acknowledged} in {took:.1f} s"
            yield Row(f"the clock is set {name}", "live mail goes on", result, whole)
            if abs(seconds) == HOUR:
                left = queued(one, "dead.test")
                goal = "what waits for a dead site has not expired"
                yield Row(f"the clock is set {name}", goal, f"{left} of 20 wait", left == 20)
        there = f"{time.gmtime(time.time() + YEAR).tm_year}-" in one.log()
        yield Row("all of these", "the server sees it", f"{there}", there)
        refused = len(client.refusals)
        panics = one.log().count("panicked at")
        result = f"{refused} refused, {panics} panics"
        yield Row("all of these", "nothing refused, no panic", result, refused + panics == 0)


def set_clock(file, seconds):
    file.write_text(f"{seconds:+d}\n")


def queued(one, domain):
    """Deliveries that wait for a domain."""
    words = ["queue", "--json", "--config", one.postbell.config]
    done = subprocess.run([one.postbell.binary, *words], capture_output=True, text=True, check=True)
    lanes = json.loads(done.stdout)
    return sum(lane["count"] for lane in lanes if lane["domain"] == domain)
