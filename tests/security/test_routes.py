"""Every route of the real service, as it lists them itself: none is open, none changes anything for a page from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_service import Service, service

SCOPES = ["ingest", "read", "operate", "admin"]
FREE = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/login"),
    ("POST", "/login"),
    ("POST", "/logout"),
}
"""What needs no token: who starts and watches the process has none, and neither has who signs in."""

FREE_BELOW = ("/assets/", "/ack/", "/ack.css")
"""Files that every page loads, and links that are signed themselves, with their style."""

ALLOWED_BY_ITSELF = "POST /ack/{link}"
"""It changes something for whoever has the signed link, which no page from elsewhere has."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, dict[str, str]]]:
    """A service with a token of each scope, and with signed links."""
    with service(tmp_path_factory.mktemp("guarded"), JOBSIGHT_PUBLIC_URL="http://127.0.0.1:1") as running:
        yield running, {scope: running.create_token(scope) for scope in SCOPES}


@pytest.fixture(scope="module")
def routes(guarded: tuple[Service, dict[str, str]]) -> list[dict[str, Any]]:
    """What the service says that it serves."""
    with guarded[0].client(guarded[1]["admin"]) as client:
        found: list[dict[str, Any]] = client.get("/api/v1/inventory").json()["routes"]
    return found


def status_of(client: httpx.Client, route: dict[str, Any], headers: dict[str, str] | None = None) -> int:
    """The status of a request for a route; of a stream that never ends, too. Names in a path are made up."""
    path = re.sub(r"\{\w+(:\w+)?\}", "made-up", route["path"])
    with client.stream(route["method"], path, headers=headers) as answer:
        return answer.status_code


def name_of(route: dict[str, Any]) -> str:
    """For a person who reads why the test has failed."""
    return f"{route['method']} {route['path']}"


def test_the_inventory_is_that_of_the_service(routes: list[dict[str, Any]]) -> None:
    """Reports, queries, pages and the description are all in it; each says whether it changes something."""
    paths = {route["path"] for route in routes}

    assert {"/api/v1/events", "/api/v1/stats", "/api/v1/tokens", "/openapi.json", "/api/v1/inventory", "/"} <= paths
    unlike = [name_of(route) for route in routes if (route["method"] != "GET") is not route["is_changing"]]
    assert [ALLOWED_BY_ITSELF] == unlike


def test_only_these_routes_need_no_token(routes: list[dict[str, Any]]) -> None:
    """A new route is closed unless somebody adds it here."""
    free = {(route["method"], route["path"]) for route in routes if route["needs"] is None}

    assert set() == {one for one in free - FREE if not one[1].startswith(FREE_BELOW)}
    assert free >= FREE


def test_no_route_opens_without_a_token(guarded: tuple[Service, dict[str, str]], routes: list[dict[str, Any]]) -> None:
    """A program is told so; a person is led to where one signs in."""
    closed = [route for route in routes if route["needs"] is not None]
    with guarded[0].client() as client:
        programs = {name_of(route): status_of(client, route) for route in closed}
        people = {
            name_of(route): status_of(client, route, {"accept": "text/html"})
            for route in closed
            if route["path"] != "/api/v1/events"
        }

    assert {} == {name: status for name, status in programs.items() if status != 401}
    assert {} == {name: status for name, status in people.items() if status != 303}


@pytest.mark.parametrize("scope", SCOPES)
def test_each_route_asks_for_its_scope(
    guarded: tuple[Service, dict[str, str]], routes: list[dict[str, Any]], scope: str
) -> None:
    """A token below it is refused; one that suffices is answered, whatever the answer is."""
    wrong = []
    with guarded[0].client(guarded[1][scope]) as client:
        for route in routes:
            if route["needs"] is None:
                continue
            is_enough = SCOPES.index(scope) >= SCOPES.index(route["needs"])
            status = status_of(client, route)
            if (status == 403) is is_enough or status in (401, 500):
                wrong.append((name_of(route), status))

    assert [] == wrong


@pytest.mark.parametrize(
    "header",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_no_page_from_elsewhere_changes_anything(
    tmp_path: Path, routes: list[dict[str, Any]], header: dict[str, str]
) -> None:
    """On every route that changes something, where no token is needed and the browser would be let in."""
    with service(tmp_path, JOBSIGHT_PUBLIC_URL="http://127.0.0.1:1") as running, running.client() as client:
        allowed = {name_of(route): status_of(client, route, header) for route in routes if route["is_changing"]}

    assert {} == {name: status for name, status in allowed.items() if status != 403}


def test_a_session_reaches_pages_and_queries_and_changes_nothing_through_the_api(
    guarded: tuple[Service, dict[str, str]], routes: list[dict[str, Any]]
) -> None:
    """Every changing route below /api/ wants a token; no page wants one."""
    running, tokens = guarded
    with running.client() as client:
        client.post("/login", data={"token": tokens["admin"]}, headers={"origin": running.url})
        statuses = {
            (name_of(route), route["path"].startswith("/api/") and route["is_changing"]): status_of(
                client, route, {"origin": running.url}
            )
            for route in routes
            if route["needs"] is not None
        }

    assert {} == {name: status for (name, is_refused), status in statuses.items() if (status == 403) is not is_refused}
    assert 401 not in statuses.values()
