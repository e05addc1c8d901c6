"""A real node under attack: started as a process of its own on a data folder."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faults.length import IS_LONG

ROOT = Path(__file__).resolve().parent.parent.parent
DEADLINE_S = 120 if IS_LONG else 60


def command(*words: str, python: str = sys.executable) -> list[str]:
    """The command line of a Jobsight command."""
    return [python, "-m", "jobsight", *words]


def run(*words: str, stdin: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    return subprocess.run(command(*words), input=stdin, capture_output=True, timeout=DEADLINE_S, cwd=ROOT, **options)


class Node:
    """`jobsight node --data`, fed and read without ever blocking for good."""

    def __init__(
        self,
        data: Path,
        *options: str,
        prefix: Sequence[str] = (),
        python: str = sys.executable,
        env: Mapping[str, str] | None = None,
    ) -> None:
        # The interpreter itself, not the link in the virtual environment, where something is loaded before it.
        path = os.pathsep.join([str(ROOT / "src"), *sys.path])
        self.process = subprocess.Popen(
            [*prefix, *command("node", "--data", str(data), *options, python=python)],
            env={**(env or os.environ), "PYTHONPATH": path} if python != sys.executable else env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=ROOT,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        os.set_blocking(self.stdin.fileno(), False)
        os.set_blocking(self.stdout.fileno(), False)
        self._waiting = bytearray()
        self._read = bytearray()
        self.answers: list[bytes] = []

    def send(self, data: bytes) -> None:
        """Hand data in; it is written while answers are waited for."""
        self._waiting += data

    def wait_for(self, count: int) -> None:
        """Write what waits and read until so many answers are there in all, or the node is gone."""
        end = time.monotonic() + DEADLINE_S
        with selectors.DefaultSelector() as selector:
            selector.register(self.stdout, selectors.EVENT_READ)
            while len(self.answers) < count:
                assert time.monotonic() < end, f"{len(self.answers)} of {count} answers in {DEADLINE_S} s"
                wants_to_write = bool(self._waiting) and not self.stdin.closed
                is_writing = self.stdin.closed is False and self.stdin in selector.get_map()
                if wants_to_write and not is_writing:
                    selector.register(self.stdin, selectors.EVENT_WRITE)
                elif is_writing and not wants_to_write:
                    selector.unregister(self.stdin)
                for key, _ in selector.select(1):
                    if key.fileobj is self.stdin:
                        del self._waiting[: os.write(self.stdin.fileno(), self._waiting[:65536])]
                    elif not self._take():
                        return

    def _take(self) -> bool:
        data = os.read(self.stdout.fileno(), 1 << 20)
        self._read += data
        *lines, rest = bytes(self._read).split(b"\n")
        self.answers += lines
        self._read = bytearray(rest)
        return bool(data)

    def kill(self) -> None:
        """kill -9, and read what had left it before."""
        self.process.kill()
        self.process.wait(DEADLINE_S)
        while self._take():
            pass
        self.close()

    def close(self) -> int:
        """Close the input, read the rest, wait for the end; the exit code."""
        if not self.stdin.closed:
            self.stdin.close()
        os.set_blocking(self.stdout.fileno(), True)
        if not self.stdout.closed:
            while self._take():
                pass
            self.stdout.close()
        code = self.process.wait(DEADLINE_S)
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read().decode()
        self.process.stderr.close()
        return code


def events_of(data: Path) -> list[dict[str, Any]]:
    """All that the log holds, by `jobsight log cat`."""
    found = run("log", "cat", "--data", str(data))
    assert found.returncode == 0, found.stderr.decode()
    return [json.loads(line) for line in found.stdout.splitlines()]
