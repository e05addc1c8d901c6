"""What a job's failure or success does to the alerts."""

from __future__ import annotations

from jobsight.core.alert import (
    ALERT_TRANSITIONS,
    FIRING,
    OPEN_WITHOUT_TASK_MAX,
    RESOLVED,
    RULE_JOB_FAILED,
    Alert,
    AlertKind,
    fingerprint_of,
)
from jobsight.core.job import Job
from jobsight.core.limits import OTHER
from jobsight.core.state import State


def count_failure(state: State, job: Job, error: str, retries: int, at_ms: int) -> Alert:
    """
    Put a job's final failure on its open alert, opening one where there is none.

    Args:
        job: The job; a job that already stands on the alert is counted as a failure again, but not as a further job.
        error: What it said, as it is kept.
        retries: Tries after the first.
        at_ms: Accept time, ms UTC.
    """
    alert = _open_alert(state, job, error)
    if alert.state != FIRING:
        alert.opened_ms = at_ms
        alert.first_error = error
        alert.first_job_id = job.job_id
    alert.state = ALERT_TRANSITIONS[alert.state][AlertKind.FAILED]
    alert.count += 1
    alert.last_error = error
    alert.last_job_id = job.job_id
    alert.last_retries = retries
    alert.updated_ms = at_ms
    if job.alert_id != alert.alert_id:
        leave(state, job, at_ms)
        job.alert_id = alert.alert_id
        alert.jobs_failed += 1
    _touch(state, alert)
    return alert


def succeed(state: State, job: Job, at_ms: int) -> list[Alert]:
    """A job has completed: take it off the alert on which it stands, and resolve its task's. Returns what was resolved."""
    resolved: list[Alert] = []
    of_task = state.open_by_task.get(job.task) if job.task is not None else None
    if job.alert_id is not None and (of_task is None or job.alert_id != of_task.alert_id):
        left = leave(state, job, at_ms)
        if left is not None:
            resolved.append(left)
    if of_task is not None:
        job.alert_id = None
        resolve(state, of_task, AlertKind.SUCCEEDED, at_ms)
        resolved.append(of_task)
    return resolved


def resolve(state: State, alert: Alert, kind: AlertKind, at_ms: int) -> None:
    """End the episode of an open alert; `kind` says why."""
    alert.state = ALERT_TRANSITIONS[alert.state][kind]
    alert.resolved_ms = alert.updated_ms = at_ms
    alert.reason = kind.name.lower()
    del state.open_by_fingerprint[alert.fingerprint]
    del state.open_by_id[alert.alert_id]
    if alert.task is not None:
        state.open_by_task.pop(alert.task, None)
    _touch(state, alert)


def _open_alert(state: State, job: Job, error: str) -> Alert:
    """The open alert for a job's failure; a new one, not yet firing, where there is none."""
    fingerprint = fingerprint_of(RULE_JOB_FAILED, job.task, job.queue, error)
    found = state.open_by_fingerprint.get(fingerprint)
    if found is None and job.task is None and len(state.open_by_id) - len(state.open_by_task) >= OPEN_WITHOUT_TASK_MAX:
        fingerprint = fingerprint_of(RULE_JOB_FAILED, None, job.queue, OTHER)
        found = state.open_by_fingerprint.get(fingerprint)
    if found is not None:
        return found
    alert = Alert(
        alert_id=f"{fingerprint}-{job.refs[-1]}",
        fingerprint=fingerprint,
        rule=RULE_JOB_FAILED,
        task=job.task,
        queue=job.queue,
    )
    state.open_by_fingerprint[fingerprint] = state.open_by_id[alert.alert_id] = alert
    if job.task is not None:
        state.open_by_task[job.task] = alert
    return alert


def leave(state: State, job: Job, at_ms: int) -> Alert | None:
    """Take a job off the alert on which it stands; the last one to leave an alert without a task resolves it."""
    alert = state.open_by_id.get(job.alert_id or "")
    job.alert_id = None
    if alert is None:
        return None
    alert.jobs_failed -= 1
    _touch(state, alert)
    if alert.jobs_failed == 0 and alert.state != RESOLVED and alert.task is None:
        resolve(state, alert, AlertKind.SUCCEEDED, at_ms)
        return alert
    return None


def _touch(state: State, alert: Alert) -> None:
    if not alert.is_dirty:
        alert.is_dirty = True
        state.changes.alerts.append(alert)
