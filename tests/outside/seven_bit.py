"""What becomes of messages for hosts that take no eight-bit ones, held against Python's own reader:
the parts, decoded, must be the same before and after."""

import collections
import email
import email.policy
import re
import subprocess
import tempfile
from pathlib import Path

from signed import CORPORA, CORPUS, FIXTURES
from world import Case


class SevenBit(Case):
    def test_the_fixtures_decode_to_the_same(self):
        self.check_folders([FIXTURES])

    def test_the_corpora_decode_to_the_same(self):
        if not CORPORA.exists():
            # It is not part of this repository: that it is not there is no fault of the machine.
            print(f"left out: {CORPORA} is not there")
            return
        self.check_folders([CORPORA / name for name in CORPUS])

    def check_folders(self, folders):
        counts = collections.Counter()
        with tempfile.TemporaryDirectory(prefix="postbell-7bit-") as place:
            copies = {}
            found = (path for folder in folders for path in sorted(folder.rglob("*")))
            for path in filter(Path.is_file, found):
                copy = Path(place, str(len(copies)))
                octets = re.sub(rb"\r*\n|\r", b"\r\n", path.read_bytes())
                copy.write_bytes(octets.replace(b"\0", b""))
                copies[copy] = path
            program = self.programs / "examples" / "seven_bit"
            subprocess.run([program, *copies], check=True, timeout=120)
            for copy, path in copies.items():
                with self.subTest(path.name):
                    counts[self.check(copy)] += 1
        print(dict(counts), end=" ")
        self.assertGreater(counts["the same"], 0)

    def check(self, copy):
        """The same, or why it can't be made 7-bit."""
        unfit = Path(f"{copy}.unfit")
        if unfit.exists():
            return unfit.read_text()
        before, after = copy.read_bytes(), Path(f"{copy}.7bit").read_bytes()
        self.assertTrue(after.isascii())
        if before != after:
            self.assertEqual(leaves(before), leaves(after))
        return "the same"


def leaves(octets):
    message = email.message_from_bytes(octets, policy=email.policy.compat32)
    return [
        (part.get_content_type(), part.get_payload(decode=True))
        for part in message.walk()
        if not part.is_multipart()
    ]
