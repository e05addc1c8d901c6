"""Queries over HTTP: what they answer, what they refuse, and that their description tells the truth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema_rs
import msgspec
import pytest
import schemathesis
from http_service import EVENTS, NDJSON, Service, service, until
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.definitions import OPENAPI_31

from jobsight.transports.http import answers, operator_answers
from jobsight.transports.http.openapi import OPERATIONS
from jobsight.view.answers import AlertRows, AuditPage, JobPage

FLEET = [
    {"type": "job_completed", "job_id": "etl-1", "task": "etl", "queue": "fast", "host": "w1", "duration_ms": 40},
    {"type": "job_completed", "job_id": "etl-2", "task": "etl", "queue": "fast", "host": "w2", "duration_ms": 60},
    {
        "type": "job_failed",
        "job_id": "etl-3",
        "task": "etl",
        "queue": "slow",
        "host": "w1",
        "error": "boom",
        "retries": 3,
    },
    {"type": "update_status", "job_id": "team/a b", "status": "running", "progress": 5, "queue": "slow"},
    {"type": "update_status", "job_id": "team/a b", "status": "running", "progress": 25},
]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that knows four jobs, all of them in the view."""
    with service(tmp_path_factory.mktemp("fleet")) as running, running.client() as client:
        lines = b"".join(msgspec.json.encode(one) + b"\n" for one in FLEET)
        assert 200 == client.post(EVENTS, content=lines, headers=NDJSON).status_code
        until(lambda: get(running, "jobs")["count"] == 4, "the view to show all jobs")
        yield running


def ask(running: Service, path: str) -> httpx.Response:
    """One query."""
    with running.client() as client:
        return client.get(f"/api/v1/{path}")


def get(running: Service, path: str) -> dict[str, Any]:
    """What a query answers."""
    answer = ask(running, path)
    assert 200 == answer.status_code, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(running: Service, path: str) -> list[str]:
    """The jobs of a page."""
    return [job["job_id"] for job in get(running, path)["jobs"]]


# ------------------------------------------------------------------------------------------------------------- answers


def test_stats_are_those_of_get_stats(fleet: Service) -> None:
    """The same figures, whichever way they are asked for."""
    for path, fields in [
        ("stats", {}),
        ("stats?task=etl", {"task": "etl"}),
        ("stats?queue=slow&status=failed", {"queue": "slow", "status": "failed"}),
    ]:
        asked = fleet.stats(**fields)
        asked.pop("type")

        assert asked == get(fleet, path)
    assert {"total": 4, "completed": 2, "failed": 1, "avg_duration_ms": 50} == get(fleet, "stats")


@pytest.mark.slow
def test_stats_in_detail_include_what_was_just_answered(tmp_path: Path) -> None:
    """Percentiles and rates cover every report that was answered before the question, flushed or not."""
    with service(tmp_path) as running:
        for number in range(1, 21):
            running.post({"type": "job_completed", "job_id": f"j{number}", "task": "t", "duration_ms": 10})
            found = get(running, "stats?task=t&since=1h&detail=1")

            assert (number, number, 10) == (found["total"], found["completed"], found["max_ms"])
            assert {"completed": number} == found["by_status"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["team/a b", "etl-3", "etl-2", "etl-1"]),
        ("status=failed", ["etl-3"]),
        ("status=completed", ["etl-2", "etl-1"]),
        ("task=etl&queue=fast", ["etl-2", "etl-1"]),
        ("host=w1", ["etl-3", "etl-1"]),
        ("host=w1&status=completed", ["etl-1"]),
        ("queue=slow&since=1h", ["team/a b", "etl-3"]),
        ("since=2030-01-01T00:00:00Z", []),
        ("task=nobody", []),
    ],
)
def test_jobs_are_filtered(fleet: Service, query: str, expected: list[str]) -> None:
    """All filters hold together; the newest job stands first."""
    assert expected == ids(fleet, f"jobs?{query}")


def test_pages_follow_each_other(fleet: Service) -> None:
    """A cursor leads on to what the page before has left, and the last page has none."""
    found, cursor = [], ""
    for _ in range(4):
        page = get(fleet, "jobs?limit=1" + cursor)
        found += [job["job_id"] for job in page["jobs"]]
        cursor = f"&cursor={page['cursor']}"

    assert ["team/a b", "etl-3", "etl-2", "etl-1"] == found
    assert page["cursor"] is None
    assert 4 == page["count"]


@pytest.mark.parametrize("path", ["team/a%20b", quote("team/a b", safe="")])
def test_a_job_is_found_by_its_id_whatever_that_holds(fleet: Service, path: str) -> None:
    """A slash within an id may be quoted or not."""
    job = get(fleet, f"jobs/{path}?history=1")

    assert ("team/a b", "running", 25, 2) == (job["job_id"], job["status"], job["progress"], job["events"])
    assert [5, 25] == [event["message"]["body"]["progress"] for event in job["history"]]


