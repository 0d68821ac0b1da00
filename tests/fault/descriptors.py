"""No file descriptor left: the limit of the running server is lowered, and raised again."""

import contextlib
import os
import resource
import socket
import time

from house import Client, house
from rows import Row
from servers import cpu_with_waited

# Bodies go into new files all the time, so that each message needs a descriptor.
ENVIRONMENT = {
    "POSTBELL_STORE__SEGMENT_OCTETS": "4096",
    "POSTBELL_SUBMISSION__LIMITS__MAX_CONNECTIONS_PER_IP": "10000",
}
SPARE = 16
SECONDS = 5


def run(options):
    with house(options, ENVIRONMENT) as one, one.sink, one.postbell:
        client = Client(one)
        for _ in range(20):
            client.send()
        before = resource.prlimit(one.pid, resource.RLIMIT_NOFILE)
        now = len(os.listdir(f"/proc/{one.pid}/fd"))
        resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (now + SPARE, before[1]))
        how = f"{SPARE} descriptors are left, and 100 clients come"
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                idle = socket.create_connection(("127.0.0.1", one.postbell.smtp), timeout=5)
                stack.callback(idle.close)
            used, begin = cpu_with_waited(one.pid), time.monotonic()
            time.sleep(SECONDS)
            share = (cpu_with_waited(one.pid) - used) / (time.monotonic() - begin)
            yield Row(how, "at most 10 % of a processor", f"{100 * share:.1f} %", share <= 0.1)
            refused = [client.send() for _ in range(20)].count(False)
            said = client.refusals[-1][:60] if refused else "nothing refused"
            reasons = all(refusal.startswith("4") for refusal in client.refusals)
            goal = "open sessions get 250 or a 4xx"
            yield Row(how, goal, f"{refused} of 20 refused: {said}", reasons)
            resource.prlimit(one.pid, resource.RLIMIT_NOFILE, before)
            greeted = one.greets_within(5)
        result = "never" if greeted is None else f"{greeted:.2f} s"
        yield Row(how, "greets within 1 s of having more", result, (greeted or 9) <= 1)
        taken = client.send() or client.send()
        yield Row(how, "and takes mail", "taken" if taken else client.refusals[-1], taken)
        whole = one.arrived(client.acknowledged, 60)
        result = f"{one.sink.messages()} of {client.acknowledged}"
        yield Row(how, "what was acknowledged is sent, once", result, whole)
        panics = one.log().count("panicked at")
        yield Row(how, "no panic", f"{panics} panics", panics == 0)
