"""
The stored roll-ups: additions are merged into the finest buckets, and those that are over into the coarser ones.

A bucket that still fills is stored as it stands in memory, which is cheap to write. Once it is over, and holds many different
durations, it is stored once more in order, which is cheap to ask: see `rollup_content`.
"""

from __future__ import annotations

from typing import Final

import apsw

from jobsight.core.kept import rollups_kept_from_ms
from jobsight.core.rollup import WIDTHS_S, Rollup, RollupKey, bucket_start_ms, merge_rollup
from jobsight.view.rollup_content import decode_rollup, encode_ranked, encode_rollup
from jobsight.view.watermarks import ALL_JOBS, WITHOUT_TASK, Scope, Watermarks

CACHED_SIZE_MAX: Final = 400_000
"""
Buckets kept decoded between flushes, by the lengths of their histograms: those that are open now, of some thousand tasks.
Each duration takes some 70 bytes. A bucket that is not cached is read and decoded anew with each flush that touches it.
"""

BUCKET_SIZE: Final = 10
"""What a bucket takes beside its histogram, in the same unit."""

RANKED_FROM: Final = 64
"""Different durations from which on a bucket that is over is put in order; one with fewer is asked as quickly as it is."""

RANKED_AT_ONCE: Final = 64
"""
Buckets that one flush puts in order, some 70 us each, beside as many as it may have ended by what it adds itself. In a view that
is made anew times lie far apart in each flush: what was left behind there would leave the cache, and never be in order.
"""

ADDED_BEHIND_MS: Final = 10_000
"""The finest buckets are added to the coarser ones so long after they are over: most reports that come late have come by then."""

ADDED_AT_ONCE: Final = 8
"""
Tasks that one flush looks at for buckets to be added to coarser ones, beside an eighth of the buckets that it adds to: those of a
thousand tasks that end at the same moment are spread over some seconds.
"""

# One bucket.
SELECT_ROLLUP: Final = "SELECT content FROM rollups WHERE width_s = ? AND task = ? AND bucket_ms = ?"

# A bucket as it is now.
REPLACE_ROLLUP: Final = "INSERT OR REPLACE INTO rollups (width_s, task, bucket_ms, content) VALUES (?, ?, ?, ?)"

_Key = tuple[int, Scope, int]

_KeptFrom = list[tuple[int, int]]  # widths in seconds, from when on their buckets are kept


