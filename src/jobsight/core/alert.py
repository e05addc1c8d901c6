"""
The alert machine: an open problem with an identity (fingerprint) and an episode (open to resolved), as a table.

A failed job opens the alert of its task, or counts on the one that is open; the task's next success resolves it.
Without a task, failures are grouped by queue and kind of error, and the alert is resolved when none of its jobs
stands failed any more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum, auto
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from jobsight.core.limits import OTHER

NONE: Final = ""
"""Where an alert stands before it is opened."""
FIRING: Final = "firing"
RESOLVED: Final = "resolved"

OPEN_WITHOUT_TASK_MAX: Final = 10_000
"""Open alerts of jobs without a task; further kinds of error share one alert a queue."""

RULE_JOB_FAILED: Final = "job_failed"


class AlertKind(IntEnum):
    """What can happen to an alert."""

    FAILED = auto()
    SUCCEEDED = auto()
    SUPERSEDED = auto()


# fmt: off
ALERT_TRANSITIONS: Final[Mapping[str, Mapping[AlertKind, str]]] = {
    NONE:     {AlertKind.FAILED: FIRING},
    FIRING:   {AlertKind.FAILED: FIRING, AlertKind.SUCCEEDED: RESOLVED, AlertKind.SUPERSEDED: RESOLVED},
    RESOLVED: {},  # a further failure opens a new episode, never this one again
}
# fmt: on


class Alert(Struct, gc=False, kw_only=True):
    """
    One episode of a problem.

    Attributes:
        alert_id: `<fingerprint>-<episode>`; the episode is the place in the log of the event that opened it.
        count: Failures in this episode; `jobs_failed` of them still stand failed (jobs without a task only).
        opened_ms, updated_ms, resolved_ms: Accept times, ms UTC; None while it is open.
        reason: Why it was resolved: a word of `AlertKind`, lower case.
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
    is_dirty: bool = False


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
