"""Journeys of somebody who has to sign in, who may only read, or who looks at a monitor for the first time."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from browser_scene import Monitor, address_of_alert, monitor

pytest.importorskip("playwright")
from playwright.sync_api import Page, expect

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitor]:
    """A monitor with an operator who may read, one who may do everything, and one alert."""
    with monitor(tmp_path_factory.mktemp("guarded")) as one:
        with one.service.control() as control:
            for name, scope in (("rita", "read"), ("ada", "admin")):
                control.post(
                    "/api/v1/users", json={"name": name, "scope": scope, "password": PASSWORD}
                ).raise_for_status()
        one.tokens["admin"] = one.service.create_token("admin")
        one.fail("x-1", "billing.export")
        yield one


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill in the form."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_signing_in_leads_to_where_one_wanted_to_go(visit, guarded: Monitor) -> None:
    """A link from a colleague survives the login; signing out ends it."""
    page = visit("/jobs?q=status:failed", of=guarded)
    expect(page).to_have_url(re.compile("/login"))
    sign_in(page, "ada", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    sign_in(page, "ada")
    expect(page.locator("#jobs [data-open]")).to_have_text(["x-1"])
    page.get_by_role("banner").get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login**")
    page.goto("/jobs")

    expect(page).to_have_url(re.compile("/login"))


def test_an_open_page_whose_session_is_over_says_so(visit, guarded: Monitor, unique: str) -> None:
    """It does not go on showing a list that is no longer true: it leads to the login, and from there back."""
    page = visit("/login?next=/jobs?q=status:running", of=guarded)
    sign_in(page, "ada")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    page.context.clear_cookies()
    guarded.tell({"type": "update_status", "job_id": unique, "task": "etl.load", "status": "running"})
    page.wait_for_url("**/login**")
    sign_in(page, "ada")

    expect(page.locator("#jobs [data-open]")).to_have_text([unique])


def test_whoever_may_only_read_sees_no_buttons(visit, guarded: Monitor) -> None:
    """Every list and every page is there; nothing that changes something is."""
    path = address_of_alert(guarded, "billing.export")
    page = visit("/login", of=guarded)
    sign_in(page, "rita")
    expect(page.locator(".bar")).to_be_visible()
    for where in ("/", "/jobs?q=status:failed", "/alerts", path, "/settings"):
        page.goto(where)
        expect(page.locator("main")).to_contain_text(re.compile("billing.export|x-1|Channels"))
        forms = page.locator("main form[method=post]")
        assert 0 == forms.count(), where
        assert 0 == page.locator("a[href^='/bulk/']").count(), where
    page.goto("/bulk/alerts/acknowledge?show=firing")

    expect(page.locator("body")).to_contain_text("this needs operate")


def test_a_token_is_shown_once_and_can_be_revoked(visit, guarded: Monitor) -> None:
    """It works as soon as it is made, is never shown again, and opens nothing once it is revoked."""
    page = visit("/login?next=/settings", of=guarded)
    sign_in(page, "ada")
    page.get_by_label("Note").fill("for the night shift")
    page.locator("#tokens").get_by_label("May").select_option("read")
    page.get_by_role("button", name="Create a token").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A new token")
    token = page.locator(".command code").first.text_content() or ""
    with guarded.service.client(token) as client:
        assert 200 == client.get("/api/v1/stats").status_code
    page.goto("/settings")
    expect(page.locator("#tokens")).not_to_contain_text(token)
    page.locator("#tokens tr", has_text="for the night shift").get_by_role("button", name="Revoke").click()
    expect(page.locator("#tokens tr", has_text="for the night shift")).to_contain_text("revoked")

    with guarded.service.client(token) as client:
        assert 401 == client.get("/api/v1/stats").status_code


def test_a_silence_and_a_window_are_set_and_taken_back(visit, shared: Monitor, unique: str) -> None:
    """By a matcher for some hours, and by a schedule; both stand in the list until they are ended."""
    page = visit("/settings")
    silences, windows = page.locator("#silences"), page.locator("#maintenance")
    silences.get_by_label("Matches").fill(f"task={unique}.*")
    silences.get_by_role("button", name="Silence").click()
    expect(silences.locator("tr", has_text=unique)).to_contain_text("http:127.0.0.1")
    silences.locator("tr", has_text=unique).get_by_role("button", name="End").click()
    expect(silences.locator("tr", has_text=unique)).to_have_count(0)
    windows.get_by_label("Name").fill(unique)
    windows.get_by_label("Matches").fill("task=backup.*")
    windows.get_by_label("Schedule").fill("0 2 * * 6")
    windows.get_by_label("Lasts").fill("2h")
    windows.get_by_role("button", name="Plan").click()
    expect(windows.locator("tr", has_text=unique)).to_contain_text("0 2 * * 6")
    windows.locator("tr", has_text=unique).get_by_role("button", name="Remove").click()

    expect(windows.locator("tr", has_text=unique)).to_have_count(0)


def test_what_is_jumped_to_is_not_under_the_bar(visit) -> None:
    """A link to a part of a page shows its heading."""
    page = visit("/settings#silences")
    bar, heading = page.get_by_role("banner").bounding_box(), page.locator("#silences-title").bounding_box()

    assert bar["y"] + bar["height"] <= heading["y"]


def test_what_is_typed_wrong_is_answered_in_words(visit, shared: Monitor, unique: str) -> None:
    """A form that cannot be read says what was expected."""
    page = visit("/settings")
    page.locator("#silences").get_by_label("Matches").fill("nonsense without a sign")
    page.locator("#silences").get_by_role("button", name="Silence").click()

    expect(page.locator("body")).to_contain_text("match:")


def test_an_empty_monitor_says_what_to_do_next(visit, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every page of a fresh monitor has a first command to copy; the first job comes by itself."""
    with monitor(tmp_path_factory.mktemp("fresh")) as fresh:
        page = visit("/", of=fresh)
        expect(page.locator("main .command code").first).to_contain_text("jobsight run")
        for path in ("/tasks", "/jobs", "/alerts", "/schedule"):
            page.goto(path)
            expect(page.locator("main code:visible").first).to_be_visible()
        page.goto("/")
        expect(page.locator("#live")).to_have_attribute("data-state", "live")
        fresh.tell({"type": "job_completed", "job_id": "first", "task": "first.task", "duration_ms": 5})
        expect(page.locator("main")).to_contain_text("first.task")
        page.goto("about:blank")


def test_an_operator_is_added_gets_another_password_and_is_removed(visit, guarded: Monitor, unique: str) -> None:
    """By an admin on the page of the settings; each time the one concerned finds it so at the door."""
    name = unique[-20:].strip("-")
    page = visit("/login?next=/settings", of=guarded)
    sign_in(page, "ada")
    operators = page.locator("#operators")
    operators.get_by_label("Name").fill(name)
    operators.get_by_label("May").select_option("operate")
    operators.get_by_label("Password", exact=True).fill("the first long one")
    operators.get_by_role("button", name="Add an operator").click()
    row = operators.locator("tr", has_text=name)
    expect(row).to_contain_text("operate")
    row.get_by_label(f"Another password for {name}").fill("the second long one")
    row.get_by_role("button", name="Change").click()
    expect(page.get_by_role("status")).to_contain_text("saved")
    other = visit("/login?next=/jobs", of=guarded)
    sign_in(other, name, "the first long one")
    expect(other.get_by_role("alert")).to_contain_text("wrong")
    sign_in(other, name, "the second long one")
    expect(other).to_have_url(re.compile("/jobs"))
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    row.get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0)
    other.goto("/jobs")

    expect(other).to_have_url(re.compile("/login"))
