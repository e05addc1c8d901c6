"""What reports and events do to the checks: they are set and removed, their runs start and end, their slots are judged."""

from __future__ import annotations

from typing import Final

from jobsight.core.alert import Alert, AlertKind
from jobsight.core.alerting import end_condition, find_condition, open_condition, resolve
from jobsight.core.check import (
    RUNS_ACTIVE_MAX,
    RUNS_KEPT,
    SLOTS_KEPT,
    STARTS_KEPT,
    Check,
    EndedRun,
    Expectation,
    Origin,
    Run,
    is_start_of,
    start_deadline_ms,
)
from jobsight.core.events import AnyReport, DeadlinePassed, JobCompleted, RunsJudged
from jobsight.core.gaps import extended_ms, is_unseen
from jobsight.core.job import CANCELLED, COMPLETED, LOST, NEW, QUEUED, TERMINAL, Job
from jobsight.core.limits import CHECKS_BY_REPORT_MAX
from jobsight.core.rules import FAILURE_RATE, JOB_RULES, MISSED, OVERDUE, OVERLAP, RUN_RULES
from jobsight.core.spans import span_text
from jobsight.core.state import State, touch_alert, touch_check
from jobsight.core.times import happened_ms


def set_check(
    state: State, task: str, expected: Expectation, origin: Origin, author: str, place: int, at_ms: int
) -> None:
    """
    Expect something of a task from here on. What is known of its runs stays; a new schedule is waited for anew.

    A report changes nothing where the config file or the API has spoken, the API nothing where the config file has.
    """
    old = state.checks.get(task)
    if origin == Origin.REPORT:
        if old is not None and (old.origin != Origin.REPORT or old.expected == expected):
            return
        if old is None and len(state.checks) >= CHECKS_BY_REPORT_MAX:
            return
    elif origin == Origin.API and old is not None and old.origin == Origin.CONFIG:
        return
    if old is None:
        check = Check(task=task, expected=expected, origin=origin, author=author, revision=place, since_ms=at_ms)
        state.checks[task] = check
        touch_check(state, check)
        return
    is_same_schedule = (old.expected.schedule, old.expected.tz) == (expected.schedule, expected.tz)
    old.expected, old.origin, old.author, old.revision = expected, origin, author, place
    if not is_same_schedule:
        old.since_ms, old.slot_ms = at_ms, None
    touch_check(state, old)


def remove_check(state: State, task: str, at_ms: int) -> list[Alert]:
    """Expect nothing of a task any more; what was found at it ends. Returns what was resolved."""
    check = state.checks.pop(task, None)
    if check is None:
        return []
    state.changes.checks[task] = check
    rules = (MISSED, *JOB_RULES, *RUN_RULES, FAILURE_RATE, OVERLAP)
    ended = [end_condition(state, rule, task, at_ms) for rule in rules]
    return [alert for alert in ended if alert is not None]


def adopt_active(state: State, tasks: set[str]) -> None:
    """Watch the jobs of these tasks that were active before anything was expected of them."""
    for job in state.jobs.values():
        if job.task in tasks and job.status not in TERMINAL and job.status != QUEUED:
            check = state.checks.get(job.task or "")
            if check is not None and job.job_id not in check.runs and len(check.runs) < RUNS_ACTIVE_MAX:
                started_ms = job.started_ms if job.started_ms is not None else job.created_ms
                check.runs[job.job_id] = Run(job_id=job.job_id, started_ms=started_ms)
                touch_check(state, check)


def follow(state: State, check: Check, job: Job, event: AnyReport, old: str, at_ms: int) -> list[Alert]:
    """
    A report has moved a job of a watched task: note its start and its end.

    Args:
        old: Where the job stood before.
        at_ms: Accept time, ms UTC; what counts is when it happened, by the report's own time.

    Returns:
        Alerts that were resolved by it.
    """
    new = job.status
    told_ms = happened_ms(event.at, at_ms)
    resolved: list[Alert] = []
    if old == LOST and new not in TERMINAL:
        check.runs[job.job_id] = Run(job_id=job.job_id, started_ms=told_ms)
        resolved += hear(state, check, job, at_ms)
    elif new not in (old, QUEUED) and old in _BEFORE_START and not (new == CANCELLED and old in (NEW, QUEUED)):
        duration_ms = event.duration_ms if isinstance(event, JobCompleted) else None
        is_known = isinstance(duration_ms, int | float)
        started_ms = told_ms - round(duration_ms) if is_known and new in TERMINAL else told_ms  # type: ignore[arg-type]
        resolved += _start(state, check, job, started_ms, at_ms)
    if new in TERMINAL and (old != new or job.job_id in check.runs):
        resolved += _end(state, check, job, told_ms, at_ms)
    elif job.job_id in check.runs and OVERDUE in check.runs[job.job_id].fired:
        resolved += hear(state, check, job, at_ms)
    return resolved


