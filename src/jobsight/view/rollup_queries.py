"""What ended, over time: the part of a reader that answers from the stored roll-ups."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from typing import Final

import apsw
from msgspec import json

from jobsight.core.kept import Kept, kept_bucket_start_ms, rollups_kept_from_ms
from jobsight.core.rollup import WIDTHS_S, Rollup, bucket_start_ms, merge_rollup
from jobsight.view.answers import SeriesPoint
from jobsight.view.ranges import END_MS, Stretch, round_up_ms, stretches
from jobsight.view.rollup_content import decode_ends, decode_rollup, encode_rollup
from jobsight.view.watermarks import ALL_JOBS, FINEST_S, WITHOUT_TASK, Scope

# Buckets of one width: (width, task, from, until).
SELECT_ROLLUPS: Final = """
SELECT bucket_ms, content FROM rollups
WHERE width_s = ? AND task = ? AND bucket_ms >= ? AND bucket_ms < ? ORDER BY bucket_ms
"""

# The same, the latest first.
SELECT_LATEST_ROLLUPS: Final = """
SELECT bucket_ms, content FROM rollups
WHERE width_s = ? AND task = ? AND bucket_ms >= ? AND bucket_ms < ? ORDER BY bucket_ms DESC
"""

# Those of the finest buckets that coarser ones do not hold yet: (finest width, task, from, until).
SELECT_WAITING: Final = """
SELECT bucket_ms, content FROM rollups
WHERE width_s = ?1 AND task = ?2 AND bucket_ms < ?4
    AND bucket_ms >= max(?3, (SELECT upto_ms FROM rollup_watermarks WHERE task = ?2)) ORDER BY bucket_ms
"""

# The same of some tasks: (width, their names as JSON, from, until).
SELECT_ROLLUPS_OF: Final = """
SELECT task, content FROM json_each(?2) CROSS JOIN rollups
    ON width_s = ?1 AND task = value AND bucket_ms >= ?3 AND bucket_ms < ?4
"""
SELECT_WAITING_OF: Final = """
SELECT task, content FROM json_each(?2) CROSS JOIN rollups
    ON width_s = ?1 AND task = value AND bucket_ms < ?4
    AND bucket_ms >= max(?3, (SELECT upto_ms FROM rollup_watermarks WHERE task = value))
