"""The measures of the dashboard in a real browser: what a first view costs, and whether pages that stay open stay small."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.http_service import service
from bench.pages import addresses, ended_jobs, flow
from bench.processes import node_command, run_file

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

Figures = dict[str, float]
Say = Callable[[str], None]

FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--enable-precise-memory-info",
)
DESK: Final = {"width": 1440, "height": 900}
SETTLE_MS: Final = 3_000
"""For so long a first view is watched: charts and the first frames fall into it."""

OPEN: Final = ("/", "/tasks", "/jobs", "/alerts", "/schedule")
"""Pages that are kept open beside each other, each in a profile of its own."""

MINUTE_S: Final = 60.0
READINGS: Final = 3
"""Of what a page holds, one right after the other."""

WARM_SHARE: Final = 0.2
"""So much of the time at the beginning counts for nothing: caches fill, code is compiled."""

_SHOWN: Final = """
(() => {
    const walker = document.createTreeWalker(document);
    let nodes = 1;
    while (walker.nextNode()) nodes += 1;
    return nodes;
})()
"""
# Nodes of the document: how many rows it has differs with what is wrong at the moment.

_WATCH: Final = """
window.seen = {paint: 0, blocking: 0, shift: 0};
new PerformanceObserver((list) => {
    for (const one of list.getEntries()) if (one.startTime < (seen.refreshed ?? Infinity)) seen.paint = one.startTime;
}).observe({type: 'largest-contentful-paint', buffered: true});
new PerformanceObserver((list) => { for (const one of list.getEntries()) seen.blocking += Math.max(0, one.duration - 50); })
    .observe({type: 'longtask', buffered: true});
