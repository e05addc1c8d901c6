"""The writing side of the view: one connection, one transaction a flush."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from jobsight.core.job import Job
from jobsight.core.kept import is_gone
from jobsight.core.limits import HISTORY_REFS_MAX
from jobsight.core.state import State, forget_changes
from jobsight.core.statistics import Counters, PairCounters
from jobsight.errors import DataError
from jobsight.view.checkpointing import Checkpointing
from jobsight.view.database import connect_writer, storage_errors
from jobsight.view.history import PIECE_EVENTS
from jobsight.view.job_index import JobIndex
from jobsight.view.migrations import migrate, refuse_newer, scripts
from jobsight.view.ping_urls import load_ping_urls, write_ping_urls
from jobsight.view.queries import Reader, open_reader
from jobsight.view.rollups import RollupStore
from jobsight.view.rows import (
    INSERT_JOB,
    RENAME_JOB,
    SELECT_ACTIVE_NUMBERS,
    SELECT_JOB,
    UPDATE_JOB,
    job_of,
    new_rows_of,
    renamed_rows_of,
    rows_of,
)
from jobsight.view.sweep import Sweep
from jobsight.view.tasks import load_tasks, write_tasks
from jobsight.view.tokens import load_tokens, write_tokens
from jobsight.view.usage import UsageWriter
from jobsight.view.users import load_users, write_users
from jobsight.view.watching import UPDATE_ALIVE, load_watching, write_watching
from jobsight.view.words import Words
from jobsight.view.write_ahead import WriteAhead, refuse_unsure

# Up to which place everything here is true, and what concerns all jobs.
SELECT_APPLIED: Final = """
SELECT log_id, applied_seq, checksum, jobs_total, statuses, duration_sum_us, duration_count, retries_max, silence_ms
FROM applied
"""

# The same after a flush.
UPDATE_APPLIED: Final = """
UPDATE applied SET applied_seq = ?, checksum = ?, jobs_total = ?, statuses = ?, duration_sum_us = ?, duration_count = ?,
    retries_max = ?, silence_ms = ?, alive_ms = ?
