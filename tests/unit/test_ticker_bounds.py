"""One look at the deadlines is short, however many jobs there are: whoever reports or asks meanwhile waits for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from watched_state import HOUR_MS, SECOND_MS, WatchedState

from jobsight.core.events import DeadlinePassed, SettingsChanged, StatusUpdate
from jobsight.core.limits import SILENCE_MS
from jobsight.core.rules import SILENCE
from jobsight.engine.findings import job_deadline_ms
from jobsight.engine.ticker import TICK_EVENTS_MAX, TICK_LOOKS_MAX

JOBS, TASKS = 5_000, 50


@contextmanager
def counted() -> Iterator[list[str]]:
    """The deadlines of jobs that are worked out inside: one entry each."""
    calls: list[str] = []

    def see(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is job_deadline_ms.__code__:
            calls.append("job")

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def with_running_jobs(silence_ms: int = SILENCE_MS) -> WatchedState:
    """Many jobs run, and nobody expects anything of them but that they are not silent for ever."""
    watch = WatchedState(keeps_batches=False)
    watch.tell(SettingsChanged(max_retries=None, silence_ms=silence_ms, author="test"))
    watch.report(*(StatusUpdate(job_id=f"j{number}", status="running") for number in range(JOBS)))
    watch.flush()
    return watch


def test_after_a_gap_nobody_works_out_the_deadline_of_every_job() -> None:
    """A gap puts deadlines off: the moments at which they are looked at are good still, and too early at most."""
    watch = with_running_jobs()
    with counted() as calls:
        watch.jump(HOUR_MS)

    assert 1 == len(watch.state.gaps)
    assert 0 == len(calls)


def test_jobs_whose_deadlines_a_gap_has_put_off_are_looked_at_bit_by_bit() -> None:
    """Their old deadlines have all passed at once; none of the jobs is lost by that, and no look takes them all."""
    watch = with_running_jobs(silence_ms=HOUR_MS)
    watch.jump(2 * HOUR_MS)
    looks: list[int] = []
    while not looks or watch.ticker.is_behind:
        with counted() as calls:
            watch.ticker.tick()
        looks.append(len(calls))

    assert JOBS == sum(looks)
    assert TICK_LOOKS_MAX == max(looks)
    assert [] == [event for event in watch.deadlines if isinstance(event, DeadlinePassed)]
    watch.step(HOUR_MS)
    assert JOBS == len({event.subject for event in watch.deadlines if isinstance(event, DeadlinePassed)})


def test_deadlines_that_pass_together_are_said_bit_by_bit() -> None:
    """Each look says what a short wait is enough for, and tells that more has passed, until all is said."""
    watch = WatchedState(keeps_batches=False)
    for number in range(TASKS):
        watch.expect(f"t{number}", max_runtime_ms=10 * SECOND_MS)
    watch.report(*(StatusUpdate(job_id=f"j{n}", task=f"t{n % TASKS}", status="running") for n in range(JOBS)))
    watch.flush()
    watch.now_ms += 10 * SECOND_MS
    said: list[tuple[int, bool]] = []
    while not said or watch.ticker.is_behind:
        before = len(watch.deadlines)
        watch.ticker.tick()
        said.append((len(watch.deadlines) - before, watch.ticker.is_behind))

    assert JOBS // TICK_EVENTS_MAX == len(said)
    assert {TICK_EVENTS_MAX} == {count for count, _ in said}
    watch.ticker.tick()
    assert JOBS == len(watch.deadlines)
    assert not watch.ticker.is_behind


def test_a_clock_that_was_set_back_brings_deadlines_nearer() -> None:
    """What ran when the clock was a year ahead is lost as long after it was set right as any other job."""
    watch = WatchedState()
    watch.now_ms += 365 * 24 * HOUR_MS
    watch.ticker.tick()
    watch.report(StatusUpdate(job_id="j", status="running"))
    watch.flush()
    watch.jump(-365 * 24 * HOUR_MS)
    watch.step(25 * HOUR_MS)

    assert [("j", SILENCE)] == [(e.subject, e.rule) for e in watch.deadlines if isinstance(e, DeadlinePassed)]
