"""A monitor with real workers behind it, and the browser that looks at it: what the browser suite stands on."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from http_service import DEADLINE_S, EVENTS, JOBSIGHT, NDJSON, Service, environment, service, until

ROOT = Path(__file__).resolve().parent.parent
AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
"""For a network that leads nowhere."""

SDK_WORKER = """
import jobsight, sys
client = jobsight.Client(sys.argv[1])
for number in range(3):
    with jobsight.monitor("ml.train", client=client, job_id=f"train-{number}", queue="gpu") as job:
        for percent in (20, 60, 100):
            job.progress(percent)
client.close()
"""

PAST_JOBS = 130
HOURS_MS = 4 * 3_600_000


@dataclass
class Monitor:
    """
    A running monitor and what it was told.

    Attributes:
        tokens: By scope, where it asks for them.
    """

    service: Service
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.service.url

    def client(self) -> httpx.Client:
        """A client that may do everything."""
        return self.service.client(self.tokens.get("admin"))

    def tell(self, *bodies: dict[str, Any]) -> None:
        """Report something, as one stream, and wait until the lists have it."""
        with self.client() as client:
            lines = "\n".join(json.dumps(body) for body in bodies)
            client.post(EVENTS, content=lines.encode(), headers=NDJSON).raise_for_status()
            one = {"limit": 1}
            heard = client.get("/api/v1/checks", params=one).json()["as_of_seq"]
            until(lambda: client.get("/api/v1/jobs", params=one).json()["as_of_seq"] >= heard, "the lists to have it")

    def fail(self, job_id: str, task: str | None = None, error: str = "no route to host", **fields: Any) -> None:
        """A job that has failed for good."""
        body = {"type": "job_failed", "job_id": job_id, "error": error, "retries": 2, **fields}
        self.tell(body if task is None else {**body, "task": task})


@contextmanager
def monitor(folder: Path, *arguments: object) -> Iterator[Monitor]:
    """A monitor of its own."""
    with service(folder, *arguments) as running:
        yield Monitor(running)


def run(monitor: Monitor, *words: str) -> subprocess.Popen[bytes]:
    """Start a command of ours that reports to a monitor."""
    folder = monitor.service.data.parent
    told = environment(JOBSIGHT_SERVER=monitor.url, JOBSIGHT_SPOOL=str(folder / "spool"))
    nowhere = subprocess.DEVNULL
    return subprocess.Popen([JOBSIGHT, *words], env=told, cwd=folder, stdout=nowhere, stderr=nowhere)


def run_failing(monitor: Monitor, task: str) -> None:
    """Let a command fail under the wrapper, and wait until its alert is there."""
    script = "echo reading 400 rows; echo fatal: no route >&2; exit 3"
    run(monitor, "run", "--task", task, "--", "sh", "-c", script).wait(DEADLINE_S)
    address_of_alert(monitor, task)


def run_workers(monitor: Monitor) -> None:
    """
    Let real workers report: the wrapper around shell commands, the SDK, `report` from a script, and plain HTTP.

    At the end `billing.export` has failed, `nightly-backup` and `ml.train` are fine, `etl.load` runs at 40 percent.
    """
    started = [
        run(monitor, "run", "--task", "nightly-backup", "--", "sh", "-c", "echo 40 files copied"),
        run(monitor, "run", "--task", "nightly-backup", "--", "sh", "-c", "echo 41 files copied"),
        run(monitor, "report", "sync-1", "completed", "--task", "sync.carriers"),
    ]
    folder = monitor.service.data.parent
    told = environment(JOBSIGHT_SPOOL=str(folder / "spool"))
    sdk = subprocess.Popen([sys.executable, "-c", SDK_WORKER, monitor.url], env=told, cwd=folder)
    load = {"task": "etl.load", "host": "w7"}
    past = [
        {"type": "job_completed", "job_id": f"load-{n:03d}", **load, "host": f"w{n % 4}", "duration_ms": HOURS_MS + n}
        for n in range(PAST_JOBS)
    ]
    monitor.tell(
        *past,
        {"type": "update_status", "job_id": "load-now", **load, "status": "running", "progress": 40},
        {"type": "update_status", "job_id": "gone-1", "task": "gone", "status": "lost"},
    )
    run_failing(monitor, "billing.export")
    for process in (*started, sdk):
        process.wait(DEADLINE_S)
    with monitor.client() as client:
        for task, count in (("nightly-backup", 2), ("sync.carriers", 1), ("ml.train", 3)):
            until(lambda task=task, count=count: _completed(monitor, client, task) >= count, f"{count} jobs of {task}")


def _completed(monitor: Monitor, client: httpx.Client, task: str) -> int:
    """How many jobs of a task have completed; what a worker had no time to send is sent by the next one."""
    found = client.get("/api/v1/stats", params={"task": task}).json()["completed"]
    if not found:
        run(monitor, "report", "another", "running").wait(DEADLINE_S)
    return int(found)


def address_of_alert(monitor: Monitor, task: str) -> str:
    """The path of the page of a task's open alert."""
    with monitor.client() as client:

        def found() -> str | None:
            alerts = client.get("/api/v1/alerts", params={"task": task}).json()["alerts"]
            path = next((f"/alerts/{one['alert_id']}" for one in alerts if one["state"] != "resolved"), None)
            if path is None:
                run(monitor, "report", "another", "running").wait(DEADLINE_S)
            return path

        return until(found, f"an alert of {task}")


def why_not() -> str | None:
    """Why there can be no browser here; None where there can."""
    from jobsight.transports.http.pages.assets import Assets
    from jobsight.web import FOLDER

    if CHROMIUM is None:
        return "chromium is not installed (on Debian: apt-get install chromium)"
    if not Assets(FOLDER / "assets").is_built:
        return "built without pages (no Node at hand)"
    return None


def is_complaint(text: str) -> bool:
    """Whether the console says that something was refused."""
    return re.search(r"Content Security Policy|Content-Security-Policy|Refused to", text) is not None


def in_time(condition: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    until(lambda: condition() or None, what)


def scratch_home(folder: Path) -> dict[str, str]:
    """Where the browser keeps its things: in the test's own folder."""
    return {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
