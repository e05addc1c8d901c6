"""
What a clock that was set back does to moments that were noted before: none of them may lie in the future.

Deadlines are counted from such moments. A clock that was wrong for an hour, by a year, would silence them for a year.
"""

from __future__ import annotations

from typing import Final

from jobsight.core.alert import Told
from jobsight.core.check import Check
from jobsight.core.deadlines import UNCONFIRMED_MS
from jobsight.core.decision import REPEAT_MS
from jobsight.core.gaps import Gap
from jobsight.core.groups import Group, plan
from jobsight.core.job import Job
from jobsight.core.state import State, touch_alert, touch_check

FAR_MS: Final = 86_400_000
"""A clock that is set back by less goes over the slots of its schedules twice, and they were met the first time."""


def lies_ahead(state: State, at_ms: int) -> bool:
    """
    Whether the state knows of a moment that has not come yet.

    So it is where reports were taken in under a clock that was wrong, and it was set right before anybody looked: what is
    seen then is a clock that goes on from the look before.
    """
    return (
        any(group.sent_ms is not None and group.sent_ms > at_ms for group in state.groups.values())
        or any(alert.updated_ms > at_ms for alert in state.open_by_id.values())
        or any(changed_ms > at_ms for flap in state.flaps.values() for changed_ms in flap.changes)
        or any(job.updated_ms > at_ms for job in state.jobs.values() if job.ended_ms is None)
    )


def set_back(state: State, by_ms: int, place: int, at_ms: int) -> None:
    """
    Begin anew, from now on, whatever is counted from a moment that has not come yet.

    Args:
        state: Changed in place.
        by_ms: By how much.
        place: In the log, of the event that tells of the new time: schedules are planned anew under it.
        at_ms: Accept time, ms UTC, by the clock as it is now.
    """
    state.changes.is_set_back = True
    state.gaps = [Gap(gap.from_ms, min(gap.to_ms, at_ms)) for gap in state.gaps if gap.from_ms < at_ms]
    for job in state.jobs.values():
        if job.ended_ms is None and max(job.updated_ms, job.moved_ms, job.started_ms or 0) > at_ms:
            _set_job(state, job, at_ms)
    for check in state.checks.values():
        _set_check(state, check, place if by_ms > FAR_MS else None, at_ms)
    for alert in state.open_by_id.values():
        alert.updated_ms = min(alert.updated_ms, at_ms)
        alert.told = {
            channel: Told(told.dedup_key, told.group, min(told.at_ms, at_ms), told.count)
            for channel, told in alert.told.items()
        }
        if alert.acknowledged_ms is not None:
            alert.acknowledged_ms = min(alert.acknowledged_ms, at_ms)
        touch_alert(state, alert)
    for group in state.groups.values():
        _set_group(state, group, at_ms)
    for flap in state.flaps.values():
        flap.changes = [min(changed_ms, at_ms) for changed_ms in flap.changes]
    soon_ms = at_ms + UNCONFIRMED_MS
    state.unconfirmed = {job_id: min(due_ms, soon_ms) for job_id, due_ms in state.unconfirmed.items()}


def _set_job(state: State, job: Job, at_ms: int) -> None:
    job.updated_ms = min(job.updated_ms, at_ms)
    job.moved_ms = min(job.moved_ms, at_ms)
    if job.started_ms is not None:
        job.started_ms = min(job.started_ms, at_ms)
    if not job.is_dirty:
        job.is_dirty = True
        state.changes.jobs.append(job)


def _set_check(state: State, check: Check, place: int | None, at_ms: int) -> None:
    for run in check.runs.values():
        run.started_ms = min(run.started_ms, at_ms)
        run.fired = {rule: min(basis_ms, at_ms) for rule, basis_ms in run.fired.items()}
    if place is not None and check.slot_ms is not None and check.slot_ms > at_ms:
        check.since_ms, check.slot_ms, check.revision = at_ms, None, place
    touch_check(state, check)


def _set_group(state: State, group: Group, at_ms: int) -> None:
    if group.sent_ms is not None:
        group.sent_ms = min(group.sent_ms, at_ms)
    if group.repeat_ms is not None:
        group.repeat_ms = min(group.repeat_ms, at_ms + REPEAT_MS)
    group.due_ms = None
    plan(group, at_ms)
    if not group.is_dirty:
        group.is_dirty = True
        state.changes.groups[group.key] = group
