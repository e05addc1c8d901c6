"""What there is to say about a subject whose deadline may have passed: detectors over the state, and nothing kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from jobsight.core.alert import Alert, alert_deadline_ms, expiry_ms, lapse_ms
from jobsight.core.alerting import open_condition
from jobsight.core.check import SLOTS_COUNTED_MAX, Check
from jobsight.core.deadlines import silence_due_ms, unconfirmed_deadline_ms
from jobsight.core.events import ConditionEnded, DeadlinePassed, InternalEvent, MonitorBlind, RunsJudged, SilenceSet
from jobsight.core.flapping import stable_ms
from jobsight.core.job import Job
from jobsight.core.rules import ESCALATION, EXPIRY, FAILURE_RATE, FLAPPING, GROUP, LAPSE, SILENCE, TOO_FAST, UNCONFIRMED
from jobsight.core.schedule import ScheduleError, next_slot_ms, slots_within
from jobsight.core.silences import Maintenance
from jobsight.core.state import State
from jobsight.detectors import failure_rate, missed
from jobsight.detectors.base import Watched
from jobsight.detectors.registry import JOB_DETECTORS
from jobsight.detectors.slow import detect_fast

SLOTS_OF_A_GAP_MAX: Final = 10_000
"""Slots that are counted for the notice about a gap."""


def job_deadline_ms(state: State, job: Job) -> int | None:
    """The next deadline of an active job, whichever rule has it; ms UTC. None for a job that has ended."""
    due_ms = silence_due_ms(state, job)
    watched = watched_of(state, job)
    if due_ms is None or watched is None:
        return due_ms
    for detector in JOB_DETECTORS:
        one_ms = detector.deadline_ms(watched)
        if one_ms is not None and one_ms < due_ms:
            due_ms = one_ms
    return due_ms


def job_findings(state: State, job: Job, at_ms: int) -> list[InternalEvent]:
    """What has passed of an active job's deadlines."""
    silence_ms = silence_due_ms(state, job)
    if silence_ms is None:
        return []
    if silence_ms <= at_ms:
        return [DeadlinePassed(subject_kind="job", subject=job.job_id, rule=SILENCE, deadline_ms=silence_ms)]
    watched = watched_of(state, job)
    if watched is None:
        return []
    found = [detector.detect(watched, at_ms) for detector in JOB_DETECTORS]
    return [event for event in found if event is not None]


def ended_conditions(state: State, job: Job) -> list[InternalEvent]:
    """What was found at a job and holds no more, now that it was heard."""
    watched = watched_of(state, job)
    if watched is None or not watched.run.fired:
        return []
    return [
        ConditionEnded(subject_kind="job", subject=job.job_id, rule=detector.rule)
        for detector in JOB_DETECTORS
        if detector.rule in watched.run.fired and not detector.holds(watched)
    ]


def watched_of(state: State, job: Job) -> Watched | None:
    """An active job with what is expected of it; None where nothing is."""
    check = state.checks.get(job.task) if job.task is not None else None
    run = check.runs.get(job.job_id) if check is not None else None
    return None if check is None or run is None else Watched(job, check, run, state.gaps)


def unconfirmed_finding(state: State, job_id: str, at_ms: int) -> DeadlinePassed | None:
    """That nothing has followed a failure that was told by a status word; a job that was flushed is looked at by `apply`."""
    job = state.jobs.get(job_id)
    due_ms = state.unconfirmed.get(job_id) if job is None else unconfirmed_deadline_ms(job)
    if due_ms is None:
        due_ms = state.unconfirmed.get(job_id)
    if due_ms is None or due_ms > at_ms:
        return None
    return DeadlinePassed(subject_kind="job", subject=job_id, rule=UNCONFIRMED, deadline_ms=due_ms)


def judged_runs(state: State, check: Check, judged: int) -> list[InternalEvent]:
    """
    What the ended runs of a task have to say, from the one after number `judged` on.

    A run that is as it should be is an event only where that ends what was found before.
    """
    runs = [run for run in check.ended if run.number > judged]
    found = [(TOO_FAST, run.job_id, text) for run in runs if (text := detect_fast(check, run)) is not None]
    events: list[InternalEvent] = []
    is_open = open_condition(state, TOO_FAST, check.task) is not None
    if runs and (found or (is_open and runs[-1].is_success)):
        events.append(RunsJudged(task=check.task, upto=check.ends, findings=found[-1:]))
    if open_condition(state, FAILURE_RATE, check.task) is not None:
        if not failure_rate.holds(check):
            events.append(ConditionEnded(subject_kind="check", subject=check.task, rule=FAILURE_RATE))
    else:
        finding = failure_rate.detect(check, check.last_end_ms or 0)
        events += [] if finding is None else [finding]
    return events


