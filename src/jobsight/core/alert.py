"""
The alert machine: an open problem with an identity (fingerprint) and an episode (open to resolved), as a table.

A failed job opens the alert of its task, or counts on the one that is open; the task's next success resolves it.
Without a task, failures are grouped by queue and kind of error, and the alert is resolved when none of its jobs
stands failed any more. The other rules are conditions: they resolve by themselves once they hold no more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum, auto
from hashlib import blake2b
from typing import Final

from msgspec import Struct, field

from jobsight.core.check import Severity
from jobsight.core.limits import OTHER

NONE: Final = ""
"""Where an alert stands before it is opened."""
PENDING: Final = "pending"
"""Open, but below the threshold from which somebody is told."""
FIRING: Final = "firing"
ACKNOWLEDGED: Final = "acknowledged"
RESOLVED: Final = "resolved"

OPEN_WITHOUT_TASK_MAX: Final = 10_000
"""Open alerts of jobs without a task; further kinds of error share one alert a queue."""

JOBS_NAMED_MAX: Final = 1_000
"""Jobs that one alert about a condition follows one by one."""

EXPIRES_MS: Final = 7 * 86_400_000
"""An alert of a task that nothing was heard of for so long is closed."""

EXPIRES_WITHOUT_TASK_MS: Final = 86_400_000
"""The same for an alert without a task: nobody can say that it is over."""

ACKNOWLEDGED_MS_MAX: Final = 86_400_000
"""How long an acknowledgement holds."""

RULE_JOB_FAILED: Final = "job_failed"


class AlertKind(IntEnum):
    """What can happen to an alert."""

    FAILED = auto()
    SUCCEEDED = auto()
    SUPERSEDED = auto()
    COUNTED = auto()
    ENDED = auto()
    RETRACTED = auto()
    ACKNOWLEDGED = auto()
    LAPSED = auto()
    BY_HAND = auto()
    EXPIRED = auto()
    NOTED = auto()


_CLOSING: Final = {
    AlertKind.SUCCEEDED: RESOLVED,
    AlertKind.SUPERSEDED: RESOLVED,
    AlertKind.ENDED: RESOLVED,
    AlertKind.RETRACTED: RESOLVED,
    AlertKind.BY_HAND: RESOLVED,
    AlertKind.EXPIRED: RESOLVED,
}

# fmt: off
ALERT_TRANSITIONS: Final[Mapping[str, Mapping[AlertKind, str]]] = {
    NONE:         {AlertKind.COUNTED: PENDING,      AlertKind.FAILED: FIRING,       AlertKind.NOTED: RESOLVED},
    PENDING:      {AlertKind.COUNTED: PENDING,      AlertKind.FAILED: FIRING,       AlertKind.ACKNOWLEDGED: ACKNOWLEDGED,
                   **_CLOSING},
    FIRING:       {AlertKind.COUNTED: FIRING,       AlertKind.FAILED: FIRING,       AlertKind.ACKNOWLEDGED: ACKNOWLEDGED,
                   **_CLOSING},
    ACKNOWLEDGED: {AlertKind.COUNTED: ACKNOWLEDGED, AlertKind.FAILED: ACKNOWLEDGED, AlertKind.ACKNOWLEDGED: ACKNOWLEDGED,
                   AlertKind.LAPSED: FIRING, **_CLOSING},
    RESOLVED:     {},  # a further failure opens a new episode, never this one again
}
# fmt: on


class Told(Struct, gc=False, array_like=True):
    """
    What a channel was told of an alert.

    Attributes:
        dedup_key: Under which: the alert's own, or that of a summary.
        group: The key of the group in which it was told.
        at_ms: When last; ms UTC.
        count: Failures that were known then.
    """

    dedup_key: str
    group: str
    at_ms: int
    count: int


class Decided(Struct, frozen=True, gc=False, array_like=True):
    """What was decided about a channel, and when (ms UTC): the name of the reason, see `core.decision.Reason`."""

    at_ms: int
    channel: str
    reason: str


DECISIONS_KEPT: Final = 40
"""Decisions that an alert remembers, the latest ones."""


class Alert(Struct, gc=False, kw_only=True):
    """
    One episode of a problem.

    Attributes:
        alert_id: `<fingerprint>-<episode>`; the episode is the place in the log of the event that opened it.
        count: Failures in this episode; `jobs_failed` of them still stand failed (jobs without a task only).
        opened_ms, updated_ms, resolved_ms: Accept times, ms UTC; None while it is open.
        reason: Why it was resolved: a word of `AlertKind`, lower case.
        text: What is wrong, in one sentence.
        job_ids: Jobs at which a condition was found and holds still.
        failures_in_row: Of the task, when it last failed; `successes` since, towards the recovery threshold.
        last_success_ms: Of the task, when the alert was opened.
        acknowledged_ms: Until 24 h later nobody is told again; `by` and `comment` of the latest hand at it.
        told: By channel.
        suppressed: Why the last change was told to nobody: silence or inhibition.
        told_ms: When somebody was first told. `escalates_ms`: when further ones are, unless somebody acknowledges before.
        decisions: About each channel, whenever the reason became another one.
    """

    alert_id: str
    fingerprint: str
    rule: str
    task: str | None
    queue: str | None
    state: str = NONE
    count: int = 0
    jobs_failed: int = 0
    first_error: str = ""
    last_error: str = ""
    first_job_id: str = ""
    last_job_id: str = ""
    last_retries: int = 0
    opened_ms: int = 0
    updated_ms: int = 0
    resolved_ms: int | None = None
    reason: str | None = None
    severity: Severity = Severity.CRITICAL
    text: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    runbook_url: str | None = None
    job_ids: list[str] = field(default_factory=list)
    failures_in_row: int | None = None
    successes: int = 0
    last_success_ms: int | None = None
    acknowledged_ms: int | None = None
    by: str | None = None
    comment: str = ""
    told: dict[str, Told] = field(default_factory=dict)
    suppressed: str | None = None
    told_ms: int | None = None
    escalates_ms: int | None = None
    decisions: list[Decided] = field(default_factory=list)
    is_dirty: bool = False

    @property
    def dedup_key(self) -> str:
        """What the outside knows this episode by, from trigger to resolve."""
        fingerprint, _, episode = self.alert_id.rpartition("-")
        return f"jobsight:{fingerprint}:{episode}"


def expiry_ms(alert: Alert) -> int | None:
    """When an open alert of which nothing more is heard is closed, ms UTC; None for a condition, which ends by itself."""
    if alert.rule != RULE_JOB_FAILED or alert.state == RESOLVED:
        return None
    return alert.updated_ms + (EXPIRES_WITHOUT_TASK_MS if alert.task is None else EXPIRES_MS)


def lapse_ms(alert: Alert) -> int | None:
    """When the acknowledgement of an alert ends, ms UTC; None where there is none."""
    if alert.state != ACKNOWLEDGED or alert.acknowledged_ms is None:
        return None
    return alert.acknowledged_ms + ACKNOWLEDGED_MS_MAX


def escalation_ms(alert: Alert) -> int | None:
    """When further people are told of an alert of which nobody takes care, ms UTC; None where there are none."""
    return alert.escalates_ms if alert.state == FIRING else None


def alert_deadline_ms(alert: Alert) -> int | None:
    """The next deadline of an alert, whichever it is; ms UTC."""
    deadlines = (expiry_ms(alert), lapse_ms(alert), escalation_ms(alert))
    return min((at_ms for at_ms in deadlines if at_ms is not None), default=None)


_VARIES = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|0x[0-9a-f]+|\b[0-9a-f]{12,}\b|\d+", re.IGNORECASE
)


def error_kind(error: str) -> str:
    """An error without what differs from one occurrence to the next: numbers, addresses and ids become `#`."""
    return _VARIES.sub("#", error[:512])[:200]


def fingerprint_of(rule: str, task: str | None, queue: str | None, error: str) -> str:
    """
    The identity of a problem, 16 hex digits. Never of a job, an attempt or a time.

    Args:
        rule: The rule that fired.
        task: Its task decides alone where there is one.
        queue, error: Decide together where there is no task; `OTHER` as error stands for all kinds above the limit.
    """
    subject = (
        ("task", task) if task is not None else ("queue", queue or "", error if error is OTHER else error_kind(error))
    )
    return blake2b("\x00".join((rule, *subject)).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def alert_text(retries: int, error: str) -> str:
    """The alert's one sentence, as the specification words it."""
    return f"Job failed after {retries} retries: {error}"
