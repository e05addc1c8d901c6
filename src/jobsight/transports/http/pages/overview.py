"""`/`: is anything wrong, what, since when, whose; and how it goes at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from jobsight.core.job import COMPLETED, FAILED, LOST, QUEUED, RETRYING, RUNNING
from jobsight.core.rollup import Rollup
from jobsight.transports.http.asking import Source
from jobsight.transports.http.pages.site import Ground, Page, Wanted

DAY_MS: Final = 86_400_000


class Now(Struct, frozen=True, kw_only=True):
    """
    How it goes.

    Attributes:
        running, queued, retrying, jobs_total: Jobs.
        completed, failed: Ends of the last 24 h, lost jobs among the failed ones; `failure_rate` their share, 0 to 1.
    """

    running: int
    queued: int
    retrying: int
    jobs_total: int
    completed: int
    failed: int
    failure_rate: float | None


class Overview(Struct, frozen=True, kw_only=True):
    """The overview, as its template shows it."""

    now: Now


def look(ground: Ground, wanted: Wanted) -> Callable[[Source], Overview]:
    """Take what the state knows."""
    counts = dict(ground.state.counters.statuses)
    jobs_total = ground.state.jobs_total

    def finish(source: Source) -> Overview:
        day = source.view.rollup_sum(wanted.at_ms - DAY_MS)
        return Overview(now=_now(counts, jobs_total, day))

    return finish


def _now(counts: dict[str, int], jobs_total: int, day: Rollup) -> Now:
    completed, failed = day.ends.get(COMPLETED, 0), day.ends.get(FAILED, 0) + day.ends.get(LOST, 0)
    return Now(
        running=counts.get(RUNNING, 0),
        queued=counts.get(QUEUED, 0),
        retrying=counts.get(RETRYING, 0),
        jobs_total=jobs_total,
        completed=completed,
        failed=failed,
        failure_rate=failed / (completed + failed) if completed + failed else None,
    )


OVERVIEW: Final = Page(path="/", template="overview.html", section="overview", look=look)
