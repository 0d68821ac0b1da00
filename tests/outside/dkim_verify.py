"""DKIM signatures, verified by programs of others: the Python package dkimpy and opendkim, of which
not every build knows Ed25519."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

# What opendkim ends with where a header is malformed or too long for it, and where a signature that
# came with the mail is.
EX_DATAERR, EX_SOFTWARE = 65, 70
RESULT = re.compile(r"dkim=(\w+)[^;]* header\.a=(\S+)")


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
        if not any(is_named(value, name) for name in records):
            # Another's, which came with the mail; it may be anything.
            continue
        # The default of dkimpy; a smaller key is an error to it.
        checker = dkim.DKIM(mail, minkey=1024)
        try:
            is_right = checker.verify(idx=index, dnsfunc=find)
        except dkim.ValidationError:
            is_right = False
        if not is_right:
            raise AssertionError(f"signature {index} is wrong:\n{value.decode()}")
        right.append(checker.signature_fields[b"a"].decode())
    return right


def is_named(value, name):
    """Whether a signature says that it was made with the key of this name."""
    selector, _, domain = name.partition("._domainkey.")
    tags = {tag.strip() for tag in value.decode("utf-8", "replace").split(";")}
    return {f"s={selector}", f"d={domain}"} <= tags


class OpenDkim:
    """opendkim with its own idea of the DNS. Use it in a `with` statement."""

    def __init__(self, records):
        self.records = records

    def __enter__(self):
        self.place = tempfile.TemporaryDirectory(prefix="postbell-dkim-")
        folder = Path(self.place.name)
        data = folder / "records"
        data.write_text("".join(f"{name} {text}\n" for name, text in self.records.items()))
        self.config = folder / "opendkim.conf"
        # Ours stand before those that a mail came with.
        most = f"MaximumSignaturesToVerify {len(self.records)}"
        self.config.write_text(f"Mode v\nTestDNSData file:{data}\nSyslog no\n{most}\n")
        self.mail = folder / "mail"
        told = subprocess.run([self.program(), "-V"], capture_output=True, text=True, timeout=60)
        self.known = set(re.findall("rsa-sha256|ed25519-sha256", told.stdout + told.stderr))
        return self

    def __exit__(self, *_):
        self.place.cleanup()

    @staticmethod
    def is_installed():
        return OpenDkim.program() is not None

    @staticmethod
    def program():
        return shutil.which("opendkim") or shutil.which("opendkim", path="/usr/sbin")

    def verifies(self, mail):
        """Whether opendkim says that every signature of ours that it knows is right; None where it
        can't read the mail."""
        self.mail.write_bytes(mail)
        command = [self.program(), "-x", self.config, "-t", self.mail, "-vv"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        said = done.stdout + done.stderr
        if done.returncode in (EX_DATAERR, EX_SOFTWARE):
            return None
        results = RESULT.findall(said)[: len(self.records)]
        if done.returncode != 0 or len(results) != len(self.records):
            raise AssertionError(f"opendkim {done.returncode}: …{said[-500:]}")
        known = [result for result, algorithm in results if algorithm in self.known]
        return set(known) == {"pass"}
