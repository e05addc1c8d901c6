"""A ping URL is a secret of the least power: who finds one can report, nothing else, until it is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from http_service import EVENTS, Service, jobsight, service

from jobsight.core.masking import mask


def make(running: Service) -> tuple[str, str]:
    """Id and path of a new ping URL."""
    with running.control() as client:
        made = client.post("/api/v1/ping-urls", json={"task": "backup"}).json()
    return made["ping_id"], made["path"]


def test_the_secret_of_a_ping_url_stands_in_no_list_and_no_log(tmp_path: Path) -> None:
    """Not with every request logged, not in lists, not where a page is refused; only in the data folder."""
    with service(tmp_path, "--log-requests") as running, running.client() as client:
        ping_id, path = make(running)
        running.create_token("admin")
        answers = [client.get(path), client.get(f"{path}/no/such"), client.get(f"/elsewhere{path}")]
        listed = jobsight("ping-url", "list", "--data", running.data)
        jsons = jobsight("ping-url", "list", "--data", running.data, "--json")
    secret = path.removeprefix("/ping/")
    said = "".join([running.said(), listed.stdout, jsons.stdout, *(answer.text for answer in answers)])

    assert ping_id in listed.stdout
    assert "/ping/***" in running.said()
    assert secret not in said


def test_a_ping_url_opens_nothing_but_itself(tmp_path: Path) -> None:
    """Neither as a token nor in a path; and a browser that follows a link from there tells nobody where it was."""
    with service(tmp_path) as running, running.client() as client:
        _, path = make(running)
        running.create_token("admin")
        secret = path.removeprefix("/ping/")
        pinged = client.get(path)
        others = [
            client.get("/api/v1/jobs", headers={"authorization": f"Bearer {secret}"}),
            client.get(f"/api/v1/jobs?token={secret}"),
            client.post(
                EVENTS, json={"type": "heartbeat", "job_id": "a"}, headers={"authorization": f"Bearer {secret}"}
            ),
        ]

    assert (200, "no-referrer") == (pinged.status_code, pinged.headers["referrer-policy"])
    assert [401, 401, 401] == [other.status_code for other in others]


def test_a_ping_url_that_has_leaked_is_replaced_at_once(tmp_path: Path) -> None:
    """The old one is good for nothing, the new one reports for the same task."""
    with service(tmp_path) as running, running.client() as client:
        ping_id, path = make(running)
        with running.control() as control:
            replaced = control.post(f"/api/v1/ping-urls/{ping_id}/rotate").json()["path"]
        statuses = [client.get(path).status_code, client.get(replaced).status_code]

    assert [404, 200] == statuses


@pytest.mark.parametrize("secret", ["5c8b1f2e-0d7a-4c43-9f2f-7b1a2d3c4e5f", "aPingKey_of-22-letters"])
def test_the_mask_takes_what_follows_ping(secret: str) -> None:
    """In every text that leaves the monitor."""
    assert "GET /ping/***/start?rid=1" == mask(f"GET /ping/{secret}/start?rid=1")
