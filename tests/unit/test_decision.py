"""Who is told, and why: the decision, as one table."""

from __future__ import annotations

import pytest

from jobsight.core.alert import ACKNOWLEDGED, FIRING, PENDING, RESOLVED
from jobsight.core.check import Severity
from jobsight.core.decision import (
    GROUP_INTERVAL_MS,
    GROUP_WAIT_MS,
    REPEAT_MS,
    TABLE,
    Change,
    Decision,
    Reason,
    Situation,
    Verdict,
    decide,
    group_due_ms,
)

NOW = 1_700_000_000_000
TOLD = {"is_told": True, "told_ms": NOW - 1_000, "group_sent_ms": NOW - 1_000, "group_due_ms": NOW + 29_000}
LONG_TOLD = {**TOLD, "told_ms": NOW - REPEAT_MS, "group_due_ms": NOW - 1}
IN_GROUP = {"group_sent_ms": NOW - 1_000, "group_due_ms": NOW + 29_000}
OVER_WINDOW = {"group_sent_ms": NOW - 30_000, "group_due_ms": NOW}

# fmt: off
CASES = [
    # state,       change,               what else is so,                                verdict,       reason
    (FIRING,       Change.RAISED,        {},                                     Verdict.TELL,  Reason.FIRST_OF_GROUP),
    (PENDING,      Change.RAISED,        {},                                     Verdict.LEAVE, Reason.BELOW_THRESHOLD),
    (FIRING,       Change.RAISED,        {"is_silenced": True},                  Verdict.LEAVE, Reason.SUPPRESSED_BY_SILENCE),
    (FIRING,       Change.RAISED,        {"is_inhibited": True},                 Verdict.LEAVE, Reason.SUPPRESSED_BY_INHIBITION),
    (FIRING,       Change.RAISED,        {"is_silenced": True, "is_inhibited": True}, Verdict.LEAVE, Reason.SUPPRESSED_BY_SILENCE),
    (FIRING,       Change.RAISED,        {"is_flapping": True},                  Verdict.LEAVE, Reason.FLAPPING),
    (FIRING,       Change.RAISED,        {**TOLD, "is_flapping": True},          Verdict.WAIT,  Reason.REPEAT_TOO_SOON),
    (FIRING,       Change.RAISED,        IN_GROUP,                               Verdict.WAIT,  Reason.FOLLOWER_WAITS),
    (FIRING,       Change.TIMER,         OVER_WINDOW,                            Verdict.TELL,  Reason.GROUP_WINDOW_PASSED),
    (FIRING,       Change.TIMER,         {**OVER_WINDOW, "is_silenced": True},   Verdict.LEAVE, Reason.SUPPRESSED_BY_SILENCE),
    (FIRING,       Change.RAISED,        TOLD,                                   Verdict.WAIT,  Reason.REPEAT_TOO_SOON),
    (FIRING,       Change.RAISED,        {**TOLD, "has_news": True},             Verdict.WAIT,  Reason.FOLLOWER_WAITS),
    (FIRING,       Change.RAISED,        {**LONG_TOLD, "has_news": True},        Verdict.TELL,  Reason.GROUP_WINDOW_PASSED),
    (FIRING,       Change.TIMER,         LONG_TOLD,                              Verdict.TELL,  Reason.REPEAT_INTERVAL_PASSED),
    (FIRING,       Change.TIMER,         {**LONG_TOLD, "severity": Severity.WARNING}, Verdict.LEAVE, Reason.WARNING_IS_TOLD_ONCE),
    (FIRING,       Change.RAISED,        {"severity": Severity.WARNING},         Verdict.TELL,  Reason.FIRST_OF_GROUP),
    (ACKNOWLEDGED, Change.ACKNOWLEDGED,  TOLD,                                   Verdict.TELL,  Reason.ACKNOWLEDGEMENT),
    (ACKNOWLEDGED, Change.ACKNOWLEDGED,  {},                                     Verdict.LEAVE, Reason.ACKNOWLEDGED),
    (ACKNOWLEDGED, Change.TIMER,         LONG_TOLD,                              Verdict.LEAVE, Reason.ACKNOWLEDGED),
    (ACKNOWLEDGED, Change.RAISED,        {**LONG_TOLD, "has_news": True},        Verdict.LEAVE, Reason.ACKNOWLEDGED),
    (RESOLVED,     Change.RESOLVED,      TOLD,                                   Verdict.TELL,  Reason.RECOVERED),
    (RESOLVED,     Change.RESOLVED,      {**TOLD, "is_silenced": True},          Verdict.TELL,  Reason.RECOVERED),
    (RESOLVED,     Change.RESOLVED,      {},                                     Verdict.LEAVE, Reason.RECOVERED_UNTOLD),
]
# fmt: on


@pytest.mark.parametrize(("state", "change", "more", "verdict", "reason"), CASES)
def test_the_decision_is_the_one_of_the_table(
    state: str, change: Change, more: dict[str, object], verdict: Verdict, reason: Reason
) -> None:
    """Whether a channel is told, and why, follows from what is known and from nothing else."""
    situation = Situation(state=state, change=change, at_ms=NOW, **more)  # type: ignore[arg-type]

    assert Decision(verdict, reason) == decide(situation)


def test_every_row_decides_somewhere() -> None:
    """No reason stands in the table in vain, and the last row takes what is left."""
    assert {reason for reason, _, _ in TABLE} == {reason for *_, reason in CASES}


def test_a_group_waits_longer_once_it_has_been_told_of() -> None:
    """The first notification leaves at once, the second 30 s later, further ones every 5 minutes."""
    assert [0, NOW + GROUP_WAIT_MS, NOW + GROUP_INTERVAL_MS] == [
        group_due_ms(None, 0),
        group_due_ms(NOW, 1),
        group_due_ms(NOW, 2),
    ]
