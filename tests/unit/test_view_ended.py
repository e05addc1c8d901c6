"""How many jobs have ended how: the same as a sum of roll-ups has it, and less work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

import pytest

from jobsight.core import histogram
from jobsight.core.apply import apply
from jobsight.core.events import AnyReport, Batch, JobCancelled, JobCompleted, JobFailed
from jobsight.view.queries import Reader
from jobsight.view.store import View

START_MS = 1_793_016_007_000
STEP_MS = 1_111_000
JOBS = 240
"""They end over three days."""


def event_of(number: int) -> AnyReport:
    """Jobs of three tasks and of none end in three ways."""
    names = {"job_id": f"job-{number}", "task": ("a", "b", "c", None)[number % 4]}
    if number % 5 == 0:
        return JobFailed(error="boom", retries=0, **names)  # type: ignore[arg-type]
    return JobCancelled(**names) if number % 7 == 0 else JobCompleted(duration_ms=number, **names)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """Some of them are stored together, and the last ones wait to be added to coarser buckets."""
    view = View.open(None)
    state = view.load_state()
    for number in range(JOBS):
        batch = Batch(seq=number + 1, accept_ms=START_MS + number * STEP_MS, sources=["w"], events=[event_of(number)])
        apply(state, batch)
        if number % 9 == 0:
            view.flush(state, b"c")
    view.flush(state, b"c")
    yield view.reader()
    view.close()


@pytest.mark.parametrize("since", [0, 1, 77, 200, 239, 240])
@pytest.mark.parametrize("until", [None, 0, 78, 150, 240])
def test_ends_are_those_of_the_sum(reader: Reader, since: int, until: int | None) -> None:
    """Of all jobs, with a task or without one, in each range."""
    since_ms = START_MS + since * STEP_MS
    until_ms = None if until is None else START_MS + until * STEP_MS

    assert reader.rollup_sum(since_ms, until_ms).ends == reader.ended(since_ms, until_ms)
    assert JOBS == sum(reader.ended(START_MS).values())


def test_no_durations_are_added_up_for_it(reader: Reader) -> None:
    """A fleet has a thousand buckets of them in each hour."""
    merged: list[str] = []

    def see(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is histogram.merge.__code__:
            merged.append("merge")

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        reader.ended(START_MS)
        for_ends = len(merged)
        reader.rollup_sum(START_MS)
    finally:
        sys.setprofile(before)

    assert 0 == for_ends < len(merged)
