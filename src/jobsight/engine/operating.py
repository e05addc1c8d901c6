"""What operators do, as events: who may do what to which thing as it stands. Every fault is said in words."""

from __future__ import annotations

import secrets
from collections.abc import Container, Iterable, Sequence
from typing import Any, Final

from jobsight.core.alert import ACKNOWLEDGED, FIRING, PENDING, Alert, fingerprint_of
from jobsight.core.check import RUNS_LEARNED_MIN, Check, Origin, start_deadline_ms
from jobsight.core.events import (
    AlertAcknowledged,
    AlertResolved,
    CheckRemoved,
    CheckSet,
    DeliveryRetried,
    InternalEvent,
    MaintenanceSet,
    SilenceEnded,
    SilenceSet,
    SlotPlanned,
)
from jobsight.core.outbox import Delivery, DeliveryState, NoticeKind
from jobsight.core.routing import Matcher, matches
from jobsight.core.rules import ALERT_RULES
from jobsight.core.silences import SILENCE_MS_MAX, SILENCES_MAX, WINDOWS_MAX, Silence
from jobsight.core.state import State
from jobsight.engine.declaring import window_removed, window_set
from jobsight.engine.findings import slot_plan
from jobsight.errors import ConflictError, NotFoundError, UsageError
from jobsight.protocol.declared import fault_text, read_window
from jobsight.protocol.expectations import read_check, written_check
from jobsight.protocol.matching import read_matchers

ID_CHARACTERS: Final = 10
CHECKS_MAX: Final = 200_000
"""Checks that there may be."""

_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"


