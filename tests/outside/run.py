"""Other people's programs on both sides of Postbell: smtplib, openssl, swaks, msmtp, lettre and a
Postfix submit and bring mail from outside, Postfixes and an Exim are the recipients' MX; the
`standardwebhooks` packages of PyPI and npm check the webhooks, dkimpy and opendkim the signatures of
what the hosts got, and Python's email package reads our reports and what was made 7-bit, and dkimpy
what we seal; Pebble gives us certificates.

    python3 tests/outside/run.py --programs target/ci [TEST...]

A TEST is a part of a test's name. The last line counts; a line `SKIPPED …` before it says what was
left out and why. The logs of what ran are kept where a test fails.
"""

import argparse
import contextlib
import sys
import unittest
from pathlib import Path

import certified
import clients
import hosts
import inbound
import postfix
import reports
import sealed
import seven_bit
import signatures
import signed
import smuggling
import tracked
from world import Case, World

# Those that need the world, and those that need our programs alone.
PEERS = (clients.Clients, hosts.Hosts, inbound.Inbound, smuggling.Smuggling)
PEERS += (signatures.Signatures, signed.Signed, tracked.Tracked)
READERS = (reports.Reports, seven_bit.SevenBit, sealed.Sealed, certified.Certified)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=Path, required=True, help="the folder of the binaries")
    parser.add_argument(
        "--packages",
        type=Path,
        default=Path("target/outside-packages"),
        help="the folder that the packages which can't be installed were unpacked into",
    )
    parser.add_argument("tests", nargs="*", metavar="TEST", help="parts of names; none: all")
    options = parser.parse_args()
    Case.programs = options.programs.resolve()
    suite, peers = tests(READERS, options.tests), tests(PEERS, options.tests)
    left_out, reason = 0, postfix.why_not()
    with contextlib.ExitStack() as stack:
        if reason:
            print(f"SKIPPED outside peers: {reason}")
            left_out = peers.countTestCases()
        elif peers.countTestCases():
            Case.world = World(stack, Case.programs, options.packages.resolve())
            suite.addTest(peers)
        total = suite.countTestCases()
        result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    close(result, total, left_out)


def tests(cases, names):
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{name}*" for name in names] or None
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)


def close(result, total, left_out):
    for case, reason in result.skipped:
        print(f"SKIPPED outside peers, {str(case).split()[0]}: {reason}")
    if tracked.Tracked.looked_at:
        print(f"tracked mail was looked at: {tracked.Tracked.looked_at}")
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    passed = total - failed - skipped
    print(f"outside: {passed} passed, {failed} failed, {skipped + left_out} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
