"""The reading side of the view: answers from a connection that cannot write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Final, Literal

import apsw
import msgspec
from msgspec.structs import replace
from typing_extensions import override

from jobsight.core.job import LOST
from jobsight.core.kept import Kept, is_gone
from jobsight.core.limits import OTHER
from jobsight.core.statistics import Counters, Totals, totals_of
from jobsight.errors import DataError, NotFoundError
from jobsight.view.answers import Applied, Facets, JobAnswer, JobPage, JobsFound, JobsMet
from jobsight.view.cursors import before_number, cursor_of
from jobsight.view.database import connect_reader, storage_errors
from jobsight.view.ended import EndedQueries
from jobsight.view.explorer import COUNT_MAX, Explorer
from jobsight.view.history import kept, unpack
from jobsight.view.job_filter import JobFilter
from jobsight.view.job_index import StoredHashes
from jobsight.view.job_rows import SELECT_ANSWER, JobRows
from jobsight.view.latest import LatestQueries
from jobsight.view.migrations import refuse_newer, scripts
from jobsight.view.receipts import ReceiptQueries
from jobsight.view.watch_reading import PAGE_MAX, WatchReading
from jobsight.view.words import KnownWords

Order = Literal["newest", "oldest", "longest"]

WINDOW_JOBS: Final = 50_000
"""Jobs that one look at the table may pass over while it searches what matches."""

WINDOWS_MAX: Final = 20
"""Looks in one call; then the page is given as it is, with a cursor."""

LOOK_JOBS: Final = 2_000
"""Jobs that the first look may pass over where the caller bounds the time."""

LOOK_S: Final = 0.0005
"""The look after one that took less than this passes over twice as many: an index makes many jobs cheap."""

# Jobs that stand in a status other than `completed`, by its index: (before, from, limit, status, task, queue, since, host,
# completed and other jobs are kept from).
LIST_BY_STATUS: Final = """
SELECT number FROM jobs
WHERE number < ?1 AND number >= ?2 AND status = ?4 AND status <> 1 AND (?5 IS NULL OR +task = ?5)
    AND (?6 IS NULL OR queue = ?6) AND (?7 IS NULL OR updated_ms >= ?7) AND (?8 IS NULL OR host = ?8)
    AND (ended_before_ms IS NULL OR updated_ms - ended_before_ms >= CASE WHEN +status = 1 THEN ?9 ELSE ?10 END)
ORDER BY number DESC LIMIT ?3
"""

# Jobs of a task, by its index: the same parameters.
LIST_BY_TASK: Final = """
SELECT number FROM jobs
WHERE number < ?1 AND number >= ?2 AND task = ?5 AND (?4 IS NULL OR +status = ?4)
    AND (?6 IS NULL OR queue = ?6) AND (?7 IS NULL OR updated_ms >= ?7) AND (?8 IS NULL OR host = ?8)
    AND (ended_before_ms IS NULL OR updated_ms - ended_before_ms >= CASE WHEN +status = 1 THEN ?9 ELSE ?10 END)
ORDER BY number DESC LIMIT ?3
"""

# Jobs by their number alone: the same parameters.
LIST_ALL: Final = """
SELECT number FROM jobs
WHERE number < ?1 AND number >= ?2 AND (?4 IS NULL OR +status = ?4) AND (?5 IS NULL OR +task = ?5)
    AND (?6 IS NULL OR queue = ?6) AND (?7 IS NULL OR updated_ms >= ?7) AND (?8 IS NULL OR host = ?8)
    AND (ended_before_ms IS NULL OR updated_ms - ended_before_ms >= CASE WHEN +status = 1 THEN ?9 ELSE ?10 END)