"""

# A new view belongs to this log.
UPDATE_LOG_ID: Final = "UPDATE applied SET log_id = ?"

# The counters of all pairs.
SELECT_PAIRS: Final = "SELECT number, task, queue, statuses, duration_sum_us, duration_count FROM pairs ORDER BY number"

# A pair as it is now.
REPLACE_PAIR: Final = """
INSERT OR REPLACE INTO pairs (number, task, queue, statuses, duration_sum_us, duration_count) VALUES (?, ?, ?, ?, ?, ?)
"""

# Move the places that a job's row holds to a row of their own: (number, count of events up to there).
INSERT_HISTORY: Final = (
    "INSERT INTO history (number, upto, refs) SELECT number, ?2, history FROM jobs WHERE number = ?1"
)

# Let go of places that are neither the first nor among the last that are kept: (number, count of events up to there).
DELETE_HISTORY: Final = """
DELETE FROM history WHERE number = ?1 AND upto <= ?2 AND upto > (SELECT min(upto) FROM history WHERE number = ?1)
"""

# The places were moved.
CLEAR_HISTORY: Final = "UPDATE jobs SET history = x'' WHERE number = ?"

_encode: Final = msgspec.json.Encoder().encode
_decode_statuses: Final = msgspec.json.Decoder(dict[str, int]).decode


class View:
    """The read model in one SQLite file, or in memory. One thread at a time."""

    @classmethod
    def open(cls, path: Path | None, log_id: str | None = None) -> View:
        """
        Open a view, make it when it is missing, and bring an older one to this version's schema.

        Args:
            path: The file; None for a view in memory.
            log_id: The log that it is derived from, if that is to be checked.

        Raises:
            DamagedViewError: The file is damaged, made by a newer version (then no byte was changed), or of another log.
            CannotCreateError, NoPermissionError, InUseError: It cannot be opened.
            StorageError, StorageFullError: It cannot be brought to this version's schema.
        """
        steps = scripts()
        if path is not None:
            refuse_newer(path, len(steps))
            refuse_unsure(path)
        connection = connect_writer(path)
        try:
            migrate(connection, path, steps)
            with storage_errors(path):
                return cls(connection, path, log_id)
        except BaseException:
            with suppress(apsw.Error):
                connection.close()
            raise

    def __init__(self, connection: apsw.Connection, path: Path | None, log_id: str | None) -> None:
        self.path: Final = path
        self.connection: Final = connection
        self.write_ahead: Final = WriteAhead(connection, path)
        self._words: Final = Words(connection)
        self._usages: Final = UsageWriter(self._words)
        self._index: Final = JobIndex(connection)
        self._rollups: Final = RollupStore(connection)
        self._sweep: Final = Sweep(connection, self._words)
        self._checkpointing: Checkpointing | None = None
        self._pair_numbers: dict[tuple[str | None, str | None], int] = {}
        known = connection.execute("SELECT log_id FROM applied").get
        if known is None and log_id is not None:
            connection.execute(UPDATE_LOG_ID, (log_id,))
        elif log_id not in (None, known):
            raise DataError(
                f"the view {path} was made from the log {known}, this is the log {log_id}; "
                "put the right log back, or make the view anew: jobsight view rebuild"
            )

    def load_state(self) -> State:
        """
        The state as of the last flush: counters, pairs, active jobs, open alerts; an empty one for an empty view.

        Raises:
            DamagedViewError: The file is damaged.
        """
        with storage_errors(self.path):
            _, seq, _, total, statuses, sum_us, count, retries_max, silence_ms = self._applied()
            state = State(applied_seq=seq, jobs_total=total, retries_max=retries_max, silence_ms=silence_ms)
            state.kept = self._sweep.kept
            state.counters = Counters(
                statuses=_decode_statuses(statuses), duration_sum_us=int(sum_us), duration_count=count
            )
            self._load_pairs(state)
            numbers = sorted(number for (number,) in self.connection.execute(SELECT_ACTIVE_NUMBERS))
            for job in self._jobs(numbers, state):
                state.jobs[job.job_id] = job
            load_watching(self.connection, state)
            load_tokens(self.connection, state)
            load_users(self.connection, state)
            load_tasks(self.connection, state)
            load_ping_urls(self.connection, state)
        return state

    def applied_checksum(self) -> bytes:
        """The log's checksum at the last flush; empty for an empty view."""
        with storage_errors(self.path):
            return bytes(self._applied()[2])

    def flush(self, state: State, checksum: bytes) -> None:
        """
        Store what has changed, all or none, and let the state forget it.

        Args:
            state: Its changes are forgotten once they are stored; after an error it is as before, so it can be tried again.
            checksum: The log's at `state.applied_seq`.

        Raises:
            StorageFullError: There is no room. StorageError, InUseError: The file cannot be written.
            DamagedViewError: The file is damaged.
        """
        with storage_errors(self.path):
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                self._write(state, checksum)
                self.connection.execute("COMMIT")
            except BaseException:
                self._rollups.forget()
                self._index.forget()
                self._sweep.forget()
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        self._words.keep_new()
        forget_changes(state)
        self.write_ahead.move()

    def fetch(self, job_ids: Sequence[str], state: State) -> list[Job]:
        """
        Those of the jobs that are stored and still kept.

        Args:
            job_ids: Without repetitions; none of them in `state.jobs`.
            state: Lends the counters of its pairs; says what is kept.

        Raises:
            DamagedViewError: The file is damaged. StorageError: It cannot be read.
        """
        with storage_errors(self.path):
            numbers = self._index.candidates(job_ids)
            if not numbers:
                return []
            wanted = set(job_ids)
            jobs = [job for job in self._jobs(numbers, state) if job.job_id in wanted]
        gone = state.changes.gone
        return [job for job in jobs if job.number not in gone and not is_gone(state.kept, job.status, job.ended_ms)]

    @property
    def wants_flush(self) -> bool:
        """Whether something that is no longer kept waits to be deleted: each flush deletes a little of it."""
        return not self._sweep.is_done

    def note_alive(self, at_ms: int) -> None:
        """Remember that the monitor has watched up to a moment (ms UTC). Raises as `flush`."""
        with storage_errors(self.path):
            self.connection.execute(UPDATE_ALIVE, (at_ms,))
        self.write_ahead.move()

    @property
    def trouble(self) -> str | None:
        """In words, what the disk does not do for the view, although every flush is stored; None while all is well."""
        return self.write_ahead.trouble

    def reader(self) -> Reader:
        """
        The reading side: a connection of its own, or the writer's where the view is in memory (then only between two flushes).

        Raises:
            NoPermissionError, CannotCreateError: The file cannot be opened once more.
        """
        return Reader(self.connection, None) if self.path is None else open_reader(self.path)

    def checkpoint_beside(self) -> None:
        """From now on, copy the write-ahead file in a thread instead of within a flush. Nothing, for a view in memory."""
        path = self.path
        if path is not None and self._checkpointing is None:
            self._checkpointing = Checkpointing(self.connection, lambda: connect_writer(path), self.write_ahead.note)

    def close(self) -> None:
        """Release the file; a second call does nothing."""
        if self._checkpointing is not None:
            self._checkpointing.close()
        # All is stored already; what closing could not move stays in the write-ahead file for the next start.
        with suppress(apsw.IOError, apsw.FullError):
            self.connection.close()

    def _applied(self) -> tuple[Any, ...]:
        row = self.connection.execute(SELECT_APPLIED).fetchone()
        if row is None:
            raise apsw.CorruptError("the row that says up to where it is true is missing")
        return tuple(row)

    def _load_pairs(self, state: State) -> None:
        for number, task, queue, statuses, sum_us, count in self.connection.execute(SELECT_PAIRS):
            self._pair_numbers[(task, queue)] = number
            state.pairs[(task, queue)] = PairCounters(
                task=task,
                queue=queue,
                statuses=_decode_statuses(statuses),
                duration_sum_us=int(sum_us),
                duration_count=count,
            )

    def _jobs(self, numbers: Sequence[int], state: State) -> list[Job]:
        rows = self.connection.executemany(SELECT_JOB, [(number,) for number in numbers])
        return [job_of(row, self._words, state.pairs) for row in rows]

    def _write(self, state: State, checksum: bytes) -> None:
        """Everything of a flush, inside its transaction; the jobs in the order of their rows."""
        changes, write = state.changes, self.connection.executemany
        jobs = sorted(changes.jobs, key=attrgetter("number"))
        stored, new = [job for job in jobs if job.is_stored], [job for job in jobs if not job.is_stored]
        self._move_history(stored)
        words = self._words
        write(UPDATE_JOB, rows_of(stored, words, self._usages))
        write(RENAME_JOB, renamed_rows_of([job for job in stored if job.is_renamed], words))
        write(INSERT_JOB, new_rows_of(new, words, self._usages))
        self._index.write(new)
        words.write_new(self.connection)
        write(REPLACE_PAIR, [self._pair_row(pair) for pair in changes.pairs])
        write_watching(self.connection, state)
        write_tokens(self.connection, state)
        write_users(self.connection, state)
        write_tasks(self.connection, state)
        write_ping_urls(self.connection, state)
        self._rollups.merge(changes.rollups, state.kept.as_of_ms)
        counters = state.counters
        self.connection.execute(
            UPDATE_APPLIED,
            (
                state.applied_seq,
                checksum,
                state.jobs_total,
                _encode(counters.statuses).decode(),
                str(counters.duration_sum_us),
                counters.duration_count,
                state.retries_max,
                state.silence_ms,
                state.alive_ms,
            ),
        )
        if self._sweep.step(state.kept, len(new)):
            self._rollups.forget_buckets()

    def _move_history(self, jobs: Sequence[Job]) -> None:
        """Move the places of those stored jobs whose count of events passes a multiple of `PIECE_EVENTS`."""
        moved = [
            (job.number, job.events_stored)
            for job in jobs
            if job.events_stored // PIECE_EVENTS != (job.events_stored + len(job.refs)) // PIECE_EVENTS
        ]
        if moved:
            self.connection.executemany(INSERT_HISTORY, moved)
            self.connection.executemany(DELETE_HISTORY, [(n, upto - HISTORY_REFS_MAX) for n, upto in moved])
            self.connection.executemany(CLEAR_HISTORY, [(number,) for number, _ in moved])

    def _pair_row(self, pair: PairCounters) -> tuple[Any, ...]:
        number = self._pair_numbers.setdefault((pair.task, pair.queue), len(self._pair_numbers) + 1)
        statuses = _encode(pair.statuses).decode()
        return (number, pair.task, pair.queue, statuses, str(pair.duration_sum_us), pair.duration_count)
