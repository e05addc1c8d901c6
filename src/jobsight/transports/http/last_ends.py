"""When tasks last ended, from the roll-ups: to the finest bucket, with a handful of look-ups a task."""

from __future__ import annotations

from collections.abc import Sequence

from jobsight.core.job import COMPLETED
from jobsight.core.rollup import WIDTHS_S
from jobsight.view.answers import SeriesPoint
from jobsight.view.queries import Reader

LastEnd = tuple[int, str, int | None]
"""The latest end in ms UTC (start of its bucket), a status there, and the latest success, None for none that is kept."""

LOOK_BACK_MS = 31 * 86_400_000
"""How far back the last end of a task is looked for at start."""

TASKS_AT_ONCE = 20
"""Tasks that are looked for before others have their turn."""

_END_MS = 1 << 62


def restore_last_ends(view: Reader, tasks: Sequence[str | None], since_ms: int) -> dict[str | None, LastEnd]:
    """
    The last end of each task that has one.

    Args:
        view: Asked for roll-ups.
        tasks: Their names; None for the jobs without a task.
        since_ms: What ended before is not looked for; ms UTC.
    """
    found: dict[str | None, LastEnd] = {}
    for task in tasks:
        days = view.rollup_series(WIDTHS_S[-1], since_ms, _END_MS, task, has_task=task is not None)
        if not days:
            continue
        last = _finest(view, task, days[-1])
        successes = [day for day in days if COMPLETED in day.rollup.ends]
        success: SeriesPoint | None = last
        if COMPLETED not in last.rollup.ends:
            success = None if not successes else _finest(view, task, successes[-1], COMPLETED)
        status = COMPLETED if COMPLETED in last.rollup.ends else next(iter(last.rollup.ends), COMPLETED)
        found[task] = (last.bucket_ms, status, None if success is None else success.bucket_ms)
    return found


def _finest(view: Reader, task: str | None, point: SeriesPoint, status: str | None = None) -> SeriesPoint:
    """The last bucket of the finest width within a coarse one, with a status where that is asked for."""
    for coarse_s, width_s in zip(WIDTHS_S[:0:-1], WIDTHS_S[-2::-1], strict=True):
        finer = view.rollup_series(
            width_s, point.bucket_ms, point.bucket_ms + coarse_s * 1000, task, has_task=task is not None
        )
        point = next((one for one in reversed(finer) if status is None or status in one.rollup.ends), point)
    return point
