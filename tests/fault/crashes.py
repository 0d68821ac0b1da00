"""Ends of the process under submission, delivery and webhooks, with ledgers outside it:
SIGTERM, and a disk whose syncs and writes fail."""

import os
import re
import stat
import subprocess
import tempfile
from pathlib import Path

from programs import kill
from rows import Row, Skipped, need

# The system calls that are made to fail, and how. Each is injected once per thread, at the Kth call.
FAILURES = [
    ("fdatasync", "EIO"),
    ("fsync", "EIO"),
    ("pwrite64", "EIO"),
    ("writev", "EIO"),
    ("pwrite64", "ENOSPC"),
    ("writev", "ENOSPC"),
]
# Which call fails at the earliest, and out of how many. Folders are synced when a file is new, files
# at each commit, and of writes there are more.
NTH = {"fsync": (1, 2), "fdatasync": (2, 100), "pwrite64": (20, 1000), "writev": (1, 8)}
# The same where there are two rounds: the first takes mail, be it that no file is new a third time, and
# the second fails at once.
QUICK_NTH = {"fsync": (1, 4), "fdatasync": (2, 80)}
# Where a call is made to fail only on this, of the data folder: a start syncs the folder above, too.
ONLY = {"fsync": "bodies"}
# How SQLite and the system say EIO.
EIO = re.compile("disk I/O error|Input/output error")
WRAPPER = """#!/bin/sh
[ "$1" = serve ] || exec {binary} "$@"
echo >>"$0.starts"
# The last start of all has a sound disk, to finish what was left.
[ $(wc -l <"$0.starts") -le {rounds} ] || exec {binary} "$@"
# From the latest call to the earliest, so that mail was taken before the first failure.
k=$(({least} + ({rounds} - $(wc -l <"$0.starts")) * {most} / {rounds}))
exec strace -D -f -qq -o /dev/null {only} -e trace={call} -e inject={call}:error={error}:when=$k \\
  {binary} "$@"
"""


def terminated(options):
    rounds = "4" if options.quick else str(options.rounds)
    found = kill(options, "--how", "term", "--rounds", rounds)
    how = f"SIGTERM under load, {rounds} times"
    result = f"lost {found.rows.get('lost', '?')}, sent twice {found.rows.get('sent twice', '?')}"
    yield Row(how, "nothing lost, nothing sent twice, the ledgers agree", *told(result, found))
    slowest = found.rows.get("slowest end, from SIGTERM", "?")
    yield Row(how, "ends within 30 s", slowest, slowest != "?")
    yield only_4xx(how, found.refusals)


def failing_disk(options):
    need("strace")
    traced = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True)
    if traced.returncode != 0:
        raise Skipped(f"strace may not trace: {traced.stderr.strip()}")
    rounds = 2 if options.quick else max(1, options.rounds // 10)
    failures = FAILURES[:2] if options.quick else FAILURES
    for call, error in failures:
        with tempfile.TemporaryDirectory() as folder:
            wrapper = write_wrapper(Path(folder) / "postbell", options, (call, error, rounds))
            words = ("--how", "none", "--rounds", str(rounds), "--latest", "6000")
            # How long it takes to end, in which the MX may take what is not written down any more.
            words += ("--window", "7000", "--messages", "2000", "--binary", str(wrapper))
            found = kill(options, *words)
        how = f"{error} from {call}, {rounds} times"
        goal = "no false 250, the ledgers agree after a restart"
        yield Row(how, goal, *told(f"lost {found.rows.get('lost', '?')}", found))
        if error == "EIO":
            yield ended(how, found.ends)
        yield only_4xx(how, found.refusals)


def write_wrapper(path, options, failure):
    call, error, rounds = failure
    least, most = (QUICK_NTH if options.quick else NTH)[call]
    facts = {"call": call, "error": error, "rounds": rounds, "least": least, "most": most}
    # The words are `serve --config FILE`, and the data folder lies beside that file.
    only = f'-P "$(dirname "$3")/data/{ONLY[call]}"' if call in ONLY else ""
    path.write_text(WRAPPER.format(only=only, binary=options.programs / "postbell", **facts))
    os.chmod(path, stat.S_IRWXU)
    return path


def told(result, found):
    if found.agree:
        return result, True
    return f"{result}: {(found.done.stdout + found.done.stderr)[-2000:]}", False


def ended(how, ends):
    """A disk that never failed would prove nothing."""
    wordless = [said for _, said in ends if not EIO.search(said)]
    result = f"{sum(count for count, _ in ends)} times: {'; '.join(said for _, said in ends)}"
    goal = "the process ends by itself, and says why"
    return Row(how, goal, result, bool(ends) and not wordless)


def only_4xx(how, refusals):
    bad = [said for _, said in refusals if not said.startswith("4")]
    count = sum(count for count, _ in refusals)
    result = f"{count} refusals; {', '.join(sorted({said[:9] for _, said in refusals}))}"
    return Row(how, "every refusal is a 4xx", result if not bad else bad[0], not bad)
