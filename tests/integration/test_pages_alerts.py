"""The pages of alerts, and what their forms do, as a browser without scripts uses them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, quote

import httpx
import pytest
from http_service import EVENTS, NDJSON, Service, service, until

from jobsight.transports.http.pages.assets import Assets
from jobsight.web import FOLDER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Assets(FOLDER / "assets").is_built, reason="built without pages (no Node at hand)"),
]


def failure(job_id: str, task: str | None, error: str = "no route", **fields: object) -> str:
    """A report of a failure for good, on one line."""
    body = {"type": "job_failed", "job_id": job_id, "task": task, "error": error, "retries": 2, **fields}
    return json.dumps({name: value for name, value in body.items() if value is not None})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service."""
    with service(tmp_path_factory.mktemp("pages")) as one:
        yield one


@pytest.fixture(scope="module")
def token(running: Service) -> str:
    """Of somebody who may do everything."""
    return running.create_token("admin")


_numbers = itertools.count(1)


@pytest.fixture
def name(running: Service, token: str) -> str:
    """Begins the names of three alerts that this test has for itself: `<name>.load`, `<name>.export`, `queue <name>.adhoc`."""
    name = f"n{next(_numbers)}"
    lines = [
        json.dumps({"type": "job_completed", "job_id": f"{name}-0", "task": f"{name}.load", "duration_ms": 5}),
        failure(f"{name}-1", f"{name}.load", "no route to db-3", message="the tail of it"),
        failure(f"{name}-2", f"{name}.export", "no route to db-7"),
        failure(f"{name}-3", None, f"<b>odd</b> {name}", queue=f"{name}.adhoc"),
    ]
    with running.client(token) as client:
        client.post(EVENTS, content="\n".join(lines).encode(), headers=NDJSON).raise_for_status()
    return name


@pytest.fixture
def browser(running: Service, token: str) -> Iterator[httpx.Client]:
    """Somebody who looks at pages, and follows where they are led."""
    with running.client(token, follow_redirects=True) as client:
        client.headers["accept"] = "text/html"
        yield client


def on(browser: httpx.Client, name: str, show: str = "firing") -> list[str]:
    """The subjects of a test's alerts on a shelf, in the order of their names."""
    listed = [*subjects(browser.get(f"/alerts?show={show}&task={name}.*"))]
    return sorted([*listed, *subjects(browser.get(f"/alerts?show={show}&queue={name}.*"))])


def subjects(page: httpx.Response) -> list[str]:
    """What the rows of a page are about."""
    return [unescape(one) for one in re.findall(r'<a (?:class="subject" )?data-open[^>]*>([^<]*)</a>', page.text)]


def heading(page: httpx.Response) -> str:
    """What a page is called."""
    found = re.search(r"<h1>([^<]*)</h1>", page.text)
    return "" if found is None else unescape(found[1])


def address(browser: httpx.Client, subject: str) -> str:
    """The page of the alert about something."""

    def found() -> str | None:
        listed = browser.get("/alerts").text
        match = re.search(rf'href="(/alerts/[^"]+)">{re.escape(subject)}</a>', listed)
        return match[1] if match else None

    return until(found, f"an alert about {subject}")


def fields_of(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of a page's form."""
    pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text)
    return {name: unescape(value) for name, value in pairs}


def test_an_alert_says_what_is_needed_at_night(browser: httpx.Client, name: str) -> None:
    """Error, end of the output, last success, how often in a row, the same error elsewhere, and the receipt."""
    page = browser.get(address(browser, f"{name}.load")).text

    for said in (
        "no route to db-3",
        "the tail of it",
        "Last success",
        "Failures in a row",
        f"{name}.export",
        "Receipt",
    ):
        assert said in page
    assert "there is no channel that could be told" in page


