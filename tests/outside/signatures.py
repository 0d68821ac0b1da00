"""What other people's libraries say to our signatures: `standardwebhooks` of PyPI and of npm, also
while one secret takes over from another."""

import json
import os
import shutil
import subprocess
import time

from world import Case, message

PACKAGE = "standardwebhooks@1.1.1"
VERIFY = """
const { Webhook } = require("standardwebhooks");
const { secret, headers, body } = JSON.parse(require("fs").readFileSync(0, "utf8"));
try {
  console.log(JSON.stringify(new Webhook(secret).verify(body, headers)));
} catch (error) {
  console.log("refused: " + error.message);
}
"""


class Signatures(Case):
    def test_webhooks_verify_with_standardwebhooks_of_npm(self):
        folder = self.node_modules()
        headers, body = self.signed("npm")
        verified = in_node(folder, self.world.postbell.secret, headers, body)
        self.assertEqual(json.loads(verified)["id"], headers["webhook-id"])
        changed = body.replace(b"Delivery", b"Delivers")
        refused = in_node(folder, self.world.postbell.secret, headers, changed)
        self.assertIn("refused", refused)

    def test_webhooks_verify_while_a_secret_is_rotated(self):
        try:
            from standardwebhooks.webhooks import Webhook
        except ImportError:
            self.skipTest("the Python package standardwebhooks is not installed")
        old = self.world.postbell.secret
        new = self.rotate()
        deadline = time.monotonic() + 30
        # The server sees the new secret within a second or two.
        for number in range(1_000):
            headers, body = self.signed(f"rotated{number}")
            if " " in headers["webhook-signature"]:
                break
            self.assertLess(time.monotonic(), deadline, "the new secret signs nothing")
        for secret in (old, new):
            self.assertEqual(Webhook(secret).verify(body, headers)["id"], headers["webhook-id"])
        if shutil.which("node"):
            folder = self.node_modules()
            for secret in (old, new):
                verified = in_node(folder, secret, headers, body)
                self.assertEqual(json.loads(verified)["id"], headers["webhook-id"])

    def signed(self, subject):
        """Headers and body of the `Delivery` of a mail of this subject."""
        self.submit(message("ann", subject, "Hello.\n"))
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for headers, body in list(self.world.receiver.posts):
                told = json.loads(body)
                if told["eventType"] == "Delivery" and told["mail"].get("subject") == subject:
                    return headers, body
            time.sleep(0.05)
        raise AssertionError(f"nothing was told of {subject}")

    def rotate(self):
        program = self.world.postbell
        command = (program.binary, "destination", "rotate-secret", "hook", "--overlap", "24h")
        options = ("--json", "--config", program.config)
        done = subprocess.run(command + options, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["secret"]

    def node_modules(self):
        """The folder with the package, which npm gets where it is not there."""
        folder = self.world.programs.parent / "outside-node"
        package = folder / "node_modules" / "standardwebhooks"
        if shutil.which("node") is None:
            self.skipTest("Node.js is not installed")
        if not package.exists():
            if shutil.which("npm") is None or os.environ.get("TESTS_INSTALL") == "no":
                self.skipTest("the npm package standardwebhooks is not installed")
            options = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder)
            command = ("npm", "install", *options, PACKAGE)
            done = subprocess.run(command, capture_output=True, text=True, timeout=180)
            if done.returncode != 0 or not package.exists():
                self.skipTest("npm can't get the package standardwebhooks")
        return folder


def in_node(folder, secret, headers, body):
    """What the library makes of a post: the document, or why it refuses it."""
    post = json.dumps({"secret": secret, "headers": headers, "body": body.decode()})
    command = ("node", "-e", VERIFY)
    done = subprocess.run(
        command, input=post, cwd=folder, capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout.strip()
