"""The measure of the pages: how long the server takes for each of them, over many jobs and under a steady flow of reports."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from bench.http_measures import service
from bench.processes import node_command, run_file

Figures = dict[str, float]
Say = Callable[[str], None]

TASKS: Final = 440
CHECKED: Final = 60
REPORTS_PER_S: Final = 1_000
FLOW_PARTS: Final = 10
ROUND_S: Final = 1.3
"""Every page is asked for once in so long: longer than a page is kept, so that each is made anew."""

ROUNDS_A_RUN: Final = 20
START_ROUNDS: Final = 8
"""Rounds of the first ten seconds after a start: each page is made for the first time, on jobs that have all ended just now."""

FAILED_SHARE: Final = 0.03
_ERRORS: Final = (
    "Connection timeout",
    "Timeout after 30 s waiting for db-7",
    "KeyError: 'user_17'",
    "HTTP 502 from api-3",
)
_ENDS: Final = ("load", "export", "train", "send", "daily", "sync", "clean", "score")


def pages(scratch: Path, *, reports: int, runs: int, say: Say) -> Figures:
    """Milliseconds for each page when it is made anew, on as many jobs as reports, under 1,000 reports a second."""
    source, data = scratch / f"jobs-{reports}.ndjson", scratch / "pages"
    with source.open("w") as file:
        file.writelines(ended_jobs(reports, seed=7))
    run_file(node_command(data), source, scratch / "answers.ndjson")
    with service(data) as (port, _), flow(port):
        paths = addresses(port)
        trips: dict[str, list[float]] = {path: [] for path in paths}
        costs: dict[str, list[float]] = {path: [] for path in paths}
        for number in range(runs * ROUNDS_A_RUN):
            ask_all(port, trips, costs)
            if number % ROUNDS_A_RUN == ROUNDS_A_RUN - 1:
                say(f"run {number // ROUNDS_A_RUN + 1}: slowest page so far {max(map(max, trips.values())):.1f} ms")
    for path, some in trips.items():
        cost = percentile(costs[path], 99)
        say(
            f"{path:44} p50 {percentile(some, 50):6.1f} ms   p99 {percentile(some, 99):6.1f} ms   processor {cost:5.1f} ms"
        )
    everything = [trip for some in trips.values() for trip in some]
    later = [trip for some in trips.values() for trip in some[START_ROUNDS:]]
    return {
        "p50_ms": round(percentile(everything, 50), 1),
        "p99_ms": round(percentile(everything, 99), 1),
        "p99_after_the_start_ms": round(percentile(later, 99), 1),
        "processor_p99_ms": round(percentile([cost for some in costs.values() for cost in some], 99), 1),
        "slowest_page_p99_ms": round(max(percentile(some, 99) for some in trips.values()), 1),
    }


def ended_jobs(count: int, *, seed: int) -> Iterator[str]:
    """So many jobs with one report each, of tasks of which a few do most; some tasks say when they are expected."""
    dice = random.Random(seed)
    names = [f"{kind}.{end}" for kind in ("etl", "billing", "ml", "mail", "report") for end in _ENDS]
    names += [f"tenant-{number}.sync" for number in range(TASKS - len(names))]
    for number in range(count):
        body: dict[str, object] = {
            "type": "job_completed",
            "job_id": f"job-{dice.getrandbits(48):012x}",
            "task": names[min(int(dice.expovariate(1 / 60)), TASKS - 1)],
            "queue": dice.choice(("fast", "slow", "bulk")),
            "host": f"w{dice.randrange(40):02d}",
        }
        if dice.random() < FAILED_SHARE:
            body |= {"type": "job_failed", "error": dice.choice(_ERRORS), "retries": 3}
        else:
            body["duration_ms"] = int(dice.lognormvariate(8, 1.5))
        if number < CHECKED:
            body["task"] = names[number]
            body["check"] = {"schedule": f"{number} * * * *"}
        yield json.dumps(body) + "\n"


@contextmanager
def flow(port: int) -> Iterator[None]:
    """A steady flow of reports, until the end of the block."""
    is_over = threading.Event()

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {"content-type": "application/x-ndjson"}
        lines = ended_jobs(1 << 40, seed=8)
        for _ in range(CHECKED):
            next(lines)
        at = time.monotonic()
        while not is_over.wait(max(0.0, at - time.monotonic())):
            body = "".join(next(lines) for _ in range(REPORTS_PER_S // FLOW_PARTS))
            connection.request("POST", "/api/v1/events", body, headers)
            connection.getresponse().read()
            at += 1 / FLOW_PARTS
        connection.close()

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def addresses(port: int) -> list[str]:
    """Every page; those about one thing with a thing that there is."""
    from jobsight.transports.http.pages.registry import PAGES

    connection = http.client.HTTPConnection("127.0.0.1", port)
    found: dict[str, str] = {"{name:path}": "etl.load"}
    for place, path, rows, name in (
        ("{job_id:path}", "jobs?status=failed&limit=1", "jobs", "job_id"),
        ("{alert_id}", "alerts?state=firing&limit=1", "alerts", "alert_id"),
    ):
        connection.request("GET", f"/api/v1/{path}")
        found[place] = json.loads(connection.getresponse().read())[rows][0][name]
    connection.close()
    paths = [
        "/?range=24h",
        "/?range=10m&table=1",
        "/tasks?health=failing",
        "/charts/ends?range=24h",
        "/jobs?q=status:failed",
    ]
    for page in PAGES:
        path = page.path
        for place, thing in found.items():
            path = path.replace(place, quote(thing, safe=""))
        paths.append(path)
    return paths


def ask_all(port: int, trips: dict[str, list[float]], costs: dict[str, list[float]]) -> None:
    """Every page once, spread over the time of a round: how long its answer took, and how much processor time it says it did."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    began = time.monotonic()
    for place, (path, some) in enumerate(trips.items()):
        time.sleep(max(0.0, began + place * ROUND_S / len(trips) - time.monotonic()))
        start = time.perf_counter()
        connection.request("GET", path, headers={"accept": "text/html", "accept-encoding": "gzip"})
        answer = connection.getresponse()
        answer.read()
        some.append((time.perf_counter() - start) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")
        timing = answer.headers["server-timing"]
        costs[path].append(sum(float(part.partition("dur=")[2]) for part in timing.split(",")))
    time.sleep(max(0.0, began + ROUND_S - time.monotonic()))
    connection.close()


def percentile(some: list[float], share: int) -> float:
    """The value of a rank, in percent."""
    ordered = sorted(some)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]
