"""The latest jobs of tasks, in short: what strips of squares and lists of a task are drawn from."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import Any, Final

import apsw
from msgspec import Struct

from jobsight.core.kept import Kept, is_gone
from jobsight.view.words import KnownWords

AMONG_JOBS: Final = 5_000
"""Jobs without a task are looked for among so many of the newest jobs: no index leads to them."""

# The latest jobs of a task, by its index: (task, limit).
SELECT_LATEST: Final = """
SELECT job_id, status, queue, duration_ms, created_ms, created_ms + started_after_ms, updated_ms - ended_before_ms, error
FROM jobs WHERE task = ? ORDER BY number DESC LIMIT ?
"""

# The latest jobs without a task: (jobs to look at).
SELECT_LATEST_WITHOUT_TASK: Final = """
SELECT job_id, status, queue, duration_ms, created_ms, created_ms + started_after_ms, updated_ms - ended_before_ms, error
FROM jobs WHERE number > (SELECT jobs_total FROM applied) - ? AND task IS NULL ORDER BY number DESC
"""

# When the job that stands in a status for longest was first heard of, by the index of those not completed: (status).
SELECT_OLDEST: Final = """
SELECT created_ms FROM jobs WHERE status = ?1 AND status <> 1 ORDER BY number LIMIT 1
"""

ERROR_CHARACTERS_SHOWN: Final = 512
"""How much of an error a list needs."""


class LatestJob(Struct, frozen=True, kw_only=True, gc=False):
    """A job in short; times in ms UTC, None for unknown or not yet."""

    job_id: str
    status: str
    queue: str | None
    duration_ms: float | None
    created_ms: int
    started_ms: int | None
    ended_ms: int | None
    error: str | None

    @property
    def took_ms(self) -> float | None:
        """Its duration as it was told, else from its start to its end; None while that is unknown."""
        if self.duration_ms is not None:
            return self.duration_ms
        if self.ended_ms is None or self.started_ms is None:
            return None
        return max(0, self.ended_ms - self.started_ms)


class LatestQueries:
    """The part of a reader that answers these; the reader lends its connection, and one moment of the view for each call."""

    _connection: apsw.Connection
    _words: KnownWords

    @abstractmethod
    def _moment(self) -> AbstractContextManager[None]:
        """One moment of the view for all that is read inside."""

    @abstractmethod
    def _kept(self) -> Kept:
        """What is kept."""

    def latest(self, task: str, limit: int) -> list[LatestJob]:
        """The latest jobs of a task, the newest first."""
        with self._moment():
            kept = self._kept()
            rows = self._connection.execute(SELECT_LATEST, (self._words.stored(task), limit)).fetchall()
            return [job for row in rows if (job := self._latest(row, kept)) is not None]

    def latest_without_task(self, limit: int) -> dict[str | None, list[LatestJob]]:
        """The latest jobs without a task by their queue, the newest first, as far as they are among the last `AMONG_JOBS`."""
        found: dict[str | None, list[LatestJob]] = {}
        with self._moment():
            kept = self._kept()
            for row in self._connection.execute(SELECT_LATEST_WITHOUT_TASK, (AMONG_JOBS,)):
                queue = self._words.text(row[2])
                jobs = found.setdefault(queue, [])
                if len(jobs) < limit and (job := self._latest(row, kept)) is not None:
                    jobs.append(job)
        return found

    def oldest_in(self, status: str) -> int | None:
        """When the oldest job that stands in a status (other than completed) was first heard of, ms UTC; None without any."""
        with self._moment():
            found: int | None = self._connection.execute(SELECT_OLDEST, (self._words.stored(status),)).get
            return found

    def _latest(self, row: tuple[Any, ...], kept: Kept) -> LatestJob | None:
        text = self._words.text
        status = text(row[1]) or ""
        if is_gone(kept, status, row[6]):
            return None
        return LatestJob(
            job_id=row[0],
            status=status,
            queue=text(row[2]),
            duration_ms=row[3],
            created_ms=row[4],
            started_ms=row[5],
            ended_ms=row[6],
            error=None if row[7] is None else row[7][:ERROR_CHARACTERS_SHOWN],
        )
