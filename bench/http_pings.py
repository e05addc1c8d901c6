"""
Pings a second, durable, on kept connections, one core for the service: `python -m bench.http_pings`.

The client runs in a process of its own, on the other cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import cast
from urllib.request import Request, urlopen

from bench.http_measures import CONNECTIONS, _cpu_s, _other_cores, service
from bench.processes import ROOT


class Pinger(asyncio.Protocol):
    """One connection that pings as soon as the last ping is answered."""

    def __init__(self, request: bytes, left: list[int], trips_s: list[float], done: asyncio.Future[None]) -> None:
        self.request = request
        self.left = left
        self.trips_s = trips_s
        self.done = done
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        self.send()

    def send(self) -> None:
        """The next ping, or the end."""
        if not self.left[0]:
            self.done.set_result(None)
            self.transport.close()
            return
        self.left[0] -= 1
        self.sent_at = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """A part of an answer; its head and its body come one after the other."""
        if not data.endswith(b"OK"):
            if not data.startswith(b"HTTP/1.1 200"):
                self.done.set_exception(RuntimeError(f"unexpected answer: {data[:200]!r}"))
            return
        self.trips_s.append(time.perf_counter() - self.sent_at)
        self.send()


async def load(port: int, path: str, count: int) -> dict[str, float]:
    """Ping so many times; figures over the time that it took."""
    loop = asyncio.get_running_loop()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    left, trips_s = [count], list[float]()
    ends = [loop.create_future() for _ in range(CONNECTIONS)]
    start = time.perf_counter()
    for end in ends:
        await loop.create_connection(lambda end=end: Pinger(request, left, trips_s, end), "127.0.0.1", port)
    await asyncio.gather(*ends)
    wall_s = time.perf_counter() - start
    trips_s.sort()
    return {
        "wall_s": wall_s,
        "p50_ms": trips_s[len(trips_s) // 2] * 1000,
        "p99_ms": trips_s[len(trips_s) * 99 // 100] * 1000,
    }


def pings(scratch: Path, *, count: int) -> dict[str, float]:
    """One measurement."""
    with service(scratch / "pings") as (port, pid):
        wish = Request(
            f"http://127.0.0.1:{port}/api/v1/ping-urls",
            data=b'{"task": "backup"}',
            headers={"content-type": "application/json"},
        )
        path = json.load(urlopen(wish))["path"]
        before_s = _cpu_s(pid)
        command = [sys.executable, "-m", "bench.http_pings", "--port", str(port), "--path", path, "--count", str(count)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, preexec_fn=_other_cores, cwd=ROOT)
        figures: dict[str, float] = json.loads(done.stdout)
        figures["cpu_us_per_ping"] = round((_cpu_s(pid) - before_s) / count * 1e6, 1)
    figures["pings_per_s"] = round(count / figures.pop("wall_s"))
    return figures


def main() -> int:
    """Measure, or be the client of a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--port", type=int)
    parser.add_argument("--path", default="")
    chosen = parser.parse_args()
    if chosen.port:
        try:
            from uvloop import new_event_loop
        except ImportError:
            from asyncio import new_event_loop
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            print(json.dumps(runner.run(load(chosen.port, chosen.path, chosen.count))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(pings(Path(folder), count=chosen.count)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
