"""A load of single POSTs over kept connections, from a process of its own: prints its figures as JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

HEAD = b"POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"


class Client(asyncio.Protocol):
    """One connection that sends a request as soon as the last one is answered."""

    def __init__(self, bodies: Iterator[bytes], kind: bytes, trips_s: list[float], done: asyncio.Future[None]) -> None:
        self.bodies = bodies
        self.kind = kind
        self.trips_s = trips_s
        self.done = done
        self.refused = 0
        self.received = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        self.send()

    def send(self) -> None:
        """The next request, or the end."""
        body = next(self.bodies, None)
        if body is None:
            self.done.set_result(None)
            self.transport.close()
            return
        self.sent_at = time.perf_counter()
        self.transport.write(HEAD % (self.kind, len(body), body))

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        start = head.find(b"content-length: ")
        if start >= 0:
            if len(body) < int(head[start + 16 :].partition(b"\r\n")[0]):
                return
        elif not body.endswith(b"0\r\n\r\n"):
            return
        self.trips_s.append(time.perf_counter() - self.sent_at)
        self.refused += not head.startswith(b"HTTP/1.1 200")
        self.received = b""
        self.send()


async def load(port: int, bodies: list[bytes], kind: bytes, connections: int) -> dict[str, float]:
    """Send all bodies; figures over the time that it took."""
    loop = asyncio.get_running_loop()
    source = iter(bodies)
    trips_s: list[float] = []
    ends = [loop.create_future() for _ in range(connections)]
    start = time.perf_counter()
    clients = [
        (await loop.create_connection(lambda end=end: Client(source, kind, trips_s, end), "127.0.0.1", port))[1]
        for end in ends
    ]
    await asyncio.gather(*ends)
    wall_s = time.perf_counter() - start
    trips_s.sort()
    return {
        "wall_s": wall_s,
        "requests": len(trips_s),
        "p50_ms": trips_s[len(trips_s) // 2] * 1000,
        "p99_ms": trips_s[len(trips_s) * 99 // 100] * 1000,
        "max_ms": trips_s[-1] * 1000,
        "refused": sum(client.refused for client in clients),
    }


def main() -> int:
    """Read the lines, group them into bodies, send them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("source", type=Path)
    parser.add_argument("--lines", type=int, default=1, help="lines of a request; more than one go as NDJSON")
    parser.add_argument("--connections", type=int, default=32)
    chosen = parser.parse_args()
    lines = chosen.source.read_bytes().splitlines(keepends=True)
    bodies = [b"".join(lines[at : at + chosen.lines]) for at in range(0, len(lines), chosen.lines)]
    kind = b"application/json" if chosen.lines == 1 else b"application/x-ndjson"
    try:
        from uvloop import new_event_loop
    except ImportError:
        from asyncio import new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        print(json.dumps(runner.run(load(chosen.port, bodies, kind, chosen.connections))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
