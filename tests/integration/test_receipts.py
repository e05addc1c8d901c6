"""`jobsight explain` and `jobsight why-not`: a running service and its folder tell the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from http_service import Service, jobsight, service, until
from sinks_beside import beside

from jobsight.testing.sinks import http_sink

pytestmark = pytest.mark.slow

FAILED = {"type": "job_failed", "job_id": "j/1", "task": "etl/daily", "error": "disk full", "retries": 3}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with an alert that a webhook took at once."""
    with (
        beside(http_sink) as (hook,),
        service(tmp_path_factory.mktemp("running"), "--notify", hook.url()) as one,
    ):
        one.post(FAILED)
        until(lambda: tries_of(one) == ["delivered: 200"], "the mark of the delivery in the view")
        yield one


def alert_id_of(one: Service) -> str:
    """The id of the only alert, once the list shows it."""
    with one.client() as client:
        (alert,) = until(lambda: client.get("/api/v1/alerts").json()["alerts"], "the alert in the list")
        return str(alert["alert_id"])


def tries_of(one: Service) -> list[str]:
    """What became of the tries, as the view knows it."""
    done = jobsight("explain", "--data", one.data, alert_id_of(one), "--json")
    if done.returncode:
        return []
    told: dict[str, Any] = json.loads(done.stdout)
    return [f"{one['outcome']}: {one['detail']}" for record in told["deliveries"] for one in record["tries"]]


def without_now(text: str) -> dict[str, Any]:
    """An answer without the moment at which it was put together."""
    told: dict[str, Any] = json.loads(text)
    del told["as_of_ms"]
    return told


@pytest.mark.parametrize("command", ["explain", "why-not"])
def test_a_service_explains_as_its_folder_does(running: Service, command: str) -> None:
    """The same facts from the view of the folder and from the memory of the service, also for a task with a slash."""
    subject = alert_id_of(running) if command == "explain" else "etl/daily"
    words = [command, subject, "--json"]
    of_folder = jobsight(*words, "--data", running.data)
    of_server = jobsight(*words, "--server", running.url)

    assert without_now(of_folder.stdout) == without_now(of_server.stdout)
    assert (0, 0) == (of_folder.returncode, of_server.returncode)


def test_the_receipt_is_for_people_too(running: Service) -> None:
    """Rule, decision and try stand each on a line; the fingerprint finds the latest episode."""
    done = jobsight("explain", alert_id_of(running).partition("-")[0], "--data", running.data)

    assert "firing  etl/daily: Job failed after 3 retries: disk full" in done.stdout
    assert "decision  notify-1: told at once: the first of its group" in done.stdout
    assert "try       notify-1: delivered: 200" in done.stdout


@pytest.mark.parametrize("where", ["folder", "server"])
def test_an_alert_that_is_none_is_not_explained(running: Service, where: str) -> None:
    """Exit code 66, and words."""
    place = ("--data", running.data) if where == "folder" else ("--server", running.url)
    done = jobsight("explain", "nothing", *place)

    assert 66 == done.returncode
    assert "no alert is called" in done.stderr


def test_a_receipt_outlives_the_service(tmp_path: Path) -> None:
    """Tries of a channel that is down are on record after the end of the service, and count on."""
    with service(tmp_path, "--notify", "http://127.0.0.1:9/refused") as one:
        one.post(FAILED)
        until(lambda: len(tries_of(one)) >= 2, "two tries")
        alert_id = alert_id_of(one)
    first = json.loads(jobsight("explain", alert_id, "--data", tmp_path / "data", "--json").stdout)
    with service(tmp_path, "--notify", "http://127.0.0.1:9/refused") as one:
        count = len(first["deliveries"][0]["tries"])
        until(lambda: len(tries_of(one)) > count, "one try more")

    assert {"failed"} == {one["outcome"] for one in first["deliveries"][0]["tries"]}
