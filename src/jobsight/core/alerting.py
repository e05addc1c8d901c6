"""What happens to the alerts: a job fails or succeeds, a condition is found or ends, somebody lends a hand, time passes."""

from __future__ import annotations

from typing import Final

from jobsight.core.alert import (
    ACKNOWLEDGED,
    ALERT_TRANSITIONS,
    FIRING,
    JOBS_NAMED_MAX,
    NONE,
    OPEN_WITHOUT_TASK_MAX,
    PENDING,
    RESOLVED,
    RULE_JOB_FAILED,
    Alert,
    AlertKind,
    alert_text,
    fingerprint_of,
)
from jobsight.core.check import Check
from jobsight.core.decision import Change
from jobsight.core.flapping import QUIET_MS, note_change
from jobsight.core.job import Job
from jobsight.core.limits import OTHER
from jobsight.core.notifying import announce, put_notice
from jobsight.core.rules import SEVERITIES
from jobsight.core.spans import span_text
from jobsight.core.state import State, touch_alert

TITLE_ERROR_CHARACTERS: Final = 1_024
"""How much of an error the sentence of an alert repeats."""


def count_failure(state: State, job: Job, error: str, retries: int, at_ms: int, *, is_told: bool = True) -> Alert:
    """
    Put a job's final failure on its open alert, opening one where there is none.

    Args:
        job: The job; a job that already stands on the alert is counted as a failure again, but not as a further job.
        error: What it said, as it is kept.
        retries: Tries after the first.
        at_ms: Accept time, ms UTC.
        is_told: False where the failure is on record only: it makes nothing fire that did not fire before.
    """
    alert = _open_alert(state, job, error)
    check = state.checks.get(job.task) if job.task is not None else None
    if alert.state == NONE:
        _begin(alert, check, at_ms)
        alert.first_error = error
        alert.first_job_id = job.job_id
    alert.count += 1
    alert.last_error = error
    alert.last_job_id = job.job_id
    alert.last_retries = retries
    alert.text = alert_text(retries, error[:TITLE_ERROR_CHARACTERS])
    alert.updated_ms = at_ms
    alert.successes = 0
    if job.alert_id != alert.alert_id:
        leave(state, job, at_ms)
        job.alert_id = alert.alert_id
        alert.jobs_failed += 1
    is_enough = True
    if check is not None:
        alert.failures_in_row = check.failures_in_row + 1
        is_enough = alert.count >= check.expected.failure_threshold
    _move(state, alert, AlertKind.FAILED if is_enough and is_told else AlertKind.COUNTED, at_ms)
    touch_alert(state, alert)
    if is_told:
        announce(state, alert, Change.RAISED, at_ms)
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
        of_task.successes += 1
        check = state.checks.get(of_task.task or "")
        is_told = of_task.state != PENDING  # failures that did not come one after the other open nothing
        if is_told and check is not None and of_task.successes < check.expected.recovery_threshold:
            touch_alert(state, of_task)
        else:
            resolve(state, of_task, AlertKind.SUCCEEDED, at_ms)
            resolved.append(of_task)
    return resolved


def resolve(state: State, alert: Alert, kind: AlertKind, at_ms: int) -> None:
    """End the episode of an open alert; `kind` says why."""
    _move(state, alert, kind, at_ms)
    alert.resolved_ms = alert.updated_ms = at_ms
    alert.reason = kind.name.lower()
    del state.open_by_fingerprint[alert.fingerprint]
    del state.open_by_id[alert.alert_id]
    if alert.rule == RULE_JOB_FAILED:
        if alert.task is None:
            state.open_without_task -= 1
        elif state.open_by_task.get(alert.task) is alert:
            del state.open_by_task[alert.task]
    touch_alert(state, alert)
    announce(state, alert, Change.RESOLVED, at_ms)


