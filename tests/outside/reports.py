"""The reports of fixtures/reports, read with Python's email package: each must have three parts,
status fields with one recipient, and no defect."""

import email
import email.policy
import quopri
from pathlib import Path

from world import Case

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "reports"
ACTIONS = {"failed", "delayed", "relayed", "expired"}
RETURNED = {"message/rfc822", "text/rfc822-headers", "message/global-headers"}


class Reports(Case):
    def test_reports_are_read_by_python(self):
        paths = sorted(FOLDER.glob("*.eml"))
        self.assertEqual({path.stem.split("-")[0] for path in paths}, ACTIONS)
        for path in paths:
            with self.subTest(path.name):
                self.check(path)

    def check(self, path):
        report = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertFalse([part.defects for part in report.walk() if part.defects])
        text, status, returned = report.get_payload()
        self.assertTrue(text.get_content().startswith("Your message to "))
        self.assertEqual(status.get_content_subtype(), report.get_param("report-type"))
        about_message, about_recipient = fields(status)
        self.assertTrue(about_message["Reporting-MTA"].startswith("dns; "))
        action = path.stem.split("-")[0]
        self.assertEqual(about_recipient["Action"], "failed" if action == "expired" else action)
        self.assertEqual(about_recipient["Status"].count("."), 2)
        self.assertIn(";", about_recipient["Final-Recipient"])
        self.assertIn(returned.get_content_type(), RETURNED)


def fields(part):
    """The groups of fields of a status part, as messages."""
    if part.get_content_type() == "message/delivery-status":
        return part.get_payload()
    # Python takes message/global-delivery-status for a message and leaves it encoded.
    raw = part.as_bytes().split(b"\n\n", 1)[1]
    groups = quopri.decodestring(raw).decode().strip().split("\n\n")
    return [email.message_from_string(group, policy=email.policy.default) for group in groups]
