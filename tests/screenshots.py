"""
Every page in both themes, at the width of a desk and of a phone: `make screenshots`, then look at them.

A fleet of two days is lived through, a service is started on it, and a little traffic keeps it alive meanwhile.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from http_service import EVENTS, NDJSON, Service, service
from playwright.sync_api import Browser, Page, sync_playwright
from scene import fill

from jobsight.transports.http.pages.registry import PAGES

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
SIZES = {"desk": (1440, 900), "phone": (390, 844)}
THEMES = ("light", "dark")
LIVED_MS = 26 * 3_600_000
SETTLE_MS = 1_500
"""For the charts to come, and the first frame."""


@contextmanager
def traffic(running: Service) -> Iterator[None]:
    """A short job now and then, until the end of the block."""
    is_over = threading.Event()
    dice = random.Random(7)

    def feed() -> None:
        with running.client() as client:
            for number in range(1_000_000):
                if is_over.wait(1.5):
                    return
                task, job_id = dice.choice(["mail.send", "media.thumbnails", "webhooks.deliver"]), f"live-{number:06d}"
                reports = [
                    {"type": "update_status", "job_id": job_id, "task": task, "status": "running"},
                    {"type": "job_completed", "job_id": job_id, "duration_ms": round(dice.lognormvariate(7.6, 0.4))},
                ]
                client.post(EVENTS, content="\n".join(map(json.dumps, reports)).encode(), headers=NDJSON)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def addresses(running: Service) -> dict[str, str]:
    """A name and a path for every page; where a page is about one thing, it is about the one that is worst off."""
    with running.client() as client:
        failed = client.get("/api/v1/jobs", params={"status": "failed", "task": "billing.export", "limit": 1}).json()[
            "jobs"
        ]
        alerts = client.get("/api/v1/alerts", params={"state": "firing"}).json()["alerts"]
    things = {
        "{name:path}": "billing.export",
        "{job_id:path}": failed[0]["job_id"],
        "{alert_id}": next(one["alert_id"] for one in alerts if one["task"] == "billing.export"),
    }
    found = {"overview-table": "/?range=24h&table=1", "not-found": "/tasks/there-is-none"}
    for page in PAGES:
        if page.template is None:
            continue
        path = page.path
        for place, thing in things.items():
            path = path.replace(place, quote(thing, safe=""))
        found[page.template.removesuffix(".html")] = path
    return found


def photograph(browser: Browser, running: Service, folder: Path, wanted: list[str]) -> None:
    """Take the pictures; a page that is wider than its window is named."""
    paths = {name: path for name, path in addresses(running).items() if not wanted or name in wanted}
    for theme in THEMES:
        for size, (width, height) in SIZES.items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)  # type: ignore[arg-type]
            page = context.new_page()
            for name, path in paths.items():
                take(page, running.url + path, folder / f"{name}-{size}-{theme}.png")
            context.close()


def take(page: Page, url: str, file: Path) -> None:
    """One picture of the whole page."""
    page.goto(url)
    page.wait_for_timeout(SETTLE_MS)
    surplus = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if surplus > 0:
        print(f"{file.stem}: {surplus} px wider than its window", file=sys.stderr)
    page.screenshot(path=file, full_page=True)


def main(folder: Path, wanted: list[str]) -> None:
    """Take them all, or those of some pages."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        fill(Path(scratch) / "data", round(time.time() * 1000), length_ms=LIVED_MS)
        with service(Path(scratch)) as running, traffic(running), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            photograph(browser, running, folder, wanted)
            browser.close()
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Photograph every page.")
    parser.add_argument("pages", nargs="*", help="their templates' names, like overview or task; all without any")
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "screenshots")
    arguments = parser.parse_args()
    main(arguments.to, arguments.pages)