def find_condition(
    state: State,
    rule: str,
    check: Check,
    text: str,
    place: int,
    at_ms: int,
    *,
    job: Job | None = None,
    job_id: str = "",
) -> Alert:
    """
    A rule has found something at a task, or at one of its jobs: open the alert, or count on the open one.

    Args:
        rule: Its name; with the task it is the alert's identity.
        text: What was found, in one sentence.
        place: In the log, of the event that tells of it.
        at_ms: Accept time, ms UTC.
        job: At which it holds until it ends there. `job_id`: of a job that has ended; whether such a one is still in
            memory differs from one replay to the next, so nothing else of it may be looked at.
    """
    fingerprint = fingerprint_of(rule, check.task, None, "")
    alert = state.open_by_fingerprint.get(fingerprint)
    job_id = job.job_id if job is not None else job_id
    if alert is None:
        alert = Alert(
            alert_id=f"{fingerprint}-{place}",
            fingerprint=fingerprint,
            rule=rule,
            task=check.task,
            queue=job.queue if job is not None else None,
        )
        _begin(alert, check, at_ms)
        alert.severity = SEVERITIES.get(rule, check.expected.severity)
        alert.first_job_id = job_id
        alert.first_error = text
        state.open_by_fingerprint[fingerprint] = state.open_by_id[alert.alert_id] = alert
    alert.count += 1
    alert.text = alert.last_error = text
    alert.last_job_id = job_id
    alert.failures_in_row = check.failures_in_row
    alert.updated_ms = at_ms
    if job is not None and job_id not in alert.job_ids and len(alert.job_ids) < JOBS_NAMED_MAX:
        alert.job_ids.append(job_id)
    _move(state, alert, AlertKind.FAILED, at_ms)
    touch_alert(state, alert)
    announce(state, alert, Change.RAISED, at_ms)
    return alert


def end_condition(
    state: State, rule: str, task: str, at_ms: int, *, job_id: str | None = None, kind: AlertKind = AlertKind.ENDED
) -> Alert | None:
    """
    What a rule had found holds no more, at one job or (without one) at the task as a whole.

    Returns:
        The alert, where that was the last of it: it is resolved. None where nothing changed, or something still holds.
    """
    alert = open_condition(state, rule, task)
    if alert is None:
        return None
    if job_id is not None:
        if job_id not in alert.job_ids:
            return None
        alert.job_ids.remove(job_id)
        if alert.job_ids:
            touch_alert(state, alert)
            return None
    resolve(state, alert, kind, at_ms)
    return alert


def open_condition(state: State, rule: str, task: str) -> Alert | None:
    """The open alert of a rule at a task."""
    return state.open_by_fingerprint.get(fingerprint_of(rule, task, None, ""))


def note(state: State, rule: str, text: str, place: int, at_ms: int) -> Alert:
    """Something of the monitor itself that is over as it is told: an alert that is resolved at once, and one notice."""
    fingerprint = fingerprint_of(rule, None, "", "")
    alert = Alert(
        alert_id=f"{fingerprint}-{place}",
        fingerprint=fingerprint,
        rule=rule,
        task=None,
        queue=None,
        count=1,
        first_error=text,
        last_error=text,
        text=text,
        reason=AlertKind.NOTED.name.lower(),
        opened_ms=at_ms,
        updated_ms=at_ms,
        resolved_ms=at_ms,
        severity=SEVERITIES[rule],
    )
    alert.state = ALERT_TRANSITIONS[NONE][AlertKind.NOTED]
    touch_alert(state, alert)
    put_notice(state, alert, at_ms)
    return alert


def acknowledge(state: State, alert: Alert, by: str, comment: str, at_ms: int) -> None:
    """Somebody takes care: nobody is told again for a day. An alert without a task is closed by it."""
    alert.by, alert.comment = by, comment
    alert.acknowledged_ms = at_ms
    if alert.rule == RULE_JOB_FAILED and alert.task is None:
        resolve(state, alert, AlertKind.BY_HAND, at_ms)
        return
    alert.state = ALERT_TRANSITIONS[alert.state][AlertKind.ACKNOWLEDGED]
    touch_alert(state, alert)
    announce(state, alert, Change.ACKNOWLEDGED, at_ms)