def test_a_history_is_given_in_pages_from_its_end(fleet: Service) -> None:
    """The latest events come first, and within a page they stand in their order."""
    last = get(fleet, "jobs/team%2Fa%20b/history?limit=1")
    first = get(fleet, f"jobs/team%2Fa%20b/history?limit=1&cursor={last['cursor']}")

    assert [25, 5] == [page["events"][0]["message"]["body"]["progress"] for page in (last, first)]
    assert first["cursor"] is None


@pytest.mark.slow
def test_a_job_shows_every_report_that_was_answered(tmp_path: Path) -> None:
    """Whoever has the answer to a report in hand sees it in the job, before any flush."""
    with service(tmp_path) as running:
        for number in range(20):
            running.post({"type": "update_status", "job_id": "fresh", "status": "running", "progress": number})
            job = get(running, "jobs/fresh?history=1")

            assert (number, number + 1, number + 1) == (job["progress"], job["events"], len(job["history"]))
        running.post({"type": "job_cancelled", "job_id": "fresh"})

        assert "cancelled" == get(running, "jobs/fresh")["status"]


def test_tasks_say_how_they_fare(fleet: Service) -> None:
    """Where the jobs of a task stand, when it last ended and last went well, how long it takes and how often it fails."""
    (task,) = get(fleet, "tasks")["tasks"]

    assert ("etl", 3, {"completed": 2, "failed": 1}) == (task["task"], task["total"], task["by_status"])
    assert 1 / 3 == pytest.approx(task["failure_rate"])
    assert 40 == pytest.approx(task["p50_ms"], rel=0.01)
    assert task["last_end_ms"] >= task["last_success_ms"] > 0


@pytest.mark.slow
def test_a_restarted_service_knows_when_tasks_last_went_well(tmp_path: Path) -> None:
    """The last success of a task is not forgotten with the process."""
    with service(tmp_path) as running:
        running.post({"type": "job_completed", "job_id": "a", "task": "t"})
        before = until(lambda: get(running, "tasks")["tasks"][0]["last_success_ms"], "the task to be known")
    with service(tmp_path) as running:
        after = until(lambda: get(running, "tasks")["tasks"][0]["last_success_ms"], "the success to be known again")

    assert 0 <= before - after < 10_000


def test_a_series_shows_what_ended_when(fleet: Service) -> None:
    """Points carry ends by status, percentiles and, where asked for, the distribution of the durations."""
    found = get(fleet, "series?task=etl&since=1h&histogram=1")

    assert 10 == found["width_s"]
    assert 2 == sum(point["ends"].get("completed", 0) for point in found["points"])
    assert 1 == sum(point["ends"].get("failed", 0) for point in found["points"])
    assert 2 == sum(count for point in found["points"] for _, count in point["histogram"])


def test_figures_that_are_remembered_are_those_of_now(tmp_path: Path) -> None:
    """Asked again and again while jobs end, tasks and series count every end; with and without the distribution."""
    paths = ["series?task=t&since=1h&histogram=1", "series?task=t&since=1h", "series?since=1h", "tasks"]
    with service(tmp_path) as running:
        for count in range(1, 6):
            word = "job_failed" if count == 3 else "job_completed"
            running.post({"type": word, "job_id": f"j{count}", "task": "t", "duration_ms": 10 * count, "error": "e"})

            def ended(path: str, expected: int = count) -> bool:
                points = get(running, path)["points"]
                return expected == sum(sum(point["ends"].values()) for point in points)

            for path in paths[:3]:
                until(lambda path=path: ended(path), f"{count} ends in {path}")
        last = [get(running, path) for path in paths]
        (task,) = last[3]["tasks"]

    assert [10.0, 20.0, 40.0, 50.0] == pytest.approx(
        sorted(b for p in last[0]["points"] for b, _ in p["histogram"]), rel=0.3
    )
    assert all("histogram" not in point for found in last[1:3] for point in found["points"])
    assert (0.2, 40.0) == (task["failure_rate"], pytest.approx(task["p95_ms"], rel=0.2))


@pytest.mark.parametrize(
    ("since", "width_s"), [("10m", 10), ("24h", 300), ("7d", 3600), ("300d", 86400), ("3000d", 518400)]
)
def test_a_series_has_at_most_600_points(fleet: Service, since: str, width_s: int) -> None:
    """The longer the range, the wider its points."""
    found = get(fleet, f"series?since={since}")

    assert width_s == found["width_s"]
    assert (found["until_ms"] - found["since_ms"]) / (width_s * 1000) <= 600