def test_the_same_error_elsewhere_is_the_latest_of_many(running: Service, browser: httpx.Client, name: str) -> None:
    """However many problems look alike: those are named that were heard of last, and at once."""
    path = address(browser, f"{name}.export")
    lines = [failure(f"{name}-{n}", f"{name}.like-{n}", "no route to db-9") for n in range(12)]
    browser.post(EVENTS, content="\n".join(lines).encode(), headers=NDJSON).raise_for_status()
    late = failure(f"{name}-late", f"{name}.latest", "no route to db-1")
    browser.post(EVENTS, content=late.encode(), headers=NDJSON).raise_for_status()
    page = browser.get(path).text

    assert re.search(rf'href="/alerts/[^"]+">{name}\.latest<', page)


def test_an_acknowledged_alert_moves_to_its_shelf(browser: httpx.Client, name: str) -> None:
    """A plain form acknowledges, leads back to the same page, and says what was done; every page shows it at once."""
    path = address(browser, f"{name}.load")
    assert [f"{name}.export", f"{name}.load", f"queue {name}.adhoc"] == on(browser, name)
    page = browser.post(path + "/acknowledge", data={"comment": "looking into it"})

    assert path == page.url.path
    assert "nobody is told again for 24 hours" in page.text
    assert "looking into it" in page.text
    assert [f"{name}.load"] == on(browser, name, "acknowledged")
    assert [f"{name}.export", f"queue {name}.adhoc"] == on(browser, name)


def test_a_form_leads_back_with_the_filter_kept(browser: httpx.Client, name: str) -> None:
    """Whoever acts from a filtered list sees the same list again, and never a page of somebody else."""
    path = address(browser, f"{name}.export")
    page = browser.post(path + "/acknowledge", data={"return_to": "/alerts?show=firing&task=b*"})
    other = browser.post(address(browser, f"{name}.load") + "/resolve", data={"return_to": "https://evil.example/"})

    assert "/alerts" == page.url.path
    assert {"show": ["firing"], "task": ["b*"]} == parse_qs(page.url.query.decode())
    assert "127.0.0.1" == other.url.host


def test_what_was_done_is_said_once_and_by_no_address(browser: httpx.Client, name: str) -> None:
    """The page that one comes back to says it; the same address, loaded again or sent to somebody, says nothing."""
    said = 'role="status"'
    address(browser, f"{name}.load")
    form = {"q": f"status:failed task:{name}.load", "return_to": "/alerts?show=firing&did=saved&n=2"}
    answer = browser.post("/bulk/jobs/acknowledge", data=form, follow_redirects=False)
    path = answer.headers["location"]
    part = browser.get(path, headers={"x-jobsight-part": "1"}).text
    page = browser.get(path).text

    assert "/alerts?show=firing" == path
    assert "Acknowledged: nobody is told again for 24 hours." in page
    assert said in page
    assert said not in part, "a page that is open already does not take it away"
    assert said not in browser.get(path).text
    assert said not in browser.get("/?did=acknowledged&n=1").text, "an address of before is still one"


@pytest.mark.parametrize("value", ["nonsense.1", "saved", "saved.-1", "saved.1.2", "<b>.1", "saved.9999999999"])
def test_only_known_sentences_are_said(browser: httpx.Client, value: str) -> None:
    """Whatever a cookie holds."""
    assert 'role="status"' not in browser.get("/", headers={"cookie": f"jobsight_told={value}"}).text


def test_a_silence_holds_for_the_task_and_can_be_ended(browser: httpx.Client, name: str) -> None:
    """Silenced from the alert's page; the page says until when, and ends it."""
    path = address(browser, f"{name}.load")
    silenced = browser.post(path + "/silence", data={"for": "4h", "what": "task", "comment": "known"})
    end = re.search(r'action="(/silences/[^"]+/end)"', silenced.text)

    assert "Silenced until" in silenced.text
    assert [f"{name}.load"] == on(browser, name, "silenced")
    assert end is not None
    browser.post(end[1], data={"return_to": path})
    assert "Silenced until" not in browser.get(path).text
    assert 400 == browser.post(path + "/silence", data={"for": "soon"}).status_code


