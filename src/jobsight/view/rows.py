"""A job as a row, and a row as a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from jobsight.core.apply import digest
from jobsight.core.job import Job
from jobsight.core.statistics import PairCounters, pair_for
from jobsight.view.history import pack
from jobsight.view.words import Words

Row = tuple[Any, ...]
"""The values of a job's row in the order of the statements below."""

# A job that was never stored.
INSERT_JOB: Final = """
INSERT INTO jobs (
    number, job_id, created_ms, status, task, queue, host, progress, progress_max, duration_ms, resource_usage, labels,
    attempt, retries, max_retries, error, message, updated_after_ms, started_after_ms, moved_before_ms, ended_before_ms,
    end_at_after_ms, end_host, is_end_told_by_update, events, last_digest, alert_id, history
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24,
    ?25, ?26, ?27, ?28)
"""

# A stored job that has changed; the places of its new events follow the older ones.
UPDATE_JOB: Final = """
UPDATE jobs SET
    status = ?4, task = ?5, queue = ?6, host = ?7, progress = ?8, progress_max = ?9, duration_ms = ?10,
    resource_usage = ?11, labels = ?12, attempt = ?13, retries = ?14, max_retries = ?15, error = ?16, message = ?17,
    updated_after_ms = ?18, started_after_ms = ?19, moved_before_ms = ?20, ended_before_ms = ?21, end_at_after_ms = ?22,
    end_host = ?23, is_end_told_by_update = ?24, events = ?25, last_digest = ?26, alert_id = ?27,
    history = CAST(history || ?28 AS BLOB)
WHERE number = ?1
"""

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
_decode_usage: Final = msgspec.json.Decoder(dict[str, int | float | None]).decode
_decode_labels: Final = msgspec.json.Decoder(dict[str, str]).decode


def rows_of(jobs: Sequence[Job], words: Words) -> list[Row]:
    """The rows of jobs; `words` may learn new ones."""
    pieces = pack([job.refs for job in jobs])
    return [_row(job, words, piece) for job, piece in zip(jobs, pieces, strict=True)]


def _row(job: Job, words: Words, piece: bytes) -> Row:
    created_ms, updated_ms = job.created_ms, job.updated_ms
    usage, labels = job.resource_usage, job.labels
    started_ms, ended_ms, end_at_ms = job.started_ms, job.ended_ms, job.end_at_ms
    return (
        job.number,
        job.job_id,
        created_ms,
        words[job.status],
        words[job.task],
        words[job.queue],
        words[job.host],
        job.progress,
        None if job.progress_max == job.progress else job.progress_max,
        job.duration_ms,
        None if usage is None else _encode(usage).decode(),
        None if labels is None else _encode(labels).decode(),
        job.attempt,
        job.retries,
        job.max_retries,
        job.error,
        job.message,
        updated_ms - created_ms,
        None if started_ms is None else started_ms - created_ms,
        updated_ms - job.moved_ms,
        None if ended_ms is None else updated_ms - ended_ms,
        None if end_at_ms is None else end_at_ms - created_ms,
        words[job.end_host],
        job.is_end_told_by_update,
        job.events_stored + len(job.refs),
        last_digest(job),
        job.alert_id,
        piece,
    )


def last_digest(job: Job) -> int:
    """The digest by which a repetition of the job's last report is known; 0 where that had no `msg_id`, so cannot be repeated."""
    event = job.last_event
    if event is None:
        return job.last_digest
    return 0 if event.msg_id is UNSET or event.msg_id is None else digest(job.last_source, event)


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
        resource_usage=None if row[10] is None else _decode_usage(row[10]),
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
