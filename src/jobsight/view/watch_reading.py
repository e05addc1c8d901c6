"""What was found, who was told, and who has done what: the part of the reading side that is about alerts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from jobsight.core.alert import ACKNOWLEDGED, FIRING, PENDING, RESOLVED, Alert
from jobsight.core.outbox import Delivery
from jobsight.view.answers import (
    AlertAnswer,
    AlertDetail,
    AlertFilter,
    AlertPage,
    AlertRows,
    Applied,
    AuditAnswer,
    AuditPage,
    DeliveryRows,
    Episode,
)
from jobsight.view.cursors import before_number, cursor_of
from jobsight.view.database import storage_errors
from jobsight.view.watching import COLUMNS, alert_of, decode_delivery

PAGE_MAX: Final = 1_000
"""Rows of a page."""

OPEN: Final = "open"
"""Asks for every alert that is not resolved."""

DELIVERIES_OF_DRILL_MAX: Final = 10_000
"""Ways of one drill that are shown."""

# Up to where the view is true.
SELECT_APPLIED: Final = "SELECT log_id, applied_seq, checksum, jobs_total, retained FROM applied"

_OPEN: Final = (PENDING, FIRING, ACKNOWLEDGED)
"""The states of alerts that are not resolved."""

# Alerts, the newest first: (before, limit, state, task, rule, severity, queue, since); by their number alone. An alert whose
# detail says no severity is critical.
LIST_ALERTS: Final = """
SELECT number, alert_id, fingerprint, rule, task, queue, state, count, jobs_failed, first_error, last_error,
    first_job_id, last_job_id, last_retries, opened_ms, updated_ms, resolved_ms, reason, detail
FROM alerts
WHERE number < ?1 AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR +task = ?4) AND (?5 IS NULL OR rule = ?5)
    AND (?6 IS NULL OR ifnull(severity, 'critical') = ?6) AND (?7 IS NULL OR queue = ?7) AND (?8 IS NULL OR updated_ms >= ?8)
ORDER BY number DESC LIMIT ?2
"""

# Alerts in one state that is not the end, in the order of the index of the open ones: the same parameters.
LIST_OPEN_ALERTS: Final = """
SELECT number, alert_id, fingerprint, rule, task, queue, state, count, jobs_failed, first_error, last_error,
    first_job_id, last_job_id, last_retries, opened_ms, updated_ms, resolved_ms, reason, detail
FROM alerts INDEXED BY alerts_open
WHERE number < ?1 AND state = ?3 AND state <> 'resolved' AND (?4 IS NULL OR +task = ?4)
    AND (?5 IS NULL OR rule = ?5) AND (?6 IS NULL OR ifnull(severity, 'critical') = ?6) AND (?7 IS NULL OR queue = ?7)
    AND (?8 IS NULL OR updated_ms >= ?8)
ORDER BY number DESC LIMIT ?2
"""

# Alerts of a task, by its index: the same parameters.
LIST_ALERTS_BY_TASK: Final = """
SELECT number, alert_id, fingerprint, rule, task, queue, state, count, jobs_failed, first_error, last_error,
    first_job_id, last_job_id, last_retries, opened_ms, updated_ms, resolved_ms, reason, detail
FROM alerts
WHERE number < ?1 AND task = ?4 AND (?3 IS NULL OR +state = ?3 OR (?3 = 'open' AND +state <> 'resolved'))
    AND (?5 IS NULL OR rule = ?5) AND (?6 IS NULL OR ifnull(severity, 'critical') = ?6) AND (?7 IS NULL OR queue = ?7)
    AND (?8 IS NULL OR updated_ms >= ?8)
ORDER BY number DESC LIMIT ?2
"""

# The newest episodes in short, all in one row: (limit).
SELECT_EPISODES: Final = """
SELECT json_group_array(json_array(alert_id, rule, task, queue, opened_ms, resolved_ms)) FROM (
    SELECT alert_id, rule, task, queue, opened_ms, resolved_ms FROM alerts ORDER BY number DESC LIMIT ?
)
"""

# Notifications, the newest first: (before, limit, state, channel, alert_id, since, dedup keys as a JSON list).
LIST_DELIVERIES: Final = """
SELECT number, content FROM deliveries
WHERE number < ?1 AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR channel = ?4) AND (?5 IS NULL OR alert_id = ?5)
    AND (?6 IS NULL OR created_ms >= ?6)