_BEFORE_START: Final = frozenset({NEW, QUEUED, *TERMINAL} - {LOST})


def _start(state: State, check: Check, job: Job, started_ms: int, at_ms: int) -> list[Alert]:
    touch_check(state, check)
    slot_ms = _slot_of(check, started_ms)
    if len(check.runs) < RUNS_ACTIVE_MAX:
        check.runs[job.job_id] = Run(job_id=job.job_id, started_ms=started_ms, slot_ms=slot_ms)
    check.last_start_ms = max(started_ms, check.last_start_ms or 0)
    if check.expected.schedule is not None:
        if len(check.runs) > 1 and job.status not in TERMINAL:
            text = f"{len(check.runs)} runs at once"
            find_condition(state, OVERLAP, check, text, job.refs[-1], at_ms, job=job)
        check.starts = (*check.starts, started_ms)[-STARTS_KEPT:]
    retracted = _retract(check, started_ms)
    alert = open_condition(state, MISSED, check.task)
    if retracted is not None and alert is not None and not check.missed:
        late = span_text(at_ms - started_ms)
        alert.text = f"retracted: it ran on time, the report came {late} late"
        check.missed_in_row = 0
        resolve(state, alert, AlertKind.RETRACTED, at_ms)
        return [alert]
    if started_ms > (check.judged_ms or 0) - check.expected.early_margin_ms:
        check.missed_in_row = 0
        check.missed = ()
        if alert is not None:
            resolve(state, alert, AlertKind.ENDED, at_ms)
            return [alert]
    return []


def _slot_of(check: Check, started_ms: int) -> int | None:
    """The slot that a start belongs to: the one that is waited for, else the last one before it."""
    if check.slot_ms is not None and started_ms >= check.slot_ms - check.expected.early_margin_ms:
        return check.slot_ms
    return check.judged_ms if check.judged_ms is not None and started_ms >= check.judged_ms else None


def _retract(check: Check, started_ms: int) -> int | None:
    """Take back a slot that was called missed; None where there is none for this start."""
    for slot_ms in check.missed:
        if is_start_of(check, slot_ms, started_ms):
            check.missed = tuple(one for one in check.missed if one != slot_ms)
            check.missed_in_row = max(0, check.missed_in_row - 1)
            return slot_ms
    return None


def _end(state: State, check: Check, job: Job, ended_ms: int, at_ms: int) -> list[Alert]:
    touch_check(state, check)
    run = check.runs.pop(job.job_id, None)
    check.last_end_ms = ended_ms
    # A lost job stays the business of somebody until the task has run well again.
    rules = [rule for rule in JOB_RULES if not (rule == OVERDUE and job.status == LOST)]
    resolved = [end_condition(state, rule, check.task, at_ms, job_id=job.job_id) for rule in rules]
    if len(check.runs) <= 1 and check.expected.schedule is not None:
        resolved.append(end_condition(state, OVERLAP, check.task, at_ms))
    if job.status != CANCELLED:
        is_success = job.status == COMPLETED
        told_ms = job.duration_ms if is_success else None
        started_ms = run.started_ms if run is not None else None
        duration_ms = round(told_ms) if told_ms is not None else None
        if duration_ms is None and started_ms is not None and ended_ms > started_ms:
            duration_ms = ended_ms - started_ms
        check.ends += 1
        ended = EndedRun(
            number=check.ends,
            job_id=job.job_id,
            is_success=is_success,
            ended_ms=ended_ms,
            duration_ms=duration_ms,
            out_of_bounds=_out_of_bounds(check, job) if is_success else None,
        )
        check.ended = (*check.ended[1 - RUNS_KEPT :], ended)
        if is_success:
            check.last_success_ms = max(ended_ms, check.last_success_ms or 0)
            check.failures_in_row, check.successes_in_row = 0, check.successes_in_row + 1
            resolved.append(_forget_lost(state, check, at_ms))
        else:
            check.failures_in_row, check.successes_in_row = check.failures_in_row + 1, 0
    return [alert for alert in resolved if alert is not None]