"""

StoredBucket = tuple[int, bytes]
"""Start in ms UTC, and what is stored: equal bytes mean equal figures. `sum_of` and `rollup_content` read them."""

LatestEnds = tuple[int, dict[str, int]]
"""Start of a bucket in ms UTC, and how many jobs ended there in which status."""


class RollupQueries:
    """The part of a reader that answers these; the reader lends its connection, and one moment of the view for each call."""

    _connection: apsw.Connection

    @abstractmethod
    def _moment(self) -> AbstractContextManager[None]:
        """One moment of the view for all that is read inside."""

    @abstractmethod
    def _kept(self) -> Kept:
        """From when on things are kept."""

    def rollup_series(
        self, width_s: int, since_ms: int, until_ms: int, task: str | None = None, *, has_task: bool = True
    ) -> list[SeriesPoint]:
        """
        Buckets in which something ended, oldest first.

        Args:
            width_s: One of `core.rollup.WIDTHS_S`.
            since_ms, until_ms: Buckets from that of `since_ms` to before `until_ms`, ms UTC.
            task: A task's name; None for all jobs.
            has_task: False asks for the jobs without a task.
        """
        stored = self.stored_series(width_s, since_ms, until_ms, task, has_task=has_task)
        return [SeriesPoint(bucket_ms=start, rollup=decode_rollup(content)) for start, content in stored]

    def stored_series(
        self, width_s: int, since_ms: int, until_ms: int, task: str | None = None, *, has_task: bool = True
    ) -> list[StoredBucket]:
        """The buckets of `rollup_series` as they are stored, for whoever remembers what came of them."""
        scope = scope_of(task, has_task)
        with self._moment():
            kept_from_ms = rollups_kept_from_ms(width_s, self._kept().as_of_ms)
            start_ms = max(bucket_start_ms(since_ms, width_s), kept_from_ms)
            stored = list(self._buckets(width_s, scope, start_ms, until_ms))
            if width_s == FINEST_S:
                return stored
            # The last bucket begins before `until_ms`, and is whole.
            return _with_waiting(stored, self._waiting(scope, start_ms, round_up_ms(until_ms, width_s)), width_s)

    def latest_ends(
        self, since_ms: int, task: str | None = None, *, has_task: bool = True, status: str | None = None
    ) -> LatestEnds | None:
        """
        The latest of the finest buckets in which something ended; a coarser one where finer ones are kept no longer.

        Args:
            since_ms: Days from that of `since_ms`, ms UTC.
            task, has_task: As in `rollup_series`.
            status: Only buckets in which a job ended so.
        """
        scope, until_ms = scope_of(task, has_task), END_MS
        latest: LatestEnds | None = None
        with self._moment():
            # What waits to be added to coarser buckets is later than what is in them.
            waiting = self._waiting(scope, bucket_start_ms(since_ms, WIDTHS_S[-1]), until_ms)
            latest = _latest_of(reversed(list(waiting)), status)
            if latest is not None:
                return latest
            as_of_ms = self._kept().as_of_ms
            for width_s in reversed(WIDTHS_S):
                start_ms = max(bucket_start_ms(since_ms, width_s), rollups_kept_from_ms(width_s, as_of_ms))
                finer = self._latest_ends((width_s, scope, start_ms, until_ms), status)
                if finer is None:
                    break
                latest = finer
                since_ms, until_ms = finer[0], finer[0] + width_s * 1000
        return latest

    def _latest_ends(self, stretch: tuple[int, Scope, int, int], status: str | None) -> LatestEnds | None:
        return _latest_of(self._connection.execute(SELECT_LATEST_ROLLUPS, stretch), status)

    def rollup_sum(
        self, since_ms: int, until_ms: int | None = None, task: str | None = None, *, has_task: bool = True
    ) -> Rollup:
        """
        All that ended within a range, from as few buckets as cover it exactly.

        Args:
            since_ms, until_ms: Rounded down to the finest bucket that is still kept, ms UTC; None for no end.
            task, has_task: As in `rollup_series`.
        """
        with self._moment():
            return sum_of(self._contents(since_ms, until_ms, scope_of(task, has_task)))

    def stored_sums(self, since_ms: int, tasks: Sequence[str]) -> dict[str, list[bytes]]:
        """For each task the buckets, as they are stored, whose sum is all that ended since a moment (ms UTC)."""
        contents: dict[str, list[bytes]] = {task: [] for task in tasks}
        some = json.encode(tasks).decode()
        with self._moment():
            covering, coarse = self._cover(since_ms, None)
            for stretch in covering:
                span = (stretch.since_ms, stretch.until_ms)
                for task, content in self._connection.execute(SELECT_ROLLUPS_OF, (stretch.width_s, some, *span)):
                    contents[task].append(content)
            for task, content in self._connection.execute(SELECT_WAITING_OF, (FINEST_S, some, *coarse)):
                contents[task].append(content)
        return contents

    def _contents(self, since_ms: int, until_ms: int | None, scope: Scope) -> list[bytes]:
        """The buckets, as they are stored, whose sum is all that ended within a range."""
        covering, coarse = self._cover(since_ms, until_ms)
        buckets = [self._buckets(one.width_s, scope, one.since_ms, one.until_ms) for one in covering]
        return [content for _, content in chain(*buckets, self._waiting(scope, *coarse))]

    def _cover(self, since_ms: int, until_ms: int | None) -> tuple[list[Stretch], tuple[int, int]]:
        """The buckets that cover a range, and which part of it the coarser ones among them cover."""
        as_of_ms = self._kept().as_of_ms
        since_ms = kept_bucket_start_ms(since_ms, as_of_ms)
        until_ms = None if until_ms is None else kept_bucket_start_ms(until_ms, as_of_ms)
        covering = stretches(since_ms, until_ms)
        coarse = [stretch for stretch in covering if stretch.width_s != FINEST_S]
        # They follow each other; what is finer lies before and after them.
        return covering, (coarse[0].since_ms, coarse[-1].until_ms) if coarse else (0, 0)

    def _buckets(self, width_s: int, scope: Scope, since_ms: int, until_ms: int) -> Iterator[StoredBucket]:
        return self._connection.execute(SELECT_ROLLUPS, (width_s, scope, since_ms, until_ms))

    def _waiting(self, scope: Scope, since_ms: int, until_ms: int) -> Iterator[StoredBucket]:
        return self._connection.execute(SELECT_WAITING, (FINEST_S, scope, since_ms, until_ms))


def sum_of(contents: Sequence[bytes]) -> Rollup:
    """The sum of stored buckets."""
    total = Rollup()
    for content in contents:
        merge_rollup(total, decode_rollup(content))
    return total


def scope_of(task: str | None, has_task: bool) -> Scope:
    """What stands in a stored row in the place of a task's name."""
    if not has_task:
        return WITHOUT_TASK
    return ALL_JOBS if task is None else task


def _with_waiting(stored: list[StoredBucket], waiting: Iterator[StoredBucket], width_s: int) -> list[StoredBucket]:
    """The buckets of a width with what waits to be added to them."""
    parts: dict[int, list[bytes]] = {}
    for start_ms, content in waiting:
        parts.setdefault(bucket_start_ms(start_ms, width_s), []).append(content)
    if not parts:
        return stored
    whole = dict(stored)
    for start_ms, contents in parts.items():
        if start_ms in whole:
            contents.append(whole[start_ms])
        whole[start_ms] = contents[0] if len(contents) == 1 else encode_rollup(sum_of(contents))
    return sorted(whole.items())


def _latest_of(buckets: Iterable[StoredBucket], status: str | None) -> LatestEnds | None:
    """The first of the buckets, the latest first, in which a job ended so."""
    for bucket_ms, content in buckets:
        ends = decode_ends(content)
        if ends and (status is None or status in ends):
            return bucket_ms, ends
    return None
