"""When tasks last ended, from the roll-ups: to the finest bucket, with a handful of look-ups a task."""

from __future__ import annotations

from collections.abc import Sequence

from jobsight.core.job import COMPLETED
from jobsight.view.queries import Reader
from jobsight.view.rollup_queries import LatestEnds

LastEnd = tuple[int, str, int | None]
"""The latest end in ms UTC (start of its bucket), a status there, and the latest success, None for none that is kept."""

LOOK_BACK_MS = 31 * 86_400_000
"""How far back the last end of a task is looked for at start."""

TASKS_AT_ONCE = 20
"""Tasks that are looked for before others have their turn."""


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
        last = view.latest_ends(since_ms, task, has_task=task is not None)
        if last is None:
            continue
        last_ms, ends = last
        status = COMPLETED if COMPLETED in ends else next(iter(ends))
        success: LatestEnds | None = last
        if status != COMPLETED:
            success = view.latest_ends(since_ms, task, has_task=task is not None, status=COMPLETED)
        found[task] = (last_ms, status, None if success is None else success[0])
    return found