def _forget_lost(state: State, check: Check, at_ms: int) -> Alert | None:
    """The task has run well: nobody needs to look after its lost jobs any more. The alert, if that was all it was about."""
    alert = open_condition(state, OVERDUE, check.task)
    if alert is None:
        return None
    left = [job_id for job_id in alert.job_ids if job_id in check.runs]
    if left:
        if left != alert.job_ids:
            alert.job_ids = left
            touch_alert(state, alert)
        return None
    resolve(state, alert, AlertKind.SUCCEEDED, at_ms)
    return alert


def lose(state: State, check: Check, job: Job, text: str, place: int, at_ms: int) -> list[Alert]:
    """A job of a watched task has become lost: that counts as a failed run, and somebody is told."""
    run = check.runs.get(job.job_id)
    is_told = run is not None and OVERDUE in run.fired
    changed = _end(state, check, job, at_ms, at_ms)
    if not is_told:
        changed.append(find_condition(state, OVERDUE, check, text, place, at_ms, job=job))
    return changed


def _out_of_bounds(check: Check, job: Job) -> str | None:
    """The first measure of a completed job that lies outside of its bounds, in words."""
    usage = job.resource_usage or {}
    for name, bounds in check.expected.measures.items():
        value = usage.get(name)
        if value is None:
            continue
        if bounds.min is not None and value < bounds.min:
            return f"{name} is {value}, at least {bounds.min} is expected"
        if bounds.max is not None and value > bounds.max:
            return f"{name} is {value}, at most {bounds.max} is expected"
    return None


def hear(state: State, check: Check, job: Job, at_ms: int) -> list[Alert]:
    """An overdue job was heard again: it may fall silent once more."""
    run = check.runs.get(job.job_id)
    if run is not None:
        run.fired.pop(OVERDUE, None)
        touch_check(state, check)
    ended = end_condition(state, OVERDUE, check.task, at_ms, job_id=job.job_id)
    return [] if ended is None else [ended]


def judge_slot(state: State, event: DeadlinePassed, place: int, at_ms: int) -> list[Alert]:
    """
    The grace of a slot is over: was it met?

    A slot within a time in which nothing could be seen is unknown, not missed.
    """
    check = state.checks.get(event.subject)
    if check is None or check.slot_ms is None or check.revision != event.revision or check.slot_ms != event.basis_ms:
        return []
    if extended_ms(state.gaps, check.slot_ms, start_deadline_ms(check, check.slot_ms)) != event.deadline_ms:
        return []
    slots = event.slots or [check.slot_ms]
    missed = [
        slot_ms for slot_ms in slots if not (_take_start(state, check, slot_ms) or is_unseen(state.gaps, slot_ms))
    ]
    check.judged_ms, check.slot_ms = slots[-1], event.next_ms
    touch_check(state, check)
    if not missed:
        return []
    check.missed = (*check.missed, *missed)[-SLOTS_KEPT:]
    check.missed_in_row += len(missed)
    count = check.missed_in_row
    what = "a run is missing" if count == 1 else f"{count} runs in a row are missing"
    grace = span_text(check.expected.start_grace_ms)
    text = f"{what}: none has started within {grace} of its time ({check.expected.schedule}, {check.expected.tz})"
    return [find_condition(state, MISSED, check, text, place, at_ms)]


def _take_start(state: State, check: Check, slot_ms: int) -> bool:
    """Whether a run has started for a slot: the first start within its time is taken, and counts for no other slot."""
    first_ms = slot_ms - check.expected.early_margin_ms
    last_ms = extended_ms(state.gaps, slot_ms, start_deadline_ms(check, slot_ms))
    starts = sorted(started_ms for started_ms in check.starts if started_ms >= first_ms)
    is_met = bool(starts) and starts[0] <= last_ms
    check.starts = tuple(starts[1:] if is_met else starts)
    return is_met


def judge_runs(state: State, event: RunsJudged, place: int, at_ms: int) -> list[Alert]:
    """The ended runs of a task were looked at; a run that is as it should be ends what was found at the one before."""
    check = state.checks.get(event.task)
    if check is None or event.upto <= check.judged_ends:
        return []
    check.judged_ends = event.upto
    touch_check(state, check)
    changed: list[Alert] = []
    found = {rule: (job_id, text) for rule, job_id, text in event.findings}
    for rule in RUN_RULES:
        if rule in found:
            job_id, text = found[rule]
            changed.append(find_condition(state, rule, check, text, place, at_ms, job_id=job_id))
        elif check.ended and check.ended[-1].is_success:
            ended = end_condition(state, rule, check.task, at_ms)
            changed += [] if ended is None else [ended]
    return changed
