"""Pings as Healthchecks takes them: paths, words and headers that its clients know, and what they become here."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from http_service import EVENTS, Service, jobsight, service, until


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that bring their own task."""
    with service(tmp_path_factory.mktemp("shared")) as running:
        yield running


def make(running: Service, **wish: Any) -> str:
    """The path of a new ping URL."""
    with running.control() as client:
        made = client.post("/api/v1/ping-urls", json=wish)
        assert 201 == made.status_code, made.text
        return str(made.json()["path"]).removesuffix("/<task>")


def ping(running: Service, path: str, method: str = "GET", **further: Any) -> httpx.Response:
    """One ping."""
    with running.client() as client:
        return client.request(method, path, **further)


def jobs(running: Service, task: str, count: int = 1) -> list[dict[str, Any]]:
    """
    The jobs of a task, the newest first, once there are so many.

    A list may lag behind what was answered; so it only tells which jobs there are, and each is asked for by itself.
    """
    with running.control() as client:

        def look() -> list[dict[str, Any]] | None:
            found: list[dict[str, Any]] = client.get("/api/v1/jobs", params={"task": task}).json()["jobs"]
            return found if len(found) >= count else None

        listed = until(look, f"{count} jobs of {task}")
        return [client.post(EVENTS, json={"type": "get_job", "job_id": job["job_id"]}).json() for job in listed]


# --------------------------------------------------------------------------------------------------------------- forms


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("ending", ["", "/", "/start", "/fail", "/log", "/0", "/255", "/start/"])
def test_a_ping_is_answered_as_clients_expect(shared: Service, method: str, ending: str) -> None:
    """Status, text and headers are those of Healthchecks, whatever form a ping has."""
    answer = ping(shared, make(shared, task=f"form-{uuid4()}") + ending, method)

    assert (200, "" if method == "HEAD" else "OK") == (answer.status_code, answer.text)
    assert "10000" == answer.headers["ping-body-limit"]
    assert "*" == answer.headers["access-control-allow-origin"]
    assert "no-store" in answer.headers["cache-control"]
    assert "no-referrer" == answer.headers["referrer-policy"]


@pytest.mark.parametrize(
    ("ending", "status", "text"),
    [
        ("/256", 400, "invalid url format"),
        ("/99999999999999", 400, "invalid url format"),
        ("/nonsense", 404, "not found"),
        ("/start/now", 404, "not found"),
        ("?rid=not%20a%20token", 400, "invalid uuid format"),
        (f"?rid={'x' * 65}", 400, "invalid uuid format"),
    ],
)
def test_what_is_no_ping_is_refused_in_the_known_words(shared: Service, ending: str, status: int, text: str) -> None:
    """Clients compare these texts."""
    answer = ping(shared, make(shared, task=f"refused-{uuid4()}") + ending)

    assert (status, text) == (answer.status_code, answer.text)


@pytest.mark.parametrize(
    "path",
    ["/ping/00000000-0000-4000-8000-000000000000", "/ping/", "/ping/x", f"/ping/{'k' * 22}/backup", "/ping/%00/a"],
)
def test_an_unknown_url_is_not_found(shared: Service, path: str) -> None:
    """A URL that nobody made opens nothing."""
    answer = ping(shared, path)

    assert (404, "not found") == (answer.status_code, answer.text)


def test_a_ping_key_names_tasks_by_slugs(shared: Service) -> None:
    """A slug means the task that is called so, or one whose name becomes it; `create=1` makes what is not there."""
    key, task = make(shared), f"nightly-{uuid4()}"
    shared.post({"type": "heartbeat", "job_id": "x", "task": f"Weekly Report {task}"})
    asked = [
        f"/{task}",
        f"/{task}?create=1",
        f"/{task}?create=1",
        f"/{task}/start",
        f"/weekly-report-{task}",
        "/Upper",
    ]
    answers = [ping(shared, key + path) for path in asked]

    assert [
        (404, "not found"),
        (201, "Created"),
        (200, "OK"),
        (200, "OK"),
        (200, "OK"),
        (400, "invalid url format"),
    ] == [(answer.status_code, answer.text) for answer in answers]
    assert 1 == len([job for job in jobs(shared, f"Weekly Report {task}", 2) if job["status"] == "completed"])


