"""What a start costs: `jobsight run`, `jobsight report` and the import of the client, over a bare interpreter."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.processes import first_core

Say = Callable[[str], None]

JOBSIGHT = str(Path(sys.executable).parent / "jobsight")
TIMES = 20


def _cpu_ms(command: Sequence[str], environment: dict[str, str]) -> float:
    """Processor time of a command and its children, in ms."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=first_core, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {process.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1000


def starts(scratch: Path, *, reports: int, runs: int, say: Say) -> dict[str, float]:
    """CPU of `jobsight run -- true` and of `import jobsight.client`, each over what a bare start takes at the same moment."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory(dir=scratch) as spool:
        environment = {**os.environ, "JOBSIGHT_SERVER": nobody, "JOBSIGHT_SPOOL": spool, "HOME": spool}
        commands = {
            "bare_python_cpu_ms": [sys.executable, "-c", "pass"],
            "import_client_cpu_ms": [sys.executable, "-c", "import jobsight.client"],
            "run_cpu_ms": [JOBSIGHT, "run", "--task", "bench", "--", "true"],
        }
        found: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(TIMES):
            for name, command in commands.items():
                found[name].append(_cpu_ms(command, environment))
    figures = {name: round(statistics.median(times), 1) for name, times in found.items()}
    say(f"medians of {TIMES}: " + ", ".join(f"{name} {value}" for name, value in figures.items()))
    over = [more - bare for more, bare in zip(found["import_client_cpu_ms"], found["bare_python_cpu_ms"], strict=True)]
    return {**figures, "import_client_over_bare_ms": round(statistics.median(over), 1)}
