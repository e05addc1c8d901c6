"""
Whether a channel is told of an alert now: one pure function over a table, with a name for every reason.

The rows are asked from the top; the first that fits decides. So a row may take for granted that none above it fits.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from jobsight.core.alert import ACKNOWLEDGED, PENDING, RESOLVED
from jobsight.core.check import Severity

GROUP_WAIT_MS: Final = 30_000
"""The first alert of a group is told at once; what follows is gathered for so long."""

GROUP_INTERVAL_MS: Final = 5 * 60_000
"""From then on a group is told of at most this often."""

REPEAT_MS: Final = 4 * 3_600_000
"""What is critical and nobody has acknowledged is told again after this."""

STORM_WINDOW_MS: Final = 60_000
STORM_SENT_MAX: Final = 20
"""Notifications of one channel in any window; the last one of them is kept for the summary of the rest."""


class Change(StrEnum):
    """Why the question is asked."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    TIMER = "timer"


class Verdict(StrEnum):
    """What to do: tell it, come back when the group's time has come, or leave it."""

    TELL = "tell"
    WAIT = "wait"
    LEAVE = "leave"


class Reason(StrEnum):
    """Why somebody is told, or nobody."""

    BELOW_THRESHOLD = "below_threshold"
    RECOVERED = "recovered"
    RECOVERED_UNTOLD = "recovered_untold"
    SUPPRESSED_BY_SILENCE = "suppressed_by_silence"
    SUPPRESSED_BY_INHIBITION = "suppressed_by_inhibition"
    ACKNOWLEDGEMENT = "acknowledgement"
    ACKNOWLEDGED = "acknowledged"
    FLAPPING = "flapping"
    FIRST_OF_GROUP = "first_of_group"
    GROUP_WINDOW_PASSED = "group_window_passed"
    FOLLOWER_WAITS = "follower_waits"
    WARNING_IS_TOLD_ONCE = "warning_is_told_once"
    REPEAT_INTERVAL_PASSED = "repeat_interval_passed"
    REPEAT_TOO_SOON = "repeat_too_soon"
    STORM_SUMMARY = "storm_summary"
    HELD_BY_STORM = "held_by_storm"
    NOTICE = "notice"
    ESCALATED = "escalated"
    DRILL = "drill"
    RETRIED_BY_HAND = "retried_by_hand"


class Situation(Struct, frozen=True, kw_only=True):
    """
    All that the decision depends on, for one alert and one channel.

    Attributes:
        state: Of the alert; `change` is what has just happened.
        is_flapping: Its problem comes and goes, and that was told.
        is_told: The channel knows of this episode; `has_news`: but not of all its failures (alerts without a task).
        told_ms: When it was told last.
        group_sent_ms: When it was last told of the alert's group; None for never. `group_due_ms`: when it may be again.
    """

    state: str
    change: Change
    severity: Severity = Severity.CRITICAL
    is_silenced: bool = False
    is_inhibited: bool = False
    is_flapping: bool = False
    is_told: bool = False
    has_news: bool = False
    told_ms: int = 0
    group_sent_ms: int | None = None
    group_due_ms: int = 0
    at_ms: int = 0


class Decision(Struct, frozen=True):
    """What to do, and why."""

    verdict: Verdict
    reason: Reason


Question = Callable[[Situation], bool]

# fmt: off
TABLE: Final[tuple[tuple[Reason, Verdict, Question], ...]] = (
    (Reason.RECOVERED_UNTOLD,         Verdict.LEAVE, lambda it: it.state == RESOLVED and not it.is_told),
    (Reason.RECOVERED,                Verdict.TELL,  lambda it: it.state == RESOLVED),
    (Reason.BELOW_THRESHOLD,          Verdict.LEAVE, lambda it: it.state == PENDING),
    (Reason.SUPPRESSED_BY_SILENCE,    Verdict.LEAVE, lambda it: it.is_silenced),
    (Reason.SUPPRESSED_BY_INHIBITION, Verdict.LEAVE, lambda it: it.is_inhibited),
    (Reason.ACKNOWLEDGEMENT,          Verdict.TELL,  lambda it: it.change == Change.ACKNOWLEDGED and it.is_told),
    (Reason.ACKNOWLEDGED,             Verdict.LEAVE, lambda it: it.state == ACKNOWLEDGED),
    (Reason.FLAPPING,                 Verdict.LEAVE, lambda it: it.is_flapping and not it.is_told),
    (Reason.FIRST_OF_GROUP,           Verdict.TELL,  lambda it: not it.is_told and it.group_sent_ms is None),
    (Reason.GROUP_WINDOW_PASSED,      Verdict.TELL,  lambda it: _has_news(it) and it.at_ms >= it.group_due_ms),
    (Reason.FOLLOWER_WAITS,           Verdict.WAIT,  lambda it: _has_news(it)),
    (Reason.WARNING_IS_TOLD_ONCE,     Verdict.LEAVE, lambda it: it.severity == Severity.WARNING),
    (Reason.REPEAT_INTERVAL_PASSED,   Verdict.TELL,  lambda it: it.at_ms >= it.told_ms + REPEAT_MS),
    (Reason.REPEAT_TOO_SOON,          Verdict.WAIT,  lambda it: True),
)
# fmt: on


def decide(situation: Situation) -> Decision:
    """Whether the channel is told now, and why; see the table."""
    for reason, verdict, fits in TABLE:
        if fits(situation):
            return Decision(verdict, reason)
    raise AssertionError("the last row of the table fits always")


def _has_news(it: Situation) -> bool:
    return not it.is_told or it.has_news


def group_due_ms(sent_ms: int | None, count_sent: int) -> int:
    """When a group may be told of again: 30 s after its first notification, 5 min after every later one. ms UTC."""
    if sent_ms is None:
        return 0
    return sent_ms + (GROUP_WAIT_MS if count_sent == 1 else GROUP_INTERVAL_MS)
