"""A steady load of lines over kept connections, so many a second, from a process of its own, until it is ended."""

from __future__ import annotations

import argparse
import itertools
import json
import socket
import sys
import time

LINES = 500


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
    connection = socket.create_connection(("127.0.0.1", chosen.port))
    answered, began = 0, time.monotonic()
    print("begun", flush=True)
    for number in itertools.count():
        now = time.monotonic()
        if now - began >= chosen.seconds:
            break
        due = began + number * LINES / chosen.per_second
        if due > now:
            time.sleep(due - now)
        connection.sendall(posts[number % len(posts)])
        lines = 0
        while lines < LINES:
            part = connection.recv(1 << 18)
            if not part:
                raise RuntimeError("the service has closed the connection")
            lines += part.count(b'"in_reply_to"') or part.count(b'"type"')
        answered += LINES
    print(json.dumps({"reports": answered, "seconds": time.monotonic() - began}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