def alert_finding(alert: Alert, at_ms: int) -> DeadlinePassed | None:
    """That an alert expires, its acknowledgement lapses, or nobody takes care of it."""
    due_ms = alert_deadline_ms(alert)
    if due_ms is None or due_ms > at_ms:
        return None
    rule = EXPIRY if due_ms == expiry_ms(alert) else LAPSE if due_ms == lapse_ms(alert) else ESCALATION
    return DeadlinePassed(subject_kind="alert", subject=alert.alert_id, rule=rule, deadline_ms=due_ms)


def flap_finding(state: State, fingerprint: str, at_ms: int) -> DeadlinePassed | None:
    """That a problem that came and went is stable."""
    due_ms = stable_ms(state.flaps.get(fingerprint))
    if due_ms is None or due_ms > at_ms:
        return None
    return DeadlinePassed(subject_kind="problem", subject=fingerprint, rule=FLAPPING, deadline_ms=due_ms)


def group_finding(state: State, key: str, at_ms: int) -> DeadlinePassed | None:
    """That a group has something to tell."""
    group = state.groups.get(key)
    if group is None or group.due_ms is None or group.due_ms > at_ms:
        return None
    return DeadlinePassed(subject_kind="group", subject=key, rule=GROUP, deadline_ms=group.due_ms)


def window_ms(state: State, window: Maintenance, at_ms: int) -> int | None:
    """When the maintenance window begins that is open at a moment and has no silence yet, or else the next one; ms UTC."""
    try:
        starts_ms = next_slot_ms(window.schedule, window.tz, max(at_ms - window.duration_ms, window.done_ms))
        if starts_ms is not None and window_silence(window, starts_ms).silence_id in state.silences:
            return next_slot_ms(window.schedule, window.tz, max(starts_ms, at_ms))
    except ScheduleError:
        return None
    return starts_ms


def window_silence(window: Maintenance, starts_ms: int) -> SilenceSet:
    """The silence that a maintenance window makes; its id is the same however often it is made."""
    return SilenceSet(
        silence_id=f"{window.maintenance_id}@{starts_ms}",
        matchers=window.matchers,
        starts_ms=starts_ms,
        ends_ms=starts_ms + window.duration_ms,
        author=window.author,
        comment=window.comment,
        maintenance_id=window.maintenance_id,
    )


def blind_notice(state: State, from_ms: int, to_ms: int, *, is_clock: bool = False) -> MonitorBlind:
    """That nothing was seen for a while, or that the clock was set, with the slots that lie within."""
    slots = 0
    for check in state.checks.values():
        if slots >= SLOTS_OF_A_GAP_MAX:
            break
        slots += sum(1 for _ in _slots_in(check, from_ms, to_ms))
    return MonitorBlind(from_ms=from_ms, to_ms=to_ms, slots=slots, is_clock=is_clock)


def grown_notice(notice: MonitorBlind, state: State, to_ms: int) -> MonitorBlind:
    """The same notice of a gap that has gone on, because it could not be stored: only what has come since is counted."""
    slots = notice.slots
    if slots < SLOTS_OF_A_GAP_MAX:
        slots += blind_notice(state, notice.to_ms + 1, to_ms).slots
    return replace(notice, to_ms=to_ms, slots=slots)


def _slots_in(check: Check, from_ms: int, to_ms: int) -> Iterator[int]:
    expected = check.expected
    if expected.schedule is None or check.slot_ms is None or check.slot_ms > to_ms:
        return
    after_ms = max(from_ms, check.slot_ms) - 1
    for count, slot_ms in enumerate(slots_within(expected.schedule, expected.tz, after_ms, to_ms, check.since_ms)):
        if count >= SLOTS_COUNTED_MAX:
            return
        yield slot_ms


def check_deadline_ms(state: State, check: Check) -> int | None:
    """When the slot that a check waits for can be judged, ms UTC."""
    return missed.deadline_ms(check, state.gaps)


def check_finding(state: State, check: Check, at_ms: int) -> DeadlinePassed | None:
    """That the grace of a slot is over."""
    return missed.detect(check, state.gaps, at_ms)


def slot_plan(check: Check) -> InternalEvent | None:
    """The first slot of a schedule, where it is not known yet. A schedule that cannot be read has none."""
    try:
        return missed.plan(check)
    except ScheduleError:
        return None
