"""The rules by their names, and how bad it is when one finds something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jobsight.core.alert import RULE_JOB_FAILED
from jobsight.core.check import Severity

SILENCE: Final = "silence"
"""An active job was silent for so long that it is called lost, quietly."""
UNCONFIRMED: Final = "unconfirmed"
"""A job says that it failed, by a status word, and nothing has followed that says whether it is tried again."""
MISSED: Final = "missed"
OVERDUE: Final = "overdue"
LOST: Final = "lost"
"""Overdue for so long that the job is lost."""
TOO_LONG: Final = "too_long"
STALLED: Final = "stalled"
SLOW: Final = "slow"
TOO_FAST: Final = "too_fast"
FAILURE_RATE: Final = "failure_rate"
OVERLAP: Final = "overlap"
"""Several runs of a task with a schedule at once."""
BLIND: Final = "self.blind"
CHANNEL_BROKEN: Final = "self.channel_broken"
"""A notification was given up; the alert's queue names the channel."""
CLOCK_STEPPED: Final = "self.clock_stepped"
"""The clock of the monitor's machine was set."""
DISK_LOW: Final = "self.disk_low"
INGEST_DROPPED: Final = "self.ingest_dropped"
"""Reports were refused although they were as they should be."""
TASKS_FOLDED: Final = "self.tasks_folded"
"""There are too many names of tasks: the jobs of new ones are counted together."""
DRILL: Final = "drill"
"""No problem at all: a channel is told something, to see whether it arrives."""
EXPIRY: Final = "expiry"
"""Nothing more was heard of an alert."""
LAPSE: Final = "lapse"
"""An acknowledgement holds no more."""
FLAPPING: Final = "flapping"
"""A problem that came and went has been stable for a while."""
ESCALATION: Final = "escalation"
"""Nobody takes care of an alert, so further people are told."""
GROUP: Final = "group"
"""A group of alerts has something to tell."""

SEVERITIES: Final[Mapping[str, Severity]] = {
    SLOW: Severity.WARNING,
    TOO_FAST: Severity.WARNING,
    STALLED: Severity.WARNING,
    FAILURE_RATE: Severity.WARNING,
    OVERLAP: Severity.WARNING,
    BLIND: Severity.WARNING,
    CLOCK_STEPPED: Severity.WARNING,
    DISK_LOW: Severity.WARNING,
    TASKS_FOLDED: Severity.WARNING,
}
"""Rules that never wake anybody; the others are as bad as their check says, critical without one."""

JOB_RULES: Final = (OVERDUE, TOO_LONG, STALLED, SLOW)
"""Conditions of a running job: they end with it."""

RUN_RULES: Final = (TOO_FAST,)
"""Found at a run that has ended; the next run without it says that it is over."""

SELF_RULES: Final = (BLIND, CHANNEL_BROKEN, CLOCK_STEPPED, DISK_LOW, INGEST_DROPPED, TASKS_FOLDED)
"""About the monitor itself."""

ALERT_RULES: Final = (RULE_JOB_FAILED, MISSED, *JOB_RULES, *RUN_RULES, FAILURE_RATE, OVERLAP)
"""Every rule that opens alerts about a task."""
