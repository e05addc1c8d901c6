"""From the name that a worker gave its job to the number of the job's row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import apsw

# The number of a job.
SELECT_NUMBER: Final = "SELECT number FROM jobs WHERE job_id = ?"


class JobIndex:
    """Finds jobs by their `job_id`. Nothing else knows how."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def candidates(self, job_ids: Iterable[str]) -> list[int]:
        """The numbers of rows in which these jobs stand, if they are stored; the caller compares the `job_id` found there."""
        rows = self._connection.executemany(SELECT_NUMBER, [(job_id,) for job_id in job_ids])
        return [number for (number,) in rows]
