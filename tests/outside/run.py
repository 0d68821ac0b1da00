"""Other people's programs on both sides of Postbell: smtplib, openssl, swaks, msmtp, lettre and a
Postfix submit, another Postfix and an Exim are the recipients' MX, and the `standardwebhooks`
package checks the webhooks.

    python3 tests/outside/run.py --programs target/ci [TEST...]

A TEST is a part of a test's name. The last line counts; a line `SKIPPED …` before it says what was
left out and why. The logs of what ran are kept where a test fails.
"""

import argparse
import contextlib
import sys
import unittest
from pathlib import Path

import clients
import hosts
import postfix
import smuggling
from world import Case, World


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
    suite = tests(options.tests)
    total = suite.countTestCases()
    reason = postfix.why_not()
    if reason:
        print(f"SKIPPED outside peers: {reason}")
        print(f"outside: 0 passed, 0 failed, {total} skipped")
        return
    with contextlib.ExitStack() as stack:
        Case.world = World(stack, options.programs.resolve(), options.packages.resolve())
        result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    close(result, total)


def tests(names):
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{name}*" for name in names] or None
    cases = (clients.Clients, hosts.Hosts, smuggling.Smuggling)
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)


def close(result, total):
    for case, reason in result.skipped:
        print(f"SKIPPED outside peers, {str(case).split()[0]}: {reason}")
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    print(f"outside: {total - failed - skipped} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
