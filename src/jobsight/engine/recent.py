"""
What lately ended, in memory: for each task its last end and success, and for all jobs the latest buckets of the roll-ups.

Filled by every flush of the view, so that neither a frame of the live stream nor a scrape has to ask the view.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field

from jobsight.core.health import Health
from jobsight.core.histogram import Histogram, middle_us
from jobsight.core.job import COMPLETED, FAILED, LOST
from jobsight.core.limits import OTHER, PAIRS_MAX
from jobsight.core.rollup import Rollup, merge_rollup
from jobsight.core.state import Changes

NO_TASK: Final = "(none)"
"""Stands for the jobs without a task."""

BUCKETS_KEPT: Final = 12
"""Buckets of the finest width that are kept for all jobs together: two minutes."""

DURATION_BOUNDS_S: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)
"""Upper bounds of the classic histograms, in seconds; above the last one there is one more bucket."""


LATEST_ENDS: Final = 30
"""Ends of a task by which its health is judged."""

_ALL_LATEST: Final = (1 << LATEST_ENDS) - 1


class TaskFigures(Struct, kw_only=True, gc=False):
    """
    What is known of a task's ends.

    Attributes:
        last_end_ms, last_status: Its latest end and the status there; None before the first.
        last_success_ms: Its latest completion.
        heard_ms: When something of it last ended, or was restored; decides when its series expire.
        spoilt: A bit for each of its `LATEST_ENDS` last ends, the latest the lowest: 1 where it failed or was lost.
        ends: Status -> ends since this process started; the same for durations, by `DURATION_BOUNDS_S`.
    """

    last_end_ms: int | None = None
    last_status: str | None = None
    last_success_ms: int | None = None
    heard_ms: int = 0
    spoilt: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    duration_counts: list[int] = field(default_factory=lambda: [0] * (len(DURATION_BOUNDS_S) + 1))
    duration_sum_us: int = 0

    @property
    def health(self) -> Health:
        """How the task is, as far as its ends tell: the same as `health_of` of them."""
        if self.last_status in (FAILED, LOST):
            return Health.FAILING
        if self.spoilt:
            return Health.SHAKY
        return Health.IDLE if self.last_success_ms is None else Health.HEALTHY

    def add_ends(self, ends: dict[str, int]) -> None:
        """Some more of its jobs have ended; in which order is not known."""
        for status, count in ends.items():
            self.ends[status] = self.ends.get(status, 0) + count
        bad = min(LATEST_ENDS, ends.get(FAILED, 0) + ends.get(LOST, 0))
        good = min(LATEST_ENDS, sum(ends.values()) - bad)
        self.spoilt = ((self.spoilt << bad | (1 << bad) - 1) << good) & _ALL_LATEST


class Recent:
    """
    The book of recent ends. Written by the thread that flushes, read by the same one.

    Attributes:
        actions: How much that people have done was flushed since this process started; a page that was made before the
            latest of it is no longer shown.
    """

    def __init__(self) -> None:
        self.actions = 0
        self.tasks: dict[str, TaskFigures] = {}
        self.buckets: dict[int, Rollup] = {}
        self._classes: dict[int, int] = {}

    def note(self, changes: Changes) -> None:
        """Add what a flush has stored."""
        self.actions += len(changes.audit)
        for (start_ms, task), addition in changes.rollups.items():
            self._note_bucket(start_ms, addition)
            figures = self.figures(task)
            figures.add_ends(addition.ends)
            figures.duration_sum_us += addition.duration_sum_us
            self._count(figures.duration_counts, addition.durations)
        for job in changes.jobs:
            if job.ended_ms is None:
                continue
            figures = self.figures(job.task)
            if figures.last_end_ms is None or job.ended_ms >= figures.last_end_ms:
                figures.last_end_ms, figures.last_status = job.ended_ms, job.status
                figures.heard_ms = job.ended_ms
            if job.status == COMPLETED and job.ended_ms >= (figures.last_success_ms or 0):
                figures.last_success_ms = job.ended_ms

    def figures(self, task: str | None) -> TaskFigures:
        """The figures of a task, made when missing; those of `OTHER` above the limit."""
        name = NO_TASK if task is None else task
        found = self.tasks.get(name)
        if found is None:
            if len(self.tasks) >= PAIRS_MAX:
                name = OTHER
            found = self.tasks.setdefault(name, TaskFigures())
        return found

    def restore(self, task: str | None, last_end_ms: int, last_status: str, last_success_ms: int | None) -> None:
        """Take over what the view knows of a task from before the start, where nothing newer came in meanwhile."""
        figures = self.figures(task)
        if figures.last_end_ms is None:
            figures.last_end_ms, figures.last_status = last_end_ms, last_status
            figures.heard_ms = last_end_ms
        if figures.last_success_ms is None:
            figures.last_success_ms = last_success_ms

    def restore_spoilt(self, task: str, statuses: Sequence[str]) -> None:
        """Take over from the view how a task's latest jobs ended before the start, the newest first."""
        figures = self.figures(task)
        since = min(LATEST_ENDS, sum(figures.ends.values()))
        before = sum(1 << place for place, status in enumerate(statuses) if status in (FAILED, LOST))
        figures.spoilt = (figures.spoilt | before << since) & _ALL_LATEST

    def _note_bucket(self, start_ms: int, addition: Rollup) -> None:
        bucket = self.buckets.get(start_ms)
        if bucket is None:
            if len(self.buckets) >= BUCKETS_KEPT:
                oldest = min(self.buckets)
                if start_ms < oldest:
                    return
                del self.buckets[oldest]
            bucket = self.buckets[start_ms] = Rollup()
        merge_rollup(bucket, addition)

    def _count(self, counts: list[int], durations: Histogram) -> None:
        classes = self._classes
        for bucket, count in durations.items():
            place = classes.get(bucket)
            if place is None:
                place = classes[bucket] = bisect_left(DURATION_BOUNDS_S, middle_us(bucket) / 1e6)
            counts[place] += count
