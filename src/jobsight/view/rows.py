"""A job as a row, and a row as a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from jobsight.core.apply import digests
from jobsight.core.events import AnyReport
from jobsight.core.job import Job
from jobsight.core.statistics import PairCounters, pair_for
from jobsight.view.history import pack
from jobsight.view.packed_ids import packed_id
from jobsight.view.usage import UsageWriter, usage_of
from jobsight.view.words import Stored, Words

Row = tuple[Any, ...]
"""The values of a job's row in the order of the statements below."""

# A job that was never stored; times are given as they are. The names of the columns are left out for speed alone: apsw reads
# the whole statement again for each row.
INSERT_JOB: Final = (
    "INSERT INTO jobs VALUES(?1,?29,?3,?4,?27,?28,?5,?6,nullif(?7,?6),?8,?9,?10,?11,?12,?13,?14,?15,?16-?3,?17-?3,?16-?18,?16-?19,"
    "?20-?3,?21,?22,?23,?24,?25,?26,?30)"
)

# A stored job that has changed; the places of its new events follow the older ones. A column that
# stands here has its index written, whether it has changed or not; so the task has a statement of its own.
UPDATE_JOB: Final = (
    "UPDATE jobs SET status=?4,host=?5,progress=?6,progress_max=nullif(?7,?6),duration_ms=?8,resource_usage=?9,labels=?10,"
    "attempt=?11,retries=?12,max_retries=?13,error=?14,message=?15,updated_after_ms=?16-?3,started_after_ms=?17-?3,"
    "moved_before_ms=?16-?18,ended_before_ms=?16-?19,end_at_after_ms=?20-?3,end_host=?21,is_end_told_by_update=?22,events=?23,"
    "last_digest=?24,alert_id=?25,history=CAST(history||?26 AS BLOB) WHERE number=?1"
)

# A stored job under another task or queue.
RENAME_JOB: Final = "UPDATE jobs SET task=?2,queue=?3 WHERE number=?1"

# A job by its number, everything but its history.
SELECT_JOB: Final = """
SELECT
    number, job_id, created_ms, status, task, queue, host, progress, progress_max, duration_ms, resource_usage, labels,
    attempt, retries, max_retries, error, message, updated_after_ms, started_after_ms, moved_before_ms, ended_before_ms,
    end_at_after_ms, end_host, is_end_told_by_update, events, last_digest, alert_id
FROM jobs WHERE number = ?
"""

# The numbers of all active jobs: the words in which jobs stand (each found by one step in the index), without the terminal ones.
SELECT_ACTIVE_NUMBERS: Final = """
WITH RECURSIVE standing (word) AS (
    SELECT min(status) FROM jobs WHERE status <> 1
    UNION ALL
    SELECT (SELECT min(status) FROM jobs WHERE status <> 1 AND status > word) FROM standing WHERE word IS NOT NULL
)
SELECT number FROM standing JOIN jobs ON status = word AND status <> 1 WHERE word NOT IN (2, 3, 4)
"""

_encode: Final = msgspec.json.Encoder().encode
_decode_labels: Final = msgspec.json.Decoder(dict[str, str]).decode


def rows_of(jobs: Sequence[Job], words: Words, usages: UsageWriter) -> list[Row]:
    """The rows of jobs for `UPDATE_JOB`; `words` may learn new ones."""
    pieces, last_digests = pack([job.refs for job in jobs]), _digests(jobs)
    try:
        return _rows(jobs, usages, words.numbers, pieces, last_digests)
    except KeyError:
        for job in jobs:
            words.learn((job.status, job.task, job.queue, job.host, job.end_host))
        return _rows(jobs, usages, words.numbers, pieces, last_digests)


def new_rows_of(jobs: Sequence[Job], words: Words, usages: UsageWriter) -> list[Row]:
    """The rows of jobs for `INSERT_JOB`; `words` may learn new ones."""
    words.learn([job.task for job in jobs])
    words.learn([job.queue for job in jobs])
    numbers = words.numbers
    return [
        (*row, numbers[job.task], numbers[job.queue], *packed_id(job.job_id))
        for job, row in zip(jobs, rows_of(jobs, words, usages), strict=True)
    ]


def renamed_rows_of(jobs: Sequence[Job], words: Words) -> list[Row]:
    """The rows of jobs for `RENAME_JOB`; `words` may learn new ones."""
    for job in jobs:
        words.learn((job.task, job.queue))
    return [(job.number, words.numbers[job.task], words.numbers[job.queue]) for job in jobs]


def _rows(
    jobs: Sequence[Job],
    usages: UsageWriter,
    words: dict[str | None, Stored],
    pieces: list[bytes],
    last_digests: list[int],
) -> list[Row]:
    """The rows; KeyError where there is a word without a number."""
    usage_text = usages.text
    return [
        (
            job.number,
            job.job_id,
            job.created_ms,
            words[job.status],
            words[job.host],
            job.progress,
            job.progress_max,
            job.duration_ms,
            None if job.resource_usage is None else usage_text(job.resource_usage),
            None if job.labels is None else _encode(job.labels).decode(),
            job.attempt,
            job.retries,
            job.max_retries,
            job.error,
            job.message,
            job.updated_ms,
            job.started_ms,
            job.moved_ms,
            job.ended_ms,
            job.end_at_ms,
            words[job.end_host],
            job.is_end_told_by_update,
            job.events_stored + len(job.refs),
            last_digest,
            job.alert_id,
            piece,
        )
        for job, piece, last_digest in zip(jobs, pieces, last_digests, strict=True)
    ]


def _digests(jobs: Sequence[Job]) -> list[int]:
    """The digest by which a repetition of each job's last report is known; 0 where that had no `msg_id`, so cannot be repeated."""
    events = [job.last_event for job in jobs]
    if None in events:
        return [job.last_digest if job.last_event is None else last_digest(job) for job in jobs]
    return digests([job.last_source for job in jobs], cast("list[AnyReport]", events))


def last_digest(job: Job) -> int:
    """The digest by which a repetition of one job's last report is known."""
    return job.last_digest if job.last_event is None else digests([job.last_source], [job.last_event])[0]


def job_of(row: Row, words: Words, pairs: dict[tuple[str | None, str | None], PairCounters]) -> Job:
    """The stored job of a row of `SELECT_JOB`, joined to the counters of its pair."""
    created_ms, updated_ms = row[2], row[2] + row[17]
    task, queue = words.text(row[4]), words.text(row[5])
    return Job(
        number=row[0],
        job_id=row[1],
        counters=pair_for(pairs, task, queue),
        status=words.text(row[3]) or "",
        progress=row[7],
        progress_max=row[7] if row[8] is None else row[8],
        duration_ms=row[9],
        resource_usage=None if row[10] is None else usage_of(row[10], words.text),
        task=task,
        queue=queue,
        host=words.text(row[6]),
        labels=None if row[11] is None else _decode_labels(row[11]),
        attempt=row[12],
        retries=row[13],
        max_retries=row[14],
        error=row[15],
        message=row[16],
        created_ms=created_ms,
        updated_ms=updated_ms,
        started_ms=None if row[18] is None else created_ms + row[18],
        moved_ms=updated_ms - row[19],
        ended_ms=None if row[20] is None else updated_ms - row[20],
        end_at_ms=None if row[21] is None else created_ms + row[21],
        end_host=words.text(row[22]),
        is_end_told_by_update=bool(row[23]),
        events_stored=row[24],
        last_digest=row[25],
        alert_id=row[26],
        is_stored=True,
    )
