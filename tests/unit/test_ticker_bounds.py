"""One look at the deadlines is short, however many jobs there are: whoever reports or asks meanwhile waits for it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import FrameType

import pytest
from stepped_loop import SteppedLoop
from watched_state import HOUR_MS, SECOND_MS, WatchedState

from jobsight.app.stores import open_store
from jobsight.app.writing import duties_of, writer_of
from jobsight.core.events import DeadlinePassed, SettingsChanged, StatusUpdate
from jobsight.core.job import LOST
from jobsight.core.limits import SILENCE_MS
from jobsight.core.rules import SILENCE
from jobsight.engine.duties import Duties
from jobsight.engine.findings import job_deadline_ms
from jobsight.engine.retention import KeepTimes
from jobsight.engine.ticker import TICK_EVENTS_MAX, TICK_LOOKS_MAX, Ticker
from jobsight.engine.writer import Writer
from jobsight.protocol.codec import Codec
from jobsight.transports.http.server import SOON_SECONDS, TICK_SECONDS, keep_ticking

JOBS, TASKS = 5_000, 50
LOOKS = JOBS // TICK_EVENTS_MAX
"""How many of them it takes to say a deadline of each job."""


@contextmanager
def counted(function: Callable[..., object] = job_deadline_ms) -> Iterator[list[str]]:
    """The calls of a function inside, one entry each; else the deadlines of jobs that are worked out."""
    calls: list[str] = []

    def see(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is function.__code__:
            calls.append(function.__name__)

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


def with_passed_deadlines() -> WatchedState:
    """As many jobs run too long, all since the same moment, and nobody has looked yet."""
    watch = WatchedState(keeps_batches=False)
    for number in range(TASKS):
        watch.expect(f"t{number}", max_runtime_ms=10 * SECOND_MS)
    watch.report(*(StatusUpdate(job_id=f"j{n}", task=f"t{n % TASKS}", status="running") for n in range(JOBS)))
    watch.flush()
    watch.now_ms += 10 * SECOND_MS
    return watch


def test_deadlines_that_pass_together_are_said_bit_by_bit() -> None:
    """Each look says what a short wait is enough for, and tells that more has passed, until all is said."""
    watch = with_passed_deadlines()
    said: list[tuple[int, bool]] = []
    while not said or watch.ticker.is_behind:
        before = len(watch.deadlines)
        watch.ticker.tick()
        said.append((len(watch.deadlines) - before, watch.ticker.is_behind))

    assert LOOKS == len(said)
    assert {TICK_EVENTS_MAX} == {count for count, _ in said}
    watch.ticker.tick()
    assert JOBS == len(watch.deadlines)
    assert not watch.ticker.is_behind


def test_what_batches_in_a_row_have_changed_is_taken_note_of_once() -> None:
    """By the last of them: each would go through all that those before it have changed, too."""
    watch = with_passed_deadlines()
    with counted(Ticker.register) as calls:
        watch.ticker.tick()
        assert watch.ticker.is_behind
        assert 0 == len(calls)
        while watch.ticker.is_behind:
            watch.ticker.tick()

    assert JOBS == len(watch.deadlines)
    assert 1 == len(calls)


def test_the_service_looks_again_soon_while_more_has_passed_than_one_look_takes() -> None:
    """By a clock that goes on when nobody has anything to do: it waits shortly between looks that are behind, and else as ever."""
    watch = with_passed_deadlines()
    loop = SteppedLoop()
    looked_at_s: list[float] = []

    class Noting:
        """Notes when the looks are."""

        def due_ms(self) -> int | None:
            """Never by itself."""
            return None

        def tick(self) -> None:
            """One more."""
            looked_at_s.append(loop.time())
            if len(looked_at_s) == LOOKS + 2:
                loop.stop()

    duties = Duties([watch.ticker, Noting()], is_behind=lambda: watch.ticker.is_behind)
    ticking = loop.create_task(keep_ticking(duties))
    loop.run_forever()
    ticking.cancel()
    loop.run_until_complete(asyncio.wait([ticking]))
    loop.close()
    waits_s = [after_s - before_s for before_s, after_s in pairwise([0.0, *looked_at_s])]

    assert JOBS == len(watch.deadlines)
    assert [TICK_SECONDS, *[SOON_SECONDS] * (LOOKS - 1), TICK_SECONDS, TICK_SECONDS] == pytest.approx(waits_s)
    assert SOON_SECONDS < TICK_SECONDS / 10


def test_who_owns_a_store_is_told_that_more_has_passed() -> None:
    """What looks after everything says so, not the ticker inside of it alone."""
    with open_store(None, lambda _: None) as store:
        writer = writer_of(store, None, kind=Writer)
        kept = KeepTimes(completed_ms=HOUR_MS, other_ms=HOUR_MS, log_ms=HOUR_MS)
        duties = duties_of(writer, store, kept, lambda _: None)
        duties.tick()
        writer.record([SettingsChanged(max_retries=None, silence_ms=1, author="test")])
        line = b'{"type":"update_status","job_id":"j%d","status":"running"}\n'
        content = b"".join(line % number for number in range(TICK_EVENTS_MAX + 1))
        writer.submit(Codec().read([content]), lambda outcome: None)
        writer.flush()
        behind: list[bool] = []
        while LOST not in store.state.counters.statuses or behind[-1]:
            duties.tick()
            behind.append(duties.is_behind())
        lost = store.state.counters.statuses[LOST]
        writer.close()

    assert TICK_EVENTS_MAX + 1 == lost
    assert [True, False] == behind[-2:]


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
