"""The stored roll-ups: additions of the finest width are merged into the buckets of every width."""

from __future__ import annotations

from typing import Final

import apsw
import msgspec
from msgspec import Struct

from jobsight.core.histogram import Histogram
from jobsight.core.kept import rollups_kept_from_ms
from jobsight.core.rollup import WIDTHS_S, MeasureSum, Rollup, RollupKey, bucket_start_ms, merge_rollup

ALL_JOBS: Final = 0
"""Stands for all jobs where a task's name would stand."""

WITHOUT_TASK: Final = 1
"""Stands for the jobs without a task where a task's name would stand."""

CACHED_SIZE_MAX: Final = 400_000
"""
Buckets kept decoded between flushes, by the lengths of their histograms: those that are open now, of some thousand tasks.
Each duration takes some 70 bytes. A bucket that is not cached is read and decoded anew with each flush that touches it.
"""

BUCKET_SIZE: Final = 10
"""What a bucket takes beside its histogram, in the same unit."""

# One bucket.
SELECT_ROLLUP: Final = "SELECT content FROM rollups WHERE width_s = ? AND task = ? AND bucket_ms = ?"

# A bucket as it is now.
REPLACE_ROLLUP: Final = "INSERT OR REPLACE INTO rollups (width_s, task, bucket_ms, content) VALUES (?, ?, ?, ?)"

Scope = str | int
"""A task's name, `ALL_JOBS` or `WITHOUT_TASK`."""

_Key = tuple[int, Scope, int]


class _Content(Struct, array_like=True, gc=False):
    """A roll-up as it is stored; the sum is decimal text since it may pass 64 bits."""

    ends: dict[str, int]
    duration_count: int
    duration_sum_us: str
    duration_max_us: int
    durations: Histogram
    measures: dict[str, tuple[int, float, float]]  # count, sum, maximum


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Content).decode


def encode_rollup(rollup: Rollup) -> bytes:
    """A roll-up as the bytes that are stored."""
    return _encode(
        _Content(
            rollup.ends,
            rollup.duration_count,
            str(rollup.duration_sum_us),
            rollup.duration_max_us,
            rollup.durations,
            {name: (one.count, one.sum, one.max) for name, one in rollup.measures.items()},
        )
    )


def decode_rollup(content: bytes) -> Rollup:
    """The roll-up of stored bytes."""
    stored = _decode(content)
    return Rollup(
        ends=stored.ends,
        duration_count=stored.duration_count,
        duration_sum_us=int(stored.duration_sum_us),
        duration_max_us=stored.duration_max_us,
        durations=stored.durations,
        measures={name: MeasureSum(*sums) for name, sums in stored.measures.items()},
    )


class RollupStore:
    """The writer's side of the table: merges in memory, writes what a transaction has touched."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._cached: dict[_Key, tuple[Rollup, int]] = {}
        self._size = 0

    def merge(self, additions: dict[RollupKey, Rollup], as_of_ms: int = 0) -> None:
        """
        Add to the stored buckets of all widths, of the task and of all jobs. Inside a transaction.

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
            self._merge(touched, start_ms, WITHOUT_TASK if task is None else task, addition, kept_from_ms)
        for start_ms, addition in of_all.items():
            self._merge(touched, start_ms, ALL_JOBS, addition, kept_from_ms)
        rows = [(*key, encode_rollup(touched[key])) for key in sorted(touched, key=_order)]
        self._connection.executemany(REPLACE_ROLLUP, rows)
        self._keep(touched)

    def forget(self) -> None:
        """The transaction was rolled back, or something was deleted: what is cached is not what is stored."""
        self._cached.clear()
        self._size = 0

    def _merge(
        self,
        touched: dict[_Key, Rollup],
        start_ms: int,
        scope: Scope,
        addition: Rollup,
        kept_from_ms: list[tuple[int, int]],
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


def _order(key: _Key) -> tuple[int, bool, Scope, int]:
    """The order of the table: numbers before names."""
    return key[0], isinstance(key[1], str), key[1], key[2]
