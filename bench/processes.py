"""Processes under measurement: pinned to one core, their CPU time and memory taken from the system."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Run:
    """One run: wall and CPU seconds, and the most memory it held, in MB (10^6 bytes)."""

    wall_s: float
    cpu_s: float
    memory_mb: float


def first_core() -> None:
    """Keep this process on the first core it may use."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def node_command(data: Path | None) -> list[str]:
    """The node's command line."""
    command = [sys.executable, "-m", "jobsight", "node"]
    return command if data is None else [*command, "--data", str(data)]


def run_file(command: Sequence[str], source: Path, answers: Path) -> Run:
    """Run a command from a file to a file, on one core; any exit code but 0 is an error."""
    with source.open("rb") as stdin, answers.open("wb") as stdout:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=stdin, stdout=stdout, preexec_fn=first_core, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {process.returncode}")
    return Run(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)
