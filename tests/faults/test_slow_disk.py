"""F5: a disk that takes half a second for each sync, under a running service."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from http_service import Service, service, until

from jobsight.engine.health import SLOW_COMMITS

DELAY_US = 500_000


@contextmanager
def slowed(running: Service, report: Path) -> Iterator[None]:
    """Every sync of the log's write-ahead file takes half a second longer, as long as the block lasts."""
    delay = ["-e", "trace=fdatasync", "-e", f"inject=fdatasync:delay_enter={DELAY_US}"]
    path = running.data / "log.db-wal"
    words = ["strace", "-f", "-qq", "-o", str(report), "-P", str(path), *delay, "-p", str(running.process.pid)]
    tracing = subprocess.Popen(words)

    def is_traced() -> bool:
        """Every thread, as the log has one of its own."""
        threads = Path(f"/proc/{running.process.pid}/task").glob("*/status")
        return all("TracerPid:\t0\n" not in one.read_text() for one in threads)

    try:
        until(is_traced, "strace to hold the service")
        yield
    finally:
        tracing.terminate()
        tracing.wait()


def is_well(running: Service) -> bool:
    """What the metrics say of the monitor itself."""
    with running.client() as client:
        return "\njobsight_well 1.0\n" in client.get("/metrics").text


def post_until(running: Service, *, well: bool) -> int:
    """Report one by one, each with its answer, until the monitor calls itself well or not; how many were stored."""
    stored = 0
    while is_well(running) is not well:
        assert (
            "status_updated"
            == running.post({"type": "update_status", "job_id": "a", "status": "running"}).json()["type"]
        )
        stored += 1
        assert stored < 10 * SLOW_COMMITS
    return stored


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_slow_disk_costs_no_report_and_health_says_so(tmp_path: Path) -> None:
    """Everything is answered, readiness stays, the monitor is not well; and it is again once the disk is."""
    with service(tmp_path) as running, running.client() as client:
        before = is_well(running)
        with slowed(running, tmp_path / "strace"):
            slow = post_until(running, well=False)
            ready = client.get("/readyz").status_code
        fast = post_until(running, well=True)
        stats = running.stats()
        said = running.said()

    assert before
    assert slow >= SLOW_COMMITS // 2
    assert fast >= 1
    assert 200 == ready
    assert 1 == stats["total"]
    assert "Traceback" not in said