def test_an_ambiguous_slug_is_refused(shared: Service) -> None:
    """Where two tasks become the same slug, neither is guessed."""
    key, word = make(shared), f"twice-{uuid4()}"
    for name in (f"{word} a", f"{word}/a"):
        shared.post({"type": "heartbeat", "job_id": f"job of {name}", "task": name})
    answer = ping(shared, f"{key}/{word}-a")

    assert (409, "ambiguous slug") == (answer.status_code, answer.text)


def test_other_methods_are_refused(shared: Service) -> None:
    """A ping is a HEAD, a GET or a POST."""
    assert 405 == ping(shared, make(shared, task="method"), "DELETE").status_code


# ---------------------------------------------------------------------------------------------------- what becomes of it


def test_start_and_end_of_a_run_make_one_job(shared: Service) -> None:
    """The job is named by the run's id, and its duration is the time between the two pings."""
    path, rid = make(shared, task="backup"), str(uuid4())
    ping(shared, f"{path}/start?rid={rid}")
    ping(shared, f"{path}?rid={rid}", "POST", content=b"42 files")
    with shared.client() as client:
        job = client.get(f"/api/v1/jobs/{rid}").json()

    assert ("backup", "completed", "42 files", 2) == (job["task"], job["status"], job["message"], job["events"])
    assert 0 <= job["duration_ms"] < 30_000


def test_runs_may_overlap(shared: Service) -> None:
    """Every open run is followed by itself; any short token names one."""
    path = make(shared, task="overlap")
    for ending in ("/start?rid=a", "/start?rid=b", "/fail?rid=a", "?rid=b"):
        ping(shared, path + ending)

    assert [("overlap/b", "completed"), ("overlap/a", "failed")] == [
        (job["job_id"], job["status"]) for job in jobs(shared, "overlap", 2)
    ]


@pytest.mark.slow
def test_pings_without_a_run_id_end_what_was_started_last(tmp_path: Path) -> None:
    """A start and the end that follows are one run, also over a restart of the service."""
    with service(tmp_path) as running:
        path = make(running, task="plain")
        ping(running, path)
        ping(running, path + "/start")
    with service(tmp_path) as running:
        ping(running, path, "POST", content=b"done")
        ended = jobs(running, "plain", 2)

    assert [("completed", "done", 2), ("completed", None, 1)] == [
        (job["status"], job["message"], job["events"]) for job in ended
    ]
    assert ended[0]["duration_ms"] is not None
    assert ended[1]["duration_ms"] is None


def test_failures_alert_with_exit_status_and_first_line(shared: Service) -> None:
    """What the operator is told is what the ping told."""
    path = make(shared, task="failing")
    ping(shared, path + "/3", "POST", content=b"\ntar: /etc: cannot open\nmore")
    ping(shared, path + "/fail")
    errors = [job["error"] for job in jobs(shared, "failing", 2)]
    with shared.client() as client:
        (alert,) = client.get("/api/v1/alerts", params={"task": "failing"}).json()["alerts"]

    assert ["a ping reported a failure", "exit status 3: tar: /etc: cannot open"] == errors
    assert ("firing", 2) == (alert["state"], alert["count"])


def test_a_log_ping_changes_nothing(shared: Service) -> None:
    """It is kept in the history of the run that goes on, and neither ends nor reopens one."""
    path = make(shared, task="logging")
    for ending in ("/start", "/log", "", "/log"):
        ping(shared, path + ending, "POST", content=f"at {ending}".encode())
    job = until(lambda: next((one for one in jobs(shared, "logging") if one["events"] >= 4), None), "all four events")

    assert ("completed", 4) == (job["status"], job["events"])