ORDER BY number DESC LIMIT ?3
"""

# What a list finds, in one row: every row that is stepped to hands the interpreter to the thread that takes reports.
IN_ONE_ROW: Final = {
    one: f"SELECT json_group_array(number) FROM ({one})"  # noqa: S608
    for one in (LIST_BY_STATUS, LIST_BY_TASK, LIST_ALL)
}

# The places of a job's events, oldest first.
SELECT_HISTORY: Final = """
SELECT refs
FROM (SELECT upto, refs FROM history WHERE number = ?1 UNION ALL SELECT events, history FROM jobs WHERE number = ?1)
ORDER BY upto
"""

# What is kept.
SELECT_KEPT: Final = "SELECT completed_from_ms, other_from_ms, kept_as_of_ms FROM applied"

# The counters over all jobs.
SELECT_COUNTERS: Final = "SELECT statuses, duration_sum_us, duration_count FROM applied"

# The counters of pairs: (task, queue), each optional.
SELECT_PAIRS: Final = """
SELECT statuses, duration_sum_us, duration_count FROM pairs
WHERE (?1 IS NULL OR task = ?1) AND (?2 IS NULL OR queue = ?2)
"""

# Whether some names are counted together because there are too many.
SELECT_HAS_OTHER: Final = "SELECT EXISTS (SELECT 1 FROM pairs WHERE task = ?)"

_decode_numbers: Final = msgspec.json.Decoder(list[int]).decode
_decode_statuses: Final = msgspec.json.Decoder(dict[str, int]).decode


def open_reader(path: Path) -> Reader:
    """
    Read a view beside its writer, in this process or in another one.

    Raises:
        NotFoundError: There is no such file.
        DataError: It is damaged, or of a newer or older version.
        NoPermissionError, CannotCreateError: It cannot be opened.
    """
    known = len(scripts())
    if not path.exists():
        raise NotFoundError(f"there is no view {path}; it is made when the node starts on this folder")
    refuse_newer(path, known)
    connection = connect_reader(path)
    try:
        with storage_errors(path):
            version = connection.pragma("user_version")
        if version != known:
            raise DataError(
                f"the view {path} has schema {version}, this version of Jobsight needs {known}; "
                "start the node once on this folder, it brings the view up to date"
            )
    except BaseException:
        connection.close()
        raise
    return Reader(connection, path)


class Reader(WatchReading, ReceiptQueries, LatestQueries, EndedQueries):
    """Answers from the view as of its last flush. Each call sees one moment. One thread at a time."""

    def __init__(self, connection: apsw.Connection, path: Path | None) -> None:
        super().__init__(connection, path)
        self._words = KnownWords(connection)
        self._index = StoredHashes(connection)
        self._jobs = JobRows(connection, self._words)
        self._explorer = Explorer(connection, self._words)

    def close(self) -> None:
        """Release the file; a second call does nothing. A view in memory belongs to its writer: leave that to it."""
        self._connection.close()

    def applied(self) -> Applied:
        """Up to where the view is true."""
        with self._moment():
            return self._applied()

    def job(self, job_id: str) -> JobAnswer | None:
        """A job; None when it is not stored, or no longer kept."""
        with self._moment():
            number = self._number(job_id)
            return None if number is None else self._jobs.answers([number])[0]

    def history_refs(self, job_id: str) -> list[int]:
        """Where a job's events stand in the log, packed as `seq << 20 | index`: the first and the last `HISTORY_REFS_MAX`."""
        with self._moment():
            number = self._number(job_id)
            pieces = self._rows(SELECT_HISTORY, (number,))
        return kept(unpack(b"".join([piece for (piece,) in pieces])))

    def list_jobs(
        self,
        *,
        status: str | None = None,
        task: str | None = None,
        queue: str | None = None,
        host: str | None = None,
        since_ms: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
        is_enough: Callable[[], bool] | None = None,
    ) -> JobPage:
        """
        Jobs that match all of the filters, the newest first (by when they were first heard of).

        Args:
            status, task, queue, host: Exact words; None for any.
            since_ms: Only jobs heard of at or after this moment, ms UTC.
            limit: Jobs of a page, at most `PAGE_MAX`.
            cursor: From the page before.
            is_enough: Asked after every few thousand rows whether the page is to be given as it is; None bounds the rows alone.

        Raises:
            UsageError: The cursor is none that a page has given.
        """
        limit = max(1, min(limit, PAGE_MAX))
        with self._moment():
            applied = self._applied()
            before = before_number(cursor, applied.jobs_total + 1)
            count = None if since_ms is not None or host is not None else self._count(status, task, queue)
            if count == 0:
                return JobPage(jobs=[], cursor=None, count=0, as_of_seq=applied.applied_seq)
            numbers, before = self._search((status, task, queue, since_ms, host), before, limit, is_enough)
            return JobPage(
                jobs=self._jobs.answers(numbers),
                cursor=cursor_of(before) if before > 1 else None,
                count=count,
                as_of_seq=applied.applied_seq,
            )

    def search(
        self,
        wanted: JobFilter,
        *,
        now_ms: int,
        limit: int = 100,
        cursor: str | None = None,
        is_enough: Callable[[], bool] = bool,
        order: Order = "newest",
    ) -> JobsFound:
        """
        Jobs that match a filter, and on the first page how many there are of what.

        Args:
            wanted: All conditions.
            now_ms: From when ages count, ms UTC.
            limit: Jobs of a page, at most `PAGE_MAX`.
            cursor: From the page before.
            is_enough: Asked after every few thousand rows whether the answer is to be given as it is.
            order: By when they were first heard of; or the longest of those that are counted, on one page.

        Raises:
            UsageError: The cursor is none that a page has given.
        """
        limit = max(1, min(limit, PAGE_MAX))
        with self._moment():
            applied, kept = self._applied(), self._kept()
            if order == "oldest" and cursor is not None:
                return self._oldest(wanted, kept, now_ms, limit, cursor, is_enough)
            cursor = cursor if order == "newest" else None
            before = before_number(cursor, applied.jobs_total + 1)
            most = limit if cursor is not None else max(limit, COUNT_MAX)
            met = self._explorer.walk(wanted, kept=kept, now_ms=now_ms, before=before, limit=most, is_enough=is_enough)
            numbers = met.numbers[:limit]
            rest = numbers[-1] if len(numbers) == limit else met.before
            counted = None
            if cursor is None:
                by_name = self._explorer.facets(met)
                counted = Facets(count=len(met.numbers), is_all=met.before <= 1, **by_name)
            if order == "oldest":
                return replace(self._oldest(wanted, kept, now_ms, limit, None, is_enough), facets=counted)
            if order == "longest":
                numbers, rest = self._explorer.longest(met, now_ms, limit), 0
            return JobsFound(
                jobs=self._jobs.answers(numbers),
                cursor=cursor_of(rest) if rest > 1 else None,
                facets=counted,
                searched_from_ms=self._explorer.created_ms(met.before) if met.before > 1 else None,
                as_of_seq=applied.applied_seq,
            )

    def _oldest(
        self,
        wanted: JobFilter,
        kept: Kept,
        now_ms: int,
        limit: int,
        cursor: str | None,
        is_enough: Callable[[], bool],
    ) -> JobsFound:
        """A page of `search` in the order `oldest`, nothing counted; a cursor stands for where it goes on."""
        applied = self._applied()
        end = applied.jobs_total + 1
        met = self._explorer.walk_oldest(
            wanted,
            kept=kept,
            now_ms=now_ms,
            start=before_number(cursor, 1),
            end=end,
            limit=limit,
            is_enough=is_enough,
        )
        return JobsFound(
            jobs=self._jobs.answers(met.numbers),
            cursor=cursor_of(met.before) if met.before < end else None,
            facets=None,
            searched_from_ms=None,
            as_of_seq=applied.applied_seq,
        )

    def meet(
        self, wanted: JobFilter, *, now_ms: int, limit: int, cursor: str | None, is_enough: Callable[[], bool]
    ) -> JobsMet:
        """
        What some jobs that match a filter are about, the newest first. The arguments are those of `search`.

        Raises:
            UsageError: The cursor is none that a page has given.
        """
        with self._moment():
            before = before_number(cursor, self._applied().jobs_total + 1)
            met = self._explorer.walk(
                wanted, kept=self._kept(), now_ms=now_ms, before=before, limit=limit, is_enough=is_enough
            )
            return JobsMet(
                count=len(met.numbers),
                subjects=self._explorer.subjects(met),
                lost=self._explorer.job_ids(met, LOST),
                cursor=cursor_of(met.before) if met.before > 1 else None,
            )

    def matching(self, wanted: JobFilter, *, now_ms: int, job_ids: Sequence[str]) -> set[str]:
        """Those of some jobs that are stored and match a filter; ages count from `now_ms`, ms UTC."""
        with self._moment():
            asked, names = set(job_ids), self._jobs.names(self._index.candidates(job_ids))
            numbers = [number for number, job_id in names.items() if job_id in asked]
            met = self._explorer.matching(wanted, kept=self._kept(), now_ms=now_ms, numbers=numbers)
            return {names[number] for number in met}

    def totals(self, task: str | None = None, queue: str | None = None) -> Totals:
        """Total, completed and failed jobs and their mean duration, of all jobs or of a task or queue."""
        with self._moment():
            return totals_of(self._counters(task, queue))

    def by_status(self, task: str | None = None, queue: str | None = None) -> dict[str, int]:
        """How many jobs stand in each status, of all jobs or of a task or queue."""
        with self._moment():
            return self._by_status(task, queue)

    def _number(self, job_id: str) -> int | None:
        kept = self._kept()
        for number in self._index.candidates([job_id]):
            row = self._connection.execute(SELECT_ANSWER, (number,)).fetchone()
            if row is not None and row[1] == job_id and not is_gone(kept, self._words.text(row[2]) or "", row[18]):
                return number
        return None

    @override
    def _kept(self) -> Kept:
        row = self._connection.execute(SELECT_KEPT).fetchone()
        if row is None:
            raise apsw.CorruptError("the row that says what is kept is missing")
        return Kept(**dict(zip(Kept.__struct_fields__, row, strict=True)))

    def _search(
        self,
        filters: tuple[str | None, str | None, str | None, int | None, str | None],
        before: int,
        limit: int,
        is_enough: Callable[[], bool] | None,
    ) -> tuple[list[int], int]:
        """The numbers of a page, and where the next one goes on (1: nowhere)."""
        status, task, queue, since_ms, host = filters
        kept = self._kept()
        stored = [None if word is None else self._words.stored(word) for word in (status, task, queue)]
        values = (
            *stored,
            since_ms,
            None if host is None else self._words.stored(host),
            kept.completed_from_ms,
            kept.other_from_ms,
        )
        statement = LIST_ALL
        if task is not None:
            statement = LIST_BY_TASK
        if status not in (None, "completed") and (task is None or not self._is_rarer(task, status)):
            statement = LIST_BY_STATUS
        is_exact = filters.count(None) >= len(filters) - 1 and statement is not LIST_ALL
        width, looks_max = (WINDOW_JOBS, WINDOWS_MAX) if is_enough is None else (LOOK_JOBS, before)
        window = before if is_exact or filters.count(None) == len(filters) else width
        numbers: list[int] = []
        for _ in range(looks_max):
            floor = max(1, before - window)
            begin = perf_counter()
            bindings = (before, floor, limit - len(numbers), *values)
            numbers += _decode_numbers(self._connection.execute(IN_ONE_ROW[statement], bindings).get)
            if is_enough is not None and perf_counter() - begin < LOOK_S:
                window *= 2
            if len(numbers) >= limit:
                return numbers, numbers[-1]
            before = floor
            if before <= 1 or (is_enough is not None and is_enough()):
                break
        return numbers, before

    def _is_rarer(self, task: str, status: str) -> bool:
        """Whether fewer jobs are of a task than stand in a status; of a name that is counted among others none is known."""
        of_task = sum(self._by_status(task, None).values())
        return 0 < of_task < self._by_status(None, None).get(status, 0)

    def _count(self, status: str | None, task: str | None, queue: str | None) -> int | None:
        """Jobs that match, by the counters; None where a name may be counted among others."""
        by_status = self._by_status(task, queue)
        if not by_status and self._connection.execute(SELECT_HAS_OTHER, (OTHER,)).get:
            return None
        if status is not None and status not in by_status and OTHER in by_status:
            return None
        return sum(by_status.values()) if status is None else by_status.get(status, 0)

    def _by_status(self, task: str | None, queue: str | None) -> dict[str, int]:
        total: dict[str, int] = {}
        for counters in self._counters(task, queue):
            for word, count in counters.statuses.items():
                total[word] = total.get(word, 0) + count
        return total

    def _counters(self, task: str | None, queue: str | None) -> list[Counters]:
        is_all = task is None and queue is None
        rows = self._rows(SELECT_COUNTERS) if is_all else self._rows(SELECT_PAIRS, (task, queue))
        return [
            Counters(statuses=_decode_statuses(statuses), duration_sum_us=int(sum_us), duration_count=count)
            for statuses, sum_us, count in rows
        ]
