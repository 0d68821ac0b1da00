"""Messages that hold what some server takes for the end of a message (CVE-2023-51764 and its kin),
with a second envelope after it. Exactly one message may come of each, at our door and at the hosts
behind us; the Postfix that is the host takes bare line feeds for line ends, so it would be fooled.
"""

import socket

from world import EXIM, EXIM_SECURE, RECIPIENTS, SECURE, SENDER, Case

# What SMTP-Smuggling-Tools try, and some more.
ENDS = [
    b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n",
    b"\r\n.\n", b"\r\n.\r", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n",
    b"\n\n.\n\n", b"\r\n.\n\r\n", b"\n.\r\r\n",
]  # fmt: skip


class Smuggling(Case):
    def test_one_message_comes_of_each(self):
        for domain in (RECIPIENTS, SECURE):
            self.check_domain(domain)

    def test_one_message_comes_of_each_at_exim(self):
        self.need_exim()
        for domain in (EXIM, EXIM_SECURE):
            self.check_domain(domain)

    def test_bare_line_ends_are_refused_where_the_configuration_says_so(self):
        to = f"refused@{RECIPIENTS}"
        for end in ENDS:
            with Session(self.world.strict.smtp) as session:
                replies = session.submit(to, to, [end])
            codes = [reply[:9] for reply in replies]
            self.assertEqual(codes, [b"550 5.6.0", b"221 2.0.0"], (end, replies))
        self.assertEqual(self.world.postfix.mails(to), [])

    def test_the_postfix_behind_would_be_fooled(self):
        """The control: without us between, the same bytes are two messages."""
        to = f"control@{RECIPIENTS}"
        with Session(self.world.postfix.port) as session:
            replies = session.submit(to, to, [b"\n.\r\n"])
        self.assertGreater(len(replies), 2, replies)
        self.wait_for_mails(to, 2)

    def check_domain(self, domain):
        to, taken = f"first@{domain}", 0
        for end in ENDS:
            # At once, and with the end cut in two, so that the door can't see it whole.
            for pieces in ([end], [end[:1], end[1:]], [end[:-1], end[-1:]]):
                with Session(self.world.postbell.smtp) as session:
                    replies = session.submit(to, f"smuggled@{domain}", pieces)
                codes = [reply[:3] for reply in replies]
                # NUL is refused in any case.
                first = b"550" if b"\0" in end else b"250"
                self.assertEqual(codes, [first, b"221"], (pieces, replies))
                taken += first == b"250"
        mails = self.wait_for_mails(to, taken)
        self.assertEqual(self.world.hosts[domain].mails(f"smuggled@{domain}"), [])
        for mail in mails:
            self.assertIn(b"the end of it", mail)


class Session:
    """A client that says exactly what it is told. Use it in a `with` statement."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")

    def __enter__(self):
        self.reply()
        return self

    def __exit__(self, *_):
        self.reader.close()
        self.socket.close()

    def submit(self, to, smuggled, end):
        """All replies to a message with the pieces of this end in it, then an envelope to another
        address and a QUIT."""
        for command in ("EHLO client.test", f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{to}>", "DATA"):
            self.socket.sendall(command.encode() + b"\r\n")
            reply = self.reply()
            assert reply[:1] in b"23", reply
        for piece in (header(to, "one") + b"first", *end, after(smuggled)):
            self.socket.sendall(piece)
        replies = []
        while not replies or not replies[-1].startswith((b"221", b"421")):
            replies.append(self.reply())
        return replies

    def reply(self):
        """The last line of the next reply."""
        while True:
            line = self.reader.readline()
            if not line:
                raise AssertionError("the connection was closed")
            if line[3:4] != b"-":
                return line


def after(to):
    """What follows the end: for a server that was fooled, commands; for others, text."""
    envelope = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode()
    return envelope + header(to, "two") + b"the end of it\r\n.\r\nQUIT\r\n"


def header(to, subject):
    return f"From: {SENDER}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n".encode()
