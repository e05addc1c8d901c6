"""`/metrics` as Prometheus reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from http_service import EVENTS, NDJSON, Service, jobsight, service, until
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

OPENMETRICS = {"accept": "application/openmetrics-text; version=1.0.0"}


def scrape(running: Service, *, is_open: bool = False) -> Samples:
    """Every sample of a scrape, by name and labels."""
    with running.client() as client:
        answer = client.get("/metrics", headers=OPENMETRICS if is_open else {})
    assert 200 == answer.status_code, answer.text
    families = (parse_openmetrics if is_open else parse_text)(answer.text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float | None:
    """One sample; None where there is none."""
    return samples.get((name, frozenset(labels.items())))


@pytest.mark.parametrize("is_open", [False, True], ids=["text", "OpenMetrics"])
@pytest.mark.slow
def test_figures_are_there_for_jobs_tasks_and_the_monitor(tmp_path: Path, is_open: bool) -> None:
    """Prometheus's own parsers read both formats, and the figures are those of what was reported."""
    with service(tmp_path) as running:
        running.post({"type": "job_completed", "job_id": "a", "task": "etl", "duration_ms": 4_000})
        running.post({"type": "job_completed", "job_id": "b", "task": "etl", "duration_ms": 40_000})
        running.post({"type": "job_failed", "job_id": "c", "task": "etl", "error": "boom"})
        running.post({"type": "update_status", "job_id": "d", "status": "running"})
        running.post({"type": "nonsense"})
        samples = until(
            lambda: (
                (found := scrape(running, is_open=is_open))
                and value(found, "jobsight_ends_total", task="etl", status="failed")
                and found
            ),
            "the ends to be counted",
        )

    assert 2 == value(samples, "jobsight_jobs", status="completed")
    assert 1 == value(samples, "jobsight_jobs", status="running")
    assert 0 == value(samples, "jobsight_jobs", status="lost")
    assert 2 == value(samples, "jobsight_ends_total", task="etl", status="completed")
    assert 0 == value(samples, "jobsight_duration_seconds_bucket", task="etl", le="1.0")
    assert 1 == value(samples, "jobsight_duration_seconds_bucket", task="etl", le="5.0")
    assert 2 == value(samples, "jobsight_duration_seconds_bucket", task="etl", le="+Inf")
    assert 2 == value(samples, "jobsight_duration_seconds_count", task="etl")
    assert 44 == value(samples, "jobsight_duration_seconds_sum", task="etl")
    assert 1 == value(samples, "jobsight_alerts", state="firing")
    assert 4 == value(samples, "jobsight_reports_total")
    assert 1 == value(samples, "jobsight_rejected_total", reason="not_supported")
    assert (value(samples, "jobsight_commits_total") or 0) >= 4
    assert (value(samples, "jobsight_commit_seconds_count") or 0) >= 4
    assert (value(samples, "jobsight_log_bytes") or 0) > 0
    assert (value(samples, "process_resident_memory_bytes") or 0) > 1e6
    assert value(samples, "jobsight_view_lag_events") is not None


@pytest.mark.slow
def test_the_last_success_survives_a_restart(tmp_path: Path) -> None:
    """An alert rule on its age stays quiet when the monitor was restarted."""
    name = "jobsight_last_success_timestamp_seconds"
    with service(tmp_path) as running:
        running.post({"type": "job_completed", "job_id": "a", "task": "t"})
        before = until(lambda: value(scrape(running), name, task="t"), "the success")
    with service(tmp_path) as running:
        after = until(lambda: value(scrape(running), name, task="t"), "the success again")

    assert 0 <= before - after < 10


@pytest.mark.slow
def test_a_bad_request_is_counted_by_its_status(tmp_path: Path) -> None:
    """What is not taken is seen, with the reason."""
    with service(tmp_path) as running, running.client() as client:
        client.post(EVENTS, content=b"x", headers={"content-type": "text/plain"})
        client.get("/ping/nobody")

        assert 1 == value(scrape(running), "jobsight_rejected_total", reason="http_415")
        assert 1 == value(scrape(running), "jobsight_rejected_total", reason="ping_404")


@pytest.mark.slow
def test_cardinality_is_bounded(tmp_path: Path) -> None:
    """However many tasks and status words come in, a scrape stays small, and says what it leaves out."""
    lines = b"".join(
        b'{"type":"job_completed","job_id":"j%d","task":"t%d","duration_ms":5}\n'
        b'{"type":"update_status","job_id":"k%d","status":"word-%d"}\n' % (n, n, n, n)
        for n in range(6_000)
    )
    with service(tmp_path) as running, running.client() as client:
        client.post(EVENTS, content=lines, headers=NDJSON)
        samples = until(
            lambda: (found := scrape(running)) and (value(found, "jobsight_tasks_left_out") or 0) > 3_000 and found,
            "all tasks to be counted",
        )

    assert 1_000 == len([1 for name, _ in samples if name == "jobsight_duration_seconds_count"])
    assert len([1 for name, _ in samples if name == "jobsight_jobs"]) < 70
    assert 6_000 == sum(v for (name, _), v in samples.items() if name == "jobsight_jobs") - 6_000


@pytest.mark.slow
def test_pings_are_counted(tmp_path: Path) -> None:
    """Pings are reports, and counted by themselves too."""
    with service(tmp_path) as running, running.client() as client:
        path = jobsight("ping-url", "create", "--task", "t", "--data", running.data).stdout.strip()
        client.get(path)

        assert 1 == value(scrape(running), "jobsight_pings_total")
