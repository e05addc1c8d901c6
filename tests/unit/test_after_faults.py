"""What the simulated machine has shown to break, each as small as it can be said. The seeds stand in the guarantees page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from simulation.channel import FAR_SIDES, FakeChannel, FakeSettings, FarSide
from simulation.machine import Clock, SteppedLoop
from watched_state import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WatchedState

from jobsight.core.apply import apply, apply_internal
from jobsight.core.events import (
    Batch,
    DeadlinePassed,
    Event,
    Heartbeat,
    InternalEvent,
    JobCompleted,
    JobFailed,
    MonitorBlind,
    RetentionPassed,
    SettingsChanged,
    StatusUpdate,
)
from jobsight.core.kept import Kept
from jobsight.core.outbox import Delivery
from jobsight.core.state import State
from jobsight.engine.dispatcher import Dispatcher
from jobsight.engine.duties import REST_MS, Duties
from jobsight.engine.findings import blind_notice
from jobsight.engine.recovery import fetch_jobs
from jobsight.engine.ticker import ALIVE_MS, Ticker
from jobsight.engine.writer import Writer
from jobsight.errors import StorageFullError
from jobsight.logs.memory import MemoryLog
from jobsight.notifiers.base import Making
from jobsight.view.store import View


def failed(job_id: str, task: str = "t", **more: object) -> JobFailed:
    """A job failed for good."""
    return JobFailed(job_id=job_id, task=task, error="disk full", retries=0, **more)  # type: ignore[arg-type]


def told(watch: WatchedState) -> list[tuple[str, str, str]]:
    """Channel, kind and task of what was decided, in its order."""
    waiting: list[Delivery] = sorted(watch.state.outbox.values(), key=lambda one: one.number)
    return [(one.channel, str(one.kind), one.notice.task or "") for one in waiting]


def test_a_group_in_which_nothing_stands_is_none() -> None:
    """A group is called after the first alert that is told in it: what is in no view must not give it another name."""
    watch = WatchedState()
    watch.route("mail")
    watch.expect("t", failure_threshold=2)
    watch.report(failed("a"))
    before = dict(watch.state.groups)
    watch.report(failed("b"))

    assert {} == before
    assert 1 == len(watch.state.groups)


def test_who_was_told_first_is_told_first_after_a_start_too() -> None:
    """Notifications are numbered in the same order by a monitor that was restarted and by one that was not."""
    orders = []
    for is_restarted in (False, True):
        watch = WatchedState()
        watch.route("pager", "mail")
        watch.report(failed("a"))
        watch.flush()
        if is_restarted:
            watch.restart(SECOND_MS)
        watch.report(JobCompleted(job_id="b", task="t", duration_ms=1))
        orders.append([channel for channel, kind, _ in told(watch) if kind == "resolve"])

    assert [["pager", "mail"]] * 2 == orders


def test_a_disk_without_room_for_the_sign_of_life_ends_nothing() -> None:
    """That the monitor watches is noted again later; the view may be full for a while."""
    watch = WatchedState()
    watch.report(StatusUpdate(job_id="a", status="running"))
    noted: list[int] = []
    is_full = True

    def note(at_ms: int) -> None:
        if is_full:
            raise StorageFullError("no room")
        noted.append(at_ms)

    ticker = Ticker(watch.state, lambda events, done: done(True), lambda: watch.now_ms, note)
    for _ in range(3):
        watch.now_ms += ALIVE_MS
        ticker.tick()
    is_full = False
    watch.now_ms += SECOND_MS
    ticker.tick()

    assert [watch.now_ms] == noted


def test_a_blind_time_is_told_once_however_often_the_monitor_dies_right_after() -> None:
    """Two short lives after a long absence: one notice, and deadlines are later by the gap once, not twice."""
    view, now_ms, said = View.open(None), 3 * DAY_MS, []
    state = view.load_state()
    running: list[Event] = [StatusUpdate(job_id="a", status="running")]
    apply(state, Batch(seq=1, accept_ms=now_ms, sources=[None], events=running))
    view.flush(state, b"")
    view.note_alive(now_ms)
    for passed_ms in (3 * HOUR_MS, 5 * SECOND_MS):  # dead before it has noted more than its events
        now_ms += passed_ms
        state = view.load_state()

        def submit(events: list[InternalEvent], done: Callable[[bool], None]) -> None:
            said.extend(events)
            batch = Batch(seq=state.applied_seq + 1, accept_ms=now_ms, sources=[None], events=list(events))  # noqa: B023
            apply_internal(state, batch)  # noqa: B023
            done(True)

        Ticker(state, submit, lambda: now_ms).tick()  # noqa: B023
        view.flush(state, b"")
    view.close()

    assert ["MonitorBlind"] == [type(event).__name__ for event in said]
    assert 1 == len(state.gaps)


def test_a_gap_that_could_not_be_told_at_once_is_told_with_all_its_slots() -> None:
    """While the log takes nothing the gap grows; each try looks at what has come since, and none counts a slot twice."""
    watch, said, is_full = WatchedState(), [], True
    watch.expect("t", schedule="*/10 * * * *")
    watch.step(SECOND_MS)
    from_ms = watch.state.alive_ms

    def submit(events: list[InternalEvent], done: Callable[[bool], None]) -> None:
        said.append(events[0])
        done(not is_full)

    ticker = Ticker(watch.state, submit, lambda: watch.now_ms)
    watch.now_ms += 3 * HOUR_MS
    for _ in range(70):
        ticker.tick()
        watch.now_ms += MINUTE_MS
    is_full = False
    ticker.tick()

    whole = blind_notice(watch.state, from_ms, watch.now_ms)
    assert whole == said[-1]
    assert 3 * 6 + 7 <= whole.slots <= 3 * 6 + 8


def test_a_late_failure_makes_nothing_fire_that_nobody_is_told_of() -> None:
    """A failure from before the end of its job is on record only; the alert stays below its threshold."""
    watch = WatchedState()
    watch.route("mail")
    watch.expect("t", failure_threshold=2)
    watch.report(JobCompleted(job_id="d", task="t", duration_ms=1))
    watch.report(failed("a"))
    watch.report(failed("d", at=watch.now_ms - MINUTE_MS))
    late = [(one.count, one.state) for one in watch.state.open_by_id.values()]
    watch.report(failed("b"))

    assert [(2, "pending")] == late
    assert ["trigger"] == [kind for _, kind, _ in told(watch)]


@pytest.mark.parametrize("is_flushed", [False, True])
def test_a_job_that_is_gone_does_not_come_back_from_an_older_row(is_flushed: bool) -> None:
    """What is kept no longer is a new job when its id comes back, also where the view does not know of its end yet."""
    view, state = View.open(None), State()

    def report(seq: int, at_ms: int, *events: object) -> None:
        fetch_jobs(state, view, {event.job_id for event in events})  # type: ignore[attr-defined]
        apply(state, Batch(seq=seq, accept_ms=at_ms, sources=[None] * len(events), events=list(events)))  # type: ignore[arg-type]

    report(1, DAY_MS, StatusUpdate(job_id="a", status="running"))
    view.flush(state, b"")
    report(2, DAY_MS + 1, JobCompleted(job_id="a", duration_ms=1))
    if is_flushed:
        view.flush(state, b"")
    purge = RetentionPassed(completed_before_ms=2 * DAY_MS, other_before_ms=0, author="retention")
    apply_internal(state, Batch(seq=3, accept_ms=3 * DAY_MS, sources=[None], events=[purge]))
    report(4, 3 * DAY_MS, StatusUpdate(job_id="a", status="running"))

    assert 2 == state.jobs_total
    view.close()


def test_a_clock_that_was_wrong_for_a_while_silences_nobody() -> None:
    """After a clock was 400 days ahead and is right again: overdue jobs, missed runs and gathered alerts are told in time."""
    watch = WatchedState()
    watch.route("mail")
    watch.expect("heart", heartbeat_ms=MINUTE_MS)
    watch.expect("hourly", schedule="0 * * * *")
    watch.jump(400 * DAY_MS)
    watch.step(SECOND_MS)
    watch.report(StatusUpdate(job_id="a", task="heart", status="running"), failed("b"), failed("c", task="u"))
    watch.flush()
    watch.step(SECOND_MS)
    watch.jump(-400 * DAY_MS)
    watch.step(SECOND_MS)
    watch.report(failed("d", task="v"))
    watch.step(2 * HOUR_MS)

    told_of = {task for _, kind, task in told(watch) if kind in ("trigger", "summary")}
    rules = {(alert.rule, alert.task) for alert in watch.state.open_by_id.values()} | {
        (alert.rule, alert.task) for alert in watch.raised
    }
    untold = [one for one in watch.state.open_by_id.values() if one.state == "firing" and not one.told]
    assert {("missed", "hourly"), ("overdue", "heart")} <= rules
    assert {"t", "u", "v", "heart", "hourly"} <= told_of
    assert [] == untold


def test_nothing_lies_in_the_future_after_the_clock_was_set_back() -> None:
    """Blind times, groups and told alerts of the time that was wrong count from now on."""
    watch = WatchedState()
    watch.route("mail")
    start_ms = watch.now_ms
    watch.report(StatusUpdate(job_id="r", status="running"))
    watch.flush()
    watch.jump(400 * DAY_MS)
    watch.report(failed("b"))
    watch.flush()
    watch.jump(-400 * DAY_MS)

    assert all(gap.to_ms <= watch.now_ms + SECOND_MS for gap in watch.state.gaps)
    assert all((group.sent_ms or 0) <= start_ms + MINUTE_MS for group in watch.state.groups.values())
    assert any(isinstance(event, MonitorBlind) and event.to_ms < event.from_ms for event in watch.deadlines)


def test_a_clock_that_was_wrong_between_two_looks_puts_no_alert_off() -> None:
    """What was told under it lies in the future; the look after it sees a clock that has gone on."""
    watch = WatchedState()
    watch.route("mail")
    watch.report(StatusUpdate(job_id="r", status="running"))
    watch.flush()
    watch.step(SECOND_MS)
    watch.now_ms += 3 * HOUR_MS
    watch.report(JobFailed(job_id="a", error="disk full", retries=0))
    watch.flush()
    watch.now_ms -= HOUR_MS
    watch.jump(0)
    watch.report(JobFailed(job_id="b", error="no route", retries=0))
    watch.step(2 * MINUTE_MS)

    assert 2 <= len(watch.state.open_by_id)
    assert [] == [one for one in watch.state.open_by_id.values() if not one.told]


def test_what_was_told_between_a_start_and_the_first_look_does_not_lie_ahead() -> None:
    """A monitor starts under a clock that is wrong and takes reports in; set right at once, it shows where it was before."""
    watch, clock, said = WatchedState(), Clock(3_000 * DAY_MS), []
    watch.route("mail")
    watch.report(StatusUpdate(job_id="r", status="running"))
    watch.flush()
    watch.state.alive_ms = clock.wall_ms
    ticker = Ticker(watch.state, lambda events, _: said.extend(events), clock.wall, steady_ms=clock.steady)
    watch.now_ms = clock.wall_ms + HOUR_MS
    watch.report(JobFailed(job_id="a", error="disk full", retries=0))
    ticker.tick()
    watch.now_ms = clock.wall_ms
    watch.tell(*said)

    assert [MonitorBlind] == [type(event) for event in said]
    assert [clock.wall_ms] == [group.sent_ms for group in watch.state.groups.values()]


def test_a_report_after_an_end_is_not_late_because_the_clock_was_set_far_back() -> None:
    """An end counts as late as the cutoff, so as not to be gone at once; what follows it is told apart by the true time."""
    state, now_ms = State(kept=Kept(completed_from_ms=2_000 * DAY_MS)), 1_500 * DAY_MS
    reports: list[Event] = [
        JobCompleted(job_id="a", duration_ms=1),
        StatusUpdate(job_id="a", status="running", at=now_ms),
    ]
    apply(state, Batch(seq=1, accept_ms=now_ms, sources=[None, None], events=reports))

    assert "running" == state.jobs["a"].status


def test_duties_rest_while_the_log_takes_nothing() -> None:
    """A deadline that cannot be stored is due again at once: without a rest, a full disk would keep a processor busy."""

    class Busy:
        ticks = 0

        def due_ms(self) -> int | None:
            return 0

        def tick(self) -> None:
            self.ticks += 1

    busy, now_ms, is_stuck = Busy(), 0, True
    clock: Callable[[], int] = lambda: now_ms  # noqa: E731
    duties = Duties([busy], lambda: is_stuck, clock)
    for _ in range(100):
        duties.tick()
    pause_ms = duties.due_ms()
    now_ms += REST_MS
    duties.tick()
    is_stuck = False
    duties.tick()

    assert REST_MS == pause_ms
    assert 3 == busy.ticks
    assert 0 == duties.due_ms()


def test_a_clock_that_is_set_back_puts_no_second_try_off() -> None:
    """The pause between two tries is counted by a clock that nobody sets; so is the age at which a delivery is given up."""
    side = FAR_SIDES["unit"] = FarSide(mode="429")
    watch = WatchedState()
    watch.route("c1")
    watch.report(failed("a"))
    clock = Clock(watch.now_ms)
    loop = SteppedLoop(clock)
    channel = FakeChannel(FakeSettings(side="unit"), Making(name="c1"))
    dispatcher = Dispatcher(
        watch.state, {"c1": channel}, lambda _, done: done(True), clock.wall, clock.steady, lambda: 1.0
    )

    async def live() -> None:
        dispatcher.start()
        await loop.until_quiet()
        side.mode = ""
        clock.set(400 * DAY_MS)
        await loop.until_quiet()
        clock.set(-800 * DAY_MS)
        clock.advance(90 * SECOND_MS)
        await loop.until_quiet()
        await dispatcher.close()

    loop.run_until_complete(live())
    loop.close()

    assert ["trigger"] == [str(one.kind) for one in side.taken]


def test_what_is_taken_over_twice_is_sent_once() -> None:
    """A notification that a start itself decides on stands in the outbox, and is news to the dispatcher as well."""
    side = FAR_SIDES["unit"] = FarSide(slow_ms=10)
    watch = WatchedState()
    watch.route("c1")
    watch.report(failed("a"))
    clock = Clock(watch.now_ms)
    loop = SteppedLoop(clock)
    channel = FakeChannel(FakeSettings(side="unit"), Making(name="c1"))
    dispatcher = Dispatcher(
        watch.state, {"c1": channel}, lambda _, done: done(True), clock.wall, clock.steady, lambda: 1.0
    )

    async def live() -> None:
        dispatcher.start()
        await loop.until_quiet()
        dispatcher.take(list(watch.state.outbox.values()))
        for _ in range(5):
            clock.advance(10)
            await loop.until_quiet()
        await dispatcher.close()

    loop.run_until_complete(live())
    loop.close()

    assert 1 == len(side.taken)


def test_a_resolve_waits_until_its_trigger_is_marked() -> None:
    """A start knows only what is marked. What a full disk has not taken would be sent again, after the resolve."""
    side = FAR_SIDES["unit"] = FarSide()
    watch = WatchedState()
    watch.route("c1")
    watch.report(failed("a"))
    watch.report(JobCompleted(job_id="b", task="t", duration_ms=1))
    clock, loop = Clock(watch.now_ms), SteppedLoop(Clock(0))
    channel, has_room, seen = FakeChannel(FakeSettings(side="unit"), Making(name="c1")), [False], []
    dispatcher = Dispatcher(
        watch.state, {"c1": channel}, lambda _, done: done(has_room[0]), clock.wall, clock.steady, lambda: 1.0
    )

    async def live() -> None:
        dispatcher.start()
        await loop.until_quiet()
        for has_room[0] in (False, True):
            dispatcher.wake()
            await loop.until_quiet()
            seen.append([str(one.kind) for one in side.taken])
        await dispatcher.close()

    loop.run_until_complete(live())
    loop.close()

    assert [["trigger"], ["trigger", "resolve"]] == seen


@pytest.mark.parametrize("has_looked", [True, False])
def test_a_step_of_the_clock_is_seen_although_nothing_was_flushed_yet(has_looked: bool) -> None:
    """Right after the first reports, before the ticker knows of them or has looked at all, the clock is set back: it is told."""
    watch, clock, said = WatchedState(), Clock(3_000 * DAY_MS), []

    def submit(events: list[InternalEvent], done: Callable[[bool], None]) -> None:
        said.extend(type(event).__name__ for event in events)
        done(True)

    ticker = Ticker(watch.state, submit, clock.wall, steady_ms=clock.steady)
    if has_looked:
        ticker.tick()
    watch.report(StatusUpdate(job_id="a", status="running"))
    clock.advance(10)
    clock.set(-400 * DAY_MS)
    ticker.register(watch.state.changes)
    ticker.tick()

    assert ["MonitorBlind"] == said


def test_a_channel_that_comes_later_is_told_of_what_fires() -> None:
    """A channel under another name than before, or put back, hears of the problems that are open; the others hear nothing new."""
    watch = WatchedState()
    watch.route("old", "other")
    watch.report(failed("a"))
    watch.flush()
    watch.route("new", "other")
    watch.report(JobCompleted(job_id="b", task="t", duration_ms=1))

    assert [("old", "trigger"), ("other", "trigger"), ("new", "trigger")] == [one[:2] for one in told(watch)][:3]
    assert {"old", "other", "new"} == {channel for channel, kind, _ in told(watch) if kind == "resolve"}


def test_a_clock_that_is_set_back_lets_the_view_be_flushed_in_time() -> None:
    """The age of what was not flushed yet is counted by a clock that nobody sets."""
    log, view, clock = MemoryLog(log_id="0" * 32, rules_version=1), View.open(None, "0" * 32), Clock(3 * DAY_MS)
    writer = Writer(
        log=log,
        view=view,
        state=view.load_state(),
        clock_ms=clock.wall,
        steady_ms=clock.steady,
        answer=lambda _: ("none", {}),
        wake=None,
        flush_ms=200,
    )
    writer.record([SettingsChanged(max_retries=1, author="config")])
    writer.settle()
    clock.set(-DAY_MS)
    clock.advance(200)

    assert 0 == writer.flush_due_ms()
    view.close()


def test_a_silence_that_was_broken_meanwhile_loses_no_job() -> None:
    """A deadline that was seen to pass, and stored after the job had spoken, is ignored; the current one counts."""
    watch = WatchedState()
    watch.report(StatusUpdate(job_id="a", status="running"))
    passed_ms = watch.now_ms + watch.state.silence_ms
    watch.now_ms += HOUR_MS
    watch.report(Heartbeat(job_id="a"))
    watch.tell(DeadlinePassed(subject_kind="job", subject="a", rule="silence", deadline_ms=passed_ms))
    status = watch.state.jobs["a"].status
    watch.tell(DeadlinePassed(subject_kind="job", subject="a", rule="silence", deadline_ms=passed_ms + HOUR_MS))

    assert "running" == status
    assert "lost" == watch.state.jobs["a"].status


def test_lost_jobs_that_a_good_run_has_settled_stay_settled_after_a_start() -> None:
    """Once the task has run well, only jobs that are silent still hold its alert open: also for a monitor that was restarted."""
    watch, view = WatchedState(), View.open(None)
    watch.expect("t", heartbeat_ms=2 * MINUTE_MS)
    watch.report(StatusUpdate(job_id="lost", task="t", status="running"))
    watch.step(12 * MINUTE_MS)
    watch.report(StatusUpdate(job_id="silent", task="t", status="running"))
    watch.step(4 * MINUTE_MS)
    view.flush(watch.state, b"")
    before = [alert.job_ids for alert in watch.state.open_by_id.values()]
    watch.report(JobCompleted(job_id="good", task="t", duration_ms=1))
    view.flush(watch.state, b"")
    after = [alert.job_ids for alert in view.load_state().open_by_id.values()]
    view.close()

    assert [["lost", "silent"]] == before
    assert [["silent"]] == after


def test_a_failure_to_confirm_of_a_job_that_is_gone_is_forgotten_in_the_view_too() -> None:
    """Retention let go of the job before somebody could ask: no start waits for it again."""
    watch, view = WatchedState(), View.open(None)
    watch.state.unconfirmed["gone"] = passed_ms = watch.now_ms
    watch.state.changes.is_watch_dirty = True
    view.flush(watch.state, b"")
    before = view.load_state().unconfirmed
    watch.tell(DeadlinePassed(subject_kind="job", subject="gone", rule="unconfirmed", deadline_ms=passed_ms))
    view.flush(watch.state, b"")
    after = view.load_state().unconfirmed
    view.close()

    assert ({"gone": passed_ms}, {}) == (before, after)