def new_id() -> str:
    """A name for something new that nobody has named."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(ID_CHARACTERS))


def check_set(state: State, task: str, value: object, author: str) -> CheckSet:
    """
    Expect something of a task.

    Raises:
        UsageError: The check cannot be read; all that is wrong is said. ConflictError: It stands in the configuration file.
    """
    expected, faults = read_check(value)
    if faults:
        raise UsageError("; ".join(fault_text(fault) for fault in faults))
    _refuse_declared(state.checks.get(task))
    if task not in state.checks and len(state.checks) >= CHECKS_MAX:
        raise ConflictError(f"there are {CHECKS_MAX} checks already")
    return CheckSet(task=task, expected=expected, origin=Origin.API, author=author)


def check_removed(state: State, task: str, author: str) -> CheckRemoved:
    """Expect nothing of a task any more. Raises NotFoundError, or ConflictError where it stands in the configuration file."""
    check = state.checks.get(task)
    if check is None:
        raise NotFoundError(f"nothing is expected of the task {task!r}")
    _refuse_declared(check)
    return CheckRemoved(task=task, author=author)


def _refuse_declared(check: Check | None) -> None:
    if check is not None and check.origin == Origin.CONFIG:
        raise ConflictError(f"the check of {check.task!r} stands in the configuration file; change it there")


def alerting_tasks(state: State) -> set[str]:
    """Tasks of which an alert fires."""
    return {alert.task for alert in state.open_by_id.values() if alert.task and alert.state in (FIRING, ACKNOWLEDGED)}


def standing_of(check: Check, alerting: Container[str]) -> str:
    """How a check stands: `alerting`, `new` before its task was heard of, else `ok`."""
    if check.task in alerting:
        return "alerting"
    is_heard = check.last_start_ms is not None or check.last_end_ms is not None or bool(check.runs)
    return "ok" if is_heard else "new"


def describe_check(state: State, check: Check) -> dict[str, Any]:
    """A check as it is shown: what is expected, and how that stands."""
    opened = [state.open_by_fingerprint.get(fingerprint_of(rule, check.task, None, "")) for rule in ALERT_RULES]
    alerts = [alert for alert in opened if alert is not None]
    firing = [check.task for alert in alerts if alert.state in (FIRING, ACKNOWLEDGED)]
    slot_ms = check.slot_ms
    if slot_ms is None and isinstance(planned := slot_plan(check), SlotPlanned):
        slot_ms = planned.slot_ms
    known = sum(run.is_success and run.duration_ms is not None for run in check.ended)
    return {
        "task": check.task,
        "state": standing_of(check, firing),
        "origin": str(check.origin),
        "author": check.author,
        "since_ms": check.since_ms,
        "check": written_check(check.expected),
        "next_slot_ms": slot_ms,
        "deadline_ms": None if slot_ms is None else start_deadline_ms(check, slot_ms),
        "last_start_ms": check.last_start_ms,
        "last_end_ms": check.last_end_ms,
        "last_success_ms": check.last_success_ms,
        "missed_in_row": check.missed_in_row,
        "failures_in_row": check.failures_in_row,
        "active_runs": len(check.runs),
        "learned_runs": min(known, RUNS_LEARNED_MIN),
        "learning_runs": RUNS_LEARNED_MIN,
        "alerts": [alert.alert_id for alert in alerts],
    }


def matching(alerts: Iterable[Alert], matchers: Sequence[Matcher], state: str | None = None) -> list[Alert]:
    """The alerts that match, those in one state alone where one is given; the newest first."""
    found = [alert for alert in alerts if state in (None, "open", alert.state) and matches(alert, matchers)]
    return sorted(found, key=lambda alert: -alert.opened_ms)


def matchers_from(texts: Sequence[str], *, at_least: int = 1) -> list[Matcher]:
    """Matchers as they are written. Raises UsageError."""
    try:
        return read_matchers(list(texts), at_least=at_least)
    except ValueError as error:
        raise UsageError(f"match: {error}") from error


def hand_at(alert: Alert, verb: str, by: str | None, comment: str, author: str) -> InternalEvent:
    """
    Somebody acknowledges or resolves an open alert.

    Raises:
        ConflictError: Nobody was told of it yet, so there is nothing to acknowledge.
    """
    if verb == "acknowledge":
        if alert.state == PENDING:
            raise ConflictError("this alert is pending: it is below its threshold, and nobody was told of it")
        return AlertAcknowledged(alert_id=alert.alert_id, by=by or author, comment=comment, author=author)
    return AlertResolved(alert_id=alert.alert_id, by=by or author, comment=comment, author=author)


def silence_set(
    state: State, matchers: list[Matcher], starts_ms: int, ends_ms: int, comment: str, author: str, now_ms: int
) -> SilenceSet:
    """
    Tell nobody of what matches, for a while.

    Raises:
        UsageError: It ends before it begins, lies in the past, or is too long. ConflictError: There are too many.
    """
    if ends_ms <= max(starts_ms, now_ms):
        raise UsageError("ends: expected a moment after the beginning, and in the future")
    if ends_ms - starts_ms > SILENCE_MS_MAX:
        raise UsageError("ends: expected at most 90 days after the beginning; a silence has an end")
    if len(state.silences) >= SILENCES_MAX:
        raise ConflictError(f"there are {SILENCES_MAX} silences already; end one first")
    return SilenceSet(
        silence_id=new_id(), matchers=matchers, starts_ms=starts_ms, ends_ms=ends_ms, author=author, comment=comment
    )


def silence_found(state: State, silence_id: str) -> Silence:
    """A silence that has not ended. Raises NotFoundError."""
    silence = state.silences.get(silence_id)
    if silence is None:
        raise NotFoundError(f"there is no silence {silence_id!r}; it may have ended")
    return silence


def silence_ended(state: State, silence_id: str, author: str) -> SilenceEnded:
    """End a silence before its time. Raises NotFoundError."""
    return SilenceEnded(silence_id=silence_found(state, silence_id).silence_id, author=author)


def maintenance_set(state: State, name: str, value: object, author: str) -> list[InternalEvent]:
    """
    Plan a maintenance window, in the place of the one of this name.

    Raises:
        UsageError: It cannot be read; all that is wrong is said. ConflictError: It stands in the configuration file.
    """
    window, faults = read_window(value)
    if faults:
        raise UsageError("; ".join(fault_text(fault) for fault in faults))
    before: list[InternalEvent] = []
    if name in state.maintenance:
        before = maintenance_removed(state, name, author)[1:]
    elif len(state.maintenance) >= WINDOWS_MAX:
        raise ConflictError(f"there are {WINDOWS_MAX} maintenance windows already")
    made: MaintenanceSet = window_set(name, window, author, Origin.API)
    return [*before, made]


def maintenance_removed(state: State, name: str, author: str) -> list[InternalEvent]:
    """Take a window back, and end its silence. Raises NotFoundError, or ConflictError where the configuration file has it."""
    window = state.maintenance.get(name)
    if window is None:
        raise NotFoundError(f"there is no maintenance window {name!r}")
    if window.origin == Origin.CONFIG:
        raise ConflictError(f"the maintenance window {name!r} stands in the configuration file; change it there")
    return window_removed(state, name, author)


def delivery_retried(state: State, delivery: Delivery, author: str) -> DeliveryRetried:
    """
    Send once more what was given up.

    Raises:
        ConflictError: It was not given up, its channel is no more, or its alert is over: a late trigger would open it again
            at the far side.
    """
    if delivery.state != DeliveryState.DEAD:
        raise ConflictError(f"{delivery.delivery_id} is {delivery.state}; only what was given up (dead) is tried again")
    if delivery.channel not in state.routing.channels:
        raise ConflictError(f"there is no channel {delivery.channel!r} any more")
    is_over = delivery.alert_id is not None and delivery.alert_id not in state.open_by_id
    if is_over and delivery.kind in (NoticeKind.TRIGGER, NoticeKind.REPEAT, NoticeKind.ACKNOWLEDGE):
        raise ConflictError(f"the alert of {delivery.delivery_id} is over; nobody needs to hear that it has begun")
    return DeliveryRetried(
        delivery_id=delivery.delivery_id,
        channel=delivery.channel,
        kind=delivery.kind,
        dedup_key=delivery.dedup_key,
        alert_id=delivery.alert_id,
        notice=delivery.notice,
        author=author,
    )
