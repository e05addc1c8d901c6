"""A replay under the rules that held tells what was told."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from watched_actions import act, actions
from watched_state import SECOND_MS, WatchedState

from jobsight.core.outbox import Delivery
from jobsight.engine.replay import PAGING, Raised, Rules, Seed, has_fired, page_of, raised_of
from jobsight.engine.replay_report import away_in, replay


def begin_of(alert: Raised) -> tuple[str, str, int]:
    """What an alert is about, and when it was opened. How it ends is seen by the recoveries that are told."""
    return alert.rule, alert.subject, alert.opened_ms


def taken_over(watch: WatchedState) -> list[Delivery]:
    """What was decided on since it was asked last."""
    fresh, watch.state.fresh = watch.state.fresh, []
    return fresh


def hold_replay_against_life(steps: list[tuple[Any, ...]]) -> None:
    """What a replay tells is what was told."""
    watch = WatchedState()
    told: list[Delivery] = []
    opened: dict[str, Raised] = {}
    watch.route("mail", "pager")
    for action in steps:
        if action[0] in ("jump", "restart"):
            watch.step(SECOND_MS)  # a running monitor has long told its ticker what came in
            told += taken_over(watch)  # a start begins with nothing fresh: what was decided before it is in the outbox
        act(watch, action)
        told += taken_over(watch)
    watch.step(SECOND_MS)
    told += taken_over(watch)
    for alert in watch.raised:
        if has_fired(alert):
            opened[alert.alert_id] = raised_of(alert)
    away = away_in((batch.seq, batch.accept_ms, batch.events) for _, batch in watch.batches)
    batches = [(batch, is_internal) for is_internal, batch in watch.batches]
    found = replay(batches, away, Rules(), Seed(), until_ms=watch.now_ms)
    assert found is not None

    assert sorted(map(begin_of, opened.values())) == sorted(map(begin_of, found.alerts()))
    assert [page_of(one) for one in told if one.kind in PAGING] == found.pages


TWO_SAY_FAILED = [
    ("update", "b", None, None, "failed"),
    ("step", 500),
    ("heartbeat", "b", None, None, None),
    ("update", "a", None, None, "failed"),
    ("step", 120_000),
]
HEARD_AS_IT_COMES_DUE = [
    ("update", "a", "u", None, "running"),
    ("step", 120_000),
    ("check", "u", 1),
    ("update", "a", None, None, "queued"),
]
BLIND_IN_AN_HOUR_LIVED_TWICE = [
    ("update", "a", None, None, "queued"),
    ("step", 3_600_000),
    ("update", "a", None, None, "queued"),
    ("jump", -3_600_000),
    ("update", "a", None, None, "queued"),
    ("jump", 90_000),
]
SET_BACK_WITHOUT_A_WORD = [
    ("step", 3_600_000),
    ("update", "a", None, None, "queued"),
    ("cancelled", "a", None, None, None),
    ("jump", -3_600_000),
    ("failed", "a", None, None, 0),
    ("jump", 90_000),
]
FOUND_AND_THEN_OVER_AT_ONCE = [
    ("check", "t", 2),
    ("update", "a", "t", None, "running"),
    ("step", 120_000),
    ("step", 120_000),
    ("completed", "a", "t", None, 5),
]


@settings(max_examples=150, deadline=None)
@example(TWO_SAY_FAILED)
@example(HEARD_AS_IT_COMES_DUE)
@example(FOUND_AND_THEN_OVER_AT_ONCE)
@example(SET_BACK_WITHOUT_A_WORD)
@example(BLIND_IN_AN_HOUR_LIVED_TWICE)
@example([("silence", 500), ("failed", "a", "t", None, 0), ("restart", 1000)])
@given(st.lists(actions, max_size=25))
def test_the_same_rules_give_the_same_pages_and_the_same_alerts(steps: list[tuple[Any, ...]]) -> None:
    """Whatever workers and operators did, through restarts and clocks that were set: the same alerts, at the same moments."""
    hold_replay_against_life(steps)
