"""F6: a disk that fills up under a running service, and has room again later."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from faults.node import run
from faults.test_kill_trimming import fill as fill_with_old_batches
from http_service import Service, service, until
from sinks_beside import beside

from jobsight.testing.sinks import HttpSink, http_sink

DISK_MIB = 24
"""Of which the reserve takes a third."""

FAILED = {"type": "job_failed", "task": "nightly", "error": "disk full", "retries": 0}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder whose data folder has a small disk of its own."""
    data = tmp_path / "data"
    data.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=700", "tmpfs", str(data)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no disk of its own can be mounted: {mounted.stderr.decode().strip()}")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(data)], check=True)


def fill(data: Path) -> Path:
    """Somebody else takes all the room that there is."""
    filler = data / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4_096)
    return filler


def report(running: Service, number: int) -> dict[str, Any]:
    """The answer to a report that needs some room."""
    message = os.urandom(2_000).hex()
    answer: dict[str, Any] = running.post(
        {"type": "update_status", "job_id": f"job-{number}", "status": "running", "message": message}
    ).json()
    return answer


def is_refused(answer: dict[str, Any]) -> bool:
    """Whether an answer is a definite no for now."""
    return answer["type"] == "error" and answer["code"] == 11


@pytest.mark.slow
def test_a_full_disk_refuses_reports_and_nothing_else(small: Path) -> None:
    """11, and a 503 of /readyz; statistics and metrics go on; with room, reports go on by themselves, and none is lost."""
    with beside(http_sink) as (hook,), service(small, "--notify", hook.url()) as running:
        told = told_of_the_disk(hook)
        first = report(running, 0)
        filler = fill(running.data)
        stored = 1
        while not is_refused(report(running, stored)):
            stored += 1
            assert stored < 20_000
        stats = running.stats()
        with running.client() as client:
            not_ready, metrics = client.get("/readyz"), client.get("/metrics")
        filler.unlink()
        again = until(lambda: not is_refused(report(running, stored)), "a report to be stored again")
        with running.client() as client:
            ready = until(lambda: client.get("/readyz").status_code == 200, "/readyz")
        running.post({**FAILED, "job_id": "last"})
        until(lambda: any(one.json()["subject"] == "nightly" for one in hook.received), "the alert of a failure")
        after = running.stats()["total"]
        assert 0 == running.stop()
        said = running.said()

    assert "status_updated" == first["type"]
    assert stored == stats["total"]
    assert (503, 200) == (not_ready.status_code, metrics.status_code)
    assert again
    assert ready
    assert stored + 2 == after
    assert "Traceback" not in said
    assert told, "a small disk is warned of before it is full"


def told_of_the_disk(hook: HttpSink) -> bool:
    """Wait for the warning: this disk is small from the beginning."""
    return bool(until(lambda: any("disk" in one.json()["data"]["title"] for one in hook.received), "the warning"))


@pytest.mark.slow
def test_a_full_disk_at_the_start_is_said(small: Path) -> None:
    """Exit 75 and words; nothing half-made stays behind that the next start would stumble over."""
    from faults.node import run

    filler = fill(small / "data")
    refused = run("node", "--data", str(small / "data"))
    filler.unlink()
    accepted = run("node", "--data", str(small / "data"), stdin=b'{"type": "get_stats"}\n')

    assert 75 == refused.returncode, refused.stderr.decode()
    assert b"Traceback" not in refused.stderr
    assert b"room" in refused.stderr
    assert 0 == accepted.returncode, accepted.stderr.decode()


def test_a_log_is_not_trimmed_where_the_copy_would_fill_the_disk(small: Path) -> None:
    """The copy of the view that comes first is not begun: exit 75 with how much it needs, and nothing is changed or left behind."""
    data = small / "data"
    fill_with_old_batches(data)
    assert 0 == run("node", "--data", str(data), stdin=b'{"type": "get_stats"}\n').returncode
    before = run("log", "cat", "--data", str(data)).stdout
    names = sorted(path.name for path in data.iterdir())
    found = run("log", "trim", "--keep", "1s", "--data", str(data))

    assert 75 == found.returncode
    assert b"a checkpoint copies the view and takes " in found.stderr
    assert b"free some space" in found.stderr
    assert before == run("log", "cat", "--data", str(data)).stdout
    assert names == sorted(path.name for path in data.iterdir())
