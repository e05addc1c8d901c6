"""Rows of tasks: what memory knows at a glance, and what the view adds: the latest jobs, and how long they took."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from jobsight.core.health import Health
from jobsight.core.schedule import next_slot_ms
from jobsight.transports.http.pages.glances import Glance
from jobsight.transports.http.pages.paces import NO_PACE, Pace, Paces
from jobsight.transports.http.pages.strips import STRIP_JOBS, Strip, strip_of
from jobsight.view.latest import LatestJob
from jobsight.view.queries import Reader


class TaskRow(Struct, frozen=True, kw_only=True):
    """A task in a list; `next_ms`: when it is expected next, ms UTC."""

    glance: Glance
    health: Health
    strip: Strip
    pace: Pace
    last_end_ms: int | None
    next_ms: int | None


def task_rows(view: Reader, paces: Paces, found: Sequence[Glance], at_ms: int) -> list[TaskRow]:
    """The rows of some tasks, in their order."""
    without = view.latest_without_task(STRIP_JOBS) if any(glance.task is None for glance in found) else {}
    named = view.latest_of([glance.task for glance in found if glance.task is not None], STRIP_JOBS)
    latest = [without.get(glance.queue, []) if glance.task is None else named[glance.task] for glance in found]
    return [_row(view, paces, glance, jobs, at_ms) for glance, jobs in zip(found, latest, strict=True)]


def _row(view: Reader, paces: Paces, glance: Glance, jobs: list[LatestJob], at_ms: int) -> TaskRow:
    ends = [job.ended_ms for job in jobs if job.ended_ms is not None]
    return TaskRow(
        glance=glance,
        health=glance.health,
        strip=strip_of(jobs),
        pace=NO_PACE if glance.task is None else paces.of(view, glance.task, at_ms),
        last_end_ms=glance.last_end_ms or max(ends, default=None),
        next_ms=next_of(glance, at_ms),
    )


def next_of(glance: Glance, at_ms: int) -> int | None:
    """When a task is expected next, ms UTC: a slot whose grace still runs is not next, it is now."""
    expected, slot_ms = glance.expected, glance.next_ms
    if expected is None or expected.schedule is None or slot_ms is None or slot_ms > at_ms:
        return slot_ms
    return next_slot_ms(expected.schedule, expected.tz, at_ms, slot_ms)