new PerformanceObserver((list) => {
    for (const one of list.getEntries())
        if (!one.hadRecentInput && one.startTime < (seen.refreshed ?? Infinity)) seen.shift += one.value;
}).observe({type: 'layout-shift', buffered: true});
document.addEventListener('jobsight:refreshed', () => { seen.refreshed ??= performance.now(); });
"""
# Up to the first refresh: after it, what moves are rows that come and go, as alerts and failures do under such a load.


def browser(scratch: Path, *, reports: int, runs: int, say: Say) -> Figures:
    """Every page in headless Chromium, on as many jobs as reports, under 1,000 reports a second: paint, blocking, shift, bytes."""
    with _monitor(scratch, reports) as port, _chromium(scratch) as chromium:
        paths = [path for path in addresses(port) if not path.startswith("/charts/")]
        seen: dict[str, list[dict[str, float]]] = {path: [] for path in paths}
        for _ in range(runs):
            for path, some in seen.items():
                some.append(_first_view(chromium, port, path))
    worst: Figures = {}
    for path, some in seen.items():
        middle = {name: statistics.median(one[name] for one in some) for name in some[0]}
        say(f"{path:44} " + "  ".join(f"{name} {value:,.3f}".rstrip("0").rstrip(".") for name, value in middle.items()))
        for name, value in middle.items():
            worst[name] = max(worst.get(name, 0.0), value)
    return {
        "first_view_kb": round(statistics.median(one["kb"] for one in seen["/"]), 1),
        "largest_paint_ms": round(worst["paint_ms"]),
        "blocking_ms": round(worst["blocking_ms"]),
        "layout_shift": round(worst["shift"], 4),
    }


def stay_open(scratch: Path, *, reports: int, runs: int, say: Say) -> Figures:
    """Pages that stay open for as many minutes as runs, under 1,000 reports a second: growth of nodes, listeners and heap."""
    with _monitor(scratch, reports) as port, _chromium(scratch) as chromium:
        pages = {path: _opened(chromium, port, path) for path in OPEN}
        kept: dict[str, list[tuple[float, dict[str, float]]]] = {path: [] for path in OPEN}
        began = time.monotonic()
        for minute in range(runs + 1):
            while (left_s := began + minute * MINUTE_S - time.monotonic()) > 0:
                # The browser's words are read meanwhile, so that they do not pile up in this process.
                next(iter(pages.values()))[0].wait_for_timeout(min(left_s, 1.0) * 1000)
            for path, (_, session) in pages.items():
                kept[path].append(((time.monotonic() - began) / MINUTE_S, _sizes(session)))
                say(
                    f"minute {minute:2}: {path:10} "
                    + ", ".join(f"{name} {one:,.0f}" for name, one in kept[path][-1][1].items())
                )
    growth: Figures = {}
    for path, some in kept.items():
        slopes = {name: _slope([(at, one[name]) for at, one in some]) for name in some[0][1]}
        say(f"{path:10} a minute: " + ", ".join(f"{name} {value:+.2f}" for name, value in slopes.items()))
        for name, value in slopes.items():
            growth[name] = max(growth.get(name, value), value)
    return {f"{name}_a_minute": round(value, 2) for name, value in growth.items()}


@contextmanager
def _monitor(scratch: Path, reports: int) -> Iterator[int]:
    """A service on a store of ended jobs with reports coming in; its port."""
    source, data = scratch / f"jobs-{reports}.ndjson", scratch / f"browser-{reports}"
    if not data.exists():
        with source.open("w") as file:
            file.writelines(ended_jobs(reports, seed=7))
        run_file(node_command(data), source, scratch / "answers.ndjson")
    with service(data) as (port, _), flow(port):
        yield port


@contextmanager
def _chromium(scratch: Path) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    found = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
    if found is None:
        raise RuntimeError("chromium is not installed (on Debian: apt-get install chromium)")
    home = scratch / "home"
    home.mkdir(exist_ok=True)
    own: dict[str, str | float | bool] = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=list(FLAGS), env=own)
        try:
            yield chromium
        finally:
            chromium.close()


def _first_view(chromium: Browser, port: int, path: str) -> dict[str, float]:
    """A page in a profile that has never seen it."""
    context = chromium.new_context(viewport=DESK)  # type: ignore[arg-type]  # a dictionary of the same shape
    page = context.new_page()
    page.add_init_script(_WATCH)
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(f"http://127.0.0.1:{port}{path}")
    first = sum(sizes)
    page.wait_for_timeout(SETTLE_MS)
    seen: dict[str, float] = page.evaluate("window.seen")
    context.close()
    return {
        "paint_ms": seen["paint"],
        "blocking_ms": seen["blocking"],
        "shift": seen["shift"],
        "kb": first / 1000,
    }


def _opened(chromium: Browser, port: int, path: str) -> tuple[Page, CDPSession]:
    context = chromium.new_context(viewport=DESK)  # type: ignore[arg-type]  # a dictionary of the same shape
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}{path}")
    return page, context.new_cdp_session(page)


def _sizes(session: CDPSession) -> dict[str, float]:
    """
    What a page holds once all that can be given back is: of some readings the least.

    A refresh that falls between the collection and the count leaves some 6,000 nodes that nobody holds; one such reading near
    the end of half an hour looks like 77 nodes a minute.
    """
    readings = [_reading(session) for _ in range(READINGS)]
    return {name: min(one[name] for one in readings) for name in readings[0]}


def _reading(session: CDPSession) -> dict[str, float]:
    session.send("HeapProfiler.collectGarbage")
    counters: dict[str, Any] = session.send("Memory.getDOMCounters")
    heap = session.send("Runtime.getHeapUsage")
    shown = session.send("Runtime.evaluate", {"expression": _SHOWN})["result"]["value"]
    return {
        "nodes": counters["nodes"],
        "nodes_not_shown": counters["nodes"] - shown,
        "listeners": counters["jsEventListeners"],
        "heap_kb": heap["usedSize"] / 1000,
    }


def _slope(points: list[tuple[float, float]]) -> float:
    """The growth by the least squares, after the beginning."""
    late = points[int(len(points) * WARM_SHARE) :]
    if len(late) < 2:
        return 0.0
    slope: float = statistics.linear_regression([at for at, _ in late], [value for _, value in late]).slope
    return slope
