"""DKIM signatures, verified by programs of others: the Python package dkimpy verifies all, opendkim
those made with RSA, which is all it knows.

    python3 tests/outside/dkim_verify.py target/ci/examples/sign ../shared/corpora/mime

signs every file of the corpus and verifies it; the last line counts."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# What opendkim ends with where a header is malformed or too long for it.
EX_DATAERR = 65


def why_not():
    """Why dkimpy can't verify here; empty where it can."""
    try:
        import dkim  # noqa: F401
        import nacl  # noqa: F401
    except ImportError as error:
        return f"the Python packages dkimpy and pynacl are not installed ({error})"
    return ""


def verify(mail, records):
    """The algorithms of the signatures of `mail` that dkimpy finds right; any that it finds wrong
    is an error. `records` has the texts of key records by name."""
    import dkim

    def find(name, timeout=5):
        return records[name.decode().rstrip(".")].encode()

    fields = [f for f in dkim.rfc822_parse(mail)[0] if f[0].lower() == b"dkim-signature"]
    right = []
    for index, (_, value) in enumerate(fields):
        # The default of dkimpy; a smaller key is an error to it.
        checker = dkim.DKIM(mail, minkey=1024)
        domain = dkim.util.parse_tag_value(value)[b"d"].decode()
        if not any(name.endswith(f"._domainkey.{domain}") for name in records):
            continue
        try:
            is_right = checker.verify(idx=index, dnsfunc=find)
        except dkim.ValidationError:
            is_right = False
        if not is_right:
            raise AssertionError(f"signature {index} is wrong:\n{value.decode()}")
        right.append(checker.signature_fields[b"a"].decode())
    return right


class OpenDkim:
    """opendkim with its own idea of the DNS. None where it is not installed."""

    def __init__(self, folder, records):
        self.folder = Path(folder)
        data = self.folder / "records"
        data.write_text("".join(f"{name} {text}\n" for name, text in records.items()))
        self.config = self.folder / "opendkim.conf"
        self.config.write_text(f"Mode v\nTestDNSData file:{data}\nSyslog no\n")

    @staticmethod
    def is_installed():
        return OpenDkim.program() is not None

    @staticmethod
    def program():
        return shutil.which("opendkim") or shutil.which("opendkim", path="/usr/sbin")

    def verifies(self, path):
        """Whether opendkim says of the mail in a file that a signature is right; None where it
        can't read the mail."""
        command = [self.program(), "-x", self.config, "-t", path, "-vv"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        said = done.stdout + done.stderr
        if done.returncode == EX_DATAERR:
            return None
        if done.returncode != 0 or "verification (s=" not in said:
            raise AssertionError(f"opendkim {done.returncode}: …{said[-500:]}")
        return "succeeded" in said


def check_corpus(program, corpus):
    """Signs the corpus and verifies every mail. Returns how many dkimpy and opendkim verified, how
    many dkimpy can't read, and how many files are no mail that may be sent."""
    import dkim

    with tempfile.TemporaryDirectory(prefix="postbell-dkim-") as folder:
        folder = Path(folder)
        subprocess.run([program, corpus, folder], check=True, timeout=300)
        records = json.loads((folder / "keys.json").read_text())
        opendkim = OpenDkim(folder, records) if OpenDkim.is_installed() else None
        count = by_opendkim = unread = 0
        for path in sorted(folder.glob("*.eml")):
            mail = path.read_bytes()
            try:
                right = verify(mail, records)
            except dkim.MessageFormatError:
                # A malformed header that dkimpy reads in no mail.
                unread += 1
                continue
            if right != ["rsa-sha256", "ed25519-sha256"]:
                raise AssertionError(f"{path.name}: only {right} verify")
            count += 1
            if opendkim:
                found = opendkim.verifies(path)
                if found is False:
                    raise AssertionError(f"{path.name}: opendkim finds it wrong")
                by_opendkim += found is True
        others = int((folder / "others").read_text())
    return count, by_opendkim, unread, others


if __name__ == "__main__":
    counts = check_corpus(Path(sys.argv[1]), Path(sys.argv[2]))
    print("dkimpy verified %d mails, opendkim %d; dkimpy can't read %d; %d may not be sent" % counts)