def resolve_by_hand(state: State, alert: Alert, by: str, comment: str, at_ms: int) -> None:
    """Somebody says that it is over."""
    alert.by, alert.comment = by, comment
    resolve(state, alert, AlertKind.BY_HAND, at_ms)


def lapse(state: State, alert: Alert, at_ms: int) -> None:
    """An acknowledgement holds no more: what still fires is told again."""
    if alert.state == ACKNOWLEDGED:
        alert.state = ALERT_TRANSITIONS[ACKNOWLEDGED][AlertKind.LAPSED]
        touch_alert(state, alert)
        announce(state, alert, Change.RAISED, at_ms)


def settle(state: State, fingerprint: str, at_ms: int) -> Alert | None:
    """A problem that came and went is stable: if it is there now, it is told. The alert that is open then."""
    state.flaps.pop(fingerprint, None)
    state.changes.is_watch_dirty = True
    alert = state.open_by_fingerprint.get(fingerprint)
    if alert is not None and alert.state == FIRING:
        announce(state, alert, Change.RAISED, at_ms)
    return alert


def _move(state: State, alert: Alert, kind: AlertKind, at_ms: int) -> None:
    """Along the table; what comes and goes too often is told once as such, and kept quiet from then on."""
    was_known = alert.state in (FIRING, ACKNOWLEDGED)
    alert.state = ALERT_TRANSITIONS[alert.state][kind]
    is_known = alert.state in (FIRING, ACKNOWLEDGED)
    if was_known == is_known:
        return
    state.changes.is_watch_dirty = True
    if note_change(state.flaps, alert.fingerprint, alert.alert_id, at_ms, is_opened=is_known):
        alert.text = f"{alert.text}; it comes and goes, and is told again once it was stable for {span_text(QUIET_MS)}"


def _begin(alert: Alert, check: Check | None, at_ms: int) -> None:
    alert.opened_ms = at_ms
    if check is not None:
        alert.severity = SEVERITIES.get(alert.rule, check.expected.severity)
        alert.labels = dict(check.expected.labels)
        alert.owner = check.expected.owner
        alert.runbook_url = check.expected.runbook_url
        alert.last_success_ms = check.last_success_ms


def _open_alert(state: State, job: Job, error: str) -> Alert:
    """
    The open alert for a job's failure; a new one, not yet firing, where there is none.

    Jobs of `OTHER` are of many tasks: one must not end what another has begun, so they are told apart like jobs of none.
    """
    task = None if job.task == OTHER else job.task
    fingerprint = fingerprint_of(RULE_JOB_FAILED, task, job.queue, error)
    found = state.open_by_fingerprint.get(fingerprint)
    if found is None and task is None and state.open_without_task >= OPEN_WITHOUT_TASK_MAX:
        fingerprint = fingerprint_of(RULE_JOB_FAILED, None, job.queue, OTHER)
        found = state.open_by_fingerprint.get(fingerprint)
    if found is not None:
        return found
    alert = Alert(
        alert_id=f"{fingerprint}-{job.refs[-1]}",
        fingerprint=fingerprint,
        rule=RULE_JOB_FAILED,
        task=task,
        queue=job.queue,
    )
    state.open_by_fingerprint[fingerprint] = state.open_by_id[alert.alert_id] = alert
    if task is not None:
        state.open_by_task[task] = alert
    else:
        state.open_without_task += 1
    return alert


def leave(state: State, job: Job, at_ms: int) -> Alert | None:
    """Take a job off the alert on which it stands; the last one to leave an alert without a task resolves it."""
    alert = state.open_by_id.get(job.alert_id or "")
    job.alert_id = None
    if alert is None:
        return None
    alert.jobs_failed -= 1
    touch_alert(state, alert)
    if alert.jobs_failed == 0 and alert.state != RESOLVED and alert.task is None:
        resolve(state, alert, AlertKind.SUCCEEDED, at_ms)
        return alert
    return None