ORDER BY number DESC LIMIT ?2
"""

# The same of those that were given up, by their index.
LIST_DEAD_DELIVERIES: Final = """
SELECT number, content FROM deliveries
WHERE number < ?1 AND state = 'dead' AND (?4 IS NULL OR channel = ?4) AND (?5 IS NULL OR alert_id = ?5)
    AND (?6 IS NULL OR created_ms >= ?6)
ORDER BY number DESC LIMIT ?2
"""

# One notification.
SELECT_DELIVERY: Final = "SELECT content FROM deliveries WHERE delivery_id = ?"

# Notifications whose dedup key lies between two texts, in their order, by the index of the keys.
SELECT_DELIVERIES_BETWEEN: Final = """
SELECT content FROM deliveries WHERE dedup_key >= ?1 AND dedup_key < ?2 ORDER BY dedup_key LIMIT ?3
"""

# Actions, the newest first: (before, limit, author, action, subject, since).
LIST_AUDIT: Final = """
SELECT number, at_ms, author, action, subject, detail FROM audit
WHERE number < ?1 AND (?3 IS NULL OR author = ?3) AND (?4 IS NULL OR action = ?4) AND (?5 IS NULL OR subject = ?5)
    AND (?6 IS NULL OR at_ms >= ?6)
ORDER BY number DESC LIMIT ?2
"""

_FIRST: Final = 1 << 62
_PLAIN: Final = AlertAnswer.__struct_fields__
_decode_episodes: Final = msgspec.json.Decoder(list[Episode]).decode


class WatchReading:
    """
    Answers about alerts, deliveries and the audit, as of the last flush. Each call sees one moment.

    Args:
        connection: To the view.
        path: Its file, for the words of errors; None for a view in memory.
    """

    def __init__(self, connection: apsw.Connection, path: Path | None) -> None:
        self._connection = connection
        self._path = path

    def alerts(
        self, state: str | None = None, task: str | None = None, *, limit: int = 100, cursor: str | None = None
    ) -> AlertPage:
        """
        Alerts, the newest episode first.

        Args:
            state: pending, firing, acknowledged or resolved; None for all.
            task: Only alerts of this task.
            limit: Alerts of a page, at most `PAGE_MAX`.
            cursor: From the page before.

        Raises:
            UsageError: The cursor is none that a page has given.
        """
        page = self.list_alerts(AlertFilter(state=state, task=task), limit=limit, cursor=cursor)
        plain = [AlertAnswer(**{name: getattr(one, name) for name in _PLAIN}) for one in page.alerts]
        return AlertPage(alerts=plain, cursor=page.cursor, as_of_seq=page.as_of_seq)

    def list_alerts(self, wanted: AlertFilter, *, limit: int = 100, cursor: str | None = None) -> AlertRows:
        """Alerts that match all of a filter, with all that is known of them; the rest as in `alerts`."""
        limit = max(1, min(limit, PAGE_MAX))
        statement, states = LIST_ALERTS if wanted.task is None else LIST_ALERTS_BY_TASK, [wanted.state]
        if wanted.state not in (None, RESOLVED):
            statement, states = LIST_OPEN_ALERTS, [*_OPEN] if wanted.state == "open" else [wanted.state]
        filters = (wanted.task, wanted.rule, wanted.severity, wanted.queue, wanted.since_ms)
        before = before_number(cursor, _FIRST)
        with self._moment():
            applied = self._applied()
            found = [row for state in states for row in self._rows(statement, (before, limit + 1, state, *filters))]
        rows = sorted(found, key=itemgetter(0), reverse=True)[: limit + 1]
        return AlertRows(
            alerts=[detail_of(alert_of(row[1:])) for row in rows[:limit]],
            cursor=_cursor(rows, limit),
            as_of_seq=applied.applied_seq,
        )

    def episodes(self, limit: int) -> list[Episode]:
        """The newest episodes in short, by when they were opened, the newest first."""
        with self._moment():
            return _decode_episodes(self._connection.execute(SELECT_EPISODES, (limit,)).get)

    def list_deliveries(
        self,
        *,
        state: str | None = None,
        channel: str | None = None,
        alert_id: str | None = None,
        since_ms: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> DeliveryRows:
        """
        Notifications that match, the newest first: those that wait, and the record of the others.

        Args:
            state: waiting, delivered or dead.
            channel: Only through this one.
            alert_id: Only those that speak of this alert alone.
            since_ms: Only those decided on since then, ms UTC.
            limit, cursor: As in `alerts`.
        """
        limit = max(1, min(limit, PAGE_MAX))
        statement = LIST_DEAD_DELIVERIES if state == "dead" else LIST_DELIVERIES
        with self._moment():
            applied = self._applied()
            values = (before_number(cursor, _FIRST), limit + 1, state, channel, alert_id, since_ms)
            rows = self._rows(statement, values)
        return DeliveryRows(
            deliveries=[decode_delivery(content) for _, content in rows[:limit]],
            cursor=_cursor(rows, limit),
            as_of_seq=applied.applied_seq,
        )

    def delivery(self, delivery_id: str) -> Delivery | None:
        """One notification; None for none."""
        with self._moment():
            rows = self._rows(SELECT_DELIVERY, (delivery_id,))
        return decode_delivery(rows[0][0]) if rows else None

    def deliveries_between(self, first_key: str, before_key: str) -> list[Delivery]:
        """Every notification whose dedup key lies between two texts, in the order in which they were decided on."""
        with self._moment():
            rows = self._rows(SELECT_DELIVERIES_BETWEEN, (first_key, before_key, DELIVERIES_OF_DRILL_MAX))
        return sorted((decode_delivery(content) for (content,) in rows), key=lambda one: one.number)

    def audit(
        self,
        *,
        author: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        since_ms: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> AuditPage:
        """Who has changed what, the newest first; the arguments are exact, `limit` and `cursor` as in `alerts`."""
        limit = max(1, min(limit, PAGE_MAX))
        with self._moment():
            applied = self._applied()
            values = (before_number(cursor, _FIRST), limit + 1, author, action, subject, since_ms)
            rows = self._rows(LIST_AUDIT, values)
        return AuditPage(
            entries=[_audit_answer(row) for row in rows[:limit]],
            cursor=_cursor(rows, limit),
            as_of_seq=applied.applied_seq,
        )

    @contextmanager
    def _moment(self) -> Iterator[None]:
        """One moment of the view for all that is read inside."""
        with storage_errors(self._path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _applied(self) -> Applied:
        row = self._connection.execute(SELECT_APPLIED).fetchone()
        if row is None:
            raise apsw.CorruptError("the row that says up to where it is true is missing")
        return Applied(**dict(zip(Applied.__struct_fields__, row, strict=True)))

    def _rows(self, statement: str, bindings: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, bindings).fetchall()


def detail_of(alert: Alert) -> AlertDetail:
    """An alert as it is answered, with all that is known of it."""
    plain = {name: getattr(alert, name) for name in Alert.__struct_fields__[:COLUMNS]}
    return AlertDetail(
        **plain,
        severity=str(alert.severity),
        text=alert.text,
        acknowledged_ms=alert.acknowledged_ms,
        by=alert.by,
        comment=alert.comment,
        labels=dict(alert.labels),
        owner=alert.owner,
        runbook_url=alert.runbook_url,
        failures_in_row=alert.failures_in_row,
        last_success_ms=alert.last_success_ms,
        job_ids=list(alert.job_ids),
        told={channel: told.at_ms for channel, told in sorted(alert.told.items())},
        suppressed=alert.suppressed if alert.state not in (RESOLVED, PENDING) else None,
    )


def _audit_answer(row: tuple[Any, ...]) -> AuditAnswer:
    number, at_ms, author, action, subject, detail = row
    return AuditAnswer(
        seq=number >> 20,
        index=number & ((1 << 20) - 1),
        at_ms=at_ms,
        author=author,
        action=action,
        subject=subject,
        detail=msgspec.json.decode(detail),
    )


def _cursor(rows: list[tuple[Any, ...]], limit: int) -> str | None:
    return None if len(rows) <= limit else cursor_of(rows[limit - 1][0])
