"""Holds what `postbell_mail::transfer` makes of real messages against Python's own reader.

    cargo build -p postbell-mail --example seven_bit
    python3 tests/outside/seven_bit.py target/debug/examples/seven_bit FOLDER

Every file of the folder is given CRLF line ends and made 7-bit. Its parts, decoded by Python, must
be the same before and after; what can't be made 7-bit is counted by its reason.
"""

import collections
import email
import email.policy
import pathlib
import re
import subprocess
import sys
import tempfile


def leaves(octets):
    message = email.message_from_bytes(octets, policy=email.policy.compat32)
    return [
        (part.get_content_type(), part.get_payload(decode=True))
        for part in message.walk()
        if not part.is_multipart()
    ]


def main(program, folder):
    counts = collections.Counter()
    wrong = []
    with tempfile.TemporaryDirectory() as place:
        files = []
        for number, path in enumerate(sorted(pathlib.Path(folder).rglob("*"))):
            if path.is_file():
                octets = re.sub(rb"\r*\n|\r", b"\r\n", path.read_bytes()).replace(b"\0", b"")
                copy = pathlib.Path(place, str(number))
                copy.write_bytes(octets)
                files.append((path, copy))
        subprocess.run([program, *(str(copy) for _, copy in files)], check=True)
        for path, copy in files:
            unfit = pathlib.Path(f"{copy}.unfit")
            if unfit.exists():
                counts["unfit: " + unfit.read_text()] += 1
                continue
            before, after = copy.read_bytes(), pathlib.Path(f"{copy}.7bit").read_bytes()
            if before == after:
                counts["untouched"] += 1
            elif leaves(before) == leaves(after):
                counts["changed, the same when decoded"] += 1
            else:
                counts["WRONG"] += 1
                wrong.append(path)
            assert after.isascii(), path
    for what, count in counts.most_common():
        print(f"{count:6} {what}")
    for path in wrong:
        print("wrong:", path)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
