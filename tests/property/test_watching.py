"""Whatever happens: the log gives the same alerts again, a start goes on where the end was, and a deadline passes once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from watched_actions import REOPENED_BETWEEN_STARTS, act, actions
from watched_state import SECOND_MS, WatchedState, watching_of

from jobsight.core.events import (
    DeadlinePassed,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(actions, max_size=25))
@example(REOPENED_BETWEEN_STARTS)
def test_the_log_gives_the_same_alerts_again(steps: list[tuple[Any, ...]]) -> None:
    """Checks, alerts with their ids, groups and the outbox are a function of the log: nothing is told twice after a replay."""
    watch = WatchedState()
    watch.route("mail", "pager")
    for action in steps:
        act(watch, action)
    watch.flush()

    assert watching_of(watch.state) == watching_of(watch.replayed())


@settings(max_examples=100, deadline=None)
@given(st.lists(actions, max_size=25))
def test_a_deadline_passes_once(steps: list[tuple[Any, ...]]) -> None:
    """However time goes, no deadline of a job is said twice, and none is forgotten: nothing that is due stays unsaid."""
    watch = WatchedState()
    watch.route("mail")
    for action in steps:
        act(watch, action)
    watch.step(2 * SECOND_MS)
    said = Counter(
        (event.subject_kind, event.subject, event.rule, event.deadline_ms, event.basis_ms, event.revision)
        for event in watch.deadlines
        if isinstance(event, DeadlinePassed)
    )
    due_ms = watch.ticker.due_ms()

    assert [] == [deadline for deadline, count in said.items() if count > 1]
    assert due_ms is None or due_ms > 0
