"""Journeys of somebody who does something about it: acknowledge, silence, resolve, on one or on many."""

from __future__ import annotations

import re

import pytest
from browser_scene import Monitor, address_of_alert

pytest.importorskip("playwright")
from playwright.sync_api import Page, expect

SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])


def shelf(page: Page, show: str, task: str) -> None:
    """Look at one shelf of alerts, narrowed to a task."""
    page.goto(f"/alerts?show={show}&task={task}*")


@SCRIPTS
def test_an_alert_is_acknowledged_with_a_comment(visit, shared: Monitor, unique: str, scripts: bool) -> None:
    """From its page: who takes care of it and why stands there, and it leaves the list of what fires."""
    task = f"{unique}-{scripts}"
    shared.fail(f"{task}-1", task)
    page = visit(address_of_alert(shared, task), scripts=scripts)
    page.get_by_label("Comment").fill("restarting the database")
    page.get_by_role("button", name="Acknowledge").click()

    expect(page.locator("main")).to_contain_text("nobody is told again for 24 hours")
    expect(page.locator("main")).to_contain_text("restarting the database")
    expect(page.locator(".status-large")).to_have_text("acknowledged")
    shelf(page, "firing", task)
    expect(page.locator(".attention li")).to_have_count(0)
    shelf(page, "acknowledged", task)
    expect(page.locator(".attention .subject")).to_have_text([task])


def test_an_alert_is_acknowledged_from_the_first_page(visit, shared: Monitor, unique: str) -> None:
    """One click on the overview; it comes back and says so for as long as it is open, and the alert has somebody."""
    shared.fail(f"{unique}-1", unique)
    page = visit("/")
    page.locator(".attention li", has_text=unique).get_by_role("button", name="Ack").click()

    expect(page.get_by_role("status")).to_contain_text("nobody is told again for 24 hours")
    expect(page).to_have_url(re.compile(r"/$"))
    shared.fail(f"{unique}-2", f"{unique}-other")
    expect(page.locator(".attention li", has_text=f"{unique}-other")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("nobody is told again for 24 hours")
    page.reload()
    expect(page.locator(".attention li", has_text=f"{unique}-other")).to_be_visible()
    expect(page.get_by_role("status")).to_have_count(0)
    shelf(page, "acknowledged", unique)
    expect(page.locator(".attention .subject")).to_have_text([unique])


@SCRIPTS
def test_a_task_is_silenced_for_some_hours(visit, shared: Monitor, unique: str, scripts: bool) -> None:
    """It is recorded and told to nobody; the silence is shown, and can be ended."""
    task = f"{unique}-{scripts}"
    shared.fail(f"{task}-1", task)
    path = address_of_alert(shared, task)
    page = visit(path, scripts=scripts)
    page.get_by_label("Silence for").select_option("4 hours")
    page.get_by_role("button", name="Silence", exact=True).click()
    expect(page.locator("main")).to_contain_text("Silenced until")
    shelf(page, "silenced", task)
    expect(page.locator(".attention .subject")).to_have_text([task])
    page.goto(path)
    page.get_by_role("button", name="End the silence").click()

    expect(page.locator("main")).to_contain_text("The silence has ended")
    expect(page.locator(".status-large")).to_have_text("firing")


def test_a_problem_is_resolved_by_hand_and_kept(visit, shared: Monitor, unique: str) -> None:
    """It goes into the history, where its page stays."""
    shared.fail(f"{unique}-1", unique)
    page = visit(address_of_alert(shared, unique))
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator(".status-large")).to_have_text("resolved")
    page.goto(f"/alerts?show=history&task={unique}")
    page.locator("#past [data-open]").click()

    expect(page.get_by_label("Receipt")).to_contain_text("resolved: by hand")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)


def test_a_success_ends_the_alert_by_itself(visit, shared: Monitor, unique: str) -> None:
    """Nobody has to tidy up."""
    shared.fail(f"{unique}-1", unique)
    page = visit(address_of_alert(shared, unique))
    shared.tell({"type": "job_completed", "job_id": f"{unique}-2", "task": unique, "duration_ms": 5})

    expect(page.locator(".status-large")).to_have_text("resolved")


@SCRIPTS
def test_many_alerts_are_acknowledged_by_their_filter(visit, shared: Monitor, unique: str, scripts: bool) -> None:
    """The count first, then the action, then the same filter again."""
    prefix = f"{unique}-{scripts}"
    for number in range(3):
        shared.fail(f"{prefix}-{number}", f"{prefix}.{number}")
    address_of_alert(shared, f"{prefix}.2")
    page = visit(f"/alerts?show=firing&task={prefix}.*", scripts=scripts)
    page.get_by_role("button", name="Acknowledge…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Acknowledge 3 alerts?")
    page.get_by_role("button", name="Acknowledge 3").click()

    expect(page.locator("main")).to_contain_text("3 alerts are acknowledged")
    expect(page.get_by_label("Task")).to_have_value(f"{prefix}.*")
    expect(page.locator(".attention li")).to_have_count(0)