class RollupStore:
    """The writer's side of the table: merges in memory, writes what a transaction has touched."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._watermarks = Watermarks(connection)
        self._cached: dict[_Key, tuple[Rollup, int]] = {}
        self._size = 0
        self._over_until_ms = 0

    def merge(self, additions: dict[RollupKey, Rollup], as_of_ms: int = 0) -> None:
        """
        Add to the stored buckets, of the task and of all jobs. Inside a transaction.

        Args:
            additions: Of the finest width, see `core.rollup`.
            as_of_ms: From when the ages of buckets are counted: those that are no longer kept take nothing, see `core.kept`.
        """
        kept_from_ms = [(width_s, rollups_kept_from_ms(width_s, as_of_ms)) for width_s in WIDTHS_S]
        of_all: dict[int, Rollup] = {}
        for (start_ms, _), addition in additions.items():
            merge_rollup(of_all.setdefault(start_ms, Rollup()), addition)
        touched: dict[_Key, Rollup] = {}
        for (start_ms, task), addition in additions.items():
            self._add(touched, start_ms, WITHOUT_TASK if task is None else task, addition, kept_from_ms)
        for start_ms, addition in of_all.items():
            self._add(touched, start_ms, ALL_JOBS, addition, kept_from_ms)
        newest_ms = max(of_all, default=0)
        self._add_what_is_over(touched, newest_ms, kept_from_ms, ADDED_AT_ONCE + len(additions) // 8)
        rows = [(*key, encode_rollup(touched[key])) for key in sorted(touched, key=_order)]
        rows += self._ranked(newest_ms, touched, RANKED_AT_ONCE + _ended_at_most(additions))
        self._connection.executemany(REPLACE_ROLLUP, rows)
        self._watermarks.write()
        self._keep(touched)

    def forget(self) -> None:
        """The transaction was rolled back: nothing of what is remembered need be stored."""
        self.forget_buckets()
        self._watermarks.forget()

    def forget_buckets(self) -> None:
        """Some were deleted: what is cached is not what is stored."""
        self._cached.clear()
        self._size = 0

    def _add(
        self, touched: dict[_Key, Rollup], start_ms: int, scope: Scope, addition: Rollup, kept_from_ms: _KeptFrom
    ) -> None:
        finest = kept_from_ms[0]
        if start_ms < max(finest[1], self._watermarks.upto_ms(scope)):
            self._merge(touched, start_ms, scope, addition, kept_from_ms)
        else:
            self._merge(touched, start_ms, scope, addition, [finest])
            self._watermarks.wait(scope, start_ms)

    def _add_what_is_over(
        self, touched: dict[_Key, Rollup], newest_ms: int, kept_from_ms: _KeptFrom, scopes_max: int
    ) -> None:
        (finest_s, finest_from_ms), *coarser = kept_from_ms
        for scope, starts in self._watermarks.over(newest_ms - ADDED_BEHIND_MS, finest_from_ms, scopes_max):
            for start_ms in starts:
                key = (finest_s, scope, start_ms)
                self._merge(touched, start_ms, scope, touched.get(key) or self._bucket(key), coarser)

    def _merge(
        self, touched: dict[_Key, Rollup], start_ms: int, scope: Scope, addition: Rollup, kept_from_ms: _KeptFrom
    ) -> None:
        for width_s, from_ms in kept_from_ms:
            if start_ms < from_ms:
                continue
            key = (width_s, scope, bucket_start_ms(start_ms, width_s))
            into = touched.get(key)
            if into is None:
                into = touched[key] = self._bucket(key)
            merge_rollup(into, addition)

    def _bucket(self, key: _Key) -> Rollup:
        cached = self._cached.get(key)
        if cached is not None:
            return cached[0]
        content = self._connection.execute(SELECT_ROLLUP, key).get
        return Rollup() if content is None else decode_rollup(content)

    def _ranked(
        self, newest_ms: int, touched: dict[_Key, Rollup], rows_max: int
    ) -> list[tuple[int, Scope, int, bytes]]:
        """
        Rows of buckets that are over, in order. They leave the cache; one to which something is added late is begun again.

        Args:
            newest_ms: Start of the latest of the finest buckets to which something is added: what ended before it is over.
            touched: Buckets to which something was added just now: they wait.
            rows_max: The others are put in order by the next flushes.
        """
        rows: list[tuple[int, Scope, int, bytes]] = []
        if newest_ms <= self._over_until_ms:
            return rows
        cached = self._cached
        for key in [key for key in cached if key[2] + key[0] * 1000 <= newest_ms and key not in touched]:
            if self._watermarks.is_waiting(key[1], key[2] + key[0] * 1000):
                continue  # it is not whole yet, or is to be added to those that are not
            rollup, size = cached[key]
            if len(rollup.durations) >= RANKED_FROM:
                if len(rows) == rows_max:
                    return rows
                rows.append((*key, encode_ranked(rollup)))
            del cached[key]
            self._size -= size
        self._over_until_ms = newest_ms
        return rows

    def _keep(self, touched: dict[_Key, Rollup]) -> None:
        """Remember what was touched, as the latest; those not touched for longest give way."""
        cached = self._cached
        for key, rollup in touched.items():
            before = cached.pop(key, None)
            size = len(rollup.durations) + BUCKET_SIZE
            self._size += size - (0 if before is None else before[1])
            cached[key] = (rollup, size)
        while self._size > CACHED_SIZE_MAX:
            self._size -= cached.pop(next(iter(cached)))[1]


def _ended_at_most(additions: dict[RollupKey, Rollup]) -> int:
    """How many buckets that are to be put in order are filled by additions: of a task, and of all jobs."""
    return 2 * sum(len(addition.durations) for addition in additions.values()) // RANKED_FROM


def _order(key: _Key) -> tuple[int, bool, Scope, int]:
    """The order of the table: numbers before names."""
    return key[0], isinstance(key[1], str), key[1], key[2]
