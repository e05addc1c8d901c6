"""Journeys of somebody who looks for something: the failed job, a filter, a page to share."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from browser_scene import Monitor, run_failing

pytest.importorskip("playwright")
from playwright.sync_api import Page, expect


def rows(page: Page, count: int) -> list[str]:
    """The jobs that a page lists, once they are so many."""
    found = page.locator("#jobs [data-open]")
    expect(found).to_have_count(count)
    return found.all_text_contents()


def query(page: Page) -> dict[str, list[str]]:
    """What stands in the URL."""
    return parse_qs(urlsplit(page.url).query)


def test_the_failed_job_is_found_from_the_first_page(visit, shared: Monitor) -> None:
    """Three clicks from "is anything wrong" to the error and the end of the output."""
    run_failing(shared, "found.from-the-first-page")
    page = visit("/")
    page.locator(".attention").get_by_role("link", name="found.from-the-first-page").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("found.from-the-first-page")
    page.locator(".facts div", has_text="Latest job").get_by_role("link").click()

    expect(page.get_by_label("Message and output")).to_contain_text("fatal: no route")
    expect(page.get_by_label("Message and output")).to_contain_text("reading 400 rows")
    expect(page.locator(".status-large")).to_have_text("failed")


def test_the_title_and_the_icon_say_that_something_fires(visit) -> None:
    """Seen from another tab."""
    page = visit("/jobs")

    expect(page).to_have_title(re.compile(r"^\(\d+\) Jobs"))
    expect(page.locator("link[rel=icon]")).to_have_attribute("href", re.compile("red"))


def test_a_filter_is_typed_and_stands_in_the_url(visit) -> None:
    """What was typed, the rows, the conditions as chips, and the URL say the same."""
    page = visit("/jobs")
    page.get_by_role("search", name="Filter jobs").get_by_role("searchbox").fill("status:completed task:etl.* host:w3")
    page.get_by_role("button", name="Find").click()

    expect(page.locator(".chips code")).to_have_text(["status:completed", "task:etl.*", "host:w3"])
    expect(page.locator("#jobs [data-open]")).to_have_count(32)
    assert ["status:completed task:etl.* host:w3"] == query(page)["q"]


def test_facets_narrow_and_a_cross_widens(visit) -> None:
    """By the mouse alone: one click on a number shows the jobs that it counts."""
    page = visit("/jobs?q=task:etl.load")
    page.locator("#facet-status").get_by_role("link", name=re.compile("running")).click()
    expect(page.locator("#jobs [data-open]")).to_have_text(["load-now"])
    page.get_by_role("link", name="Take status:running away").click()

    expect(page.locator("#jobs [data-open]").first).to_have_text("load-now")
    expect(page.locator("#jobs [data-open]")).to_have_count(50)
    assert ["task:etl.load"] == query(page)["q"]


def test_a_shared_url_shows_the_same(visit) -> None:
    """What one operator sends, another one sees: filter and place in the list."""
    page = visit("/jobs?q=task:etl.load+status:completed")
    page.get_by_role("link", name="Older").click()
    page.wait_for_url("**cursor=**")
    other = visit(page.url)

    assert rows(page, 50) == rows(other, 50)


def test_pages_go_forward_and_back_to_the_newest(visit) -> None:
    """Every job comes once, page after page; the browser's own Back works."""
    page = visit("/jobs?q=task:etl.load+status:completed")
    first = rows(page, 50)
    page.get_by_role("link", name="Older").click()
    page.wait_for_url("**cursor=**")
    second = rows(page, 50)
    page.go_back()
    expect(page.locator("#jobs [data-open]").first).to_have_text(first[0])

    assert not set(first) & set(second)
    assert first == rows(page, 50)


def test_going_back_keeps_the_filter(visit) -> None:
    """From a list to a job and back: the same list."""
    page = visit("/jobs?q=status:completed+task:ml.train")
    page.locator("#jobs [data-open]").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("train-")
    page.go_back()

    expect(page.locator("#jobs [data-open]")).to_have_count(3)
    assert ["status:completed task:ml.train"] == query(page)["q"]


def test_a_mistyped_filter_is_marked(visit) -> None:
    """Which part is wrong and what to type instead; nothing is listed meanwhile."""
    page = visit("/jobs?q=stauts:failed+task:etl.*")

    expect(page.get_by_role("alert")).to_contain_text("did you mean status:")
    expect(page.locator("mark")).to_have_text("stauts:failed")
    expect(page.locator("#jobs")).to_have_count(0)


def test_the_name_of_a_job_leads_to_it_from_anywhere(visit) -> None:
    """Pasted into the search field of a page that has none of its own."""
    page = visit("/settings")
    page.keyboard.press("/")
    page.keyboard.type("load-now")
    page.keyboard.press("Enter")
    page.get_by_role("table", name="The job of this name").get_by_role("link", name="load-now").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("load-now")


def test_a_running_job_says_when_it_will_be_done(visit) -> None:
    """Its progress, and an estimate from its task's own history with how sure it is."""
    page = visit("/jobs/load-now")

    expect(page.get_by_label("Progress").first).to_contain_text("40 %")
    expect(page.get_by_label("Progress").first).to_contain_text("as others of its task were")
    expect(page.get_by_label("Progress").first).to_contain_text("of 130")


