"""The service under measurement, and a bare server to measure it against."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import ROOT, first_core

CONNECTIONS = 32


def other_cores() -> None:
    """Keep this process off the first core, where there is another one."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores - {min(cores)} or cores)


@contextmanager
def service(data: Path) -> Iterator[tuple[int, int]]:
    """A service on one core with a folder of its own: its port and its process id."""
    command = [sys.executable, "-m", "jobsight", "serve", "--data", str(data), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=first_core, cwd=ROOT)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
            if found:
                yield int(found[1]), process.pid
                break
    finally:
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=30)
    if process.returncode != 0:
        raise RuntimeError(f"the service ended with exit code {process.returncode}: {rest}")


@contextmanager
def floor() -> Iterator[tuple[int, int]]:
    """The bare server, as `service`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "bench.http_floor", str(port)], preexec_fn=first_core, cwd=ROOT)
    try:
        ends = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


def cpu_s(pid: int) -> float:
    """Processor time that a process has taken so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
