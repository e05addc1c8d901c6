"""The explorer and the page of a job, as a browser without scripts gets them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote

import httpx
import pytest
from http_service import EVENTS, NDJSON, Service, service, until

from jobsight.transports.http.pages.assets import Assets
from jobsight.web import FOLDER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Assets(FOLDER / "assets").is_built, reason="built without pages (no Node at hand)"),
]

REPORTS = r"""
{"type": "update_status", "job_id": "spooled", "task": "spool", "status": "running", "at": 1790000000000}
{"type": "job_failed", "job_id": "spooled", "error": "disk full", "at": 1790000084000}
{"type": "job_completed", "job_id": "load-2", "task": "etl.load", "duration_ms": 4000000, "resource_usage": {"rows": 12}}
{"type": "update_status", "job_id": "load-1", "task": "etl.load", "host": "w7", "status": "queued", "max_retries": 1}
{"type": "update_status", "job_id": "load-1", "status": "running", "progress": 10, "labels": {"env": "pr\"od"}}
{"type": "job_failed", "job_id": "load-1", "error": "no route to db-3", "retries": 0}
{"type": "update_status", "job_id": "load-1", "status": "running", "progress": 40, "host": "w8"}
{"type": "job_failed", "job_id": "load-1", "error": "no route to db-4\nsecond line", "retries": 1, "message": "the tail"}
{"type": "update_status", "job_id": "a/b ?#☂", "task": "etl.load", "status": "running", "progress": 50}
{"type": "job_completed", "job_id": "<script>alert(1)</script>", "queue": "\"><b>", "duration_ms": 5}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service to which a few jobs have reported."""
    with service(tmp_path_factory.mktemp("pages")) as one:
        with one.client() as client:
            long = {"type": "update_status", "job_id": "long", "task": "long", "status": "running"}
            lines = [json.dumps({**long, "progress": n / 2}) for n in range(130)]
            content = "\n".join(lines) + REPORTS
            client.post(EVENTS, content=content.encode(), headers=NDJSON).raise_for_status()
            until(lambda: client.get("/api/v1/jobs").json()["count"] == 6, "the jobs to stand in the lists")
        yield one


@pytest.fixture
def browser(running: Service) -> Iterator[httpx.Client]:
    """Somebody who looks at pages."""
    with running.client() as client:
        client.headers["accept"] = "text/html"
        yield client


def names(page: str) -> list[str]:
    """The jobs that a page lists, as they are called."""
    return [unescape(one) for one in re.findall(r'<a data-open href="[^"]*">([^<]*)</a>', page)]


def links(page: str) -> list[str]:
    """Where the links of a page lead."""
    return [unescape(one) for one in re.findall(r'href="(/[^"]*)"', page)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["<script>alert(1)</script>", "a/b ?#☂", "load-1", "load-2", "spooled", "long"]),
        ("?q=status:failed", ["load-1", "spooled"]),
        ("?status=completed&task=etl.load", ["load-2"]),
        ("?q=-status:failed+task:etl.*", ["a/b ?#☂", "load-2"]),
        ("?q=no:task&since=24h", ["<script>alert(1)</script>"]),
        ("?q=is:active", ["a/b ?#☂", "long"]),
        ("?q=label.env:%22pr%5C%22od%22", ["load-1"]),
        ("?q=ROUTE", ["load-1"]),
        ("?q=load-2", ["load-2", "load-2"]),
    ],
)
def test_the_explorer_lists_what_matches(browser: httpx.Client, query: str, expected: list[str]) -> None:
    """The whole filter stands in the URL; a job that is called exactly as the text says stands on top once more."""
    page = browser.get("/jobs" + query)

    assert 200 == page.status_code
    assert expected == names(page.text)


def test_every_link_of_the_explorer_leads_on(browser: httpx.Client) -> None:
    """Facets narrow, crosses widen, and no link is broken, whatever jobs are called."""
    page = browser.get("/jobs?q=status:failed,completed,running")
    inner = {one for one in links(page.text) if one.startswith("/jobs")}

    assert 12 < len(inner)
    assert [] == [one for one in inner if browser.get(one).status_code != 200]


def test_what_cannot_be_read_is_marked_and_nothing_is_listed(browser: httpx.Client) -> None:
    """A mistyped filter never shows the jobs of another one."""
    page = browser.get("/jobs?q=stauts:failed+task:etl.*").text

    assert "<mark>stauts:failed</mark>" in page
    assert "did you mean status:" in page
    assert 'value="stauts:failed task:etl.*"' in page
    assert [] == names(page)


@pytest.mark.parametrize("query", [{"q": "status:fialed task:etl.*"}, {"status": "fialed", "task": "etl.*"}])
def test_a_status_that_no_job_has_had_is_said_to_be_none(browser: httpx.Client, query: dict[str, str]) -> None:
    """A slip would find nothing, and look as if nothing had failed."""
    page = browser.get("/jobs", params=query).text

    assert "no job has stood in fialed; did you mean failed" in page
    assert "<mark>status:fialed</mark>" in page
    assert [] == names(page)


def test_a_strange_parameter_is_refused_on_a_page(browser: httpx.Client) -> None:
    """A mistyped URL is told what is known, as a page."""
    page = browser.get("/jobs?stauts=failed")

    assert 400 == page.status_code
    assert "did you mean status?" in page.text
    assert "<!doctype html>" in page.text


def test_a_job_is_told_try_by_try(browser: httpx.Client) -> None:
    """Its error, its attempts with their own errors, its output, its siblings, its events as they came."""
    page = unescape(browser.get("/jobs/load-1").text)

    assert "no route to db-4\nsecond line" in page
    assert "no route to db-3" in page
    assert "the tail" in page
    assert "load-2" in page
    assert "jobsight job load-1 --history" in page
    assert '"error": "no route to db-3"' in page
    assert "Alert: firing" in page


def test_a_long_history_is_told_in_part_and_more_on_request(browser: httpx.Client) -> None:
    """The latest hundred events; a link shows more of them."""
    page = browser.get("/jobs/long").text
    assert "30 earlier events" in page
    more = next(one for one in links(page) if "events=" in one)

    assert "earlier events" not in browser.get(more).text
    assert "130 events, the latest first" in browser.get(more).text


def test_a_running_job_says_when_it_is_done(browser: httpx.Client) -> None:
    """From the durations of its task, and with how little that rests on."""
    page = browser.get(f"/jobs/{quote('a/b ?#☂', safe='')}").text

    assert "Done in about" in page
    assert "learning 1/20" in page


def test_names_are_text_wherever_they_stand(browser: httpx.Client) -> None:
    """What a worker calls a job is shown, and is never a part of the page."""
    job = "/jobs/" + quote("<script>alert(1)</script>", safe="")

    assert names(browser.get("/jobs").text)[0] == "<script>alert(1)</script>"
    for path in ("/jobs", job, "/jobs?q=%3Cscript%3Ealert(1)%3C/script%3E", "/jobs?queue=%22%3E%3Cb%3E"):
        page = browser.get(path)
        assert 200 == page.status_code
        assert "<script>alert" not in page.text
        assert '"><b>' not in page.text


def test_an_unknown_job_is_a_page_that_says_so(browser: httpx.Client) -> None:
    """Not found is a status and a sentence."""
    page = browser.get("/jobs/nobody")

    assert 404 == page.status_code
    assert "no job is called" in page.text


def test_the_order_stands_in_the_address(browser: httpx.Client) -> None:
    """Every link of the explorer keeps it, and the form of the filter too."""
    listed = browser.get("/jobs", params={"q": "is:ended", "sort": "longest"}).text
    further = [unescape(link) for link in re.findall(r'href="(/jobs\?[^"]*)"', listed) if "since" in link]

    assert '<input type="hidden" name="sort" value="longest">' in listed
    assert [True] * 3 == ["sort=longest" in link for link in further if "is%3Aended" in link]
    assert 400 == browser.get("/jobs", params={"sort": "fastest"}).status_code


def test_a_job_ran_as_long_as_its_tries(browser: httpx.Client) -> None:
    """Also where its reports came late, all at once: by its own clock and not by when they were heard."""
    page = browser.get("/jobs/spooled").text

    assert "<dt>Ran</dt><dd>1 m 24 s</dd>" in page
    assert '<td class="right">1 m 24 s</td>' in page


@pytest.mark.parametrize("verb", ["acknowledge", "silence", "dismiss"])
def test_an_action_that_nothing_matches_is_a_page_that_says_so(browser: httpx.Client, verb: str) -> None:
    """And leads back to the filter."""
    page = browser.get(f"/bulk/jobs/{verb}", params={"q": "task:there-is-none"})

    assert 200 == page.status_code
    assert "matches this filter" in page.text
    assert 'href="/jobs?q=task%3Athere-is-none"' in page.text
