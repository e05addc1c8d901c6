"""Rows of tasks: what memory knows at a glance, and what the view adds: the latest jobs, and how long they took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from jobsight.core.health import Health, health_of
from jobsight.core.histogram import quantiles_ms
from jobsight.core.schedule import next_slot_ms
from jobsight.transports.http.asking import Viewing
from jobsight.transports.http.pages.glances import Glance
from jobsight.transports.http.pages.strips import STRIP_JOBS, Line, Strip, line_of, strip_of
from jobsight.transports.http.pages.words import span
from jobsight.view.latest import LatestJob

HOUR_MS: Final = 3_600_000
HOURS: Final = 24
KEPT_S: Final = 60
"""For so long the durations of a task's last day are not worked out again."""

KEPT_MAX: Final = 2_000
"""Tasks whose durations are kept."""


class Pace(Struct, frozen=True, kw_only=True):
    """How long the jobs of a task took within the last day: the median and the 95th percentile in ms, and the latter by hour."""

    p50_ms: float | None
    p95_ms: float | None
    line: Line | None


class TaskRow(Struct, frozen=True, kw_only=True):
    """A task in a list; `next_ms`: when it is expected next, ms UTC."""

    glance: Glance
    health: Health
    strip: Strip
    pace: Pace
    last_end_ms: int | None
    next_ms: int | None


class Paces:
    """The durations of tasks over the last day, each kept for a minute."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Pace]] = {}

    def of(self, view: Viewing, task: str, at_ms: int) -> Pace:
        """Those of one task. Called by any reading thread."""
        now = time.monotonic()
        kept = self._kept.get(task)
        if kept is not None and now - kept[0] < KEPT_S:
            return kept[1]
        pace = _pace(view, task, at_ms)
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[task] = (now, pace)
        return pace


PACES: Final = Paces()
NO_PACE: Final = Pace(p50_ms=None, p95_ms=None, line=None)


def task_rows(view: Viewing, found: Sequence[Glance], at_ms: int) -> list[TaskRow]:
    """The rows of some tasks, in the order of their health as their latest jobs tell it."""
    without = view.latest_without_task(STRIP_JOBS) if any(glance.task is None for glance in found) else {}
    named = view.latest_of([glance.task for glance in found if glance.task is not None], STRIP_JOBS)
    latest = [without.get(glance.queue, []) if glance.task is None else named[glance.task] for glance in found]
    rows = [_row(view, glance, jobs, at_ms) for glance, jobs in zip(found, latest, strict=True)]
    return sorted(rows, key=lambda row: row.health)


def _row(view: Viewing, glance: Glance, jobs: list[LatestJob], at_ms: int) -> TaskRow:
    ends = [job.ended_ms for job in jobs if job.ended_ms is not None]
    return TaskRow(
        glance=glance,
        health=health_of(glance.rules, [job.status for job in jobs]),
        strip=strip_of(jobs),
        pace=NO_PACE if glance.task is None else PACES.of(view, glance.task, at_ms),
        last_end_ms=glance.last_end_ms or max(ends, default=None),
        next_ms=next_of(glance, at_ms),
    )


def next_of(glance: Glance, at_ms: int) -> int | None:
    """When a task is expected next, ms UTC: a slot whose grace still runs is not next, it is now."""
    expected, slot_ms = glance.expected, glance.next_ms
    if expected is None or expected.schedule is None or slot_ms is None or slot_ms > at_ms:
        return slot_ms
    return next_slot_ms(expected.schedule, expected.tz, at_ms, slot_ms)


def _pace(view: Viewing, task: str, at_ms: int) -> Pace:
    start_ms = at_ms - at_ms % HOUR_MS - (HOURS - 1) * HOUR_MS
    series = {point.bucket_ms: point.rollup for point in view.rollup_series(3_600, start_ms, at_ms + 1, task)}
    by_hour: list[float | None] = []
    total: dict[int, int] = {}
    for hour in range(HOURS):
        rollup = series.get(start_ms + hour * HOUR_MS)
        by_hour.append(None if rollup is None else quantiles_ms(rollup.durations, (0.95,))[0])
        for bucket, number in ({} if rollup is None else rollup.durations).items():
            total[bucket] = total.get(bucket, 0) + number
    p50_ms, p95_ms = quantiles_ms(total, (0.5, 0.95))
    return Pace(p50_ms=p50_ms, p95_ms=p95_ms, line=line_of(by_hour, f"p95 by hour over 24 h, now {span(p95_ms)}"))
