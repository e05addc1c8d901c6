"""Alerts about the monitor itself: they open when it says that something is wrong with it, and end when it says that it is over."""

from __future__ import annotations

from jobsight.core.alert import ALERT_TRANSITIONS, Alert, AlertKind, fingerprint_of
from jobsight.core.alerting import resolve
from jobsight.core.check import Severity
from jobsight.core.decision import Change
from jobsight.core.events import MonitorTrouble
from jobsight.core.notifying import announce
from jobsight.core.rules import SEVERITIES
from jobsight.core.state import State, touch_alert


def is_open(state: State, rule: str) -> bool:
    """Whether an alert of a rule about the monitor as a whole is open."""
    return fingerprint_of(rule, None, None, "") in state.open_by_fingerprint


def note_trouble(state: State, event: MonitorTrouble, place: int, at_ms: int) -> list[Alert]:
    """
    Open an alert about the monitor itself, count on the open one, or resolve it.

    Args:
        event: What the monitor found at itself.
        place: Of the event in the log.
        at_ms: Accept time, ms UTC.

    Returns:
        The alert, where it changed.
    """
    alert = state.open_by_fingerprint.get(fingerprint_of(event.rule, None, None, ""))
    if event.is_over:
        if alert is None:
            return []
        resolve(state, alert, AlertKind.ENDED, at_ms)
        return [alert]
    return [count_trouble(state, event.rule, None, event.text, event.text, place, at_ms)]


def count_trouble(state: State, rule: str, subject: str | None, text: str, error: str, place: int, at_ms: int) -> Alert:
    """
    Put a further finding on the alert of a rule about the monitor, opening one where there is none.

    Args:
        rule: One of `self.*`; with `subject` (a channel, or None) the alert's identity, kept as its queue.
        text: What is wrong, in one sentence. `error`: the words for its first and its last error.
        place: In the log, of the event that tells of it.
        at_ms: Accept time, ms UTC.
    """
    fingerprint = fingerprint_of(rule, None, subject, "")
    alert = state.open_by_fingerprint.get(fingerprint)
    if alert is None:
        alert = Alert(
            alert_id=f"{fingerprint}-{place}",
            fingerprint=fingerprint,
            rule=rule,
            task=None,
            queue=subject,
            opened_ms=at_ms,
            first_error=error,
            severity=SEVERITIES.get(rule, Severity.CRITICAL),
        )
        state.open_by_fingerprint[fingerprint] = state.open_by_id[alert.alert_id] = alert
    alert.count += 1
    alert.last_error = error
    alert.text = text
    alert.updated_ms = at_ms
    alert.state = ALERT_TRANSITIONS[alert.state][AlertKind.FAILED]
    touch_alert(state, alert)
    announce(state, alert, Change.RAISED, at_ms)
    return alert
