"""
Two days in the life of a fleet, as a data folder: what pages are looked at and photographed with.

The days are lived through with a clock of their own, which ends now: the log holds them as if the monitor had watched.
Three things are wrong at the end, and one was mended. `python tests/scene.py FOLDER` makes the folder.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobsight.app.stores import open_store
from jobsight.core.check import Expectation, Origin
from jobsight.core.events import CheckSet
from jobsight.core.schedule import slots_within
from jobsight.engine.duties import submit_of
from jobsight.engine.ticker import Ticker
from jobsight.engine.writer import Writer
from jobsight.protocol.codec import Codec
from jobsight.protocol.refusals import Code, refusal

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAYS_MS = 48 * HOUR_MS
SEED = 20_261_126

ERRORS = (
    "TimeoutError: no answer from warehouse-db:5432 within 30 s",
    "HTTP 503 from https://api.example.org/v2/orders (3 tries)",
    "OSError: [Errno 28] No space left on device: '/var/spool/export'",
    'ValueError: row 1817: expected a date, got ""',
    "Killed: out of memory (limit 2048 MB)",
)


@dataclass(frozen=True)
class Work:
    """What a task does: how often and for how long (minutes), how often it fails; `breaks_h`: hours ago it broke for good."""

    name: str
    every_m: float
    takes_m: float
    owner: str
    cron: str | None = None
    failing: float = 0.004
    queue: str = "default"
    breaks_h: float | None = None
    max_m: float | None = None


FLEET = (
    Work("billing.export", 20, 3.5, "payments", "*/20 * * * *", breaks_h=0.9, queue="billing"),
    Work("billing.invoices", 10, 0.8, "payments", failing=0.02, queue="billing"),
    Work("billing.reconcile", 240, 12, "payments", "15 */4 * * *", queue="billing"),
    Work("backup.database", 1_440, 38, "platform", "0 2 * * *"),
    Work("backup.files", 1_440, 21, "platform", "30 2 * * *"),
    Work("backup.verify", 360, 6, "platform", "45 */6 * * *"),
    Work("etl.orders", 5, 0.6, "data", failing=0.01, queue="etl"),
    Work("etl.customers", 15, 2.2, "data", queue="etl"),
    Work("etl.daily-rollup", 1_440, 44, "data", "0 1 * * *", queue="etl"),
    Work("etl.clickstream", 1, 0.25, "data", failing=0.006, queue="etl"),
    Work("search.reindex", 120, 17, "search", "30 */2 * * *", queue="search"),
    Work("search.suggest", 30, 1.1, "search", queue="search"),
    Work("ml.train-ranking", 240, 41, "ml", "40 */4 * * *", max_m=55, queue="gpu"),
    Work("ml.features", 20, 3.1, "ml", failing=0.05, queue="gpu"),
    Work("mail.digest", 60, 1.9, "growth", "5 * * * *"),
    Work("mail.send", 0.12, 0.05, "growth", failing=0.002),
    Work("media.thumbnails", 0.15, 0.09, "media", failing=0.001, queue="media"),
    Work("media.transcode", 6, 4.2, "media", failing=0.015, queue="media"),
    Work("sync.warehouse", 30, 2.6, "logistics", "*/30 * * * *"),
    Work("sync.carriers", 15, 0.9, "logistics"),
    Work("report.sales", 1_440, 5, "finance", "0 6 * * 1-5"),
    Work("report.stock", 180, 2.4, "logistics", "10 */3 * * *"),
    Work("certs.renew", 720, 0.4, "platform", "20 */12 * * *"),
    Work("sessions.purge", 60, 0.7, "platform", "50 * * * *"),
    Work("webhooks.deliver", 0.1, 0.03, "platform", failing=0.002, queue="webhooks"),
    Work("feeds.import", 15, 1.4, "logistics", "*/15 * * * *", breaks_h=7.1),
)
SILENT = "feeds.import"
"""Breaks by not starting any more; the others that break fail."""

STUCK = "ml.train-ranking"
"""Its last run does not end."""


class Fleet:
    """The reports of all tasks, in the order of time."""

    def __init__(self, seed: int, from_ms: int, to_ms: int) -> None:
        self._dice = random.Random(seed)
        self._to_ms = to_ms
        self._planned: list[tuple[int, int, dict[str, Any]]] = []
        self._numbers = itertools.count(1)
        for work in FLEET:
            self._plan(work, from_ms)
        for moment_ms in range(from_ms, to_ms, 20 * MINUTE_MS):
            self._without_task(moment_ms)
        heapq.heapify(self._planned)

    def until(self, at_ms: int) -> Iterator[dict[str, Any]]:
        """What is reported up to a moment."""
        while self._planned and self._planned[0][0] <= at_ms:
            yield heapq.heappop(self._planned)[2]

    def _say(self, at_ms: float, kind: str, job_id: str, **fields: Any) -> None:
        at = round(at_ms)
        self._planned.append((at, next(self._numbers), {"type": kind, "job_id": job_id, "at": at, **fields}))

    def _plan(self, work: Work, from_ms: int) -> None:
        breaks_ms = None if work.breaks_h is None else self._to_ms - work.breaks_h * HOUR_MS
        for run, start_ms in enumerate(self._starts(work, from_ms), start=1):
            is_broken = breaks_ms is not None and start_ms + work.takes_m * MINUTE_MS > breaks_ms
            if not (is_broken and work.name == SILENT):
                self._run(work, run, start_ms + self._dice.random() * 4_000, is_broken)

    def _starts(self, work: Work, from_ms: int) -> Iterator[float]:
        if work.cron:
            yield from slots_within(work.cron, "UTC", from_ms, self._to_ms)
            return
        start_ms = from_ms + self._dice.random() * work.every_m * MINUTE_MS
        while start_ms < self._to_ms:
            yield start_ms
            tide = 1 + 0.4 * math.sin(start_ms / HOUR_MS * math.tau * 1.4)
            start_ms += work.every_m * MINUTE_MS * tide * (0.6 + 0.8 * self._dice.random())

    def _run(self, work: Work, run: int, start_ms: float, is_broken: bool) -> None:
        dice, job_id = self._dice, f"{work.name}-{run:05d}"
        name = {"task": work.name, "queue": work.queue, "host": f"w{dice.randrange(1, 9):02d}"}
        took_ms = work.takes_m * MINUTE_MS * dice.lognormvariate(0, 0.28)
        self._say(start_ms, "update_status", job_id, status="running", progress=0, **name)
        is_last_stuck = (
            work.name == STUCK
            and self._to_ms - start_ms > (work.max_m or 0) * MINUTE_MS
            and self._to_ms - start_ms < work.every_m * MINUTE_MS
        )
        for share in (0.3, 0.7) if took_ms > MINUTE_MS else ():
            self._say(
                start_ms + share * took_ms, "update_status", job_id, status="running", progress=round(share * 100)
            )
        if is_last_stuck:
            return
        if is_broken or dice.random() < work.failing:
            error = ERRORS[len(work.name) % len(ERRORS)] if is_broken else dice.choice(ERRORS)
            self._say(start_ms + took_ms * 0.7, "job_failed", job_id, error=error, retries=3, max_retries=3)
            return
        usage = {"cpu_percent": round(20 + 60 * dice.random(), 1), "memory_mb": dice.randrange(64, 2_048)}
        self._say(start_ms + took_ms, "job_completed", job_id, duration_ms=round(took_ms), resource_usage=usage)

    def _without_task(self, at_ms: float) -> None:
        job_id = f"import-{self._dice.getrandbits(32):08x}"
        self._say(at_ms, "update_status", job_id, status="running", queue="adhoc")
        self._say(at_ms + 40_000, "job_completed", job_id, duration_ms=round(40_000 * self._dice.random()))


def checks() -> list[CheckSet]:
    """What is expected of the tasks that run by a schedule."""
    return [
        CheckSet(
            task=work.name,
            expected=Expectation(
                schedule=work.cron,
                start_grace_ms=15 * MINUTE_MS,
                max_runtime_ms=None if work.max_m is None else round(work.max_m * MINUTE_MS),
                owner=f"@{work.owner}",
                runbook_url=f"https://runbooks.example.org/{work.name}",
            ),
            origin=Origin.API,
            author="ops",
        )
        for work in FLEET
        if work.cron
    ]


def fill(folder: Path, now_ms: int, *, seed: int = SEED, length_ms: int = DAYS_MS) -> None:
    """
    Live through the days up to now, and keep them in a data folder.

    Args:
        folder: New or empty.
        now_ms: When they end, ms UTC.
        seed: Of the dice.
        length_ms: How long they are.
    """
    clock = [now_ms - length_ms]
    fleet = Fleet(seed, clock[0], now_ms)
    with open_store(folder, lambda _: None) as store:
        writer = Writer(
            log=store.log,
            view=store.view,
            state=store.state,
            clock_ms=lambda: clock[0],
            answer=lambda query: refusal(Code.NOT_SUPPORTED, "no questions here"),
            wake=None,
        )
        ticker = Ticker(writer.state, submit_of(writer), lambda: clock[0], writer.note_alive)
        writer.on_flush = ticker.register
        writer.record(checks())
        codec = Codec()
        for step in range(length_ms // MINUTE_MS + 1):
            clock[0] = now_ms - length_ms + step * MINUTE_MS
            lines = [json.dumps(report).encode() for report in fleet.until(clock[0])]
            if lines:
                writer.submit(codec.read([b"\n".join(lines) + b"\n"]), lambda outcome: None)
            if step % 10 == 0:
                writer.flush()
            ticker.tick()
        writer.close()


if __name__ == "__main__":
    fill(Path(sys.argv[1]), round(time.time() * 1000))
