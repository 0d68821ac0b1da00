"""Runs the load programs of this repository, which put more load on a server than Python can."""

import json
import subprocess

# More than any of them takes; each has limits of its own.
LIMIT = 1800


def load(options, *words):
    return json.loads(run(options, "load", "--json", *words))


def beside(options, *words):
    return json.loads(run(options, "beside", *words).splitlines()[-1])


def kill(options, *words):
    """The rows of its verdict by title, what was refused and how often, and whether the ledgers
    agree."""
    done = start(options, "kill", *words)
    # Two spaces, a title of 46 columns, and what it is.
    lines = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    rows = [(line[2:48].strip(), line[48:].strip()) for line in lines]
    refusals = [value.partition(": ") for title, value in rows if title == "messages refused"]
    agree = done.returncode == 0 and "The ledgers agree." in done.stdout
    return dict(rows), [(int(count), said) for count, _, said in refusals], agree, done


def run(options, name, *words):
    done = start(options, name, *words)
    if done.returncode != 0:
        raise RuntimeError(f"{name} {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


def start(options, name, *words):
    command = [options.programs / name, "--folder", options.folder, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
