"""
F18: ten thousand failures in a second: few notifications, bounded memory, and hardly anything stored beside the reports.

What a report costs in a storm is measured (`make bench ARGS=storm`) and recorded here, but not judged: time is no test.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.length import IS_LONG
from http_service import NDJSON, Service, service, until
from sinks_beside import beside

from jobsight.core.decision import STORM_SENT_MAX
from jobsight.logs.base import BatchKind
from jobsight.logs.sqlite_reader import SqliteReader
from jobsight.testing.sinks import http_sink

FAILURES = 10_000
MEMORY_MB_MAX = 250
EVENTS_BESIDE_MAX = 200
"""Events of the monitor's own in the log beside 10,000 failures of 200 tasks: 20 are usual, on any machine."""


def events_beside(data: Path) -> int:
    """How many events of the monitor's own stand in the log: what a storm stores beside its reports, whatever the machine."""
    reader = SqliteReader(data / "log.db")
    try:
        return sum(record.count for record in reader.read() if record.kind is BatchKind.INTERNAL)
    finally:
        reader.close()


def post(running: Service, lines: list[dict[str, object]]) -> float:
    """Send all of it as one stream; how many seconds of a processor the service takes until it is answered and in the view."""
    body = "".join(json.dumps(line) + "\n" for line in lines)
    began_s = processor_s(running)
    with running.client() as client:
        answers = client.post("/api/v1/events", content=body, headers=NDJSON).text.splitlines()
        until(lambda: "\njobsight_view_lag_events 0.0\n" in client.get("/metrics").text, "the view")
    took_s = processor_s(running) - began_s
    assert len(lines) == len(answers)
    assert not any('"error"' in answer[:20] for answer in answers)
    return took_s


def completions(name: str, kinds: int) -> list[dict[str, object]]:
    """As many reports as there are failures in the storm."""
    return [
        {"type": "job_completed", "job_id": f"{name}{n}", "task": f"good-{n % kinds}", "duration_ms": 5}
        for n in range(FAILURES)
    ]


def processor_s(running: Service) -> float:
    """Seconds of a processor that the service has taken so far."""
    figures = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(figures[11]) + int(figures[12])) / os.sysconf("SC_CLK_TCK")


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
    failed: list[dict[str, object]] = [
        {"type": "job_failed", "job_id": f"f{n}", "task": f"bad-{n % kinds}", "error": "disk full", "retries": 0}
        for n in range(FAILURES)
    ]
    with beside(http_sink) as (hook,), service(tmp_path, "--notify", hook.url()) as running:
        post(running, [{"type": "job_failed", "job_id": "first", "task": "first", "error": "x", "retries": 3}])
        until(lambda: hook.received, "the first notification")
        calm_s = post(running, completions("before", kinds))
        storm_s = post(running, failed)
        calm_s = (calm_s + post(running, completions("after", kinds))) / 2
        until(lambda: hook.received, "the first notification")

        def on_alerts() -> int:
            with running.control() as client:
                found = client.get("/api/v1/alerts", params={"limit": 500}).json()["alerts"]
            return sum(alert["count"] for alert in found if alert["rule"] == "job_failed")

        until(lambda: on_alerts() == FAILURES + 1, "every failure on an alert")
        stats = running.stats()
        peak_mb = memory_mb(running)
        told = len(hook.received)
        assert 0 == running.stop()

    record_property("dearer_by", round(storm_s / calm_s - 1, 2))
    record_property("memory_mb", peak_mb)
    record_property("events_beside", events_beside(tmp_path / "data"))
    assert FAILURES + 1 == stats["failed"]
    assert 1 <= told <= STORM_SENT_MAX
    assert peak_mb < MEMORY_MB_MAX
    assert events_beside(tmp_path / "data") <= EVENTS_BESIDE_MAX
