"""The latest jobs of tasks, in short: what strips of squares and lists of a task are drawn from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

import apsw
import msgspec
from msgspec import Struct

from jobsight.core.kept import Kept, is_gone
from jobsight.view.words import KnownWords, Stored

AMONG_JOBS: Final = 5_000
"""Jobs without a task are looked for among so many of the newest jobs: no index leads to them."""

# The latest jobs of some tasks, by their index, a list a task: (tasks as they are stored, as JSON; limit). All in one row,
# since every row that is stepped to hands the interpreter to the thread that takes reports.
SELECT_LATEST: Final = """
SELECT '[' || group_concat((
    SELECT json_group_array(json_array(job_id, status, queue, duration_ms, created_ms, started_after_ms,
        updated_ms - ended_before_ms, substr(error, 1, 512)))
    FROM (
        SELECT job_id, status, queue, duration_ms, created_ms, started_after_ms, updated_ms, ended_before_ms, error
        FROM jobs WHERE task = wanted.value ORDER BY number DESC LIMIT ?2
    )
)) || ']' FROM json_each(?1) AS wanted
"""

# The latest jobs without a task, all in one row: (jobs to look at).
SELECT_LATEST_WITHOUT_TASK: Final = """
SELECT json_group_array(json_array(job_id, status, queue, duration_ms, created_ms, started_after_ms,
    updated_ms - ended_before_ms, substr(error, 1, 512)))
FROM (
    SELECT job_id, status, queue, duration_ms, created_ms, started_after_ms, updated_ms, ended_before_ms, error
    FROM jobs WHERE number > (SELECT jobs_total FROM applied) - ? AND task IS NULL ORDER BY number DESC
)
"""

# When the latest jobs of some tasks ran, the same way: (tasks as they are stored, as JSON; limit; completed and other jobs are
# kept from).
SELECT_RUNS: Final = """
SELECT '[' || group_concat((
    SELECT json_group_array(json_array(job_id, created_ms + ifnull(started_after_ms, 0), updated_ms - ended_before_ms))
    FROM (
        SELECT job_id, status, created_ms, started_after_ms, updated_ms, ended_before_ms
        FROM jobs WHERE task = wanted.value ORDER BY number DESC LIMIT ?2
    )
    WHERE ended_before_ms IS NULL OR updated_ms - ended_before_ms >= CASE WHEN status = 1 THEN ?3 ELSE ?4 END
)) || ']' FROM json_each(?1) AS wanted
"""

# When the job that stands in a status for longest was first heard of, by the index of those not completed: (status).
SELECT_OLDEST: Final = """
SELECT created_ms FROM jobs WHERE status = ?1 AND status <> 1 ORDER BY number LIMIT 1
"""


_Row = tuple[str, Stored, Stored, int | float | None, int, int | None, int | None, str | None]
_decode: Final = msgspec.json.Decoder(list[_Row]).decode
_decode_all: Final = msgspec.json.Decoder(list[list[_Row]]).decode


class Run(Struct, frozen=True, array_like=True, gc=False):
    """From when until when a job ran, ms UTC: from when it was first heard of where its start is unknown; None: it still runs."""

    job_id: str
    start_ms: int
    end_ms: int | None


_decode_runs: Final = msgspec.json.Decoder(list[list[Run]]).decode


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
        return self.latest_of([task], limit)[task]

    def latest_of(self, tasks: Sequence[str], limit: int) -> dict[str, list[LatestJob]]:
        """The latest jobs of some tasks, the newest first; a task without any has none."""
        with self._moment():
            kept = self._kept()
            wanted = msgspec.json.encode([self._words.stored(task) for task in tasks]).decode()
            found = _decode_all(self._connection.execute(SELECT_LATEST, (wanted, limit)).get or "[]")
            return {task: self._short(rows, kept) for task, rows in zip(tasks, found, strict=True)}

    def runs_of(self, tasks: Sequence[str], limit: int) -> dict[str, list[Run]]:
        """When the latest jobs of some tasks ran, the newest first; a task without any has none."""
        with self._moment():
            kept = self._kept()
            wanted = msgspec.json.encode([self._words.stored(task) for task in tasks]).decode()
            values = (wanted, limit, kept.completed_from_ms, kept.other_from_ms)
            found = _decode_runs(self._connection.execute(SELECT_RUNS, values).get or "[]")
            return dict(zip(tasks, found, strict=True))

    def latest_without_task(self, limit: int) -> dict[str | None, list[LatestJob]]:
        """The latest jobs without a task by their queue, the newest first, as far as they are among the last `AMONG_JOBS`."""
        found: dict[str | None, list[LatestJob]] = {}
        with self._moment():
            content = self._connection.execute(SELECT_LATEST_WITHOUT_TASK, (AMONG_JOBS,)).get
            for job in self._short(_decode(content), self._kept()):
                jobs = found.setdefault(job.queue, [])
                if len(jobs) < limit:
                    jobs.append(job)
        return found

    def oldest_in(self, status: str) -> int | None:
        """When the oldest job that stands in a status (other than completed) was first heard of, ms UTC; None without any."""
        with self._moment():
            found: int | None = self._connection.execute(SELECT_OLDEST, (self._words.stored(status),)).get
            return found

    def _short(self, rows: Sequence[_Row], kept: Kept) -> list[LatestJob]:
        text = self._words.text
        found: list[LatestJob] = []
        for job_id, stored, queue, duration_ms, created_ms, started_after_ms, ended_ms, error in rows:
            status = text(stored) or ""
            if is_gone(kept, status, ended_ms):
                continue
            found.append(
                LatestJob(
                    job_id=job_id,
                    status=status,
                    queue=text(queue),
                    duration_ms=duration_ms,
                    created_ms=created_ms,
                    started_ms=None if started_after_ms is None else created_ms + started_after_ms,
                    ended_ms=ended_ms,
                    error=error,
                )
            )
        return found