@pytest.mark.parametrize("size", [128, 129, 200])
def test_a_silence_holds_whatever_the_length_of_a_name(browser: httpx.Client, name: str, size: int) -> None:
    """Patterns are shorter than names may be; what the page says is silenced is."""
    task = f"{name}-".ljust(size, "x")
    browser.post(EVENTS, content=failure(f"{name}-8", task).encode(), headers=NDJSON).raise_for_status()
    silenced = browser.post(address(browser, task) + "/silence", data={"for": "1h", "what": "task"})

    assert "Silenced until" in silenced.text


def test_what_is_acknowledged_and_silenced_stands_on_both_shelves(browser: httpx.Client, name: str) -> None:
    """The number of alerts beside a silence leads to a list in which they are, whoever takes care of them."""
    path = address(browser, f"{name}.load")
    browser.post(path + "/acknowledge")
    browser.post(path + "/silence", data={"for": "1h", "what": "task"})
    row = re.search(rf"<tr><td[^>]*>task={name}\.load</td>.*?</tr>", browser.get("/settings").text)

    assert row is not None
    assert '<a href="/alerts?show=silenced">1</a>' in row[0]
    assert [f"{name}.load"] == on(browser, name, "silenced")
    assert [f"{name}.load"] == on(browser, name, "acknowledged")


def test_what_somebody_did_is_told_by_the_name_of_the_task(browser: httpx.Client, name: str) -> None:
    """Among the recent changes nobody has to know what the id of an alert or of a silence stands for."""
    path = address(browser, f"{name}.load")
    silenced = browser.post(path + "/silence", data={"for": "1h", "what": "task"})
    browser.post(path + "/acknowledge")
    browser.post(re.findall(r'action="(/silences/[^"]+/end)"', silenced.text)[0])
    page = browser.get("/").text

    for subject, what in (
        (f'<a href="{path}">{name}.load</a>', "acknowledged"),
        (f"<span>task={name}.load</span>", "silence set"),
        (f"<span>task={name}.load</span>", "silence ended"),
    ):
        assert re.search(rf"{re.escape(subject)} <span[^>]*><svg[^>]*><use[^>]*></svg>{what} by", page), what


def test_a_check_that_came_with_a_report_says_so(browser: httpx.Client, name: str) -> None:
    """Nobody has set it: not a sentence that ends before the name."""
    alive = {"type": "heartbeat", "job_id": f"{name}-9", "task": f"{name}.own", "check": {"max_runtime": "1h"}}
    lines = [json.dumps(alive), failure(f"{name}-9", f"{name}.own")]
    browser.post(EVENTS, content="\n".join(lines).encode(), headers=NDJSON).raise_for_status()
    page = browser.get(address(browser, f"{name}.own")).text

    assert re.search(r"Last changed .* by a report\.", page)
    assert "Set by a report." in browser.get(f"/tasks/{name}.own").text


def test_a_form_that_comes_too_late_leads_back(browser: httpx.Client, name: str) -> None:
    """Somebody else has resolved it: the refusal in words has a way back to the page from which the form came."""
    path = address(browser, f"{name}.load")
    browser.post(path + "/resolve")
    late = browser.post(path + "/acknowledge", headers={"referer": f"{browser.base_url}{path}?did=silenced&n=1"})
    strange = browser.post(path + "/acknowledge", headers={"referer": "https://[evil"})

    assert [409, 409] == [late.status_code, strange.status_code]
    assert [path, "/"] == re.findall(r'<a class="on" href="([^"]*)"', late.text)
    assert ["/"] == re.findall(r'<a class="on" href="([^"]*)"', strange.text)


