"""Journeys of somebody who keeps the page open: live, paused, cut off, by keyboard, in the dark."""

from __future__ import annotations

import re
import signal

import pytest
from browser_scene import Monitor, address_of_alert, monitor

pytest.importorskip("playwright")
from playwright.sync_api import Page, expect


def live(page: Page) -> None:
    """Wait until frames come."""
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


def test_a_new_job_comes_by_itself(visit, shared: Monitor, unique: str) -> None:
    """Nobody reloads a monitor."""
    page = visit(f"/jobs?q=task:{unique}")
    live(page)
    shared.tell({"type": "update_status", "job_id": f"{unique}-1", "task": unique, "status": "running"})
    expect(page.locator("#jobs [data-open]")).to_have_text([f"{unique}-1"])
    shared.tell({"type": "job_completed", "job_id": f"{unique}-1", "task": unique, "duration_ms": 5})

    expect(page.locator("#jobs .status")).to_have_text(["completed"])


def test_a_job_is_followed_on_its_own_page(visit, shared: Monitor, unique: str) -> None:
    """Progress moves, the end comes, and what was opened stays open."""
    body = {"type": "update_status", "job_id": unique, "task": unique, "status": "running"}
    shared.tell({**body, "progress": 10})
    page = visit(f"/jobs/{unique}")
    live(page)
    page.locator("#raw summary").click()
    shared.tell({**body, "progress": 80})
    expect(page.get_by_label("Progress").first).to_contain_text("80 %")
    shared.tell({"type": "job_completed", "job_id": unique, "duration_ms": 5})

    expect(page.locator(".status-large")).to_have_text("completed")
    expect(page.locator("#raw li")).to_have_count(3)
    expect(page.locator("#raw li").first).to_be_visible()


def test_a_paused_page_stands_still_until_it_goes_on(visit, shared: Monitor, unique: str) -> None:
    """To read in peace; `p` pauses and goes on, and the next page is paused too."""
    page = visit(f"/jobs?q=task:{unique}")
    live(page)
    page.keyboard.press("p")
    expect(page.locator("#live")).to_have_text("Paused")
    shared.tell({"type": "update_status", "job_id": f"{unique}-1", "task": unique, "status": "running"})
    page.wait_for_timeout(2_500)
    expect(page.locator("#jobs [data-open]")).to_have_count(0)
    page.locator("#live").click()

    expect(page.locator("#jobs [data-open]")).to_have_text([f"{unique}-1"])


def test_rows_do_not_move_under_the_pointer(visit, shared: Monitor, unique: str) -> None:
    """While somebody points into a list, new rows are announced; they come when it is left."""
    body = {"type": "update_status", "task": unique, "status": "running"}
    shared.tell({**body, "job_id": f"{unique}-1"})
    page = visit(f"/jobs?q=task:{unique}")
    live(page)
    page.locator("#jobs tr").first.hover()
    shared.tell({**body, "job_id": f"{unique}-2"})
    expect(page.locator("[data-new]")).to_have_text("1 new")
    expect(page.locator("#jobs [data-open]")).to_have_text([f"{unique}-1"])
    page.mouse.move(5, 5)

    expect(page.locator("#jobs [data-open]")).to_have_text([f"{unique}-2", f"{unique}-1"])


def test_a_lost_connection_is_shown_and_found_again(visit, shared: Monitor, unique: str) -> None:
    """A page that is no longer true says so, and catches up by itself."""
    page = visit(f"/jobs?q=task:{unique}")
    live(page)
    shared.service.process.send_signal(signal.SIGSTOP)
    try:
        expect(page.locator("#live")).to_have_attribute("data-state", "lost")
        expect(page.locator("#live")).to_contain_text("Lost")
    finally:
        shared.service.process.send_signal(signal.SIGCONT)
    shared.tell({"type": "update_status", "job_id": f"{unique}-1", "task": unique, "status": "running"})

    live(page)
    expect(page.locator("#jobs [data-open]")).to_have_text([f"{unique}-1"])


def test_everything_goes_by_keyboard(visit) -> None:
    """From page to page, into the search, through the rows, into a job; and back."""
    page = visit("/")
    page.keyboard.press("g")
    page.keyboard.press("j")
    page.wait_for_url("**/jobs")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("task:ml.train")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=task**")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("#jobs tr.at-hand")).to_have_count(1)
    second = page.locator("#jobs tr").nth(1).locator("[data-open]").text_content()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text(str(second))


