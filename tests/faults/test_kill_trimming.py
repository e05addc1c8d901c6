"""kill -9 while the log is trimmed and while a checkpoint is made."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from faults.node import DEADLINE_S, command, run

from jobsight.logs.sqlite import SqliteLog
from jobsight.logs.sqlite_reader import SqliteReader

KILLS = 12
BATCHES = 2_000
SEED = 20261123


def fill(data: Path) -> None:
    """A folder with many small batches, a job in each."""
    lines = "".join(f'{{"type": "job_completed", "job_id": "first{n}", "duration_ms": 10}}\n' for n in range(100))
    assert 0 == run("node", "--data", str(data), stdin=lines.encode()).returncode
    log = SqliteLog(data / "log.db", rules_version=1)
    from jobsight.logs.base import BatchKind, Entry

    log.append(
        [
            Entry(
                accept_ms=1_700_000_000_000 + n,
                kind=BatchKind.REPORTS,
                count=1,
                payload=b'{"type": "job_completed", "job_id": "j%d", "duration_ms": 10}\n' % n,
            )
            for n in range(BATCHES)
        ]
    )
    log.close()


def seconds_to_trim(data: Path, copy: Path) -> float:
    """How long it takes on this machine, now; and that it does trim."""
    shutil.copytree(data, copy)
    began = time.monotonic()
    assert 0 == run("log", "trim", "--keep", "1s", "--data", str(copy)).returncode
    took_s = time.monotonic() - began
    reader = SqliteReader(copy / "log.db")
    assert reader.bounds()[0] > 1
    reader.close()
    return took_s


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_kill_at_any_moment_of_trimming_loses_nothing(tmp_path: Path) -> None:
    """After each kill the folder opens, also without its view; all jobs are counted, and the log is sound."""
    dice, data, expected = random.Random(SEED), tmp_path / "data", BATCHES + 100
    fill(data)
    trim_s = seconds_to_trim(data, tmp_path / "copy")
    stats = b'{"type": "get_stats"}\n'
    want = b'{"type": "job_stats", "total": %d, "completed": %d, "failed": 0, "avg_duration_ms": 10}\n' % (
        expected,
        expected,
    )
    beginnings = []
    for number in range(KILLS):
        process = subprocess.Popen(command("log", "trim", "--keep", "1s", "--data", str(data)))
        end = time.monotonic() + dice.uniform(0.2, 1.1) * trim_s
        while process.poll() is None and time.monotonic() < end:
            try:
                process.wait(0.01)
            except subprocess.TimeoutExpired:
                continue
        process.kill()
        process.wait(DEADLINE_S)
        if number % 2:
            for path in data.glob("view.db*"):
                path.unlink()

        node = run("node", "--data", str(data), stdin=stats)
        assert want == node.stdout, node.stderr.decode()
        assert 0 == run("log", "verify", "--data", str(data)).returncode
        reader = SqliteReader(data / "log.db")
        beginnings.append(reader.bounds()[0])
        reader.close()
    assert sorted(beginnings) == beginnings
    assert 0 == run("log", "trim", "--keep", "1s", "--data", str(data)).returncode
    assert want == run("node", "--data", str(data), stdin=stats).stdout
