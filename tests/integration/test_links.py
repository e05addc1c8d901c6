"""The link that acknowledges: it asks first, needs no login, and opens nothing else."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_service import DEADLINE_S, Service, jobsight, service, until
from sinks_beside import beside

from jobsight.testing.sinks import HttpSink, http_sink

pytestmark = pytest.mark.slow

FAILED = {"type": "job_failed", "job_id": "j1", "task": "<b>nightly</b>", "error": 'disk "full" <i>', "retries": 3}
SUCCEEDED = {"type": "job_completed", "job_id": "j2", "task": FAILED["task"], "duration_ms": 40}
PUBLIC = "https://jobs.example.org/monitor"


class Place:
    """A service behind a public URL, and the webhook that it tells."""

    def __init__(self, running: Service, hook: HttpSink) -> None:
        self.running, self.hook = running, hook
        self.token = running.create_token("ingest")

    def report(self, message: dict[str, Any]) -> None:
        """A worker reports."""
        with self.running.client(self.token) as client:
            assert client.post("/api/v1/events", json=message).is_success

    def links(self) -> dict[str, str]:
        """Of the latest notification."""
        found: dict[str, str] = self.hook.received[-1].json()["data"]["links"]
        return found

    def ask(self, method: str, link: str, **further: Any) -> httpx.Response:
        """Follow a link from outside, with no token at all."""
        with self.running.client() as client:
            return client.request(method, link.removeprefix(PUBLIC), **further)

    def state(self) -> tuple[str, str | None, str]:
        """How the only alert stands, who acknowledged, and with what word."""
        with self.running.control() as client:
            (alert,) = until(lambda: client.get("/api/v1/alerts").json()["alerts"], "the alert in the view")
            return alert["state"], alert["by"], alert["comment"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """With one alert that was told."""
    config = f'[server]\npublic_url = "{PUBLIC}/"\nlog_requests = true\n'
    with beside(http_sink) as (hook,), service(tmp_path, "--notify", hook.url(), config=config) as running:
        one = Place(running, hook)
        one.report(FAILED)
        until(lambda: len(hook.received) == 1, "the notification")
        yield one


def test_looking_at_a_link_acknowledges_nothing_and_its_button_does(place: Place) -> None:
    """GET and HEAD show a page that is safe to show; POST acknowledges, in the name of the channel; others are told once."""
    link = place.links()["acknowledge"]
    pages = [place.ask("GET", link), place.ask("HEAD", link), place.ask("GET", link)]
    before = place.state()
    done = place.ask("POST", link, data={"comment": "Ana <on it>"}, headers={"origin": "https://elsewhere.example"})
    until(lambda: place.state()[0] == "acknowledged", "the acknowledgement in the view")
    after = place.state()
    again = place.ask("POST", link, data={"comment": "me too"})
    kinds = until(lambda: [one.json()["data"]["kind"] for one in place.hook.received][1:], "the word to the others")
    told = place.hook.received[-1].json()["data"]

    assert [200, 200, 200, 200, 200] == [one.status_code for one in (*pages, done, again)]
    assert ("firing", None) == before[:2]
    assert ("acknowledged", "link:notify-1", "Ana <on it>") == after == place.state()
    assert ["acknowledge"] == kinds
    assert ("link:notify-1", "Ana <on it>") == (told["acknowledged_by"], told["comment"])
    assert "&lt;b&gt;nightly&lt;/b&gt;" in pages[0].text
    assert "<b>" not in pages[0].text
    assert "Ana &lt;on it&gt;" in done.text
    assert "<style" not in pages[0].text
    assert "font:" in place.ask("GET", "/ack.css").text
    assert ("no-store", "same-origin") == (pages[0].headers["cache-control"], pages[0].headers["referrer-policy"])


def test_the_links_lead_to_the_dashboard(place: Place) -> None:
    """Alert, task and job by their pages, under the public URL; names are quoted."""
    links = place.links()

    assert links["open"].startswith(f"{PUBLIC}/alerts/")
    assert f"{PUBLIC}/tasks/%3Cb%3Enightly%3C%2Fb%3E" == links["task"]
    assert f"{PUBLIC}/jobs/j1" == links["job"]
    page, field = links["silence"].split("#")
    with place.running.control() as client:
        until(lambda: f'id="{field}"' in client.get(page.removeprefix(PUBLIC)).text, "the page with that field")
    assert links["open"] == page


def two_of(some: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """They, once there are two."""
    return some if len(some) == 2 else None


def test_a_link_is_for_one_episode(place: Place) -> None:
    """Once the problem is over, its link says so, and leaves the next one alone."""
    link = place.links()["acknowledge"]
    place.report(SUCCEEDED)
    place.report({**FAILED, "job_id": "j3"})
    until(lambda: len(place.hook.received) >= 3, "the recovery and the next episode")
    late = place.ask("POST", link, data={})
    with place.running.control() as client:
        listed = until(lambda: two_of(client.get("/api/v1/alerts").json()["alerts"]), "both episodes in the view")

    assert "It is over already" in late.text
    assert ["firing", "resolved"] == [alert["state"] for alert in listed]


def test_what_is_no_link_opens_nothing(place: Place) -> None:
    """404 and words; nothing beside it can be reached that way; and who tries too often has to wait."""
    link = place.links()["acknowledge"]
    forged = place.ask("POST", link[:-2] + ("AA" if not link.endswith("AA") else "BB"), data={})
    nothing = [place.ask("GET", path).status_code for path in ("/ack/", "/ack/x/y", "/ack/../api/v1/alerts")]
    with ThreadPoolExecutor(20) as many, place.running.client() as client:
        statuses = [one.status_code for one in many.map(lambda _: client.get("/ack/x"), range(200))]

    assert (404, "firing") == (forged.status_code, place.state()[0])
    assert [404, 404, 401] == nothing
    assert {404, 429} == set(statuses)


def test_the_key_and_the_links_stay_secret(place: Place) -> None:
    """The key is the owner's alone; neither stderr nor the log of events knows a link."""
    token = place.links()["acknowledge"].rpartition("/")[2]
    place.ask("GET", place.links()["acknowledge"])
    until(lambda: "/ack/***" in place.running.said(), "the line of the request")
    key = place.running.data / "secrets" / "links.key"
    logged = jobsight("log", "cat", "--data", place.running.data).stdout

    assert 0o600 == stat.S_IMODE(key.stat().st_mode)
    assert token not in place.running.said() + logged


