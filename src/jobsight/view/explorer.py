"""
Finding jobs by many conditions at once: pages of them, and how many there are of what, within a bound of time.

Nothing here counts a table. A search walks from the newest job to older ones, in windows that grow while they cost
little, and stops when it has enough or when its time is over; it says how far it has looked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from time import perf_counter
from typing import Any, Final

import apsw
import msgspec
from msgspec import Struct

from jobsight.core.globs import is_match
from jobsight.core.job import TERMINAL
from jobsight.core.kept import Kept
from jobsight.view import words
from jobsight.view.answers import FacetValue, Subject
from jobsight.view.job_filter import LABELS_MAX, NAMED, WORDS_MAX, JobFilter, Names, moment_of
from jobsight.view.words import KnownWords, Stored

COUNT_MAX: Final = 10_000
"""Jobs that are counted one by one; above it stands "10,000+"."""

LOOK_JOBS: Final = 2_000
"""Jobs that the first look may pass over."""

LOOK_S: Final = 0.001
"""The look after one that took less than this passes over twice as many."""

FACET_VALUES: Final = 12
"""Values that a facet shows, the most frequent first."""

# What all roads have in common; constants alone are put together here. Parameters: 1 before, 2 from, 3 limit; 4-7 statuses,
# tasks, queues, hosts (JSON lists of names as rows hold them, -1 for none), 8-11 whether each must not match; 12 whether it has
# ended; 13 now, 14 since, 15 until; 16 and 17 from and up to which length; 18 error; 19-22 labels; 23-28 words; 29 and 30 from
# when on completed and other jobs are kept.
_CONDITIONS: Final = r"""
    AND (?4 IS NULL OR ?8 <> CASE WHEN +status IN (SELECT value FROM json_each(?4)) THEN 1
        WHEN typeof(status) = 'text' THEN is_named(?4, status) ELSE 0 END)
    AND (?5 IS NULL OR ?9 <> CASE WHEN ifnull(task, -1) IN (SELECT value FROM json_each(?5)) THEN 1
        WHEN typeof(task) = 'text' THEN is_named(?5, task) ELSE 0 END)
    AND (?6 IS NULL OR ?10 <> CASE WHEN ifnull(queue, -1) IN (SELECT value FROM json_each(?6)) THEN 1
        WHEN typeof(queue) = 'text' THEN is_named(?6, queue) ELSE 0 END)
    AND (?7 IS NULL OR ?11 <> CASE WHEN ifnull(host, -1) IN (SELECT value FROM json_each(?7)) THEN 1
        WHEN typeof(host) = 'text' THEN is_named(?7, host) ELSE 0 END)
    AND (?12 IS NULL OR (ended_before_ms IS NOT NULL) = ?12)
    AND (?14 IS NULL OR updated_ms >= ?14)
    AND (?15 IS NULL OR updated_ms < ?15)
    AND (ended_before_ms IS NULL OR updated_ms - ended_before_ms >= CASE WHEN status = 1 THEN ?29 ELSE ?30 END)
    AND (?16 IS NULL OR ifnull(duration_ms, ifnull(updated_ms - ended_before_ms, ?13) - created_ms - started_after_ms) >= ?16)
    AND (?17 IS NULL OR ifnull(duration_ms, ifnull(updated_ms - ended_before_ms, ?13) - created_ms - started_after_ms) < ?17)
    AND (?19 IS NULL OR instr(labels, ?19))
    AND (?20 IS NULL OR instr(labels, ?20))
    AND (?21 IS NULL OR instr(labels, ?21))
    AND (?22 IS NULL OR instr(labels, ?22))
    AND (?18 IS NULL OR error LIKE ?18 ESCAPE '\')
    AND (?23 IS NULL OR job_id LIKE ?23 ESCAPE '\' OR error LIKE ?23 ESCAPE '\' OR message LIKE ?23 ESCAPE '\')
    AND (?24 IS NULL OR job_id LIKE ?24 ESCAPE '\' OR error LIKE ?24 ESCAPE '\' OR message LIKE ?24 ESCAPE '\')
    AND (?25 IS NULL OR job_id LIKE ?25 ESCAPE '\' OR error LIKE ?25 ESCAPE '\' OR message LIKE ?25 ESCAPE '\')
    AND (?26 IS NULL OR job_id LIKE ?26 ESCAPE '\' OR error LIKE ?26 ESCAPE '\' OR message LIKE ?26 ESCAPE '\')
    AND (?27 IS NULL OR job_id LIKE ?27 ESCAPE '\' OR error LIKE ?27 ESCAPE '\' OR message LIKE ?27 ESCAPE '\')
    AND (?28 IS NULL OR job_id LIKE ?28 ESCAPE '\' OR error LIKE ?28 ESCAPE '\' OR message LIKE ?28 ESCAPE '\')
"""
# All that is found, as one row of five lists: every row that is stepped to hands the interpreter to the thread that takes reports.
_LISTS: Final = """
SELECT json_group_array(number), json_group_array(status), json_group_array(task), json_group_array(queue),
    json_group_array(host) FROM (
"""
_NEWEST: Final = "ORDER BY number DESC LIMIT ?3)"
_OLDEST: Final = "ORDER BY number LIMIT ?3)"

# Jobs of a window that match; candidates come by the index of statuses.
_BY_STATUS: Final = f"""
{_LISTS} SELECT number, status, task, queue, host FROM jobs INDEXED BY jobs_by_status
WHERE number < ?1 AND number >= ?2 AND status IN (SELECT value FROM json_each(?4)) AND status <> 1 {_CONDITIONS}
"""  # noqa: S608

# The same by the index of tasks.
_BY_TASK: Final = f"""
{_LISTS} SELECT number, status, task, queue, host FROM jobs INDEXED BY jobs_by_task
WHERE number < ?1 AND number >= ?2 AND task IN (SELECT value FROM json_each(?5)) {_CONDITIONS}
"""  # noqa: S608

# The same by their numbers alone.
_BY_NUMBER: Final = f"""
{_LISTS} SELECT number, status, task, queue, host FROM jobs NOT INDEXED
WHERE number < ?1 AND number >= ?2 {_CONDITIONS}
"""  # noqa: S608

SEARCH_BY_STATUS: Final = _BY_STATUS + _NEWEST
SEARCH_BY_TASK: Final = _BY_TASK + _NEWEST
SEARCH_BY_NUMBER: Final = _BY_NUMBER + _NEWEST
OLDEST_OF: Final = {
    SEARCH_BY_STATUS: _BY_STATUS + _OLDEST,
    SEARCH_BY_TASK: _BY_TASK + _OLDEST,
    SEARCH_BY_NUMBER: _BY_NUMBER + _OLDEST,
}

# Which of some jobs match: the same parameters, but the first one is their numbers as JSON.
SEARCH_THESE: Final = f"""
SELECT json_group_array(number) FROM json_each(?1) CROSS JOIN jobs ON number = value WHERE true {_CONDITIONS}
"""  # noqa: S608

# The longest of some jobs; one that runs has run until now: (numbers as JSON, now, limit).
SELECT_LONGEST: Final = """
SELECT json_group_array(number) FROM (
    SELECT number FROM json_each(?1) CROSS JOIN jobs ON number = value
    ORDER BY ifnull(duration_ms, ifnull(updated_ms - ended_before_ms, ?2) - created_ms - started_after_ms) DESC NULLS LAST,
        number DESC
    LIMIT ?3
)
"""

# What some jobs are about, each but once and all in one row: (numbers as JSON). An error tells jobs without a task apart.
SELECT_SUBJECTS: Final = """
SELECT json_group_array(json_array(status, task, queue, error)) FROM (
    SELECT DISTINCT status, task, queue, CASE WHEN task IS NULL THEN error END AS error
    FROM json_each(?) CROSS JOIN jobs ON number = value
)
"""

# The ids of some jobs in a status, all in one row, the newest first: (numbers as JSON, status).
SELECT_IDS: Final = """
SELECT json_group_array(job_id) FROM (
    SELECT job_id FROM json_each(?) CROSS JOIN jobs ON number = value WHERE status = ? ORDER BY number DESC
)
"""

# In which statuses jobs stand.
SELECT_STANDING: Final = "SELECT statuses FROM applied"

# How many jobs there are of some tasks: a JSON list of names.
SELECT_STANDING_OF_TASKS: Final = "SELECT statuses FROM pairs WHERE task IN (SELECT value FROM json_each(?))"

# When the job of a number, or the next older one, was first heard of.
SELECT_CREATED: Final = "SELECT created_ms FROM jobs WHERE number >= ? ORDER BY number LIMIT 1"

_decode_statuses: Final = msgspec.json.Decoder(dict[str, int]).decode
_decode_subjects: Final = msgspec.json.Decoder(list[tuple[Any, Any, Any, str | None]]).decode
_decode_ids: Final = msgspec.json.Decoder(list[str]).decode
_decode_numbers: Final = msgspec.json.Decoder(list[int]).decode
_decode_names: Final = msgspec.json.Decoder(list[Stored]).decode
_encode: Final = msgspec.json.Encoder().encode


class Walk(Struct, frozen=True, kw_only=True):
    """
    What one search has met.

    Attributes:
        numbers: Of the jobs that match, the newest first.
        named: Their statuses, tasks, queues and hosts, as rows hold them: a list for each of `NAMED`.
        before: Where it would go on; 1 where nothing is left.
    """

    numbers: list[int]
    named: list[list[Stored]]
    before: int


class Explorer:
    """Searches on one connection; the caller holds the moment of the view."""

    def __init__(self, connection: apsw.Connection, known: KnownWords) -> None:
        self._connection = connection
        self._words = known
        connection.create_scalar_function("is_named", _is_named, 2, deterministic=True)

    def walk(
        self, wanted: JobFilter, *, kept: Kept, now_ms: int, before: int, limit: int, is_enough: Callable[[], bool]
    ) -> Walk:
        """
        Jobs that match, until there are `limit` of them, or no job is left, or it is enough.

        Args:
            wanted: What they must be.
            kept: Jobs that ended earlier are gone already.
            now_ms: From when ages count, ms UTC.
            before: Only jobs with a lower number.
            is_enough: Asked after each look.
        """
        values, road = self._values(wanted, kept, now_ms)
        numbers, named = _nothing_met()
        window = LOOK_JOBS
        while road is not None and before > 1 and len(numbers) < limit:
            floor = max(1, before - window)
            begin = perf_counter()
            self._meet(numbers, named, road, (before, floor, limit - len(numbers), *values))
            if len(numbers) >= limit:
                return Walk(numbers=numbers, named=named, before=numbers[-1])
            before = floor
            if perf_counter() - begin < LOOK_S:
                window *= 2
            if is_enough():
                return Walk(numbers=numbers, named=named, before=before)
        return Walk(numbers=numbers, named=named, before=1)

    def walk_oldest(
        self,
        wanted: JobFilter,
        *,
        kept: Kept,
        now_ms: int,
        start: int,
        end: int,
        limit: int,
        is_enough: Callable[[], bool],
    ) -> Walk:
        """
        The same the other way round, from the oldest job to newer ones; the other arguments are those of `walk`.

        Args:
            start: The number from which on jobs are looked at. end: Only jobs with a lower number.

        Returns:
            `before` is where it would go on; `end` where nothing is left.
        """
        values, road = self._values(wanted, kept, now_ms)
        numbers, named = _nothing_met()
        window = LOOK_JOBS
        while road is not None and start < end:
            ceiling = min(end, start + window)
            begin = perf_counter()
            self._meet(numbers, named, OLDEST_OF[road], (ceiling, start, limit - len(numbers), *values))
            if len(numbers) >= limit:
                return Walk(numbers=numbers, named=named, before=numbers[-1] + 1)
            start = ceiling
            if perf_counter() - begin < LOOK_S:
                window *= 2
            if is_enough():
                return Walk(numbers=numbers, named=named, before=start)
        return Walk(numbers=numbers, named=named, before=end)

    def _meet(self, numbers: list[int], named: list[list[Stored]], statement: str, bindings: tuple[Any, ...]) -> None:
        """Add what a look finds."""
        first, *others = self._connection.execute(statement, bindings).get
        numbers += _decode_numbers(first)
        for known, found in zip(named, others, strict=True):
            known += _decode_names(found)

    def matching(self, wanted: JobFilter, *, kept: Kept, now_ms: int, numbers: Sequence[int]) -> set[int]:
        """Those of some jobs that match, by their numbers."""
        values, road = self._values(wanted, kept, now_ms)
        if road is None:
            return set()
        bindings = (_encode(numbers).decode(), None, None, *values)
        return set(_decode_numbers(self._connection.execute(SEARCH_THESE, bindings).get))

    def longest(self, met: Walk, now_ms: int, limit: int) -> list[int]:
        """The numbers of the longest of those that a walk has met, the longest first."""
        bindings = (_encode(met.numbers).decode(), now_ms, limit)
        return _decode_numbers(self._connection.execute(SELECT_LONGEST, bindings).get)

    def created_ms(self, number: int) -> int | None:
        """When the oldest job that a walk has passed over was first heard of, ms UTC."""
        created: int | None = self._connection.execute(SELECT_CREATED, (number,)).get
        return created

    def subjects(self, met: Walk) -> list[Subject]:
        """What the jobs that a walk has met are about, each but once."""
        text = self._words.text
        numbers = _encode(met.numbers).decode()
        return [
            Subject(status=text(status) or "", task=text(task), queue=text(queue), error=error)
            for status, task, queue, error in _decode_subjects(
                self._connection.execute(SELECT_SUBJECTS, (numbers,)).get
            )
        ]

    def job_ids(self, met: Walk, status: str) -> list[str]:
        """The ids of those that stand in a status, the newest first."""
        numbers = _encode(met.numbers).decode()
        return _decode_ids(self._connection.execute(SELECT_IDS, (numbers, self._words.stored(status))).get)

    def facets(self, met: Walk) -> dict[str, list[FacetValue]]:
        """How often each status, task, queue and host occurs in what a walk has met, the most frequent first."""
        text = self._words.text
        return {
            name: [FacetValue(value=text(word), count=n) for word, n in Counter(column).most_common(FACET_VALUES)]
            for name, column in zip(NAMED, met.named, strict=True)
        }

    def _values(self, wanted: JobFilter, kept: Kept, now_ms: int) -> tuple[tuple[Any, ...], str | None]:
        """The parameters from the fourth on, and the statement that goes the best road; None where nothing can match."""
        named = [self._stored(getattr(wanted, name), is_status=name == "status") for name in NAMED]
        statuses, is_ended = named[0], None if wanted.is_active is None else not wanted.is_active
        if wanted.is_active and wanted.status is None:
            statuses = self._active()
        lengths = [None if length is None else float(length) for length in (wanted.longer_ms, wanted.shorter_ms)]
        labels = [_encode({name: value}).decode()[1:-1] for name, value in wanted.labels]
        values = (
            *[None if one is None else _encode(one).decode() for one in (statuses, *named[1:])],
            *[False if (names := getattr(wanted, name)) is None else names.is_not for name in NAMED],
            is_ended,
            now_ms,
            *[None if text is None else moment_of(text, now_ms) for text in (wanted.since, wanted.until)],
            *lengths,
            None if wanted.error is None else _like(wanted.error),
            *labels,
            *[None] * (LABELS_MAX - len(labels)),
            *[_like(word) for word in wanted.words],
            *[None] * (WORDS_MAX - len(wanted.words)),
            kept.completed_from_ms,
            kept.other_from_ms,
        )
        return values, self._road(wanted, statuses, named[1])

    def _stored(self, names: Names | None, *, is_status: bool = False) -> list[int | str] | None:
        """Some names as rows hold them: all words that match a pattern, and -1 for jobs without a name."""
        if names is None:
            return None
        found: list[int | str] = []
        for pattern in names.patterns:
            if pattern is None:
                found.append(-1)
            elif "*" in pattern or "?" in pattern:
                found += [pattern, *[number for number, word in self._words.all().items() if is_match(pattern, word)]]
            else:
                found.append(self._words.stored(pattern))
        return found

    def _active(self) -> list[int | str]:
        """The words of statuses in which active jobs stand."""
        standing = _decode_statuses(self._connection.execute(SELECT_STANDING).get)
        return [self._words.stored(word) for word, count in standing.items() if count and word not in TERMINAL]

    def _road(self, wanted: JobFilter, statuses: list[int | str] | None, tasks: list[int | str] | None) -> str | None:
        """By which index candidates come: the one that promises fewer of them."""
        if len(self._words.all()) >= words.WORDS_MAX and _has_glob(wanted):
            return SEARCH_BY_NUMBER  # a name without a number stands in no list of numbers
        is_by_status = statuses is not None and 1 not in statuses and not (wanted.status and wanted.status.is_not)
        is_by_task = tasks is not None and wanted.task is not None and not wanted.task.is_not and -1 not in tasks
        if (is_by_status and not statuses) or (is_by_task and not tasks):
            return None
        if not (is_by_status and is_by_task):
            return SEARCH_BY_STATUS if is_by_status else SEARCH_BY_TASK if is_by_task else SEARCH_BY_NUMBER
        assert statuses is not None
        assert tasks is not None
        standing = _decode_statuses(self._connection.execute(SELECT_STANDING).get)
        of_status = sum(standing.get(self._words.text(word) or "", 0) for word in statuses)
        names = _encode([self._words.text(task) for task in tasks]).decode()
        pairs: list[Any] = self._connection.execute(SELECT_STANDING_OF_TASKS, (names,)).fetchall()
        of_tasks = sum(sum(_decode_statuses(one).values()) for (one,) in pairs)
        return SEARCH_BY_TASK if pairs and of_tasks < of_status else SEARCH_BY_STATUS


def _nothing_met() -> tuple[list[int], list[list[Stored]]]:
    return [], [[] for _ in NAMED]


def _has_glob(wanted: JobFilter) -> bool:
    names = [pattern or "" for one in (wanted.status, wanted.task) if one is not None for pattern in one.patterns]
    return any("*" in name or "?" in name for name in names)


@lru_cache(maxsize=64)
def _globs(stored: str) -> tuple[str, ...]:
    return tuple(one for one in msgspec.json.decode(stored) if isinstance(one, str) and ("*" in one or "?" in one))


def _is_named(*values: Any) -> bool:
    """Whether one of the patterns in a list of stored names (JSON) matches a name that has no number."""
    stored, name = values
    return any(is_match(pattern, name) for pattern in _globs(stored))


def _like(part: str) -> str:
    """A pattern for texts that contain a part, whatever is in it."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
