"""
Deleting what is no longer kept, in small steps within the flushes.

What is gone is decided by the cutoffs alone, and no answer shows it from then on; the steps only give back the room. A sweep
goes over the numbers of the jobs from the first one to those that are younger than the cutoffs. What one sweep has left
(failures that are kept longer, jobs that were still active) is little, so each one begins at the first number again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import apsw

from jobsight.core.kept import Kept, is_gone, rollups_kept_from_ms
from jobsight.core.rollup import WIDTHS_S
from jobsight.view.words import Words

SWEEP_ROWS: Final = 500
"""Rows that a flush looks at beside as many as it has added, so that deleting keeps up with adding."""

SWEEP_TASKS: Final = 50
"""Tasks whose roll-ups a flush looks at."""

VACUUM_PAGES: Final = 128
"""Pages that a flush gives back to the file system (4 KB each)."""

FREE_PAGES_KEPT: Final = 512
"""Free pages that stay in the file for what comes next."""

# Up to which cutoffs everything is kept, and where the sweep is.
SELECT_KEPT: Final = """
SELECT completed_from_ms, other_from_ms, kept_as_of_ms, retained, sweep_next, swept_ms FROM applied
"""

# The same after a flush.
UPDATE_KEPT: Final = """
UPDATE applied SET completed_from_ms = ?, other_from_ms = ?, kept_as_of_ms = ?, retained = ?, sweep_next = ?, swept_ms = ?
"""

# The next jobs of a sweep: (from number, rows).
SELECT_SWEEP: Final = """
SELECT number, created_ms, status, updated_ms - ended_before_ms FROM jobs WHERE number >= ? ORDER BY number LIMIT ?
"""

# Jobs that are gone, and what was moved out of their rows.
DELETE_JOB: Final = "DELETE FROM jobs WHERE number = ?"
DELETE_HISTORY: Final = "DELETE FROM history WHERE number = ?"

# The next task with buckets of a width: (width, task).
SELECT_NEXT_TASK: Final = "SELECT task FROM rollups WHERE width_s = ? AND task > ? ORDER BY task LIMIT 1"

# Old buckets of a task: (width, task, before, rows).
SELECT_OLD_ROLLUPS: Final = "SELECT bucket_ms FROM rollups WHERE width_s = ? AND task = ? AND bucket_ms < ? LIMIT ?"

# One bucket: (width, task, start).
DELETE_ROLLUP: Final = "DELETE FROM rollups WHERE width_s = ? AND task = ? AND bucket_ms = ?"

# Free pages are given back, one a step.
VACUUM: Final = f"PRAGMA incremental_vacuum({VACUUM_PAGES})"

_BEFORE_ALL: Final = -1
"""Sorts before every task of a roll-up."""


class Sweep:
    """
    The writer's side of retention: what is kept, and how far the deletion has come.

    `forget` after a transaction that was rolled back.
    """

    def __init__(self, connection: apsw.Connection, words: Words) -> None:
        self._connection = connection
        self._words = words
        self.kept = Kept()
        self._retained = 0
        self._next: int | None = None
        self._swept_ms = 0
        self._rollups = RollupSweep(connection)
        self._vacuums = True
        self._is_stale = False
        self._load()

    def forget(self) -> None:
        """The transaction was rolled back: begin with what is stored."""
        self._is_stale = True
        self._rollups.forget()

    def _load(self) -> None:
        self._is_stale = False
        row = self._connection.execute(SELECT_KEPT).fetchone()
        if row is None:
            return
        completed_ms, other_ms, as_of_ms, self._retained, self._next, self._swept_ms = cast("tuple[Any, ...]", row)
        self.kept = Kept(completed_from_ms=completed_ms, other_from_ms=other_ms, as_of_ms=as_of_ms)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to delete or to give back, as far as the flushed cutoffs say."""
        return (
            not self._is_stale and self._is_swept() and self._rollups.is_done(self.kept.as_of_ms) and not self._vacuums
        )

    def step(self, kept: Kept, added: int) -> bool:
        """
        Go on a little, inside the transaction of a flush.

        Args:
            kept: As of the flush.
            added: Jobs that the flush has stored for the first time.

        Returns:
            Whether roll-ups were deleted.
        """
        if self._is_stale:
            self._load()
        if kept == self.kept and self.is_done and not added:
            return False
        self.kept = kept
        self._retained += added
        if self._is_swept():
            deleted_rollups = self._rollups.step(kept.as_of_ms)
        else:
            deleted_rollups = 0
            self._sweep_jobs(SWEEP_ROWS + added)
        self._vacuums = self._is_swept() and self._give_back()
        self._connection.execute(
            UPDATE_KEPT,
            (kept.completed_from_ms, kept.other_from_ms, kept.as_of_ms, self._retained, self._next, self._swept_ms),
        )
        return deleted_rollups > 0

    def _is_swept(self) -> bool:
        return self._next is None and self._swept_ms == self.kept.completed_from_ms + self.kept.other_from_ms

    def _sweep_jobs(self, rows_max: int) -> None:
        kept, text = self.kept, self._words.text
        if self._next is None:
            self._next, self._swept_ms = 1, kept.completed_from_ms + kept.other_from_ms
        rows = cast(
            "Sequence[tuple[int, int, Any, int | None]]",
            self._connection.execute(SELECT_SWEEP, (self._next, rows_max)).fetchall(),
        )
        gone = [(number,) for number, _, status, ended_ms in rows if is_gone(kept, text(status) or "", ended_ms)]
        self._connection.executemany(DELETE_JOB, gone)
        self._connection.executemany(DELETE_HISTORY, gone)
        self._retained -= len(gone)
        is_last = len(rows) < rows_max or rows[-1][1] >= kept.latest_ms
        self._next = None if is_last else rows[-1][0] + 1

    def _give_back(self) -> bool:
        """Give some free pages back; whether there are more of them."""
        free = cast("int", self._connection.pragma("freelist_count"))
        if free <= FREE_PAGES_KEPT:
            return False
        self._connection.execute(VACUUM).fetchall()  # to the end: each step gives back one page
        return free - VACUUM_PAGES > FREE_PAGES_KEPT


