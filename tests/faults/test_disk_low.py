"""A real disk that runs low, and fills up: somebody is told, and again when there is room."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_service import EVENTS, NDJSON, service, until
from sinks_beside import beside

from jobsight.engine.self_watch import DISK_LOW_BYTES
from jobsight.testing.sinks import http_sink

pytestmark = pytest.mark.slow

MEBIBYTE = 1024 * 1024
SIZE_MB = 400


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with a little more room than is called low."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def fill(path: Path, leave_bytes: int) -> None:
    """Take so much room that only this is left."""
    found = os.statvfs(path.parent)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - leave_bytes)


def test_a_disk_that_runs_low_is_told_and_its_end_too(small_disk: Path) -> None:
    """A warning through the channels while there is room to store it, and a recovery once files were deleted."""
    big = small_disk / "big"
    with beside(http_sink) as (hook,), service(small_disk, "--notify", hook.url()) as running:
        fill(big, DISK_LOW_BYTES - 40 * MEBIBYTE)
        until(lambda: hook.received, "the warning")
        still = running.post({"type": "update_status", "job_id": "a", "status": "running"}).json()
        big.unlink()
        until(lambda: len(hook.received) == 2, "the end of it")
        told = [(one.json()["data"]["kind"], one.json()["data"]["rule"]) for one in hook.received]

    assert [("trigger", "self.disk_low"), ("resolve", "self.disk_low")] == told
    assert "status_updated" == still["type"]


def test_a_full_disk_lets_its_alert_through(small_disk: Path) -> None:
    """Nothing is left, and workers go on reporting: what was kept aside is for the alert, and with room all goes on by itself."""
    big = small_disk / "big"
    with (
        beside(http_sink) as (hook,),
        service(small_disk, "--notify", hook.url()) as running,
        running.client() as client,
    ):

        def is_told_meanwhile() -> bool:
            client.post(EVENTS, content=reports(), headers=NDJSON)
            return "self.ingest_dropped" in [one.json()["data"]["rule"] for one in hook.received]

        fill(big, 2 * MEBIBYTE)
        until(lambda: '"code": 11' in client.post(EVENTS, content=reports(), headers=NDJSON).text, "a full disk")
        until(is_told_meanwhile, "the alert")
        ready = client.get("/readyz").status_code
        big.unlink()
        until(lambda: '"code": 11' not in client.post(EVENTS, content=reports(), headers=NDJSON).text, "room")
        until(lambda: client.get("/readyz").status_code == 200, "readiness")
        is_kept_again = (running.data / "reserve").exists()
        said = running.said()

    assert 503 == ready
    assert is_kept_again
    assert "Traceback" not in said


def reports() -> str:
    """Five hundred jobs whose names cannot be packed well."""
    job = {"type": "update_status", "status": "running"}
    return "".join(json.dumps({**job, "job_id": f"{index}-{os.urandom(40).hex()}"}) + "\n" for index in range(500))
