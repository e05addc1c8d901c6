"""Rows of jobs as they are answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw
import msgspec

from jobsight.view.answers import JobAnswer
from jobsight.view.usage import usage_of
from jobsight.view.words import KnownWords

# A job as it is answered.
_ANSWER: Final = """
SELECT number, job_id, status, progress, duration_ms, resource_usage, task, queue, host, labels, attempt, retries,
    max_retries, error, message, created_ms, created_ms + started_after_ms, updated_ms, updated_ms - ended_before_ms, events
"""
SELECT_ANSWER: Final = _ANSWER + "FROM jobs WHERE number = ?"

# Some jobs in an order: (their numbers as JSON). A row a job, not one for all: SQLite's JSON may round a fraction.
SELECT_ANSWERS: Final = _ANSWER + "FROM json_each(?) CROSS JOIN jobs ON number = value"

# What some jobs are called, all in one row: (their numbers as JSON).
SELECT_NAMES: Final = """
SELECT json_group_array(json_array(number, job_id)) FROM json_each(?) CROSS JOIN jobs ON number = value
"""

_decode_names: Final = msgspec.json.Decoder(list[tuple[int, str]]).decode
_decode_labels: Final = msgspec.json.Decoder(dict[str, str]).decode


class JobRows:
    """Reads jobs by their numbers on one connection; the caller holds the moment of the view."""

    def __init__(self, connection: apsw.Connection, words: KnownWords) -> None:
        self._connection = connection
        self._words = words

    def answers(self, numbers: Sequence[int]) -> list[JobAnswer]:
        """The jobs of some numbers, in their order; those that are not stored are left out."""
        rows = self._connection.execute(SELECT_ANSWERS, (msgspec.json.encode(numbers).decode(),))
        return [self._answer(row) for row in rows]

    def names(self, numbers: Sequence[int]) -> dict[int, str]:
        """What the jobs of some numbers are called; those that are not stored are left out."""
        return dict(_decode_names(self._connection.execute(SELECT_NAMES, (msgspec.json.encode(numbers).decode(),)).get))

    def _answer(self, row: tuple[Any, ...]) -> JobAnswer:
        text = self._words.text
        return JobAnswer(
            job_id=row[1],
            status=text(row[2]) or "",
            progress=row[3],
            duration_ms=row[4],
            resource_usage=None if row[5] is None else usage_of(row[5], text),
            task=text(row[6]),
            queue=text(row[7]),
            host=text(row[8]),
            labels=None if row[9] is None else _decode_labels(row[9]),
            attempt=row[10],
            retries=row[11],
            max_retries=row[12],
            error=row[13],
            message=row[14],
            created_ms=row[15],
            started_ms=row[16],
            updated_ms=row[17],
            ended_ms=row[18],
            events=row[19],
        )
