"""Checks, groups, deliveries and all that decides who is told, as rows; and rows as the state."""

from __future__ import annotations

from sys import intern
from typing import Any, Final

import apsw
import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import force_setattr

from jobsight.core.alert import RULE_JOB_FAILED, Alert, alert_text
from jobsight.core.audit import AuditEntry
from jobsight.core.check import Check, start_deadline_ms
from jobsight.core.flapping import Flap
from jobsight.core.gaps import Gap
from jobsight.core.groups import ChannelPace, Group
from jobsight.core.outbox import Delivery
from jobsight.core.routing import Routing
from jobsight.core.silences import Maintenance, Silence
from jobsight.core.state import State

# All that an alert is, in the order of its struct; the rest of it is JSON.
SELECT_OPEN_ALERTS: Final = """
SELECT alert_id, fingerprint, rule, task, queue, state, count, jobs_failed, first_error, last_error, first_job_id,
    last_job_id, last_retries, opened_ms, updated_ms, resolved_ms, reason, detail
FROM alerts WHERE state <> 'resolved' ORDER BY number
"""

# An alert as it is now; an episode keeps the number under which it was opened.
UPSERT_ALERT: Final = """
INSERT INTO alerts (alert_id, fingerprint, rule, task, queue, state, count, jobs_failed, first_error, last_error,
    first_job_id, last_job_id, last_retries, opened_ms, updated_ms, resolved_ms, reason, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (alert_id) DO UPDATE SET state = excluded.state, count = excluded.count, jobs_failed = excluded.jobs_failed,
    first_error = excluded.first_error, last_error = excluded.last_error, first_job_id = excluded.first_job_id,
    last_job_id = excluded.last_job_id, last_retries = excluded.last_retries, opened_ms = excluded.opened_ms,
    updated_ms = excluded.updated_ms, resolved_ms = excluded.resolved_ms, reason = excluded.reason,
    detail = excluded.detail
"""

# All checks.
SELECT_CHECKS: Final = "SELECT content FROM checks ORDER BY task"

# A check as it is now.
REPLACE_CHECK: Final = "INSERT OR REPLACE INTO checks (task, deadline_ms, content) VALUES (?, ?, ?)"

# Nothing is expected of the task any more.
DELETE_CHECK: Final = "DELETE FROM checks WHERE task = ?"

# All groups.
SELECT_GROUPS: Final = "SELECT content FROM groups ORDER BY key"

# A group as it is now.
REPLACE_GROUP: Final = "INSERT OR REPLACE INTO groups (key, deadline_ms, content) VALUES (?, ?, ?)"

# There is nothing in the group any more.
DELETE_GROUP: Final = "DELETE FROM groups WHERE key = ?"

# The outbox, in the order in which it was decided.
SELECT_WAITING: Final = "SELECT content FROM deliveries WHERE state = 'waiting' ORDER BY number"

# How many notifications there ever were.
SELECT_LAST_DELIVERY: Final = "SELECT ifnull(max(number), 0) FROM deliveries"

