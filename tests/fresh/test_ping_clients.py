"""Client libraries of Healthchecks, from the package index, report to Jobsight: only the address differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fresh.machine import ROOT, installed, needs_a_whole_machine, pythons, run, surroundings
from http_service import Service, jobsight, service, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), needs_a_whole_machine]

CLIENTS = ("healthchecks-io==0.4.4", "healthchecks-decorator==0.5.0")
SCRIPT = ROOT / "tests" / "fresh" / "ping_clients.py"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python of its own in which the clients are installed."""
    return installed(tmp_path_factory.mktemp("clients"), pythons()[0], *CLIENTS) / "python"


def outcomes(running: Service, task: str, count: int) -> list[tuple[str, str | None]]:
    """How the runs of a task ended, the oldest first, once there are so many: status, and error or first line."""
    with running.client() as client:

        def ended() -> list[dict[str, Any]] | None:
            listed = client.get("/api/v1/jobs", params={"task": task}).json()["jobs"]
            jobs = [client.get(f"/api/v1/jobs/{job['job_id']}").json() for job in listed]
            return jobs if len(jobs) == count and all(job["ended_ms"] for job in jobs) else None

        jobs = until(ended, f"{count} ended jobs of {task}")
    return [
        (job["status"], job["error"] or (job["message"] or "").partition("\n")[0] or None) for job in reversed(jobs)
    ]


def test_libraries_for_healthchecks_report_here(python: Path, tmp_path: Path) -> None:
    """A decorator, a client by UUID and by slug, context managers: each is understood, and gets the answer that it expects."""
    data = tmp_path / "data"
    path = jobsight("ping-url", "create", "--task", "by-uuid", "--data", data).stdout.strip()
    key = jobsight("ping-url", "create", "--key", "--data", data).stdout.strip().split("/")[2]
    with service(tmp_path) as running:
        running.post({"type": "job_completed", "job_id": "first", "task": "known-task"})
        done = run(str(python), str(SCRIPT), running.url, path, key, cwd=tmp_path, env=surroundings(tmp_path))
        by_uuid, by_slug = outcomes(running, "by-uuid", 4), outcomes(running, "known-task", 5)

    assert {
        "raised": True,
        "success": [True, "OK"],
        "exit code": [True, "OK"],
        "slug": [True, "OK"],
        "unknown": True,
        "trapped": True,
    } == json.loads(done.stdout)
    assert [
        ("completed", "rows=42"),
        ("failed", "a ping reported a failure"),
        ("completed", "by uuid"),
        ("failed", "exit status 3: tar: cannot open"),
    ] == by_uuid
    assert [
        ("completed", None),
        ("completed", "by slug"),
        ("completed", "a line"),
        ("failed", "the trapped block fails"),
        ("completed", "an asynchronous line"),
    ] == by_slug
