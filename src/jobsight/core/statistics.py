"""
Statistics by job: each job counts once, by the status in which it stands.

Durations are summed in whole microseconds, so the mean is exact however often jobs leave and return.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from jobsight.core.limits import OTHER, PAIRS_MAX, STATUS_WORDS_MAX

NAMED_STATUSES: Final = frozenset({"queued", "running", "retrying", "completed", "failed", "cancelled", "lost"})
"""The statuses with a meaning. They are counted by name among however many other words."""


@dataclass(slots=True, kw_only=True)
class Counters:
    """
    How many jobs stand in each status, and the durations of those that stand completed. With slots as `Job`, for speed.

    Attributes:
        statuses: Status word -> number of jobs; no zeros are kept out, none are negative.
        duration_sum_us: Sum over `duration_count` known durations, in microseconds.
    """

    statuses: dict[str, int] = field(default_factory=dict)
    duration_sum_us: int = 0
    duration_count: int = 0


@dataclass(slots=True, kw_only=True)
class PairCounters(Counters):
    """The counters of one (task, queue). `is_dirty` until they were flushed to the view."""

    task: str | None
    queue: str | None
    is_dirty: bool = False


class Totals(Struct, frozen=True, kw_only=True):
    """What `get_stats` answers; `avg_duration_ms` is an int where the mean is one."""

    total: int
    completed: int
    failed: int
    avg_duration_ms: float


def duration_us(duration_ms: float) -> int:
    """A duration in whole microseconds, exact for what is given to the microsecond."""
    whole_ms = int(duration_ms)  # apart from the rest: a large float times 1000 is no longer exact
    return whole_ms * 1000 if whole_ms == duration_ms else whole_ms * 1000 + round((duration_ms - whole_ms) * 1000)


def mean_ms(sum_us: int, count: int) -> float:
    """The correctly rounded mean in milliseconds; an int where it is a whole number, 0 for no durations."""
    if count == 0:
        return 0
    whole, rest = divmod(sum_us, count * 1000)
    return sum_us / (count * 1000) if rest else whole


def totals_of(counters: Iterable[Counters]) -> Totals:
    """The totals over several sets of counters that share no job."""
    total = completed = failed = sum_us = count = 0
    for one in counters:
        total += sum(one.statuses.values())
        completed += one.statuses.get("completed", 0)
        failed += one.statuses.get("failed", 0)
        sum_us += one.duration_sum_us
        count += one.duration_count
    return Totals(total=total, completed=completed, failed=failed, avg_duration_ms=mean_ms(sum_us, count))


def status_word(statuses: dict[str, int], word: str) -> str:
    """The word under which a status is counted: itself, or `OTHER` for a word without a meaning among too many others."""
    if word in statuses or len(statuses) < STATUS_WORDS_MAX or word in NAMED_STATUSES:
        return word
    return OTHER


def pair_for(
    pairs: dict[tuple[str | None, str | None], PairCounters], task: str | None, queue: str | None
) -> PairCounters:
    """The counters of a (task, queue), made when missing; those of `OTHER` above the limit."""
    found = pairs.get((task, queue))
    if found is None:
        if len(pairs) >= PAIRS_MAX:
            task = queue = OTHER
        found = pairs.get((task, queue))
        if found is None:
            found = pairs[(task, queue)] = PairCounters(task=task, queue=queue)
    return found