def test_a_job_shows_each_try_with_its_error(visit, shared: Monitor, unique: str) -> None:
    """Two tries on two hosts, two errors, the retry between them."""
    shared.tell(
        {
            "type": "update_status",
            "job_id": unique,
            "task": unique,
            "status": "running",
            "host": "w1",
            "max_retries": 1,
        },
        {"type": "job_failed", "job_id": unique, "error": "first trouble", "retries": 0},
        {"type": "update_status", "job_id": unique, "status": "running", "host": "w2"},
        {"type": "job_failed", "job_id": unique, "error": "second trouble", "retries": 1},
    )
    page = visit(f"/jobs/{unique}")

    expect(page.get_by_label("Attempts").locator("tbody tr")).to_contain_text(["second trouble", "first trouble"])
    expect(page.get_by_label("What happened").locator("li .status")).to_have_text(
        ["failed", "running", "retrying", "running"]
    )


def test_an_unknown_page_says_so_and_leads_back(visit) -> None:
    """A sentence and a way out."""
    page = visit("/jobs/nobody-of-this-name")
    expect(page.locator("main")).to_contain_text("no job is called")
    page.get_by_role("link", name="Back to the overview").click()

    expect(page).to_have_url(re.compile(r"/$"))


def test_a_task_shows_its_jobs(visit) -> None:
    """From the list of tasks to one, and on to one of its jobs."""
    page = visit("/tasks")
    page.locator("main").get_by_role("link", name="ml.train").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("ml.train")
    page.locator("main").get_by_role("link", name=re.compile("^train-")).first.click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("train-")


def test_charts_are_drawn_and_can_be_read_as_a_table(visit) -> None:
    """A canvas for the eye, a table for everybody else."""
    page = visit("/")
    expect(page.locator("[data-chart=ends] canvas").first).to_be_visible()
    page.get_by_role("link", name="View as table").first.click()

    expect(page.locator("main table").first).to_be_visible()


LABELS = """() => {
    window.drawn = new Set();
    const kind = CanvasRenderingContext2D.prototype, draw = kind.fillText;
    kind.fillText = function (text, ...more) { window.drawn.add(text); draw.call(this, text, ...more); };
}"""


def test_durations_that_lie_close_together_have_a_scale(visit) -> None:
    """All jobs took four hours: there is more than one length of time to read theirs by."""
    page = visit("/")
    page.add_init_script(f"({LABELS})()")
    page.goto("/tasks/etl.load?range=1h")
    page.wait_for_function(r"() => [...window.drawn].filter(text => /^[\d.]+ (ms|s|m|h|d)$/.test(text)).length >= 2")


def test_the_schedule_can_be_seen(visit) -> None:
    """What was expected and what comes next; without a schedule, how to get one."""
    page = visit("/schedule")

    expect(page.get_by_role("heading", level=1)).to_be_visible()


CUT = """rows => rows.map(row => row.querySelector("td.job")).filter(cell => cell.scrollWidth > cell.clientWidth).length"""
WIDER = """boxes => boxes.filter(box => box.scrollWidth > box.clientWidth).map(box => box.textContent.slice(0, 80))"""


def test_the_end_of_a_jobs_name_can_be_read(visit, shared: Monitor, unique: str) -> None:
    """It is what tells jobs apart: it is not cut off, and no column is pushed out, however much else is said."""
    task = f"{unique}.media.thumbnails"
    shared.fail("media.thumbnails-20972", task, error="no route to db-3 " * 9, host="a-host-with-a-long-name-07")
    for path, rows in ((f"/jobs?task={task}", "#jobs > tr"), (f"/tasks/{task}", "#latest > tr")):
        page = visit(path)
        expect(page.locator(rows)).to_have_count(1)
        for width in (320, 390, 1100, 1280, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            assert 0 == page.locator(rows).evaluate_all(CUT), (path, width)
            assert [] == page.locator(f".scroll:has({rows})").evaluate_all(WIDER), (path, width)


def test_the_order_of_the_explorer_is_chosen_and_shared(visit, shared: Monitor, unique: str) -> None:
    """It stands in the address, beside the filter, and both are kept."""
    times = {"short": 5, "long": 5_000, "middle": 50}
    ends = [
        {"type": "job_completed", "task": unique, "job_id": f"{unique}-{n}", "duration_ms": ms}
        for n, ms in times.items()
    ]
    shared.tell(*ends)
    page = visit(f"/jobs?q=task:{unique}")
    names = page.locator("#jobs [data-open]")
    expect(names).to_have_text([f"{unique}-{name}" for name in ("middle", "long", "short")])
    page.get_by_label("Order").get_by_role("link", name="Oldest").click()
    expect(names).to_have_text([f"{unique}-{name}" for name in ("short", "long", "middle")])
    page.get_by_label("Order").get_by_role("link", name="Longest").click()
    expect(names).to_have_text([f"{unique}-{name}" for name in ("long", "middle", "short")])
    other = visit(page.url)
    other.locator("#q").press("Enter")

    expect(other).to_have_url(re.compile("sort=longest"))
    expect(other.locator("#jobs [data-open]").first).to_have_text(f"{unique}-long")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_on_a_phone_the_schedule_shows_what_comes(visit, shared: Monitor, unique: str, scripts: bool) -> None:
    """Now stands in the left half of what is seen, and nothing has to be scrolled for the day ahead."""
    check = {"schedule": "0 * * * *"}
    shared.tell({"type": "job_completed", "task": unique, "job_id": f"{unique}-1", "duration_ms": 5, "check": check})
    page = visit(f"/schedule?name={unique}", width=390, scripts=scripts)
    now, lane = page.locator(".lane text.now").bounding_box(), page.locator(".lane").last.bounding_box()

    assert now is not None
    assert lane is not None
    assert lane["x"] < now["x"] < lane["x"] + lane["width"] / 2
    expect(page.get_by_text(unique).first).to_be_visible()
