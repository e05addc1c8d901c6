"""
Up to where the coarser roll-ups of a task hold what the finest ones hold.

A report is added to its ten-second bucket at once, and to the coarser buckets when that one is over: otherwise three of four rows
of a flush were coarse buckets, written anew for one more report. What still waits is added by whoever reads: see `rollup_queries`.
The mark of a task is stored in the same transaction as the buckets that wait beyond it, so a kill at any moment leaves nothing
out and counts nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, cast

import apsw

from jobsight.core.rollup import WIDTHS_S

FINEST_S: Final = WIDTHS_S[0]
"""The width of the buckets that wait, in seconds."""

ALL_JOBS: Final = 0
"""Stands for all jobs where a task's name would stand."""

WITHOUT_TASK: Final = 1
"""Stands for the jobs without a task where a task's name would stand."""

Scope = str | int
"""A task's name, `ALL_JOBS` or `WITHOUT_TASK`."""

# Every mark with each of the finest buckets that wait beyond it: (finest width).
SELECT_WAITING: Final = """
SELECT rollup_watermarks.task, upto_ms, bucket_ms FROM rollup_watermarks
LEFT JOIN rollups ON width_s = ? AND rollups.task = rollup_watermarks.task AND bucket_ms >= upto_ms
"""

# The latest bucket of a task: (width, task).
SELECT_LATEST: Final = "SELECT max(bucket_ms) FROM rollups WHERE width_s = ? AND task = ?"

# A mark as it is now.
REPLACE_WATERMARK: Final = "INSERT OR REPLACE INTO rollup_watermarks (task, upto_ms) VALUES (?, ?)"

# Nothing waits any more.
DELETE_WATERMARK: Final = "DELETE FROM rollup_watermarks WHERE task = ?"


class Watermarks:
    """The writer's side of the marks. All inside of transactions; `forget` after one that was rolled back."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._upto_ms: dict[Scope, int] = {}
        self._waiting: dict[Scope, set[int]] | None = None
        self._waiting_from_ms = 0
        self._changed: set[Scope] = set()

    def forget(self) -> None:
        """Begin with what is stored."""
        self._upto_ms, self._waiting = {}, None
        self._changed.clear()

    def upto_ms(self, scope: Scope) -> int:
        """What starts before, is added to the buckets of all widths; ms UTC."""
        found = self._upto_ms.get(scope)
        if found is None:
            self._load()
            found = self._upto_ms.get(scope)
        if found is None:
            latest_ms = cast("int | None", self._connection.execute(SELECT_LATEST, (FINEST_S, scope)).get)
            found = self._upto_ms[scope] = 0 if latest_ms is None else latest_ms + FINEST_S * 1000
        return found

    def wait(self, scope: Scope, start_ms: int) -> None:
        """Something was added to a bucket at or after the mark, and to that one only."""
        waiting = self._load()
        starts = waiting.get(scope)
        if starts is None:
            starts = waiting[scope] = set()
            self._changed.add(scope)
        starts.add(start_ms)
        if start_ms < self._waiting_from_ms:
            self._waiting_from_ms = start_ms

    def is_waiting(self, scope: Scope, before_ms: int) -> bool:
        """Whether one of its finest buckets that starts before a moment waits."""
        return any(start_ms < before_ms for start_ms in self._load().get(scope, ()))

    def over(self, upto_ms: int, kept_from_ms: int, scopes_max: int) -> Iterator[tuple[Scope, list[int]]]:
        """
        Move marks, and answer which buckets wait no longer: they are to be added to the coarser ones.

        Args:
            upto_ms: The new mark, the start of one of the finest buckets.
            kept_from_ms: What starts before goes in any case, of whatever scope: the finest buckets are soon deleted.
            scopes_max: So many scopes are looked at, those first whose turn was longest ago.
        """
        waiting = self._load()
        if self._waiting_from_ms < kept_from_ms:
            upto_ms, scopes_max = max(upto_ms, kept_from_ms), len(waiting)
        for scope in list(islice(waiting, scopes_max)):
            starts = waiting.pop(scope)
            over = [start_ms for start_ms in starts if start_ms < upto_ms]
            starts.difference_update(over)
            if starts:
                waiting[scope] = starts
            if over:
                self._upto_ms[scope] = max(self._upto_ms[scope], upto_ms)
                self._changed.add(scope)
                yield scope, over
        if self._waiting_from_ms < kept_from_ms:
            self._waiting_from_ms = _earliest(waiting.values())

    def write(self) -> None:
        """Store the marks that were moved or are new."""
        waiting = self._load()
        changed = [(scope, self._upto_ms[scope], scope in waiting) for scope in self._changed]
        self._connection.executemany(
            REPLACE_WATERMARK, [(scope, upto_ms) for scope, upto_ms, is_in in changed if is_in]
        )
        self._connection.executemany(DELETE_WATERMARK, [(scope,) for scope, _, is_in in changed if not is_in])
        self._changed.clear()

    def _load(self) -> dict[Scope, set[int]]:
        if self._waiting is None:
            waiting: dict[Scope, set[int]] = {}
            for scope, upto_ms, start_ms in self._connection.execute(SELECT_WAITING, (FINEST_S,)):
                self._upto_ms[scope] = upto_ms
                if start_ms is not None:
                    waiting.setdefault(scope, set()).add(start_ms)
            self._waiting, self._waiting_from_ms = waiting, _earliest(waiting.values())
        return self._waiting


def _earliest(waiting: Iterable[set[int]]) -> int:
    return min(map(min, waiting), default=1 << 62)