def test_links_outlive_a_restart_and_end_with_their_key(tmp_path: Path) -> None:
    """The same key after a restart; another one once the file was deleted; no links at all without a public URL."""
    config = f'[server]\npublic_url = "{PUBLIC}"\n'
    with beside(http_sink) as (hook,):
        with service(tmp_path, "--notify", hook.url(), config=config) as running:
            running.post(FAILED)
            until(lambda: hook.received, "the notification")
        link = hook.received[0].json()["data"]["links"]["acknowledge"].removeprefix(PUBLIC)
        with service(tmp_path, "--notify", hook.url(), config=config) as running, running.client() as client:
            kept = client.get(link).status_code
        (tmp_path / "data" / "secrets" / "links.key").unlink()
        with service(tmp_path, "--notify", hook.url(), config=config) as running, running.client() as client:
            ended = client.get(link).status_code
        (tmp_path / "jobsight.toml").unlink()
        with service(tmp_path, "--notify", hook.url()) as running:
            without = httpx.get(running.url + link, timeout=DEADLINE_S, trust_env=False).status_code
            running.post({**FAILED, "job_id": "j9", "task": "other"})
            until(lambda: len(hook.received) >= 2, "the notification without links")

    assert (200, 404, 404) == (kept, ended, without)
    assert {None} == set(hook.received[-1].json()["data"]["links"].values())
    assert "acknowledge" not in json.dumps(hook.received[-1].json()["data"]["text"]).lower()
