"""
The ticker: sees deadlines pass, and says so in the log. It decides nothing; what follows, `apply` does.

A report costs it nothing: a job's deadline mostly moves later, so the one that is known is only looked at when it
passes, and worked out anew then. Jobs, checks, alerts and groups are made known to it with each flush.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final, Protocol

from jobsight.core.alert import alert_deadline_ms
from jobsight.core.audit import CLOCK
from jobsight.core.check import Check
from jobsight.core.events import (
    ConditionEnded,
    DeadlinePassed,
    InternalEvent,
    MonitorBlind,
    RunsJudged,
    SilenceEnded,
    SilenceSet,
    SlotPlanned,
)
from jobsight.core.flapping import stable_ms
from jobsight.core.gaps import BLIND_MS_MIN
from jobsight.core.job import Job
from jobsight.core.set_back import lies_ahead
from jobsight.core.state import Changes, State
from jobsight.engine.deadline_heap import DeadlineHeap, Subject
from jobsight.engine.findings import (
    alert_finding,
    blind_notice,
    check_deadline_ms,
    check_finding,
    ended_conditions,
    flap_finding,
    group_finding,
    grown_notice,
    job_deadline_ms,
    job_findings,
    judged_runs,
    slot_plan,
    unconfirmed_finding,
    window_ms,
    window_silence,
)
from jobsight.errors import StorageError, StorageFullError

ALIVE_MS: Final = 10_000
"""How often it is noted that the monitor watches."""

TICK_EVENTS_MAX: Final = 500
"""Events that one tick says at once, give or take those of one subject: whoever asks meanwhile waits some 15 ms for them."""

TICK_LOOKS_MAX: Final = 2_000
"""Subjects that one tick looks at. After a gap the deadlines of most of them have moved, and there is nothing to say."""

AGAIN_MS: Final = 1_000
"""When a subject that is still due after its deadline was said is looked at again."""


def is_of_ticker(event: InternalEvent) -> bool:
    """Whether an event says what a look at the deadlines has found; that nobody looked is another matter."""
    if isinstance(event, SilenceSet):
        return event.maintenance_id is not None
    if isinstance(event, SilenceEnded):
        return event.author == CLOCK
    return isinstance(event, DeadlinePassed | ConditionEnded | RunsJudged | SlotPlanned)


class Submit(Protocol):
    """Stores events of the monitor and applies them; `done` is called then, with whether they were stored."""

    def __call__(self, events: list[InternalEvent], done: Callable[[bool], None]) -> None:
        """Hand the events in."""
        ...


class Ticker:
    """
    Watches the deadlines of a state. Belongs to the writer's owner, as the state does.

    Args:
        state: The writer's.
        submit_events: Brings what passed into the log.
        clock_ms: Wall time, ms since the epoch, UTC.
        steady_ms: A clock that nobody can set and that goes on while the machine sleeps; tells a clock that was set from a
            time in which nobody watched. None where there is none.
        note_late: Told of each passed deadline by how many milliseconds later it was seen.
        note_alive: Told every 10 s up to when the monitor has watched, so that a start knows for how long it was blind.

    Attributes:
        is_behind: The last tick has left something that had passed: the next one is wanted soon.
    """

    def __init__(
        self,
        state: State,
        submit_events: Submit,
        clock_ms: Callable[[], int],
        note_alive: Callable[[int], None] = lambda _: None,
        note_late: Callable[[int], None] = lambda _: None,
        steady_ms: Callable[[], int] | None = None,
    ) -> None:
        self._state: Final = state
        self._submit: Final = submit_events
        self._clock_ms: Final = clock_ms
        self._note_alive: Final = note_alive
        self._note_late: Final = note_late
        self._steady_ms: Final = steady_ms
        self._watched_ms: int | None = None
        self._unsaid: MonitorBlind | None = None
        self._heap: Final = DeadlineHeap()
        self._ready: dict[tuple[str, ...], InternalEvent] = {}
        self._revisions: dict[str, int] = {}
        self._judged: dict[str, int] = {}
        self._is_waiting = False
        self.is_behind = False
        state.alive_ms = state.alive_ms or clock_ms()
        self._noted_ms = state.alive_ms
        self._register_all()
        if len(self._heap) == 0 and not self._ready:  # nothing was missed; a clock that is set from here on is seen
            state.alive_ms = clock_ms()
            self._has_watched()

    def due_ms(self) -> int | None:
        """In how many milliseconds `tick` wants to be called; None while nothing is watched, or an answer is waited for."""
        if self._is_waiting:
            return None
        if self._ready:
            return 0
        next_ms = self._heap.next_ms()
        if next_ms is None:
            return None
        return max(0, min(next_ms - self._clock_ms(), ALIVE_MS))

    def tick(self) -> None:
        """Say what has passed. Cheap when nothing has."""
        now_ms = self._clock_ms()
        has_watched = self._has_watched()
        if self._is_waiting:
            return
        self.is_behind = False
        if len(self._heap) == 0 and not self._ready and not (has_watched and self._state.changes.events):
            self._state.alive_ms = now_ms
            return
        if abs(now_ms - self._state.alive_ms) > BLIND_MS_MIN or (not has_watched and self._lies_ahead(now_ms)):
            self._unsaid = self._blind(self._state.alive_ms, now_ms, is_clock=has_watched)
            self._say([self._unsaid], [])  # with it, `alive_ms` moves on
            return
        self._unsaid = None
        self._state.alive_ms = now_ms
        if now_ms - self._noted_ms >= ALIVE_MS or now_ms < self._noted_ms:
            self._note(now_ms)
        next_ms = self._heap.next_ms()
        if self._ready or (next_ms is not None and next_ms <= now_ms):
            self._pass(now_ms)

    def _lies_ahead(self, now_ms: int) -> bool:
        """Whether the clock was set back after what was taken in between a start and the first look, or while nobody was there."""
        return self._steady_ms is not None and lies_ahead(self._state, now_ms + BLIND_MS_MIN)

    def pass_over(self, blind: MonitorBlind) -> None:
        """Say that nobody watched for a while, or that the clock was set, where somebody else has seen it."""
        self._say([blind], [])

    def _has_watched(self) -> bool:
        """Whether somebody looked a moment ago; from now on somebody has."""
        is_watching = self._is_watching()
        if self._steady_ms is not None:
            self._watched_ms = self._steady_ms()
        return is_watching

    def _is_watching(self) -> bool:
        """Whether the last look is not long ago, by the clock that nobody can set."""
        if self._steady_ms is None or self._watched_ms is None:
            return False
        return self._steady_ms() - self._watched_ms <= BLIND_MS_MIN

    def _blind(self, from_ms: int, to_ms: int, *, is_clock: bool) -> MonitorBlind:
        """The notice of a gap; what could not be stored a moment ago has grown since."""
        unsaid = self._unsaid
        if unsaid is None:
            return blind_notice(self._state, from_ms, to_ms, is_clock=is_clock)
        if unsaid.from_ms == from_ms and from_ms < unsaid.to_ms <= to_ms:
            return grown_notice(unsaid, self._state, to_ms)
        return blind_notice(self._state, from_ms, to_ms, is_clock=unsaid.is_clock)

    def _note(self, now_ms: int) -> None:
        """Note that the monitor watches. What finds no room now is noted with a later tick; until then nothing is lost by it."""
        try:
            self._note_alive(now_ms)
        except (StorageFullError, StorageError):
            return
        self._noted_ms = now_ms

    def register(self, changes: Changes) -> None:
        """
        Take note of what has changed. Called before a flush, and after what the ticker has said, once for ticks in a row.

        Args:
            changes: Of the state, not yet flushed.
        """
        if len(self._heap) == 0 and not self._is_watching():
            self._state.alive_ms = self._clock_ms()
        state, heap = self._state, self._heap
        if changes.is_set_back:
            self._register_all()
            return
        checks = state.checks
        for job in changes.jobs:
            if job.ended_ms is None:
                if checks and job.task in checks:
                    self._add_ready(ended_conditions(state, job))
                    heap.put("job", job.job_id, job_deadline_ms(state, job))
                elif ("job", job.job_id) not in heap:
                    heap.put("job", job.job_id, job_deadline_ms(state, job))
        for task in changes.checks:
            if task in checks:
                self._register_check(checks[task])
        for alert in changes.alerts:
            if alert.resolved_ms is None:
                heap.put("alert", alert.alert_id, alert_deadline_ms(alert))
        for group in changes.groups.values():
            heap.put("group", group.key, group.due_ms)
        if changes.is_watch_dirty:
            self._register_watch()

    def _register_all(self) -> None:
        state, heap = self._state, self._heap
        for job in state.jobs.values():
            self._add_ready(ended_conditions(state, job))
            heap.put("job", job.job_id, job_deadline_ms(state, job))
        for check in state.checks.values():
            judged = max(check.judged_ends, check.ends - 1)
            if judged != check.judged_ends:
                self._judged.setdefault(check.task, judged)
            self._register_check(check)
        for alert in state.open_by_id.values():
            heap.put("alert", alert.alert_id, alert_deadline_ms(alert))
        for group in state.groups.values():
            heap.put("group", group.key, group.due_ms)
        self._register_watch()

    def _register_watch(self) -> None:
        state, heap = self._state, self._heap
        for job_id, due_ms in state.unconfirmed.items():
            heap.put("unconfirmed", job_id, due_ms)
        for fingerprint, flap in state.flaps.items():
            if flap.alert_id is not None:
                heap.put("problem", fingerprint, stable_ms(flap))
        for silence in state.silences.values():
            heap.put("silence", silence.silence_id, silence.ends_ms)
        for window in state.maintenance.values():
            heap.put("maintenance", window.maintenance_id, window_ms(state, window, self._clock_ms()))

    def _register_check(self, check: Check) -> None:
        state, heap = self._state, self._heap
        is_unplanned = check.slot_ms is None and check.expected.schedule is not None
        # Most of 100,000 checks are neither, and need no entry.
        if (is_unplanned or check.runs) and self._revisions.get(check.task) != check.revision:
            self._revisions[check.task] = check.revision
            if is_unplanned:
                heap.put("check", check.task, self._clock_ms())  # its first slot is still to be worked out
            for job_id in check.runs:
                job = state.jobs.get(job_id)
                if job is not None:
                    heap.put("job", job_id, job_deadline_ms(state, job))
        heap.put("check", check.task, check_deadline_ms(state, check))
        judged = self._judged.get(check.task, check.judged_ends)
        if check.ends > judged:
            self._judged[check.task] = check.ends
            self._add_ready(judged_runs(state, check, judged))

    def _pass(self, now_ms: int) -> None:
        """Say what is ready, and then what is due, as much of it as one tick takes."""
        names = list(islice(self._ready, TICK_EVENTS_MAX))
        events = [self._ready.pop(name) for name in names]
        subjects: list[Subject] = []
        looks = 0
        while len(events) < TICK_EVENTS_MAX and looks < TICK_LOOKS_MAX:
            subject = self._heap.take(now_ms)
            if subject is None:
                break
            looks += 1
            found = self._findings(subject, now_ms)
            if found:
                for event in found:
                    if isinstance(event, DeadlinePassed):
                        self._note_late(max(0, now_ms - event.deadline_ms))
                events += found
                subjects.append(subject)
            else:
                self._put_again(subject, now_ms)
        next_ms = self._heap.next_ms()
        self.is_behind = bool(self._ready) or (next_ms is not None and next_ms <= now_ms)
        if events:
            self._say(events, subjects)

    def _say(self, events: list[InternalEvent], subjects: list[Subject]) -> None:
        self._is_waiting = True
        self._submit(events, lambda is_stored: self._heard(events, subjects, is_stored))

    def _heard(self, events: list[InternalEvent], subjects: list[Subject], is_stored: bool) -> None:
        """The events were applied, or could not be stored: look at their subjects anew."""
        self._is_waiting = False
        if not is_stored:
            due = {name for _, name in subjects}
            again = [event for event in events if not isinstance(event, MonitorBlind)]  # that grows meanwhile
            self._add_ready([event for event in again if getattr(event, "subject", None) not in due])
        now_ms = self._clock_ms()
        for subject in subjects:
            self._put_again(subject, now_ms)
        if not self.is_behind:  # else the last of several batches sees to all that they have changed, or a flush does
            self.register(self._state.changes)

    def _add_ready(self, events: list[InternalEvent]) -> None:
        """Events that can be said without waiting; the same one twice is one."""
        for event in events:
            names = (getattr(event, name, "") for name in ("task", "subject", "rule"))
            self._ready[(type(event).__name__, *map(str, names))] = event

    def _put_again(self, subject: Subject, now_ms: int) -> None:
        """Look at a subject again at its next deadline; not at once, where that has passed and was said."""
        due_ms = self._deadline_ms(subject)
        if due_ms is not None:
            self._heap.put(*subject, due_ms if due_ms > now_ms else now_ms + AGAIN_MS)

    def _deadline_ms(self, subject: Subject) -> int | None:
        """The current deadline of a subject, worked out anew; None for one that has none any more."""
        state, (kind, name) = self._state, subject
        match kind:
            case "job":
                job = state.jobs.get(name)
                return None if job is None else job_deadline_ms(state, job)
            case "unconfirmed":
                return state.unconfirmed.get(name)
            case "check":
                check = state.checks.get(name)
                return None if check is None else check_deadline_ms(state, check)
            case "alert":
                alert = state.open_by_id.get(name)
                return None if alert is None else alert_deadline_ms(alert)
            case "group":
                group = state.groups.get(name)
                return None if group is None else group.due_ms
            case "problem":
                return stable_ms(state.flaps.get(name))
            case "silence":
                silence = state.silences.get(name)
                return None if silence is None else silence.ends_ms
            case _:
                window = state.maintenance.get(name)
                return None if window is None else window_ms(state, window, self._clock_ms())

    def _findings(self, subject: Subject, now_ms: int) -> list[InternalEvent]:
        """What there is to say of a subject whose deadline may have passed."""
        state, (kind, name) = self._state, subject
        found: InternalEvent | None = None
        match kind:
            case "job":
                job: Job | None = state.jobs.get(name)
                return [] if job is None else job_findings(state, job, now_ms)
            case "unconfirmed":
                found = unconfirmed_finding(state, name, now_ms)
            case "check" if name in state.checks:
                found = slot_plan(state.checks[name]) or check_finding(state, state.checks[name], now_ms)
            case "alert" if name in state.open_by_id:
                found = alert_finding(state.open_by_id[name], now_ms)
            case "group":
                found = group_finding(state, name, now_ms)
            case "problem":
                found = flap_finding(state, name, now_ms)
            case "silence" if name in state.silences and state.silences[name].ends_ms <= now_ms:
                found = SilenceEnded(silence_id=name, author=CLOCK)
            case "maintenance" if name in state.maintenance:
                window = state.maintenance[name]
                starts_ms = window_ms(state, window, now_ms)
                if starts_ms is not None and starts_ms <= now_ms:
                    found = window_silence(window, starts_ms)
        return [] if found is None else [found]