@pytest.mark.parametrize("further", [' say "hi" \\ now', "-" + "x" * 200, " a,b:c"])
def test_every_link_of_a_task_leads_on_whatever_it_is_called(browser: httpx.Client, name: str, further: str) -> None:
    """Quotes, backslashes and commas, and names of 200 characters: its jobs and alerts are found by its own links."""
    task = name + further
    browser.post(EVENTS, content=failure(f"{name}-odd", task).encode(), headers=NDJSON).raise_for_status()
    until(lambda: f"{name}-odd" in browser.get(f"/tasks/{quote(task, safe='')}").text, "the job on its task's page")
    page = browser.get(f"/tasks/{quote(task, safe='')}").text
    inner = {unescape(one) for one in re.findall(r'href="(/(?:jobs|alerts)[^"]*)"', page)}
    answers = {one: browser.get(one) for one in inner if one not in ("/jobs", "/alerts")}

    assert [] == [
        one for one, answer in answers.items() if answer.status_code != 200 or 'class="faults"' in answer.text
    ]
    assert 2 <= len(
        [one for one, answer in answers.items() if one.startswith("/jobs?") and f"{name}-odd" in answer.text]
    )
    assert [task] == [
        one for path, answer in answers.items() if path.startswith("/alerts?") for one in subjects(answer)
    ]


def test_one_job_is_not_many(browser: httpx.Client, name: str) -> None:
    """A task with a single job says so in the singular."""
    until(lambda: "The latest jobs, the oldest" in browser.get(f"/tasks/{name}.export").text, "its job in the strip")

    assert ">Last job (run)</h2>" in browser.get(f"/tasks/{name}.export").text


def test_the_channel_of_a_delivery_leads_to_the_channels(tmp_path: Path) -> None:
    """From "nobody answered" to how the channel does: no link of an alert's page leads nowhere."""
    config = '[channels.hook]\ntype = "webhook"\nurl = "http://127.0.0.1:9/nobody"\n'
    with service(tmp_path, config=config) as one, one.client() as client:
        client.headers["accept"] = "text/html"
        client.post(EVENTS, content=failure("1", "load").encode(), headers=NDJSON).raise_for_status()
        path = address(client, "load")
        until(lambda: ">hook</a>" in client.get(path).text, "the delivery")
        found = {unescape(link) for link in re.findall(r'href="(/[^"]*)"', client.get(path).text)}
        lost = [link for link in found if client.get(link).status_code != 200]

    assert "/settings#channels" in found
    assert [] == lost


def test_an_alert_that_is_over_goes_into_the_history(browser: httpx.Client, name: str) -> None:
    """Resolved by hand; it keeps its page, without buttons."""
    path = address(browser, f"{name}.export")
    browser.post(path + "/resolve")
    page = browser.get(path).text

    assert [f"{name}.export"] == subjects(browser.get(f"/alerts?show=history&task={name}.export"))
    assert "Lasted" in page
    assert "by hand" in page
    assert "by hand" in browser.get(f"/alerts?show=history&task={name}.export").text
    assert f'action="{path}/acknowledge"' not in page
    assert 409 == browser.post(path + "/acknowledge").status_code


def test_the_history_is_filtered_as_the_other_shelves_are(running: Service, browser: httpx.Client, name: str) -> None:
    """By patterns over the task, and by the owner; what does not match is not shown."""
    for task, owner in ((f"{name}.clean", f"@{name}-ops"), (f"{name}.invoice", f"@{name}-pay")):
        browser.put(f"/api/v1/checks/{task}", json={"owner": owner}).raise_for_status()
        browser.post(EVENTS, content=failure(f"{task}-2", task).encode(), headers=NDJSON).raise_for_status()
        browser.post(address(browser, task) + "/resolve").raise_for_status()

    assert [f"{name}.clean", f"{name}.invoice"] == on(browser, name, "history")
    assert [f"{name}.invoice"] == subjects(browser.get(f"/alerts?show=history&owner=@{name}-p*"))
    assert [f"{name}.clean"] == subjects(browser.get(f"/alerts?show=history&task={name}.c*&rule=job_failed"))
    assert [] == subjects(browser.get(f"/alerts?show=history&task={name}.c*&owner=@{name}-pay"))


def test_a_bulk_action_shows_its_count_and_keeps_the_filter(browser: httpx.Client, name: str) -> None:
    """All that match a filter: first how many, then the form, then the same filter again."""
    address(browser, f"{name}.load")
    asked = browser.get(f"/bulk/alerts/acknowledge?show=firing&task={name}.*")
    done = browser.post("/bulk/alerts/acknowledge", data=fields_of(asked))

    assert "Acknowledge 2 alerts?" in asked.text
    assert "2 alerts are acknowledged" in done.text
    assert [f"{name}.*"] == parse_qs(done.url.query.decode())["task"]
    assert [f"{name}.export", f"{name}.load"] == on(browser, name, "acknowledged")
    assert [f"queue {name}.adhoc"] == on(browser, name)


