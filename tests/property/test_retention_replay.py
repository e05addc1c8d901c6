"""Whenever cutoffs move, and however fast rows are deleted: what is live and what is replayed are the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from property.test_view_roundtrip import CHECKSUM, START_MS, everything, reports

from jobsight.core.apply import apply, apply_internal
from jobsight.core.events import AnyReport, Batch, RetentionPassed
from jobsight.core.kept import is_gone
from jobsight.core.state import State
from jobsight.view.store import View

purges = st.builds(
    RetentionPassed,
    completed_before_ms=st.integers(START_MS, START_MS + 90_000),
    other_before_ms=st.integers(START_MS, START_MS + 90_000),
    author=st.just("retention"),
)
steps = st.lists(
    st.tuples(st.integers(START_MS, START_MS + 90_000), st.one_of(purges, st.lists(reports, min_size=1, max_size=4))),
    min_size=1,
    max_size=12,
)


def run(taken: list[tuple[int, RetentionPassed | list[AnyReport]]], flushes: list[int]) -> tuple[View, list[int]]:
    """Apply the steps as the engine does, with so many flushes after each one; the jobs ever seen after each step."""
    view, state, totals = View.open(None), State(), []
    for number, (at_ms, what) in enumerate(taken, start=1):
        if isinstance(what, RetentionPassed):
            apply_internal(state, Batch(seq=number, accept_ms=at_ms, sources=[None], events=[what]))
        else:
            unknown = {event.job_id for event in what} - state.jobs.keys()
            for job in view.fetch(sorted(unknown), state):
                state.jobs[job.job_id] = job
            apply(state, Batch(seq=number, accept_ms=at_ms, sources=["w"] * len(what), events=list(what)))
        totals.append(state.jobs_total)
        for _ in range(flushes[number % len(flushes)]):
            view.flush(state, CHECKSUM)
    while True:
        view.flush(state, CHECKSUM)
        if not view.wants_flush:
            return view, totals


@settings(max_examples=100, deadline=None)
@given(steps, st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_replay_equals_live_across_purges(
    taken: list[tuple[int, RetentionPassed | list[AnyReport]]], flushes: list[int]
) -> None:
    """The same jobs are gone, the same ids begin anew, the same figures stand, whenever the view was flushed and swept."""
    live, live_totals = run(taken, flushes)
    replayed, replayed_totals = run(taken, [0])
    found: list[dict[str, Any]] = [everything(live), everything(replayed)]
    state = live.load_state()

    assert live_totals == replayed_totals
    assert found[0] == found[1]
    assert not [job for job in found[0]["jobs"] if is_gone(state.kept, job.status, job.ended_ms)]
    assert len(found[0]["jobs"]) == live.reader().applied().retained
