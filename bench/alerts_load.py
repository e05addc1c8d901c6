"""
A steady load of lines over kept connections, so many a second, from a process of its own, until it is ended.

Several posts are on their way at once, each on a connection of its own: one that waited for every answer could not send
50,000 reports a second.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import sys
import time
from collections import deque

LINES = 500


CONNECTIONS = 8


class Connection:
    """A kept connection, and how many lines of the answer that it waits for are still to come."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self._missing = LINES

    def has_answered(self) -> bool:
        """Read what is there: whether that was the rest of an answer."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise RuntimeError("the service has closed the connection")
        self._missing -= part.count(b'"type"')
        if self._missing > 0:
            return False
        self._missing = LINES
        return True


def _connected(port: int, selector: selectors.BaseSelector) -> Connection:
    connection = Connection(port)
    selector.register(connection.socket, selectors.EVENT_READ, connection)
    return connection


def body_of(number: int) -> bytes:
    """Progress of jobs that run: what most reports are."""
    told = {"type": "update_status", "status": "running", "progress": number % 100}
    lines = (json.dumps({**told, "job_id": f"load-{number % 20}-{index}"}) for index in range(LINES))
    return ("\n".join(lines) + "\n").encode()


def main() -> int:
    """Send until the time is over; prints how many reports were answered, and how long that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--per-second", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    chosen = parser.parse_args()
    bodies = [body_of(number) for number in range(20)]
    head = "POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
    posts = [(head + f"Content-Length: {len(body)}\r\n\r\n").encode() + body for body in bodies]
    answered, began = 0, time.monotonic()
    with selectors.DefaultSelector() as selector:
        idle = deque(_connected(chosen.port, selector) for _ in range(CONNECTIONS))
        print("begun", flush=True)
        sent = 0
        while time.monotonic() - began < chosen.seconds:
            due = began + sent * LINES / chosen.per_second
            while idle and due <= time.monotonic():
                connection = idle.popleft()  # in turn: one that is never used is closed by the service
                connection.socket.sendall(posts[sent % len(posts)])
                sent += 1
                due = began + sent * LINES / chosen.per_second
            for key, _ in selector.select(max(0.0, due - time.monotonic()) if idle else 1.0):
                if key.data.has_answered():
                    answered += LINES
                    idle.append(key.data)
    print(json.dumps({"reports": answered, "seconds": time.monotonic() - began}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
