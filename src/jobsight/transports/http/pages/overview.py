"""`/`: is anything wrong, what, since when, whose; and how it goes at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct

from jobsight.core.health import Health
from jobsight.core.job import COMPLETED, FAILED, LOST, QUEUED, RETRYING, RUNNING
from jobsight.transports.http.asking import Source
from jobsight.transports.http.pages.attention import ROWS_MAX, AttentionRow, attention_rows
from jobsight.transports.http.pages.columns import Column, Range
from jobsight.transports.http.pages.glances import glances
from jobsight.transports.http.pages.happenings import Happening, happenings
from jobsight.transports.http.pages.site import Ground, Page, Wanted
from jobsight.transports.http.pages.task_rows import TaskRow, task_rows

DAY_MS: Final = 86_400_000
TASKS_SHOWN: Final = 15
_UNTROUBLED: Final = (Health.HEALTHY, Health.SHAKY, Health.IDLE)


class OverviewParameters(Struct, frozen=True, kw_only=True):
    """Of the overview: the range of its charts, and whether they are shown as a table."""

    range: Range = "1h"
    table: Annotated[bool, Meta(description="The charts as a table.")] = False


class Now(Struct, frozen=True, kw_only=True):
    """
    How it goes.

    Attributes:
        running, queued, retrying: Jobs that stand there.
        completed, failed: Ends of the last 24 h, lost jobs among the failed ones; `failure_rate` their share, 0 to 1;
            `rate_before` the same over the 24 h before.
        oldest_queued_ms: When the job that waits for longest was first heard of, ms UTC.
    """

    running: int
    queued: int
    retrying: int
    completed: int
    failed: int
    failure_rate: float | None
    rate_before: float | None
    oldest_queued_ms: int | None


class Overview(Struct, frozen=True, kw_only=True):
    """
    The overview, as its template shows it.

    Attributes:
        is_new: Nothing has reported yet.
        attention: Open alerts; `attention_total` of them there are.
        others: Tasks that are neither failing nor late: the word of their health, and how many; `tasks_total` with those.
        table: The columns of the charts, where they are wanted as a table.
    """

    is_new: bool
    attention: list[AttentionRow]
    attention_total: int
    others: list[tuple[str, int]]
    tasks_total: int
    now: Now
    happenings: list[Happening]
    tasks: list[TaskRow]
    range: str
    table: list[Column] | None
    width_s: int


def look(ground: Ground, wanted: Wanted) -> Callable[[Source], Overview]:
    """Take what the state knows; the view adds the day's ends, the latest jobs and what has happened."""
    state, query = ground.state, wanted.query
    counts = dict(state.counters.statuses)
    is_new = state.jobs_total == 0 and not state.checks
    placed = ground.standing.all(state, ground.recent)
    total = len(placed)
    worst = glances(ground, [one[3] for one in placed[:TASKS_SHOWN]])
    attention = attention_rows(state.open_by_id.values(), ROWS_MAX)
    attention_total, standing = len(state.open_by_id), Counter(one[0] for one in placed)

    def finish(source: Source) -> Overview:
        at_ms = wanted.at_ms
        columns = None
        if query.table:
            columns = [one.column for one in ground.columns.of(source.view, query.range, None, at_ms)]
        return Overview(
            is_new=is_new,
            attention=attention,
            attention_total=attention_total,
            others=[(health.word, standing[health]) for health in _UNTROUBLED if standing[health]],
            tasks_total=total,
            now=_now(source, counts, at_ms),
            happenings=happenings(source.view),
            tasks=task_rows(source.view, ground.paces, worst, at_ms),
            range=query.range,
            table=columns,
            width_s=0 if not columns else (columns[1].at_ms - columns[0].at_ms) // 1000,
        )

    return finish


def _now(source: Source, counts: dict[str, int], at_ms: int) -> Now:
    day = source.view.ended(at_ms - DAY_MS)
    before = source.view.ended(at_ms - 2 * DAY_MS, at_ms - DAY_MS)
    return Now(
        running=counts.get(RUNNING, 0),
        queued=counts.get(QUEUED, 0),
        retrying=counts.get(RETRYING, 0),
        completed=day.get(COMPLETED, 0),
        failed=_bad(day),
        failure_rate=_failure_rate(day),
        rate_before=_failure_rate(before),
        oldest_queued_ms=source.view.oldest_in(QUEUED),
    )


def _bad(ended: Mapping[str, int]) -> int:
    return ended.get(FAILED, 0) + ended.get(LOST, 0)


def _failure_rate(ended: Mapping[str, int]) -> float | None:
    judged = _bad(ended) + ended.get(COMPLETED, 0)
    return _bad(ended) / judged if judged else None


OVERVIEW: Final = Page(path="/", template="overview.html", section="overview", look=look, parameters=OverviewParameters)
