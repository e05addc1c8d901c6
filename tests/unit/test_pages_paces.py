"""How long the jobs of a task took within the last day, as its row says it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

import pytest

from jobsight.core import histogram
from jobsight.core.apply import apply
from jobsight.core.events import Batch, JobCompleted
from jobsight.core.histogram import RELATIVE_ERROR_MAX
from jobsight.transports.http.pages.paces import HOUR_MS, HOURS, NO_PACE, Paces
from jobsight.view.queries import Reader
from jobsight.view.store import View

NOON_MS = 1_793_016_000_000
FIRST_MS = NOON_MS - (HOURS - 1) * HOUR_MS


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """In each hour but every third one a job of one second more than in the hour before, and one of 100 s; one is of yesterday."""
    view = View.open(None)
    state = view.load_state()
    hours = [hour for hour in range(HOURS) if hour % 3]
    ends = [(FIRST_MS - 1, 7_777_000)]
    ends += [(FIRST_MS + hour * HOUR_MS, length_ms) for hour in hours for length_ms in (1_000 * (hour + 1), 100_000)]
    for number, (at_ms, duration_ms) in enumerate(ends):
        event = JobCompleted(job_id=f"job-{number}", task="etl", duration_ms=duration_ms)
        apply(state, Batch(seq=number + 1, accept_ms=at_ms, sources=["w"], events=[event]))
        view.flush(state, b"c")
    yield view.reader()
    view.close()


def test_a_pace_is_that_of_all_jobs_of_the_day_and_a_line_hour_by_hour(reader: Reader) -> None:
    """What ended before is not in it; an hour in which nothing ended is a gap."""
    pace = Paces().of(reader, "etl", NOON_MS + HOUR_MS // 2)

    assert pace.p50_ms == pytest.approx(24_000, rel=RELATIVE_ERROR_MAX)
    assert pace.p95_ms == pytest.approx(100_000, rel=RELATIVE_ERROR_MAX)
    assert pace.line is not None
    assert 8 == pace.line.path.count("M"), "an hour of three is empty"
    assert NO_PACE == Paces().of(reader, "nobody's", NOON_MS)


def test_a_pace_merges_no_histograms(reader: Reader) -> None:
    """A day of a task has thousands of counts, and a page fifty tasks: hours are looked at as they are stored."""
    paces, merged = Paces(), []

    def see(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is histogram.quantiles_ms.__code__:
            merged.append(1)

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        paces.of(reader, "etl", NOON_MS)
    finally:
        sys.setprofile(before)

    assert [] == merged