def test_a_body_is_kept_up_to_its_limit(shared: Service) -> None:
    """10,000 bytes stand with the job; what is more is taken and dropped; bytes that are no text do no harm."""
    path = make(shared, task="bodies")
    ping(shared, path, "POST", content=b"\xff\x00" + b"x" * 300_000)
    (job,) = jobs(shared, "bodies")

    assert "\ufffd\x00" + "x" * 9_998 == job["message"]


def test_many_pings_at_once_are_all_kept(shared: Service) -> None:
    """None is lost, and each is answered only once it is durable."""
    path = make(shared, task="many")
    with ThreadPoolExecutor(16) as pool, shared.client() as client:
        answers = list(pool.map(lambda _: client.get(path).status_code, range(400)))
    with shared.client() as client:
        figures = client.get("/api/v1/stats", params={"task": "many"}).json()

    assert {200} == set(answers)
    assert (400, 400) == (figures["total"], figures["completed"])


# ----------------------------------------------------------------------------------------------------------------- URLs


@pytest.mark.slow
def test_urls_are_made_listed_rotated_and_revoked(tmp_path: Path) -> None:
    """By command, on a free folder and beside a running service; lists never show the secret; all of it is kept."""
    data = tmp_path / "data"
    made = jobsight("ping-url", "create", "--task", "backup", "--data", data)
    path = made.stdout.strip()
    with service(tmp_path) as running:
        listed = jobsight("ping-url", "list", "--data", data)
        ping_id = listed.stdout.splitlines()[1].split()[0]
        before = ping(running, path).status_code
        rotated = jobsight("ping-url", "rotate", ping_id, "--data", data).stdout.strip()
        middle = [ping(running, one).status_code for one in (path, rotated)]
        new_id = jobsight("ping-url", "list", "--data", data).stdout.splitlines()[-1].split()[0]
        revoked = jobsight("ping-url", "revoke", new_id, "--data", data)
        after = ping(running, rotated).status_code
    with service(tmp_path) as running:
        again = [ping(running, one).status_code for one in (path, rotated)]

    assert re.fullmatch(r"/ping/[0-9a-f-]{36}", path)
    assert path.removeprefix("/ping/") not in listed.stdout
    assert (200, [404, 200], 404, [404, 404]) == (before, middle, after, again)
    assert 0 == revoked.returncode


@pytest.mark.slow
def test_the_urls_of_another_installation_go_on_working(tmp_path: Path) -> None:
    """Changing the host's name is enough: UUIDs and ping keys that are in use elsewhere can be taken over."""
    known, key = str(uuid4()), "Zm9vYmFyLXBpbmcta2V5LTE"
    with service(tmp_path) as running:
        make(running, task="moved", secret=known)
        make(running, secret=key)
        answers = [ping(running, path).status_code for path in (f"/ping/{known.upper()}", f"/ping/{key}/moved")]

    assert [200, 200] == answers


@pytest.mark.slow
def test_secrets_do_not_stand_in_what_is_written(tmp_path: Path) -> None:
    """S3: the service's own log, even of requests, shows no ping URL."""
    with service(tmp_path, "--log-requests") as running:
        path = make(running, task="secret")
        ping(running, path + "/start")
        until(lambda: "/ping/" in running.said(), "the request to be written")

        assert path.removeprefix("/ping/") not in running.said()


@pytest.mark.slow
def test_no_token_is_needed_and_none_is_given(tmp_path: Path) -> None:
    """The URL is the only credential, and opens nothing but pings."""
    with service(tmp_path) as running:
        path = make(running, task="open")
        running.create_token("admin")

        assert 200 == ping(running, path).status_code
        assert 401 == ping(running, "/api/v1/jobs").status_code


def test_curl_pings(shared: Service) -> None:
    """The line that stands in thousands of crontabs."""
    path = make(shared, task="curl")
    done = subprocess.run(
        ["curl", "-fsS", "-m", "10", "--retry", "5", "--data-raw", "some output", f"{shared.url}{path}/0"],
        capture_output=True,
        text=True,
    )

    assert (0, "OK") == (done.returncode, done.stdout)
    assert "some output" == jobs(shared, "curl")[0]["message"]