# A notification as it stands now.
REPLACE_DELIVERY: Final = """
INSERT OR REPLACE INTO deliveries
    (number, delivery_id, channel, alert_id, dedup_key, kind, state, created_ms, done_ms, content)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# Another delivery has taken the place of one that was given up.
UPDATE_RETRIED: Final = """
UPDATE deliveries SET state = 'retried', content = json_set(content, '$.state', 'retried')
WHERE delivery_id = ? AND state = 'dead'
"""

# An action of an operator. After a crash the same event may come once more.
INSERT_AUDIT: Final = """
INSERT OR REPLACE INTO audit (number, at_ms, author, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?)
"""

# What concerns all channels.
SELECT_WATCH: Final = "SELECT content FROM watch"

# The same after a flush.
REPLACE_WATCH: Final = "INSERT OR REPLACE INTO watch (id, content) VALUES (1, ?)"

# When the monitor watched last, by its own clock.
SELECT_ALIVE: Final = "SELECT alive_ms FROM applied"
UPDATE_ALIVE: Final = "UPDATE applied SET alive_ms = ?"

COLUMNS: Final = 17
"""Fields of an alert with a column of their own; the first ones of its struct. The others are in its detail."""

_DETAILS: Final = Alert.__struct_fields__[COLUMNS:-1]
_UNSAID: Final = [
    field.default_factory() if field.default is NODEFAULT else field.default
    for field in msgspec.structs.fields(Alert)[COLUMNS:-1]
]
"""What a detail leaves out: values that say nothing; and the sentence of a failure where it is the usual one."""
# Tables keep the order in which they were filled: who is told first is decided by it, after a start as before.
_encode: Final = msgspec.json.Encoder().encode
_NONE: Final[dict[str, Any]] = {}
"""Stands for every empty mapping of a check; an expectation is frozen, so nobody puts anything into it."""

_decode_check: Final = msgspec.json.Decoder(Check).decode
_decode_group: Final = msgspec.json.Decoder(Group).decode
decode_delivery: Final = msgspec.json.Decoder(Delivery).decode
"""A delivery from the content of its row."""


class _Watch(Struct, kw_only=True):
    routing: Routing
    silences: dict[str, Silence]
    maintenance: dict[str, Maintenance]
    gaps: list[Gap]
    paces: dict[str, ChannelPace]
    unconfirmed: dict[str, int]
    flaps: dict[str, Flap] = {}


_decode_watch: Final = msgspec.json.Decoder(_Watch).decode


def _usual_text(rule: str, retries: int, error: str) -> str:
    return alert_text(retries, error) if rule == RULE_JOB_FAILED else ""


def alert_row(alert: Alert) -> tuple[Any, ...]:
    """The values of an alert for `UPSERT_ALERT`."""
    values = msgspec.structs.astuple(alert)
    told = zip(_DETAILS, values[COLUMNS:-1], _UNSAID, strict=True)
    detail = {name: value for name, value, unsaid in told if value != unsaid}
    if alert.text == _usual_text(alert.rule, alert.last_retries, alert.last_error):
        detail.pop("text", None)
    else:
        detail["text"] = alert.text
    return (*values[:COLUMNS], _encode(detail).decode())


def alert_of(row: tuple[Any, ...]) -> Alert:
    """The alert of a row of `SELECT_OPEN_ALERTS`."""
    plain = dict(zip(Alert.__struct_fields__, row[:COLUMNS], strict=False))
    plain["text"] = _usual_text(plain["rule"], plain["last_retries"], plain["last_error"])
    return msgspec.convert({**plain, **msgspec.json.decode(row[COLUMNS])}, Alert)


def load_watching(connection: apsw.Connection, state: State) -> None:
    """Bring open alerts, checks, groups, the outbox and what decides who is told into a state."""
    for row in connection.execute(SELECT_OPEN_ALERTS):
        alert = alert_of(row)
        state.open_by_fingerprint[alert.fingerprint] = state.open_by_id[alert.alert_id] = alert
        if alert.suppressed == "inhibition":
            state.inhibited[alert.alert_id] = None
        if alert.rule == RULE_JOB_FAILED and alert.task is not None:
            state.open_by_task[alert.task] = alert
        elif alert.rule == RULE_JOB_FAILED:
            state.open_without_task += 1
    for (content,) in connection.execute(SELECT_CHECKS):
        check = _decode_check(content)
        # The same few words stand in each of a hundred thousand checks.
        check.author = intern(check.author)
        expected = check.expected
        force_setattr(expected, "tz", intern(expected.tz))
        for name in ("labels", "measures"):
            if not getattr(expected, name):
                force_setattr(expected, name, _NONE)
        state.checks[check.task] = check
    for (content,) in connection.execute(SELECT_GROUPS):
        group = _decode_group(content)
        state.groups[group.key] = group
    for (content,) in connection.execute(SELECT_WAITING):
        delivery = decode_delivery(content)
        state.outbox[delivery.delivery_id] = delivery
    state.deliveries_total = connection.execute(SELECT_LAST_DELIVERY).get
    state.alive_ms = connection.execute(SELECT_ALIVE).get
    content = connection.execute(SELECT_WATCH).get
    if content is not None:
        watch = _decode_watch(content)
        state.routing, state.silences, state.maintenance = watch.routing, watch.silences, watch.maintenance
        state.gaps, state.paces, state.unconfirmed = watch.gaps, watch.paces, watch.unconfirmed
        state.flaps = watch.flaps


def write_watching(connection: apsw.Connection, state: State) -> None:
    """Store what has changed of all that, inside the transaction of a flush."""
    changes, write = state.changes, connection.executemany
    write(UPSERT_ALERT, [alert_row(alert) for alert in changes.alerts])
    if changes.checks:
        kept = [state.checks[task] for task in changes.checks if task in state.checks]
        write(REPLACE_CHECK, [_check_row(check) for check in kept])
        write(DELETE_CHECK, [(task,) for task in changes.checks if task not in state.checks])
    if changes.groups:
        groups = [state.groups[key] for key in changes.groups if key in state.groups]
        write(REPLACE_GROUP, [(group.key, group.due_ms, _text(group)) for group in groups])
        write(DELETE_GROUP, [(key,) for key in changes.groups if key not in state.groups])
    if changes.deliveries:
        write(REPLACE_DELIVERY, [_delivery_row(delivery) for delivery in changes.deliveries])
        write(UPDATE_RETRIED, [(one.retry_of,) for one in changes.deliveries if one.retry_of is not None])
    if changes.audit:
        write(INSERT_AUDIT, [_audit_row(entry) for entry in changes.audit])
    if changes.is_watch_dirty or changes.deliveries:
        watch = _Watch(
            routing=state.routing,
            silences=state.silences,
            maintenance=state.maintenance,
            gaps=state.gaps,
            paces=state.paces,
            unconfirmed=state.unconfirmed,
            flaps=state.flaps,
        )
        connection.execute(REPLACE_WATCH, (_encode(watch).decode(),))


def _text(thing: Check | Group | Delivery) -> str:
    """JSON of a thing that is stored, and so not dirty."""
    plain = msgspec.to_builtins(thing)
    plain.pop("is_dirty", None)
    return _encode(plain).decode()


def _check_row(check: Check) -> tuple[str, int | None, str]:
    deadline_ms = None if check.slot_ms is None else start_deadline_ms(check, check.slot_ms)
    return check.task, deadline_ms, _text(check)


def _audit_row(entry: AuditEntry) -> tuple[Any, ...]:
    detail = _encode(entry.detail).decode()
    return entry.number, entry.at_ms, entry.author, entry.action, entry.subject, detail


def _delivery_row(delivery: Delivery) -> tuple[Any, ...]:
    return (
        delivery.number,
        delivery.delivery_id,
        delivery.channel,
        delivery.alert_id,
        delivery.dedup_key,
        str(delivery.kind),
        str(delivery.state),
        delivery.created_ms,
        delivery.done_ms,
        _text(delivery),
    )