def test_of_a_filter_those_alone_are_meant_that_were_picked(browser: httpx.Client, name: str) -> None:
    """By their ids, within the filter; the form that asks keeps them, and strange ids mean nothing."""
    picked = address(browser, f"{name}.load").rpartition("/")[2]
    query = {"show": "firing", "task": f"{name}.*", "ids": f"{picked},nobody-1"}
    asked = browser.get("/bulk/alerts/acknowledge", params=query)
    browser.post("/bulk/alerts/acknowledge", data=fields_of(asked))

    assert "Acknowledge 1 alert?" in asked.text
    assert [f"{name}.load"] == on(browser, name, "acknowledged")
    assert [f"{name}.export", f"queue {name}.adhoc"] == on(browser, name)


def test_what_opens_after_the_look_is_not_meant(running: Service, browser: httpx.Client, name: str) -> None:
    """Nobody acknowledges an alert that they have not seen."""
    address(browser, f"{name}.load")
    fields = fields_of(browser.get(f"/bulk/alerts/acknowledge?show=firing&task={name}.*"))
    late = {"type": "job_failed", "job_id": f"{name}-late", "task": f"{name}.late", "error": "x"}
    browser.post(EVENTS, json=late).raise_for_status()
    address(browser, f"{name}.late")
    browser.post("/bulk/alerts/acknowledge", data=fields)

    assert [f"{name}.late", f"queue {name}.adhoc"] == on(browser, name)


def test_the_alerts_of_a_filter_over_jobs_are_acknowledged(browser: httpx.Client, name: str) -> None:
    """From the explorer: the alerts that these jobs have opened, and silences for their tasks."""
    address(browser, f"{name}.load")
    wanted = f"status:failed task:{name}.load"
    until(lambda: f"{name}-2" in browser.get("/jobs", params={"q": f"task:{name}.*"}).text, "the jobs to be listed")
    asked = browser.get("/bulk/jobs/acknowledge", params={"q": wanted})
    done = browser.post("/bulk/jobs/acknowledge", data={"q": wanted, "return_to": "/jobs?q=status:failed"})
    silenced = browser.post("/bulk/jobs/silence", data={"q": f"task:{name}.export", "for": "1h"})

    assert "Acknowledge 1 alert?" in asked.text
    assert "status:failed" in done.text
    assert [f"{name}.load"] == on(browser, name, "acknowledged")
    assert "Silenced" in silenced.text
    assert [f"{name}.export"] == on(browser, name, "silenced")


def test_of_the_jobs_those_alone_are_meant_that_were_picked(browser: httpx.Client, name: str) -> None:
    """By their ids, commas and all; who has picked nothing where nothing is narrowed means nothing, and not everything."""
    address(browser, f"{name}.load")
    odd = {"type": "update_status", "job_id": f"{name},odd", "status": "lost", "task": f"{name}.odd"}
    browser.post(EVENTS, json=odd).raise_for_status()
    until(lambda: f"{name},odd" in browser.get("/jobs", params={"q": f"task:{name}.*"}).text, "the job to be listed")
    picked = [("q", f"task:{name}.*"), ("job", f"{name},odd"), ("job", f"{name}-2"), ("job", "nobody")]
    asked = browser.get("/bulk/jobs/silence", params=picked)
    lost = browser.get("/bulk/jobs/dismiss", params=picked)
    nothing = browser.get("/bulk/jobs/dismiss", params={"only": "picked"})
    done = browser.post("/bulk/jobs/dismiss", data=fields_of(lost))

    assert "Silence 2 tasks and queues?" in asked.text
    assert "Dismiss 1 lost job?" in lost.text
    assert "Nothing was picked" in nothing.text
    assert "One lost job is dismissed" in done.text
    assert 400 == browser.post("/bulk/jobs/dismiss", data={"picked": "{"}).status_code


