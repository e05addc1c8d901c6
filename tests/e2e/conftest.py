"""One monitor with its workers, and one browser, for all journeys; each journey has a profile of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser_scene import CHROMIUM, FLAGS, Monitor, is_complaint, monitor, run_workers, scratch_home, why_not

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

HERE = Path(__file__).resolve().parent
WAIT_MS = 30_000
DESK = {"width": 1280, "height": 900}

Visit = Callable[..., "Page"]

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every journey is slow, and is skipped where there is no browser."""
    reason = why_not()
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)
            if reason is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """
    The system's Chromium.

    While it is there, this thread counts as one in which an event loop runs, and no other test could run one of its own; so
    it does not outlive the module.
    """
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT_MS)
    home = tmp_path_factory.mktemp("home")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS), env=scratch_home(home))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitor]:
    """A monitor to which real workers have reported. Journeys give what they add names of its own."""
    with monitor(tmp_path_factory.mktemp("monitor")) as one:
        run_workers(one)
        yield one


@pytest.fixture
def visit(browser: Browser, shared: Monitor) -> Iterator[Visit]:
    """
    Opens a page of the monitor, in a profile of its own: `visit("/jobs", theme="dark", width=390, scripts=False)`.

    At the end: nothing was refused by the content security policy, no script has failed, and no dialog has come up.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def go(
        path: str,
        *,
        of: Monitor = shared,
        theme: str = "light",
        width: int = 1280,
        scripts: bool = True,
        **further: Any,
    ) -> Page:
        context = browser.new_context(
            viewport={**DESK, "width": width},
            color_scheme=theme,
            java_script_enabled=scripts,
            base_url=of.url,
            **further,
        )
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"a script failed: {error}"))
        page.on("console", lambda said: complaints.append(said.text) if is_complaint(said.text) else None)
        page.on("dialog", lambda dialog: (complaints.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(path)
        return page

    yield go
    for context in contexts:
        context.close()
    assert [] == complaints


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A word that no other journey uses in its names, nor this one when it is made again."""
    word = re.sub(r"[^a-z]+", "-", request.node.name.removeprefix("test_"))[:40].strip("-")
    return f"{word}-{next(_numbers)}"
