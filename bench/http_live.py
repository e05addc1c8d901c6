"""
What the live stream costs: `python -m bench.http_live [--clients 1000] [--seconds 10]`.

CPU of the service, as a share of a core, while so many clients look on, less what it takes while nobody does.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.http_measures import _cpu_s, _other_cores, service
from bench.processes import ROOT

REQUEST = b"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def look(port: int, clients: int, seconds: float) -> int:
    """Read frames on so many connections; returns how many came."""
    with selectors.DefaultSelector() as selector:
        for _ in range(clients):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(REQUEST)
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ)
        print("ready", flush=True)
        frames, ends = 0, time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                found = key.fileobj
                assert isinstance(found, socket.socket)
                frames += found.recv(65536).count(b"event: frame")
    return frames


def main() -> int:
    """Measure, or be the clients of a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--port", type=int)
    chosen = parser.parse_args()
    if chosen.port:
        print(look(chosen.port, chosen.clients, chosen.seconds))
        return 0
    with tempfile.TemporaryDirectory() as folder, service(Path(folder) / "live") as (port, pid):
        idle_s = _cpu_s(pid)
        time.sleep(chosen.seconds)
        idle_s = _cpu_s(pid) - idle_s
        command = [sys.executable, "-m", "bench.http_live", "--port", str(port)]
        command += ["--clients", str(chosen.clients), "--seconds", str(chosen.seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=_other_cores, cwd=ROOT) as viewers:
            assert viewers.stdout is not None
            viewers.stdout.readline()
            before_s = _cpu_s(pid)
            frames = int(viewers.stdout.read())
            share = (_cpu_s(pid) - before_s - idle_s) / chosen.seconds
    print(json.dumps({"clients": chosen.clients, "frames": frames, "share_of_a_core": round(share, 3)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
