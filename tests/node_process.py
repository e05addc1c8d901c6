"""The real program on pipes, with deadlines instead of waiting."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
JOBSIGHT = [str(Path(sys.executable).parent / "jobsight"), "node"]
MAIN = [sys.executable, str(ROOT / "main.py")]

DEADLINE_S = 30
"""Nothing here takes a second on an idle machine."""


class NodeProcess:
    """A running node; replies are read as far as a test wants them, so that a slow reader can be played."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._read = bytearray()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self.process.pid

    @property
    def input(self) -> IO[bytes]:
        """Where its stdin is written to."""
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def output(self) -> IO[bytes]:
        """Where its stdout is read from."""
        assert self.process.stdout is not None
        return self.process.stdout

    def send(self, data: bytes) -> None:
        """Write all of it; the node reads."""
        self.input.write(data)
        self.input.flush()

    def send_until_it_stops_reading(self, piece: bytes, pieces_max: int, quiet_s: float = 1.0) -> int:
        """Write a piece again and again; how many of them went in whole before nothing was taken for a while."""
        descriptor = self.input.fileno()
        os.set_blocking(descriptor, False)
        poller = select.poll()
        poller.register(descriptor, select.POLLOUT)
        rest, sent = memoryview(piece), 0
        while sent < pieces_max and poller.poll(quiet_s * 1000):
            rest = rest[os.write(descriptor, rest) :]
            if not rest:
                rest, sent = memoryview(piece), sent + 1
        os.set_blocking(descriptor, True)
        self._unsent = bytes(rest)
        return sent

    def send_rest(self) -> None:
        """Write what is left of the piece that did not go in whole."""
        self.send(self._unsent)

    def read_line(self) -> bytes:
        """The next line of stdout, with its newline; AssertionError when it does not come in time."""
        limit = time.monotonic() + DEADLINE_S
        while b"\n" not in self._read:
            ready, _, _ = select.select([self.output], [], [], max(0, limit - time.monotonic()))
            data = os.read(self.output.fileno(), 1 << 16) if ready else b""
            if not data:
                raise AssertionError(f"no line within {DEADLINE_S} s, only {bytes(self._read)!r}")
            self._read += data
        line, _, rest = bytes(self._read).partition(b"\n")
        self._read = bytearray(rest)
        return line + b"\n"

    def end(self) -> tuple[int, bytes, str]:
        """Close its input; its exit code, the rest of its stdout, and its stderr."""
        out, err = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, bytes(self._read) + out, err.decode()

    def memory_peak_mb(self) -> float:
        """The most memory it ever had resident, in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1000


@contextmanager
def node_process(
    *options: str, command: list[str] | None = None, stdout: int | IO[bytes] = subprocess.PIPE
) -> Iterator[NodeProcess]:
    """A node that is there for a block, and is gone behind it."""
    process = subprocess.Popen(
        [*(command or JOBSIGHT), *options],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
    try:
        yield NodeProcess(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def run_node(data: bytes, *options: str, command: list[str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """A node from its start to its end, with all of its input at once."""
    return subprocess.run(
        [*(command or JOBSIGHT), *options], input=data, capture_output=True, timeout=DEADLINE_S, check=False
    )
