"""A webhook receiver that keeps what was posted to it, as it came."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """Says 204 to every POST. Use it in a `with` statement."""

    def __init__(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(204)
                self.end_headers()
                receiver._keep(headers, body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/events"
        self.posts = []
        self.changed = threading.Condition()

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def _keep(self, headers, body):
        with self.changed:
            self.posts.append((headers, body))
            self.changed.notify_all()

    def told(self, event_type, recipient):
        """The documents so far that tell this of that recipient."""
        with self.changed:
            documents = [json.loads(body) for _, body in self.posts]
        return [each for each in documents if tells(each, event_type, recipient)]

    def wait_for_document(self, wanted, what, seconds=30):
        """The first document that is wanted."""

        def found():
            documents = (json.loads(body) for _, body in self.posts)
            return next((each for each in documents if wanted(each)), None)

        with self.changed:
            document = self.changed.wait_for(found, timeout=seconds)
        if not document:
            raise AssertionError(f"no {what}")
        return document

    def wait_for(self, event_type, recipient, seconds=30):
        """The first post that tells this of that recipient: headers, raw body, document."""

        def found():
            for headers, body in self.posts:
                document = json.loads(body)
                if tells(document, event_type, recipient):
                    return headers, body, document
            return None

        with self.changed:
            post = self.changed.wait_for(found, timeout=seconds)
        if not post:
            told = [json.loads(body)["eventType"] for _, body in self.posts]
            raise AssertionError(f"no {event_type} of {recipient}; what came: {told}")
        return post


def tells(document, event_type, recipient):
    """Whether it tells this of a delivery to that recipient."""
    # What came in for a domain is about no delivery.
    addressed = recipient in document.get("mail", {}).get("destination", [])
    return document["eventType"] == event_type and addressed
