"""A disk that is full, on a small tmpfs in a private mount: while mail is taken, and while outcomes
are written down."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from rows import Row, Skipped, need

MIB = 1 << 20
DISK = 48 * MIB
ENVIRONMENT = {
    # Else new mail is put off while there is still room, which is another fault.
    "POSTBELL_OVERLOAD__MIN_FREE_DISK": "0",
    "POSTBELL_DELIVER__SITE_PAUSE": "500ms",
    "POSTBELL_DELIVER__LONGEST_SITE_PAUSE": "1s",
    "POSTBELL_DELIVER__RETRY__FIRST": "1s",
    "POSTBELL_DELIVER__RETRY__LONGEST": "1s",
}


def run(options):
    """In a process of its own, which has mounts of its own."""
    need("unshare")
    if os.geteuid() != 0:
        raise Skipped("only root can mount a small disk")
    words = ["--programs", options.programs, "--folder", options.folder]
    command = ["unshare", "-m", "--propagation", "private", sys.executable, "-B", __file__, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if "unshare failed" in done.stderr or "mount: " in done.stderr:
        raise Skipped(f"no private mounts: {done.stderr.strip()[:200]}")
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    for row in json.loads(done.stdout.splitlines()[-1]):
        yield Row(**row)


def within(options):
    """What runs in the private mount."""
    from house import Client, house

    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        data = Path(folder) / "data"
        data.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", data]
        subprocess.run(mount, check=True)
        try:
            with house(options, ENVIRONMENT, folder) as one:
                yield from fill(one, Client(one, 100_000), data)
        finally:
            subprocess.run(["umount", data], check=True)


def fill(one, client, data):
    ballast = data / "ballast"
    with one.postbell:
        # Nobody takes the mail yet, so that it lies on the disk.
        take_up(ballast, data, leave=6 * MIB)
        while client.send():
            pass
        told = [client.refusals[-1]]
        client.slowest = 0.0
        for _ in range(20):
            client.send()
        told += client.refusals[-20:]
        how = "the disk fills while mail is taken"
        bad = [said for said in told if not said.startswith("452 4.3.1")]
        result = bad[0] if bad else f"{len(told)} × {told[0][:60]}"
        yield Row(how, "each refusal is 452 4.3.1", result, not bad)
        slowest = f"{client.slowest:.2f} s"
        yield Row(how, "within 1 s", slowest, client.slowest <= 1)
        yield Row(how, "the server goes on", "healthy", one.healthy())

        take_up(ballast, data, leave=0)
        with one.sink:
            how = "the disk is full while outcomes are written down"
            one.arrived(client.acknowledged, 20)
            ballast.unlink()
            seconds = until(client.send)
            taken = "never" if seconds is None else f"{seconds:.2f} s"
            yield Row(how, "accepts within 5 s of space", taken, seconds is not None)
            # Once more than was ever taken, so that what comes twice is seen.
            one.arrived(client.acknowledged, 60)
            count, wanted = one.sink.messages(), client.acknowledged
            result = f"{count} of {wanted}"
            yield Row(how, "what was acknowledged is sent, once", result, count == wanted)
    with one.sink, one.postbell:
        time.sleep(3)
        count = one.sink.messages()
        yield Row(how, "nothing is sent again after a restart", f"{count} sent", count == 0)
    panics = one.log().count("panicked at")
    yield Row(how, "no panic", f"{panics} panics", panics == 0)


def take_up(ballast, data, leave):
    """Fills the disk but for so many octets."""
    room = os.statvfs(data)
    size = room.f_bavail * room.f_frsize - leave
    with open(ballast, "ab") as file:
        block = bytes(64 * 1024)
        while size > 0:
            part = block[: min(size, len(block))]
            try:
                size -= os.write(file.fileno(), part)
            except OSError:
                return


def until(send, seconds=5):
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if send():
            return time.monotonic() - begin
        time.sleep(0.1)
    return None


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    sys.path[:0] = [str(here.parent / name) for name in ("versus", "outside")]
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", type=Path)
    parser.add_argument("--folder", type=Path)
    print(json.dumps([asdict(row) for row in within(parser.parse_args())]))
