"""Reads the reports of fixtures/reports with Python's email package.

    python3 tests/outside/reports.py

Each must have three parts, status fields with one recipient, and no defect.
"""

import email
import email.policy
import pathlib
import quopri
import sys

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "reports"
ACTIONS = {"failed", "delayed", "relayed", "expired"}


def fields(part):
    """The groups of fields of a status part, as messages."""
    if part.get_content_type() == "message/delivery-status":
        return part.get_payload()
    # Python takes message/global-delivery-status for a message and leaves it encoded.
    raw = part.as_bytes().split(b"\n\n", 1)[1]
    groups = quopri.decodestring(raw).decode().strip().split("\n\n")
    return [email.message_from_string(group, policy=email.policy.default) for group in groups]


def check(path):
    octets = path.read_bytes()
    report = email.message_from_bytes(octets, policy=email.policy.default)
    assert report.get_content_type() == "multipart/report", report.get_content_type()
    assert not any(part.defects for part in report.walk()), "defects"
    text, status, returned = report.get_payload()
    assert text.get_content().startswith("Your message to "), text.get_content()
    assert status.get_content_subtype() == report.get_param("report-type")
    about_message, about_recipient = fields(status)
    assert about_message["Reporting-MTA"].startswith("dns; ")
    action = path.stem.split("-")[0]
    assert about_recipient["Action"] == ("failed" if action == "expired" else action)
    assert about_recipient["Status"].count(".") == 2
    assert returned.get_content_type() in {
        "message/rfc822",
        "text/rfc822-headers",
        "message/global-headers",
    }
    return about_recipient["Final-Recipient"]


def main():
    paths = sorted(FOLDER.glob("*.eml"))
    assert {path.stem.split("-")[0] for path in paths} == ACTIONS, paths
    for path in paths:
        try:
            print(f"{path.name}: {check(path)}")
        except AssertionError as error:
            sys.exit(f"{path.name}: {error}")


if __name__ == "__main__":
    main()
