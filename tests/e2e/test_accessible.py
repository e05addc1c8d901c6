"""What axe-core finds on every page, in both themes and on a phone: nothing."""

from __future__ import annotations

from typing import Any

import pytest
from browser_scene import AXE, Monitor, address_of_alert

pytest.importorskip("playwright")
from playwright.sync_api import Page

RUN = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"


def pages(shared: Monitor) -> list[str]:
    """Every page, and those of its states that look different."""
    alert = address_of_alert(shared, "billing.export")
    return [
        "/",
        "/?table=1",
        "/tasks",
        "/tasks/etl.load",
        "/jobs",
        "/jobs?q=status:completed+task:etl.*",
        "/jobs?q=stauts:x",
        "/jobs?q=nothing-of-this-name",
        "/jobs/load-now",
        "/jobs/nobody",
        "/alerts",
        "/alerts?show=acknowledged",
        "/alerts?show=history",
        alert,
        "/bulk/alerts/silence?show=firing",
        "/bulk/jobs/dismiss?q=status:lost",
        "/schedule",
        "/settings",
    ]


def violations(page: Page) -> list[str]:
    """What axe-core has to say, each in one line."""
    found: list[dict[str, Any]] = page.evaluate(RUN)
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]} ({len(one['nodes'])})" for one in found]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed (make pages brings it, with Node)")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_every_page_can_be_used_by_everybody(visit, shared: Monitor, theme: str, width: int) -> None:
    """Contrast, names, roles, order of headings, size of targets: no violation on any page."""
    page = visit("/", theme=theme, width=width)
    found = {}
    for path in pages(shared):
        page.goto(path)
        page.evaluate(AXE.read_text())
        if said := violations(page):
            found[path] = said

    assert {} == found


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed (make pages brings it, with Node)")
def test_what_nobody_can_use_is_found(visit) -> None:
    """The check can fail: a picture without words, a button without a name."""
    page = visit("/jobs")
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    page.evaluate(AXE.read_text())

    assert ["button-name"] == [one.partition(":")[0] for one in violations(page)]
