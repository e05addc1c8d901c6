"""
Pings a second, durable, on kept connections, one core for the service. This file is the measure, and its client.

The client runs in a process of its own, on the other cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast
from urllib.request import Request, urlopen

from bench.http_service import CONNECTIONS, cpu_s, floor, other_cores, service
from bench.processes import ROOT


class Pinger(asyncio.Protocol):
    """One connection that pings as soon as the last ping is answered."""

    def __init__(self, request: bytes, left: list[int], trips_s: list[float], done: asyncio.Future[None]) -> None:
        self.request = request
        self.left = left
        self.trips_s = trips_s
        self.done = done
        self.sent_at = 0.0
        self.received = b""

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
        self.received += data
        if not self.received.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(f"unexpected answer: {self.received[:200]!r}"))
            return
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator or len(body) < int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        self.received = b""
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


def _load(port: int, path: str, count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.http_pings", "--port", str(port), "--path", path, "--count", str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, preexec_fn=other_cores, cwd=ROOT)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def pings(scratch: Path, *, reports: int, runs: int, say: Callable[[str], None]) -> dict[str, float]:
    """Pings on 32 connections, durable, one core for the service, against a server that does nothing."""
    count = min(reports, 20_000)
    found: list[dict[str, float]] = []
    for number in range(runs):
        with floor() as (port, pid):
            before_s = cpu_s(pid)
            bare = _load(port, "/", count)
            bare["cpu_us"] = (cpu_s(pid) - before_s) / count * 1e6
        with service(scratch / f"pings-{number}") as (port, pid):
            wish = Request(
                f"http://127.0.0.1:{port}/api/v1/ping-urls",
                data=b'{"task": "backup"}',
                headers={"content-type": "application/json"},
            )
            path = json.load(urlopen(wish))["path"]
            before_s = cpu_s(pid)
            figures = _load(port, path, count)
            figures["cpu_us"] = (cpu_s(pid) - before_s) / count * 1e6
        figures["share"] = bare["wall_s"] / figures["wall_s"]
        figures["bare_p99_ms"] = bare["p99_ms"]
        figures["times_bare"] = figures["cpu_us"] / bare["cpu_us"]
        found.append(figures)
        rates = f"bare {count / bare['wall_s']:,.0f}/s, service {count / figures['wall_s']:,.0f}/s"
        say(f"run {number + 1}: {rates}, p50 {figures['p50_ms']:.2f} ms, p99 {figures['p99_ms']:.2f} ms")
    return {
        "pings_per_s": round(statistics.median(count / one["wall_s"] for one in found)),
        "share_of_bare": round(statistics.median(one["share"] for one in found), 3),
        "cpu_times_bare": round(statistics.median(one["times_bare"] for one in found), 2),
        "p50_ms": round(statistics.median(one["p50_ms"] for one in found), 2),
        "p99_ms": round(statistics.median(one["p99_ms"] for one in found), 2),
        "bare_p99_ms": round(statistics.median(one["bare_p99_ms"] for one in found), 2),
        "cpu_us_per_ping": round(statistics.median(one["cpu_us"] for one in found), 1),
    }


def main() -> int:
    """Be the client of a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    chosen = parser.parse_args()
    try:
        from uvloop import new_event_loop
    except ImportError:
        from asyncio import new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        print(json.dumps(runner.run(load(chosen.port, chosen.path, chosen.count))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
