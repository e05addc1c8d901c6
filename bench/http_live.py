"""What the live stream costs while reports come in. This file is the measure, and its viewers."""

from __future__ import annotations

import argparse
import http.client
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.http_service import cpu_s, other_cores, service
from bench.processes import ROOT
from bench.workload import write_file

REQUEST = b"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
VIEWERS = 1_000
SECONDS = 10.0
REPORTS_PER_S = 10_000
LINES_A_POST = 500


def look(port: int, viewers: int, seconds: float) -> int:
    """Read frames on so many connections, from when each has its first one; returns how many came."""
    with selectors.DefaultSelector() as selector:
        for _ in range(viewers):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(REQUEST)
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ)
        served: set[int] = set()
        while len(served) < viewers:
            served |= {descriptor for descriptor, frames in _frames(selector, 60) if frames}
        print("ready", flush=True)
        count, ends = 0, time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            count += sum(frames for _, frames in _frames(selector, left))
    return count


def _frames(selector: selectors.BaseSelector, seconds: float) -> list[tuple[int, int]]:
    """What came within so many seconds at the latest: connection, frames."""
    found = []
    for key, _ in selector.select(seconds):
        connection = key.fileobj
        assert isinstance(connection, socket.socket)
        found.append((key.fd, connection.recv(65536).count(b"event: frame")))
    return found


def _memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"the system does not say how much memory {pid} has")


def _feed(port: int, bodies: list[bytes], seconds: float) -> float:
    """Report at a steady rate; returns how many reports a second it was in the end."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    begins, sent = time.monotonic(), 0
    while (now := time.monotonic()) < begins + seconds:
        due = begins + sent * LINES_A_POST / REPORTS_PER_S
        if due > now:
            time.sleep(due - now)
        connection.request("POST", "/api/v1/events", bodies[sent], {"content-type": "application/x-ndjson"})
        connection.getresponse().read()
        sent += 1
    connection.close()
    return sent * LINES_A_POST / (time.monotonic() - begins)


def live(scratch: Path, *, reports: int, runs: int, say: Callable[[str], None]) -> dict[str, float]:
    """CPU for 1,000 viewers of the live stream at 10,000 reports/s, less what the reports alone take; and memory."""
    count = int(REPORTS_PER_S * SECONDS * 1.2)
    lines = write_file(scratch / "live.ndjson", 2 * count, seed=4).read_bytes().splitlines(keepends=True)
    bodies = [b"".join(lines[at : at + LINES_A_POST]) for at in range(0, len(lines), LINES_A_POST)]
    half = len(bodies) // 2
    with service(scratch / "live") as (port, pid):
        at_rest_mb, before_s = _memory_mb(pid), cpu_s(pid)
        alone_rate = _feed(port, bodies[:half], SECONDS)
        alone_s = cpu_s(pid) - before_s
        command = [sys.executable, "-m", "bench.http_live", "--port", str(port), "--viewers", str(VIEWERS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=other_cores, cwd=ROOT) as viewers:
            assert viewers.stdout is not None
            viewers.stdout.readline()
            before_s = cpu_s(pid)
            rate = _feed(port, bodies[half:], SECONDS)
            watched_s, under_load_mb = cpu_s(pid) - before_s, _memory_mb(pid)
            frames = int(viewers.stdout.read())
    say(
        f"{frames:,} frames; {rate:,.0f} reports/s took {alone_s:.2f} s alone, {watched_s:.2f} s with {VIEWERS:,} viewers"
    )
    return {
        "viewers": VIEWERS,
        "reports_per_s": round(rate),
        "frames": frames,
        "share_of_a_core": round((watched_s - alone_s * rate / alone_rate) / SECONDS, 3),
        "memory_at_rest_mb": round(at_rest_mb, 1),
        "memory_under_load_mb": round(under_load_mb, 1),
    }


def main() -> int:
    """Be the viewers of a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--viewers", type=int, required=True)
    chosen = parser.parse_args()
    print(look(chosen.port, chosen.viewers, SECONDS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
