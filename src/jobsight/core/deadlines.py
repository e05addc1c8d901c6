"""
What a passed deadline does. It counts only while it is still the current deadline of its subject.

A deadline of a job is counted from a fact (last heard, last moved, started); while that fact and the check stand as they
stood, the deadline is current. Which facts those are is the table `BASIS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from jobsight.core.alert import Alert, AlertKind, alert_deadline_ms, escalation_ms, expiry_ms, lapse_ms
from jobsight.core.alerting import count_failure, find_condition, lapse, resolve, settle
from jobsight.core.applied import Applied
from jobsight.core.check import Check
from jobsight.core.checks import judge_slot, lose
from jobsight.core.events import DeadlinePassed
from jobsight.core.flapping import stable_ms
from jobsight.core.gaps import extended_ms
from jobsight.core.job import FAILED, LOST, TERMINAL, Job, Kind, next_status
from jobsight.core.lifecycle import UNKNOWN_ERROR, count_end, rollup_for, stand
from jobsight.core.notifying import escalate, pass_group_timer
from jobsight.core.rules import (
    ESCALATION,
    EXPIRY,
    FAILURE_RATE,
    LAPSE,
    MISSED,
    OVERDUE,
    SILENCE,
    SLOW,
    STALLED,
    TOO_LONG,
    UNCONFIRMED,
)
from jobsight.core.rules import (
    LOST as RULE_LOST,
)
from jobsight.core.state import State, touch_check

UNCONFIRMED_MS: Final = 60_000
"""So long after a job said by a status word that it failed, somebody is told, unless something else was heard."""

Fact = Callable[[Job, Check], int | None]


def _started_ms(job: Job, check: Check) -> int | None:
    run = check.runs.get(job.job_id)
    return None if run is None else run.started_ms


BASIS: Final[Mapping[str, Fact]] = {
    OVERDUE: lambda job, check: job.updated_ms,
    RULE_LOST: lambda job, check: job.updated_ms,
    STALLED: lambda job, check: job.moved_ms,
    TOO_LONG: _started_ms,
    SLOW: _started_ms,
}
"""For each rule about a running job of a watched task: the fact from which its deadline is counted."""


def silence_deadline_ms(job: Job, silence_ms: int) -> int | None:
    """When an active job that stays silent is called lost, ms UTC; None for a job that has ended."""
    return None if job.status in TERMINAL else job.updated_ms + silence_ms


def silence_due_ms(state: State, job: Job) -> int | None:
    """The same, later by the times in which nothing could be heard."""
    deadline_ms = silence_deadline_ms(job, state.silence_ms)
    return None if deadline_ms is None else extended_ms(state.gaps, job.updated_ms, deadline_ms)


def unconfirmed_deadline_ms(job: Job) -> int | None:
    """When a job that says by a status word that it failed raises an alert; None where it does not, or has one."""
    if job.status != FAILED or not job.is_end_told_by_update or job.alert_id is not None:
        return None
    return job.updated_ms + UNCONFIRMED_MS


def pass_deadline(state: State, event: DeadlinePassed, place: int, applied: Applied, at_ms: int) -> None:
    """
    Do what follows from a deadline that has passed.

    Args:
        event: Ignored unless it is still the current deadline.
        place: Of the event in the log.
        applied: Takes the alerts that changed.
        at_ms: Accept time, ms UTC.
    """
    match event.subject_kind:
        case "job":
            _pass_of_job(state, event, place, applied, at_ms)
        case "check" if event.rule == MISSED:
            applied.alerts += judge_slot(state, event, place, at_ms)
        case "check" if event.rule == FAILURE_RATE:
            check = state.checks.get(event.subject)
            if check is not None and check.ends == event.basis_ms:
                applied.alerts.append(find_condition(state, FAILURE_RATE, check, event.text, place, at_ms))
        case "alert":
            alert = state.open_by_id.get(event.subject)
            if alert is not None:
                _pass_of_alert(state, alert, event, applied, at_ms)
        case "problem" if event.deadline_ms == stable_ms(state.flaps.get(event.subject)):
            settle(state, event.subject, at_ms)
        case "group":
            pass_group_timer(state, event.subject, event.deadline_ms, at_ms)
        case _:
            return


def _pass_of_job(state: State, event: DeadlinePassed, place: int, applied: Applied, at_ms: int) -> None:
    job = state.jobs.get(event.subject)
    if job is None:
        _forget_unconfirmed(state, event.subject)
        return
    check = state.checks.get(job.task) if job.task is not None else None
    if event.rule == SILENCE:
        if silence_due_ms(state, job) == event.deadline_ms:
            _lose(state, job, check, "a job was not heard of for very long, and is lost", place, applied, at_ms)
    elif event.rule == UNCONFIRMED:
        _confirm(state, job, event, place, applied, at_ms)
    elif check is not None and event.rule in BASIS:
        is_current = check.revision == event.revision and BASIS[event.rule](job, check) == event.basis_ms
        if is_current and job.status not in TERMINAL:
            _find(state, job, check, event, place, applied, at_ms)
    if job.ended_ms is not None and not job.is_dirty:
        del state.jobs[job.job_id]


def _find(
    state: State, job: Job, check: Check, event: DeadlinePassed, place: int, applied: Applied, at_ms: int
) -> None:
    run = check.runs.get(job.job_id)
    if run is None or run.fired.get(event.rule) == event.basis_ms:
        return
    run.fired[event.rule] = event.basis_ms or 0
    touch_check(state, check)
    if event.rule == RULE_LOST:
        _lose(state, job, check, event.text, place, applied, at_ms)
    else:
        applied.alerts.append(find_condition(state, event.rule, check, event.text, place, at_ms, job=job))


def _lose(state: State, job: Job, check: Check | None, text: str, place: int, applied: Applied, at_ms: int) -> None:
    if next_status(job.status, Kind.SILENT) != LOST:
        return
    _note_event(state, job, place)
    stand(state, job, LOST, at_ms)
    count_end(rollup_for(state, job, None, at_ms), LOST)
    if check is not None:
        applied.alerts += lose(state, check, job, text, place, at_ms)


def _confirm(state: State, job: Job, event: DeadlinePassed, place: int, applied: Applied, at_ms: int) -> None:
    """A failure that was told by a status word alone is a failure like any other."""
    deadline_ms = unconfirmed_deadline_ms(job)
    if deadline_ms is None:
        _forget_unconfirmed(state, job.job_id)
    elif deadline_ms == event.deadline_ms or deadline_ms > at_ms + UNCONFIRMED_MS:  # the clock was set back
        _forget_unconfirmed(state, job.job_id)
        _note_event(state, job, place)
        applied.alerts.append(count_failure(state, job, job.error or UNKNOWN_ERROR, job.retries or 0, at_ms))
    else:
        state.unconfirmed[job.job_id] = deadline_ms
        state.changes.is_watch_dirty = True


def _forget_unconfirmed(state: State, job_id: str) -> None:
    """The job is one no more; stored with the next flush, so that no start waits for it again."""
    if state.unconfirmed.pop(job_id, None) is not None:
        state.changes.is_watch_dirty = True


def _note_event(state: State, job: Job, place: int) -> None:
    if not job.is_dirty:
        job.is_dirty = True
        state.changes.jobs.append(job)
    job.refs.append(place)


def _pass_of_alert(state: State, alert: Alert, event: DeadlinePassed, applied: Applied, at_ms: int) -> None:
    if event.deadline_ms != alert_deadline_ms(alert):
        return
    if event.rule == EXPIRY and event.deadline_ms == expiry_ms(alert):
        resolve(state, alert, AlertKind.EXPIRED, at_ms)
        applied.alerts.append(alert)
    elif event.rule == LAPSE and event.deadline_ms == lapse_ms(alert):
        lapse(state, alert, at_ms)
        applied.alerts.append(alert)
    elif event.rule == ESCALATION and event.deadline_ms == escalation_ms(alert):
        escalate(state, alert, at_ms)
