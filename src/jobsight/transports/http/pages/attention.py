"""What needs attention: the open alerts, as rows that say what, since when and whose."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from jobsight.core.alert import ACKNOWLEDGED, FIRING, RULE_JOB_FAILED, Alert
from jobsight.core.check import Severity
from jobsight.core.rules import FAILURE_RATE, LOST, MISSED, OVERDUE, OVERLAP, SLOW, STALLED, TOO_FAST, TOO_LONG

ROWS_MAX: Final = 12
"""Rows of the overview; the others are one line that leads to their list."""

KINDS: Final = {
    RULE_JOB_FAILED: "failed",
    FAILURE_RATE: "failed",
    LOST: "lost",
    MISSED: "missed",
    OVERDUE: "missed",
    TOO_LONG: "slow",
    STALLED: "slow",
    SLOW: "slow",
    TOO_FAST: "warning",
    OVERLAP: "warning",
}
"""Rule -> the icon that stands for it."""

NAMES: Final = {
    FAILURE_RATE: "fails often",
    LOST: "lost",
    MISSED: "missed",
    OVERDUE: "silent",
    TOO_LONG: "runs too long",
    STALLED: "stuck",
    SLOW: "slow",
    TOO_FAST: "suspiciously fast",
    OVERLAP: "overlaps",
}
"""Rule -> what it means, in a word or two."""

_ORDER: Final = {FIRING: 0, ACKNOWLEDGED: 1}


class AttentionRow(Struct, frozen=True, kw_only=True):
    """
    An open alert in one row.

    Attributes:
        kind: The icon that stands for its rule; `what`: the rule in a word or two.
        subject: The task; else the queue, of jobs without one.
        href: The page of the subject.
        text: What is wrong, in one sentence.
        failures: Counted in this episode.
        is_quiet: Nobody is told: it is silenced, or held back by another one.
    """

    alert_id: str
    kind: str
    what: str
    subject: str
    text: str
    state: str
    severity: str
    since_ms: int
    failures: int
    owner: str | None
    by: str | None
    is_quiet: bool


def attention_rows(alerts: Iterable[Alert], limit: int | None = None) -> list[AttentionRow]:
    """Open alerts as rows: firing before acknowledged, critical before warnings, the latest first."""
    ranked = sorted(alerts, key=_rank)
    return [attention_row(alert) for alert in ranked[:limit]]


def attention_row(alert: Alert) -> AttentionRow:
    """One alert as a row."""
    return AttentionRow(
        alert_id=alert.alert_id,
        kind=KINDS.get(alert.rule, "warning"),
        what=_what(alert),
        subject=subject_of(alert.task, alert.queue),
        text=alert.last_error if alert.rule == RULE_JOB_FAILED else alert.text,
        state=alert.state,
        severity=str(alert.severity),
        since_ms=alert.opened_ms,
        failures=alert.count,
        owner=alert.owner,
        by=alert.by,
        is_quiet=alert.suppressed is not None,
    )


def subject_of(task: str | None, queue: str | None) -> str:
    """What an alert is about, by name."""
    if task is not None:
        return task
    return "jobs without a task" if queue is None else f"queue {queue}"


def _what(alert: Alert) -> str:
    if alert.rule != RULE_JOB_FAILED:
        return NAMES.get(alert.rule, alert.rule)
    if alert.count > 1:
        return f"failed {alert.count} times"
    if alert.last_retries:
        return f"failed after {alert.last_retries} {'retry' if alert.last_retries == 1 else 'retries'}"
    return "failed"


def _rank(alert: Alert) -> tuple[int, bool, bool, int]:
    is_mild = alert.severity == Severity.WARNING
    return _ORDER.get(alert.state, 2), is_mild, alert.suppressed is not None, -alert.opened_ms
