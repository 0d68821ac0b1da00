"""ARC seals of ours, verified by the Python package dkimpy: the fixtures and every message of the
corpora, each sealed by two forwarders one after the other."""

import collections
import re
import subprocess
import tempfile
from pathlib import Path

import dkim_verify
from signed import CORPORA, CORPUS, FIXTURES
from world import Case


class Sealed(Case):
    def setUp(self):
        reason = dkim_verify.why_not()
        if reason:
            self.skipTest(reason)

    def test_seals_on_the_fixtures_are_verified(self):
        self.check_folders([FIXTURES])

    def test_seals_on_the_corpora_are_verified(self):
        if not CORPORA.exists():
            # It is not part of this repository: that it is not there is no fault of the machine.
            print(f"left out: {CORPORA} is not there")
            return
        self.check_folders([CORPORA / name for name in CORPUS])

    def check_folders(self, folders):
        counts = collections.Counter()
        with tempfile.TemporaryDirectory(prefix="postbell-arc-") as place:
            copies = {}
            found = (path for folder in folders for path in sorted(folder.rglob("*")))
            for path in filter(Path.is_file, found):
                copy = Path(place, str(len(copies)))
                copy.write_bytes(re.sub(rb"\r*\n|\r", b"\r\n", path.read_bytes()))
                copies[copy] = path
            program = self.programs / "examples" / "seal"
            command = [program, *copies]
            done = subprocess.run(command, check=True, capture_output=True, timeout=120)
            for copy, path in copies.items():
                with self.subTest(path.name):
                    counts[self.check(copy, done.stdout.strip())] += 1
        print(dict(counts), end=" ")
        self.assertGreater(counts["pass"], 0)

    def check(self, copy, record):
        """What dkimpy says, or why there is no seal."""
        import dkim

        unsealed = Path(f"{copy}.unsealed")
        if unsealed.exists():
            return unsealed.read_text()
        mail = Path(f"{copy}.sealed").read_bytes()
        try:
            dkim.rfc822_parse(mail)
        except dkim.MessageFormatError:
            # Not every file of the corpora is a message to it.
            return "unread"
        verdict, sets, reason = dkim.arc_verify(mail, dnsfunc=lambda name, timeout=5: record)
        self.assertEqual((verdict, len(sets)), (b"pass", 2), reason)
        changed = mail.replace(b"i=1; forwarder.example", b"i=1; forwarder.invalid")
        self.assertNotEqual(mail, changed)
        verdict, _, _ = dkim.arc_verify(changed, dnsfunc=lambda name, timeout=5: record)
        self.assertEqual(verdict, b"fail")
        return "pass"
