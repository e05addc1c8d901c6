"""What receipts are made of, read from the view: an alert with everything in it, its notifications, and who is told what."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

import apsw

from jobsight.core.alert import Alert
from jobsight.core.outbox import Delivery
from jobsight.core.state import State
from jobsight.view.watching import alert_of, decode_delivery, load_watching

# One episode by its id, or the newest one of a fingerprint.
SELECT_ALERT: Final = """
SELECT alert_id, fingerprint, rule, task, queue, state, count, jobs_failed, first_error, last_error, first_job_id,
    last_job_id, last_retries, opened_ms, updated_ms, resolved_ms, reason, detail
FROM alerts WHERE alert_id = ?1 OR (alert_id > ?1 || '-' AND alert_id < ?1 || '.') ORDER BY number DESC LIMIT 1
"""

# The latest episode of a task that is over.
SELECT_LAST_RESOLVED: Final = """
SELECT alert_id, fingerprint, rule, task, queue, state, count, jobs_failed, first_error, last_error, first_job_id,
    last_job_id, last_retries, opened_ms, updated_ms, resolved_ms, reason, detail
FROM alerts WHERE task = ? AND state = 'resolved' ORDER BY number DESC LIMIT 1
"""

# Every episode since a moment.
SELECT_ALERTS_SINCE: Final = """
SELECT alert_id, fingerprint, rule, task, queue, state, count, jobs_failed, first_error, last_error, first_job_id,
    last_job_id, last_retries, opened_ms, updated_ms, resolved_ms, reason, detail
FROM alerts WHERE opened_ms >= ? ORDER BY number
"""

# Every notification since a moment.
SELECT_DELIVERIES_SINCE: Final = "SELECT content FROM deliveries WHERE created_ms >= ? ORDER BY number"

# Of the newest notifications, those that were taken since a moment.
SELECT_TAKEN_SINCE: Final = """
SELECT content FROM (SELECT number, state, done_ms, content FROM deliveries ORDER BY number DESC LIMIT 10000)
WHERE state = 'delivered' AND done_ms >= ? ORDER BY number
"""

# The node's retry limit.
SELECT_RETRIES_MAX: Final = "SELECT retries_max FROM applied"

# What was told under a key within the time of an episode.
SELECT_DELIVERIES: Final = """
SELECT content FROM deliveries WHERE dedup_key = ? AND created_ms BETWEEN ? AND ? ORDER BY number LIMIT 1000
"""


class ReceiptQueries:
    """The part of a reader that answers these; the reader lends its connection, and one moment of the view for each call."""

    _connection: apsw.Connection

    @abstractmethod
    def _moment(self) -> AbstractContextManager[None]:
        """One moment of the view for all that is read inside."""

    def watching(self) -> State:
        """A state that knows everything but jobs: checks, open alerts, groups, the outbox, silences, routing."""
        with self._moment():
            state = State(retries_max=self._connection.execute(SELECT_RETRIES_MAX).get)
            load_watching(self._connection, state)
            return state

    def find_alert(self, name: str) -> Alert | None:
        """An alert with everything in it, by its id, or the latest episode of a fingerprint; None for neither."""
        return self._alert(SELECT_ALERT, name)

    def last_resolved(self, task: str) -> Alert | None:
        """The latest alert of a task that is over; None without any."""
        return self._alert(SELECT_LAST_RESOLVED, task)

    def alerts_since(self, from_ms: int) -> list[Alert]:
        """Every alert that was opened since a moment (ms UTC), the oldest first."""
        with self._moment():
            return [alert_of(tuple(row)) for row in self._connection.execute(SELECT_ALERTS_SINCE, (from_ms,))]

    def deliveries_since(self, from_ms: int) -> list[Delivery]:
        """Every notification that was decided on since a moment (ms UTC), in its order."""
        with self._moment():
            rows = self._connection.execute(SELECT_DELIVERIES_SINCE, (from_ms,))
            return [decode_delivery(content) for (content,) in rows]

    def taken_since(self, from_ms: int) -> list[Delivery]:
        """Of the newest 10,000 notifications, those that their channels took since a moment (ms UTC), in their order."""
        with self._moment():
            rows = self._connection.execute(SELECT_TAKEN_SINCE, (from_ms,))
            return [decode_delivery(content) for (content,) in rows]

    def deliveries_of(self, keys: Sequence[str], from_ms: int, to_ms: int) -> list[Delivery]:
        """What was told under some dedup keys between two moments (ms UTC), in its order."""
        with self._moment():
            found = [
                decode_delivery(content)
                for key in sorted(set(keys))
                for (content,) in self._connection.execute(SELECT_DELIVERIES, (key, from_ms, to_ms))
            ]
        return sorted(found, key=lambda delivery: delivery.number)

    def _alert(self, statement: str, name: str) -> Alert | None:
        with self._moment():
            row = self._connection.execute(statement, (name,)).fetchone()
        return None if row is None else alert_of(tuple(row))