def test_an_action_over_jobs_finds_what_it_is_about_behind_many_others(browser: httpx.Client, name: str) -> None:
    """A failed and a lost job among thousands that went well are met, without a status in the filter."""
    address(browser, f"{name}.load")
    lost = {"type": "update_status", "job_id": f"{name}-gone", "status": "lost", "task": f"{name}.load"}
    done = [{"type": "job_completed", "job_id": f"{name}-ok-{n}", "task": f"{name}.work"} for n in range(10_100)]
    lines = [json.dumps(one) for one in (lost, *done)]
    browser.post(EVENTS, content="\n".join(lines).encode(), headers=NDJSON).raise_for_status()
    until(
        lambda: f"{name}-ok-10099" in browser.get("/jobs", params={"q": f"task:{name}.work"}).text, "all to be listed"
    )
    query = {"q": f"task:{name}.*"}

    assert "Acknowledge 2 alerts?" in browser.get("/bulk/jobs/acknowledge", params=query).text
    assert "Dismiss 1 lost job?" in browser.get("/bulk/jobs/dismiss", params=query).text
    browser.post("/bulk/jobs/acknowledge", data=query)
    browser.post("/bulk/jobs/dismiss", data=query)
    assert [f"{name}.export", f"{name}.load"] == on(browser, name, "acknowledged")
    assert "dismissed by" in browser.get(f"/jobs/{name}-gone").text


def test_lost_jobs_are_dismissed(browser: httpx.Client, name: str) -> None:
    """A job of which nobody will hear again stands cancelled, with who said so."""
    body = {"type": "update_status", "job_id": f"{name}-gone", "status": "lost", "task": f"{name}.gone"}
    browser.post(EVENTS, json=body).raise_for_status()
    query = {"q": f"status:lost task:{name}.gone"}
    until(lambda: f"{name}-gone" in browser.get("/jobs", params=query).text, "the lost job")
    asked = browser.get("/bulk/jobs/dismiss", params=query)
    done = browser.post("/bulk/jobs/dismiss", data={**query, "return_to": "/jobs?q=status:lost"})

    assert "Dismiss 1 lost job?" in asked.text
    assert "it stands cancelled now" in done.text
    assert "dismissed by" in browser.get(f"/jobs/{name}-gone").text


def test_nothing_changes_by_looking_or_from_elsewhere(browser: httpx.Client, name: str) -> None:
    """GET changes nothing; a form on a page of somebody else is refused."""
    path = address(browser, f"{name}.load")
    browser.get("/bulk/alerts/acknowledge?show=firing")
    looked = browser.get(path + "/acknowledge")
    forged = browser.post(path + "/acknowledge", headers={"origin": "https://evil.example"})

    assert (405, "That does not work this way") == (looked.status_code, heading(looked))
    assert (403, "You may not do that") == (forged.status_code, heading(forged))
    assert 3 == len(on(browser, name))


def test_who_may_only_read_sees_no_buttons(running: Service, browser: httpx.Client, name: str) -> None:
    """No form, no bulk action; and none of them would be carried out."""
    path = address(browser, f"{name}.load")
    with running.client(running.create_token("read")) as reader:
        reader.headers["accept"] = "text/html"
        pages = [reader.get(one).text for one in ("/alerts", path, "/jobs?q=status:failed")]
        refused = [reader.post(one).status_code for one in (path + "/acknowledge", "/bulk/alerts/resolve")]
        refused.append(reader.get("/bulk/alerts/acknowledge").status_code)

    assert all('method="post"' not in page and "/bulk/" not in page for page in pages)
    assert [403, 403, 403] == refused


def test_errors_are_text(browser: httpx.Client, name: str) -> None:
    """What a worker says went wrong is shown, and is never a part of the page."""
    pages = [browser.get(address(browser, f"queue {name}.adhoc")).text, browser.get("/alerts").text]

    assert all("&lt;b&gt;odd&lt;/b&gt;" in page for page in pages)
    assert all("<b>odd" not in page for page in pages)