def test_open_alerts_are_listed(fleet: Service) -> None:
    """What needs somebody is one question away."""
    (alert,) = get(fleet, "alerts?state=firing")["alerts"]

    assert ("etl", "boom", "firing") == (alert["task"], alert["last_error"], alert["state"])
    assert [] == get(fleet, "alerts?state=resolved")["alerts"]


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("jobs?taks=etl", 400, "did you mean task?"),
        ("jobs?limit=501", 400, "limit: expected a number of at most 500"),
        ("deliveries?state=dad", 400, "state: expected one of waiting|delivered|dead|retried"),
        ("events", 405, "reports are sent here by POST, got GET"),
        ("jobs?limit=0", 400, "limit: expected"),
        ("jobs?cursor=nonsense", 400, "cursor: expected"),
        ("tasks?cursor=0", 400, "cursor: expected"),
        ("jobs?since=yesterday", 400, "since: expected an age"),
        ("jobs?task=a&task=b", 400, "task: expected once"),
        ("stats?detail=perhaps", 400, "detail: expected 1 or 0"),
        ("series?since=1h&until=2h", 400, "since: expected a moment before until"),
        ("alerts?state=opened", 400, "state: "),
        ("jobs/nobody", 404, "no job is called"),
        ("jobs/nobody/history", 404, "no job is called"),
        ("jobs/%00", 400, "job_id: expected"),
        ("nothing", 404, "nothing under this path"),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused_in_words(fleet: Service, path: str, status: int, text: str) -> None:
    """An error has the shape of the wire's, and says what was expected."""
    answer = ask(fleet, path)
    told = answer.json()

    assert status == answer.status_code
    assert ["type", "code", "text"] == list(told)
    assert text in told["text"]


@pytest.mark.slow
def test_queries_need_a_token_that_may_read(tmp_path: Path) -> None:
    """With tokens, an ingest token reports and sees nothing; nobody without one sees anything."""
    with service(tmp_path) as running:
        ingest, read = running.create_token("ingest"), running.create_token("read")
        paths = [
            "/openapi.json",
            "/metrics",
            *(f"/api/v1/{n}" for n in ("stats", "jobs", "tasks", "series", "alerts", "live", "tail")),
        ]
        for path in paths:
            with running.client() as nobody, running.client(ingest) as worker, running.client(read) as reader:
                assert 401 == nobody.get(path).status_code, path
                assert 403 == worker.get(path).status_code, path
                with reader.stream("GET", path) as answer:
                    assert 200 == answer.status_code, path


# --------------------------------------------------------------------------------------------------------- description


def test_the_description_is_valid_openapi(fleet: Service) -> None:
    """`/openapi.json` is what it says to be, and describes every route of the API."""
    with fleet.client() as client:
        described = client.get("/openapi.json").json()
    jsonschema_rs.validator_for(OPENAPI_31).validate(described)
    paths = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}

    assert "3.1.0" == described["openapi"]
    assert set(OPERATIONS) == paths


def test_answers_are_as_described(fleet: Service) -> None:
    """Every answer can be read into the struct from which its description is made."""
    kinds: dict[str, Any] = {
        "stats?detail=1": answers.StatsAnswer,
        "jobs": JobPage,
        "jobs/etl-1?history=1": answers.JobDetail,
        "jobs/etl-1/history": answers.HistoryPage,
        "tasks": answers.TaskPage,
        "series?histogram=1": answers.SeriesAnswer,
        "alerts": AlertRows,
        "checks": operator_answers.CheckPage,
        "silences": operator_answers.Silences,
        "maintenance": operator_answers.Windows,
        "channels": operator_answers.Channels,
        "deliveries": operator_answers.DeliveryPage,
        "routes": operator_answers.RoutesAnswer,
        "routes/whom?task=etl": operator_answers.WhomAnswer,
        "audit": AuditPage,
        "config": operator_answers.DeclaredWish,
    }
    for path, kind in kinds.items():
        content = ask(fleet, path).content
        read = msgspec.json.decode(content, type=kind)
        told = {name for name in read.__struct_fields__ if getattr(read, name) is not msgspec.UNSET}

        assert set(msgspec.json.decode(content)) == told, path


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_described_request_ends_in_a_server_error(tmp_path: Path) -> None:
    """Whatever is sent within and without the description: the service answers, and never by an error of its own."""
    with service(tmp_path) as running:
        schema = schemathesis.openapi.from_url(f"{running.url}/openapi.json").exclude(
            path_regex=re.compile(r"/(live|tail|stream)$")
        )
        tried = set()
        for result in schema.get_all_operations():
            operation = result.ok()
            tried.add(operation.path)

            @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
            @given(case=operation.as_strategy())
            def try_one(case: schemathesis.Case) -> None:
                case.call_and_validate(checks=[not_a_server_error])

            try_one()

    assert "/api/v1/jobs" in tried
