"""F18: ten thousand failures in a second: few notifications, bounded memory, and the reports are taken as fast as others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.length import IS_LONG
from http_service import NDJSON, Service, service, until
from sinks_beside import beside

from jobsight.core.decision import STORM_SENT_MAX
from jobsight.testing.sinks import http_sink

FAILURES = 10_000
MEMORY_MB_MAX = 250
SLOWER_MAX = 2.5
"""Both are measured on a machine that does other things: the figure itself is for `make faults`."""


def post(running: Service, lines: list[dict[str, object]]) -> float:
    """Send all of it as one stream; how long the answers took, in seconds."""
    body = "".join(json.dumps(line) + "\n" for line in lines)
    began = time.monotonic()
    with running.client() as client:
        answers = client.post("/api/v1/events", content=body, headers=NDJSON).text.splitlines()
    took_s = time.monotonic() - began
    assert len(lines) == len(answers)
    assert not any('"error"' in answer[:20] for answer in answers)
    return took_s


def memory_mb(running: Service) -> float:
    """The most that the service has had resident."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [200, 1] if IS_LONG else [200])
def test_ten_thousand_failures_are_few_notifications(
    kinds: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """At most twenty in a minute to a channel, the first at once, and every failure is counted on an alert."""
    completed: list[dict[str, object]] = [
        {"type": "job_completed", "job_id": f"c{n}", "task": f"good-{n % kinds}", "duration_ms": 5}
        for n in range(FAILURES)
    ]
    failed: list[dict[str, object]] = [
        {"type": "job_failed", "job_id": f"f{n}", "task": f"bad-{n % kinds}", "error": "disk full", "retries": 0}
        for n in range(FAILURES)
    ]
    with beside(http_sink) as (hook,), service(tmp_path, "--notify", hook.url()) as running:
        calm_s = post(running, completed)
        storm_s = post(running, failed)
        until(lambda: hook.received, "the first notification")
        with running.control() as client:
            found = client.get("/api/v1/alerts", params={"limit": 500}).json()["alerts"]
        stats = running.stats()
        peak_mb = memory_mb(running)
        told = len(hook.received)
        assert 0 == running.stop()

    record_property("slower_by", round(storm_s / calm_s - 1, 2))
    record_property("memory_mb", peak_mb)
    assert FAILURES == stats["failed"]
    assert FAILURES == sum(alert["count"] for alert in found if alert["rule"] == "job_failed")
    assert 1 <= told <= STORM_SENT_MAX
    assert peak_mb < MEMORY_MB_MAX
    assert storm_s < calm_s * SLOWER_MAX + 1, f"{calm_s:.2f} s for completions, {storm_s:.2f} s for failures"