class RollupSweep:
    """Deletes buckets that are older than their width is kept, task by task."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._as_of_ms = 0
        self._widths: list[int] = []
        self._task: Any = _BEFORE_ALL

    def forget(self) -> None:
        """Begin again."""
        self._as_of_ms, self._widths, self._task = 0, [], _BEFORE_ALL

    def is_done(self, as_of_ms: int) -> bool:
        """Whether nothing is left that is older than it should be."""
        return self._as_of_ms == as_of_ms and not self._widths

    def step(self, as_of_ms: int) -> int:
        """Go on a little, inside a transaction; answers how many buckets were deleted."""
        if not self._widths and self._as_of_ms != as_of_ms:
            self._as_of_ms = as_of_ms
            self._widths = [width_s for width_s in WIDTHS_S if rollups_kept_from_ms(width_s, as_of_ms)]
            self._task = _BEFORE_ALL
        left = SWEEP_ROWS
        for _ in range(SWEEP_TASKS):
            if not self._widths or left <= 0:
                break
            left -= self._step(self._widths[0], left)
        return SWEEP_ROWS - left

    def _step(self, width_s: int, rows_max: int) -> int:
        """Delete old buckets of the next task; one with more than that is the next one again."""
        task = self._connection.execute(SELECT_NEXT_TASK, (width_s, self._task)).get
        if task is None:
            del self._widths[0]
            self._task = _BEFORE_ALL
            return 0
        before_ms = rollups_kept_from_ms(width_s, self._as_of_ms)
        starts = self._connection.execute(SELECT_OLD_ROLLUPS, (width_s, task, before_ms, rows_max)).fetchall()
        self._connection.executemany(DELETE_ROLLUP, [(width_s, task, start_ms) for (start_ms,) in starts])
        if len(starts) < rows_max:
            self._task = task
        return len(starts)