def test_an_alert_is_acknowledged_without_a_mouse(visit, shared: Monitor, unique: str) -> None:
    """Tab reaches every button, and shows where it is."""
    shared.fail(f"{unique}-1", unique)
    page = visit(f"/alerts?show=firing&task={unique}")
    button = page.locator(".attention").get_by_role("button", name="Ack")
    for _ in range(40):
        page.keyboard.press("Tab")
        if button.evaluate("it => it === document.activeElement"):
            break
    assert "none" != button.evaluate("it => getComputedStyle(it).outlineStyle")
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_contain_text("nobody is told again for 24 hours")


def test_with_colours_of_the_system_it_is_seen_where_one_is(visit) -> None:
    """High contrast takes the colours away: one entry alone is marked, and what explains a chart's colours keeps them."""
    page = visit("/tasks/billing.export", forced_colors="active")
    lines = page.locator(".bar nav a").evaluate_all("all => all.map(one => getComputedStyle(one).borderBottomColor)")
    keys = page.locator(".swatch.ok, .swatch.bad").evaluate_all(
        "all => all.map(one => getComputedStyle(one).backgroundColor)"
    )

    assert 1 == lines.count(lines[1])
    assert 2 == len(set(lines))
    assert 2 == len(set(keys))


def test_the_keys_are_explained(visit) -> None:
    """`?` shows them, Escape takes them away."""
    page = visit("/jobs")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_the_theme_is_kept(visit) -> None:
    """Chosen once, for every page, without a flash of the other one."""
    page = visit("/jobs", theme="light")
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto("/alerts")

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert "dark" == page.evaluate("getComputedStyle(document.documentElement).colorScheme")


def test_times_are_the_viewers_own_with_utc_on_hover(visit) -> None:
    """Tokyo sees Tokyo's time; what to say on the phone is on hover."""
    page = visit("/jobs/load-now", timezone_id="Asia/Tokyo", locale="en-GB")
    moment = page.locator("main time").first

    expect(moment).to_have_attribute("title", re.compile(r"GMT\+9|JST"))
    expect(moment).to_have_attribute("title", re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"))


@pytest.mark.parametrize("path", ["/", "/tasks", "/jobs", "/jobs/load-now", "/alerts", "/schedule", "/settings"])
def test_without_scripts_every_page_shows_its_list(visit, path: str) -> None:
    """A text browser, a locked-down one, a broken bundle: the monitor is read all the same."""
    page = visit(path, scripts=False)

    expect(page.locator("main")).to_contain_text(re.compile(r"\w{3}"))
    expect(page.locator("main table, main ul, main dl, main form, main code").first).to_be_visible()
    expect(page.locator("button[data-copy]:visible, #live:visible, #theme:visible")).to_have_count(0)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/tasks",
        "/tasks/etl.load",
        "/jobs",
        "/jobs/load-now",
        "/alerts",
        "/alerts?show=history",
        "/schedule",
        "/settings",
    ],
)
def test_a_phone_shows_every_page_without_sideways_scrolling(visit, path: str) -> None:
    """Nothing is wider than the screen."""
    page = visit(path, width=390, is_mobile=True, has_touch=True)

    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_on_a_phone_a_channel_can_be_tried(visit, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The button is seen whole, beside the channel's name and how it does."""
    with monitor(tmp_path_factory.mktemp("channel"), "--notify", "json://127.0.0.1:9/hook") as one:
        page = visit("/settings", of=one, width=390)
        button = page.get_by_role("button", name="Send a test").bounding_box()

        assert button["x"] + button["width"] <= 390 - 12


def test_what_somebody_types_is_left_alone(visit, shared: Monitor, unique: str) -> None:
    """A page that refreshes itself takes neither a comment that is being written nor a choice that was made."""
    shared.fail(f"{unique}-1", unique)
    page = visit(address_of_alert(shared, unique))
    live(page)
    page.get_by_label("Silence for").select_option("24 hours")
    page.get_by_label("Comment").fill("on my way")
    shared.fail(f"{unique}-2", unique, error="another error")
    expect(page.get_by_label("Error", exact=True)).to_contain_text("another error")

    expect(page.get_by_label("Comment")).to_have_value("on my way")
    expect(page.get_by_label("Silence for")).to_have_value("24h")
    expect(page.get_by_label("Comment")).to_be_focused()