def test_some_alerts_are_picked_and_acknowledged(visit, shared: Monitor, unique: str) -> None:
    """By the mouse or with `x`; live updates and a shared address keep the choice, and the others are left alone."""
    for number in range(3):
        shared.fail(f"{unique}-{number}", f"{unique}.{number}")
    address_of_alert(shared, f"{unique}.2")
    page = visit(f"/alerts?show=firing&task={unique}.*")
    page.get_by_label(f"Pick {unique}.0").check()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("[data-picked]")).to_have_text("2 picked:")
    shared.fail(f"{unique}-9", f"{unique}.9")
    other = visit(page.url)
    expect(other.locator("[data-picked]")).to_have_text("2 picked:")
    expect(other.locator(".attention .subject")).to_have_count(4)
    other.get_by_role("button", name="Acknowledge…").click()
    other.get_by_role("button", name="Acknowledge 2").click()
    shelf(other, "firing", unique)

    expect(other.locator(".attention li")).to_have_count(2)


@SCRIPTS
def test_some_jobs_are_picked_and_their_tasks_silenced(visit, shared: Monitor, unique: str, scripts: bool) -> None:
    """What is picked in the explorer is meant alone, with the filter kept; it needs no script."""
    prefix = f"{unique}-{scripts}"
    for number in range(3):
        shared.fail(f"{prefix}-{number}", f"{prefix}.{number}")
    address_of_alert(shared, f"{prefix}.2")
    page = visit(f"/jobs?q=task:{prefix}.*", scripts=scripts)
    for number in (0, 2):
        page.get_by_label(f"Pick {prefix}-{number}", exact=True).check()
    if scripts:
        expect(page.locator("[data-picked]")).to_have_text("2 picked:")
        shared.fail(f"{prefix}-9", f"{prefix}.9")
        expect(page.get_by_label("Jobs found").locator("[data-new]")).to_have_text("1 new")
        expect(page.locator("[data-pick]:checked")).to_have_count(2)
    page.get_by_role("button", name="Silence their tasks…").click()
    expect(page.locator(".bulk-list li")).to_have_text([f"{prefix}.2", f"{prefix}.0"])
    page.get_by_role("button", name="Silence 2").click()

    expect(page.locator("main")).to_contain_text("2 silences are set")
    expect(page.locator("#q")).to_have_value(f"task:{prefix}.*")
    shelf(page, "silenced", prefix)
    expect(page.locator(".attention .subject")).to_have_count(2)


def test_lost_jobs_are_dismissed_from_the_explorer(visit, shared: Monitor, unique: str) -> None:
    """Nothing but what matches is touched."""
    lost = [{"type": "update_status", "job_id": f"{unique}-{n}", "status": "lost", "task": unique} for n in range(2)]
    shared.tell(*lost)
    page = visit(f"/jobs?q=status:lost+task:{unique}")
    page.get_by_role("button", name="Dismiss the lost ones…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dismiss 2 lost jobs?")
    page.get_by_role("button", name="Dismiss 2").click()
    expect(page.locator("main")).to_contain_text("2 lost jobs are dismissed")
    page.goto("/jobs?q=status:lost+task:gone")

    expect(page.locator("#jobs [data-open]")).to_have_text(["gone-1"])


def test_the_alerts_behind_some_jobs_are_acknowledged(visit, shared: Monitor, unique: str) -> None:
    """From a filter over jobs, without looking for each alert."""
    shared.fail(f"{unique}-1", unique)
    shared.fail(f"{unique}-2", unique)
    page = visit(f"/jobs?q=status:failed+task:{unique}")
    page.get_by_role("button", name="Acknowledge their alerts…").click()
    page.get_by_role("button", name="Acknowledge 1").click()

    expect(page.locator("main")).to_contain_text("Acknowledged")
    expect(page.locator("#jobs [data-open]")).to_have_count(2)


def test_on_a_phone_an_alert_is_acknowledged_with_a_thumb(visit, shared: Monitor, unique: str) -> None:
    """Large enough to be hit, and above everything that needs scrolling."""
    shared.fail(f"{unique}-1", unique)
    page = visit(address_of_alert(shared, unique), width=390, has_touch=True, is_mobile=True)
    button = page.get_by_role("button", name="Acknowledge")
    box = button.bounding_box()

    assert box is not None
    assert box["height"] >= 44
    assert box["y"] + box["height"] < 500
    button.tap()
    expect(page.locator(".status-large")).to_have_text("acknowledged")


def test_a_command_is_copied_with_the_monitors_own_address(visit) -> None:
    """What is pasted into a terminal works there."""
    page = visit("/jobs/load-now", permissions=["clipboard-read", "clipboard-write"])
    command = page.locator(".command", has_text="curl")
    command.get_by_role("button", name="Copy").click()
    expect(command.get_by_role("button")).to_have_class(re.compile("is-done"))
    copied = page.evaluate("navigator.clipboard.readText()")

    assert "$JOBSIGHT_SERVER" not in copied
    assert f'curl -s "{page.evaluate("location.origin")}/api/v1/jobs/load-now?history=1"' == copied
