"""A name server of a few lines: it knows some domains, each with one MX host, `mx.` before it, and
the records that are published."""

import socket
import struct
import threading

A, MX, TXT = 1, 15, 16


class Dns:
    """Answers over UDP on a port of the loopback interface. It is made with the address of the MX
    host of each domain. Use it in a `with` statement."""

    def __init__(self, addresses):
        self.answers = {}
        for domain, address in addresses.items():
            self.publish(domain, "MX", f"10 mx.{domain}")
            self.publish(f"mx.{domain}", "A", address)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def publish(self, name, kind, value):
        """Gives a name its one record of a kind, `A`, `MX` or `TXT`."""
        if kind == "A":
            key, data = A, socket.inet_aton(value)
        elif kind == "MX":
            preference, exchange = value.split()
            key, data = MX, struct.pack("!H", int(preference)) + encode_name(exchange)
        else:
            # RFC 1035 §3.3.14: strings of at most 255 octets, each after its length.
            parts = [value[at : at + 255].encode() for at in range(0, len(value), 255)]
            key, data = TXT, b"".join(bytes([len(part)]) + part for part in parts)
        self.answers[encode_name(name), key] = data

    def _serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(4096)
                self.socket.sendto(self._answer(query), peer)
            except OSError:
                return

    def _answer(self, query):
        # RFC 1035 §4.1: a header of twelve octets, then the question, which is said again.
        identity = query[:2]
        end = query.index(0, 12) + 5
        kind = struct.unpack("!H", query[end - 4 : end - 2])[0]
        data = self.answers.get((query[12 : end - 4].lower(), kind))
        answer = b""
        if data is not None:
            # The name is a pointer to the one in the question.
            answer = struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data
        counts = struct.pack("!HHHHH", 0x8580, 1, 1 if answer else 0, 0, 0)
        return identity + counts + query[12:end] + answer


def encode_name(name):
    labels = name.rstrip(".").split(".")
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
