"""What holds an alert back: one of a task on which its own depends."""

from __future__ import annotations

from typing import Final

from jobsight.core.alert import ACKNOWLEDGED, FIRING, Alert, fingerprint_of
from jobsight.core.rules import ALERT_RULES
from jobsight.core.state import State

DEPENDENCIES_MAX: Final = 1_000
"""Tasks that are looked at for a circle of dependencies."""


def inhibitor_of(state: State, alert: Alert) -> Alert | None:
    """
    The firing alert of a task on which this one's depends, if any.

    Where tasks depend on each other in a circle, the alert that was opened first is held back by none of them: else each
    would wait for the others, and nobody would be told.
    """
    check = state.checks.get(alert.task) if alert.task is not None and state.checks else None
    if check is None:
        return None
    for task in check.expected.depends_on:
        for rule in ALERT_RULES:
            found = state.open_by_fingerprint.get(fingerprint_of(rule, task, None, ""))
            if found is None or found is alert or found.state not in (FIRING, ACKNOWLEDGED):
                continue
            if place_of(found.alert_id) < place_of(alert.alert_id) or not _depends(state, task, check.task):
                return found
    return None


def _depends(state: State, task: str, on: str) -> bool:
    """Whether a task depends on another one, directly or by way of others."""
    waiting, seen = [task], {task}
    while waiting and len(seen) <= DEPENDENCIES_MAX:
        check = state.checks.get(waiting.pop())
        further = () if check is None else check.expected.depends_on
        if on in further:
            return True
        waiting += [one for one in further if one not in seen]
        seen.update(further)
    return False


def place_of(alert_id: str) -> int:
    """Where in the log the event stands that has opened an alert."""
    return int(alert_id.rpartition("-")[2])
