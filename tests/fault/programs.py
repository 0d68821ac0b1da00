"""Runs the load programs of this repository, which put more load on a server than Python can."""

import json
import subprocess
from dataclasses import dataclass

# More than any of them takes; each has limits of its own.
LIMIT = 1800


@dataclass
class Ledgers:
    """The rows of the verdict by title, what was refused and how often, what the server said where it
    ended by itself and how often, and whether the ledgers agree."""

    rows: dict
    refusals: list
    ends: list
    agree: bool
    done: subprocess.CompletedProcess


def load(options, *words):
    return json.loads(run(options, "load", "--json", *words))


def beside(options, *words):
    return json.loads(run(options, "beside", *words).splitlines()[-1])


def kill(options, *words):
    done = start(options, "kill", *words)
    # Two spaces, a title of 46 columns, and what it is.
    lines = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    rows = [(line[2:48].strip(), line[48:].strip()) for line in lines]
    agree = done.returncode == 0 and "The ledgers agree." in done.stdout
    refusals, ends = counted(rows, "messages refused"), counted(rows, "said at its end")
    return Ledgers(dict(rows), refusals, ends, agree, done)


def counted(rows, wanted):
    parts = [value.partition(": ") for title, value in rows if title == wanted]
    return [(int(count), said) for count, _, said in parts]


def run(options, name, *words):
    done = start(options, name, *words)
    if done.returncode != 0:
        raise RuntimeError(f"{name} {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


def start(options, name, *words):
    command = [options.programs / name, "--folder", options.folder, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
