"""Deadlines in a real process, by the real clock."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from pathlib import Path

import pytest

LATE_S = 3.0
"""A passed deadline is an alert within 2 s; the rest is for a busy machine."""


@pytest.mark.slow
@pytest.mark.parametrize("is_durable", [False, True], ids=["in memory", "on disk"])
def test_a_deadline_passes_in_a_process_that_nobody_talks_to(is_durable: bool, tmp_path: Path) -> None:
    """The node wakes up by itself: a job that may run for a second is told shortly after, without any input."""
    options = ["--data", str(tmp_path / "data")] if is_durable else []
    node = subprocess.Popen(
        [sys.executable, "-m", "jobsight", "node", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert node.stdin is not None
    assert node.stdout is not None

    def ask(body: dict[str, object]) -> dict[str, object]:
        assert node.stdin is not None
        assert node.stdout is not None
        node.stdin.write(json.dumps(body).encode() + b"\n")
        answer: dict[str, object] = json.loads(node.stdout.readline())
        return answer

    with node:
        ask({"type": "heartbeat", "job_id": "a", "task": "t", "check": {"max_runtime": "1s"}})
        unasked = select.select([node.stdout], [], [], 1 + LATE_S)[0]  # nothing is said meanwhile: that is the point
        alerts = ask({"type": "get_alerts"})["alerts"]
        job = ask({"type": "get_job", "job_id": "a"})
        node.stdin.close()
        code = node.wait(10)

    assert [] == unasked
    assert isinstance(alerts, list)
    assert ["too_long"] == [alert["rule"] for alert in alerts]
    assert alerts[0]["opened_ms"] - int(str(job["started_ms"])) <= 1_000 + LATE_S * 1_000
    assert 0 == code
