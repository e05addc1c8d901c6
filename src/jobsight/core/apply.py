"""
`apply`: what events do to the state. Arithmetic only: the same batches give the same state, on any machine, for ever.

The loop is the hot path: one dictionary look-up for the job, one for the handler, and then only what the event really changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast
from zlib import crc32

import msgspec
from msgspec import UNSET

from jobsight.core.alert import FIRING, PENDING, AlertKind
from jobsight.core.alerting import count_failure, leave, resolve, succeed
from jobsight.core.applied import Applied as Applied
from jobsight.core.check import Origin
from jobsight.core.checks import follow, set_check
from jobsight.core.deadlines import UNCONFIRMED_MS
from jobsight.core.deadlines import silence_deadline_ms as silence_deadline_ms
from jobsight.core.events import (
    AnyReport,
    Batch,
    CancelledWithCheck,
    CompletedWithCheck,
    FailedWithCheck,
    Heartbeat,
    HeartbeatWithCheck,
    JobCancelled,
    JobCompleted,
    JobFailed,
    StatusUpdate,
    UpdateWithCheck,
)
from jobsight.core.internal import apply_internal as apply_internal
from jobsight.core.job import COMPLETED, FAILED, TERMINAL, Job, Kind, next_status
from jobsight.core.lifecycle import (
    UNKNOWN_ERROR,
    admitted_task,
    adopt,
    count_end,
    cut_text,
    end_ms,
    is_late,
    new_job,
    note_end,
    rollup_for,
    set_duration,
    stand,
)
from jobsight.core.rollup import count_duration, count_measures
from jobsight.core.state import State

RULES_VERSION: Final = 1
"""Grows when the same events would give another state than before; stands with every batch in the log."""

_INDEX: Final = (1 << 20) - 1
"""The bits of an event's place that are its index in its batch; the others are the batch's number."""

_MSG_ID: Final = (1 << 30) - 1
"""The bits of a report's number that stand in its digest."""

_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines


def apply(state: State, batch: Batch, start: int = 0, stop: int | None = None) -> Applied:
    """
    Bring the state forward by a batch of reports, or by those from `start` to `stop`.

    Args:
        state: Changed in place. It must hold every job of the batch that was ever seen; the caller fetches those from the view.
        batch: Stored reports.
        start, stop: Indexes into the batch; its end by default.

    Returns:
        What the replies and the dispatcher need to know beyond the reports themselves.
    """
    applied = Applied()
    jobs, dirty, checks = state.jobs, state.changes.jobs, state.checks
    events, sources, at_ms = cast("list[AnyReport]", batch.events), batch.sources, batch.accept_ms
    stop = len(events) if stop is None else stop
    places = range(batch.seq << 20 | start, batch.seq << 20 | stop)
    for place, event, source in zip(places, events[start:stop], sources[start:stop], strict=True):
        job = jobs.get(event.job_id)
        if job is None:
            job = new_job(state, event, at_ms)
        elif (job.last_digest if (known := job.last_event) is None else known.msg_id == event.msg_id) and _is_repeat(
            job, event, source
        ):
            _hear_again(state, job, event, applied, place & _INDEX, at_ms)
            continue
        if not job.is_dirty:
            job.is_dirty = True
            dirty.append(job)
        job.updated_ms = at_ms
        job.refs.append(place)
        job.last_event, job.last_source = event, source
        # For speed alone: what this takes, `_on_update` would treat alike; a property test holds the two together.
        if (
            type(event) is StatusUpdate
            and event.at is None
            and (event.task is None or event.task == job.task)
            and event.queue is None
            and event.host is None
            and event.labels is None
            and event.attempt is None
            and event.max_retries is None
            and event.message is None
            and ((status := event.status) == job.status or not (checks or status in TERMINAL))
        ):
            if status != job.status:
                stand(state, job, status, at_ms)
            progress = event.progress
            if progress is not UNSET and progress is not None:
                job.progress = progress
                if progress > job.progress_max:
                    job.progress_max, job.moved_ms = progress, at_ms
        else:
            handle = _take_watched if checks else _HANDLERS[type(event)]
            handle(state, job, event, applied, place & _INDEX, at_ms)
    state.changes.events += stop - start
    state.applied_seq = batch.seq
    return applied


def retry_limit(state: State, job: Job, event: JobFailed) -> int | None:
    """The retry limit that holds for a failure: the report's, the job's, its task's, the node's; None for none known."""
    if event.max_retries is not None:
        return event.max_retries
    if job.max_retries is not None:
        return job.max_retries
    check = state.checks.get(job.task) if job.task is not None else None
    if check is not None and check.expected.max_retries is not None:
        return check.expected.max_retries
    return state.retries_max


def digests(sources: list[str | None], events: Sequence[AnyReport]) -> list[int]:
    """
    A 63-bit digest of each report and its sender, for telling a repetition after the report itself has left the memory.

    A checksum that costs little and the number of the report: it is made for every job at every flush, and guards against
    accidents, not against malice (a worker that forges one hides a report of its own). 0 for a report without a number,
    which cannot be repeated; never 0 for another one.
    """
    raw = _encode_lines(list(zip(sources, events, strict=True))).split(b"\n")
    return [
        0 if (msg_id := event.msg_id) is UNSET or msg_id is None else (checksum << 30 | msg_id & _MSG_ID) << 1 | 1
        for checksum, event in zip(map(crc32, raw), events, strict=False)
    ]


def _is_repeat(job: Job, event: AnyReport, source: str | None) -> bool:
    """Whether a report is the job's last event once more: same sender, same message number, same body."""
    if event.msg_id is UNSET or event.msg_id is None:
        return False
    if job.last_event is not None:
        if job.last_event != event:
            return False
        # 25 equals 25.0, but they are written differently: only the text tells the same as the digest will tell later.
        return job.last_source == source and _encode(job.last_event) == _encode(event)
    return job.last_digest >> 1 & _MSG_ID == event.msg_id & _MSG_ID and [job.last_digest] == digests([source], [event])


def _hear_again(state: State, job: Job, event: AnyReport, applied: Applied, index: int, at_ms: int) -> None:
    """A repetition is a sign of life and nothing else; its reply is that of the first time."""
    if not job.is_dirty:
        job.is_dirty = True
        state.changes.jobs.append(job)
    job.updated_ms = at_ms
    if type(event) is JobFailed:
        limit = retry_limit(state, job, event)
        if limit is not None and _retries(event) < limit:
            applied.retrying[index] = limit


def _has_more(event: AnyReport) -> bool:
    """Whether a report carries any of the optional fields that `adopt` takes over."""
    return (
        event.task is not None
        or event.queue is not None
        or event.host is not None
        or event.labels is not None
        or event.attempt is not None
        or event.max_retries is not None
        or event.message is not None
    )


def _on_update(state: State, job: Job, event: StatusUpdate, applied: Applied, index: int, at_ms: int) -> None:
    if event.at is not None and is_late(job, event, at_ms):
        return
    if _has_more(event):
        adopt(state, job, event)
    old = job.status
    if event.status != old:
        status = next_status(old, Kind.UPDATED, event.status)
        stand(state, job, status, at_ms)
        if status in TERMINAL:
            note_end(job, event, at_ms, is_told_by_update=True)
            count_end(rollup_for(state, job, event.at, at_ms), status)
            if status == COMPLETED and state.open_by_id:
                _close_alert(state, job, applied, at_ms)
            elif status == FAILED:
                state.unconfirmed[job.job_id] = at_ms + UNCONFIRMED_MS
                state.changes.is_watch_dirty = True
    progress = event.progress
    if progress is not UNSET and progress is not None:
        job.progress = progress
        if progress > job.progress_max:
            job.progress_max = progress
            job.moved_ms = at_ms


def _on_completed(state: State, job: Job, event: JobCompleted, applied: Applied, index: int, at_ms: int) -> None:
    if event.at is not None and is_late(job, event, at_ms):
        return
    if _has_more(event):
        adopt(state, job, event)
    is_same_end = job.status == COMPLETED and job.is_end_told_by_update
    if job.status != COMPLETED:
        stand(state, job, next_status(job.status, Kind.COMPLETED), at_ms)
    job.ended_ms = end_ms(state, at_ms)
    duration_ms = event.duration_ms
    usage = event.resource_usage if event.resource_usage is not UNSET else None
    duration_us = None
    if duration_ms is not None and duration_ms is not UNSET:
        duration_us = set_duration(state, job, duration_ms)
    if usage is not None:
        job.resource_usage = usage
    note_end(job, event, at_ms, is_told_by_update=False)
    rollup = rollup_for(state, job, event.at, at_ms)
    if not is_same_end:
        count_end(rollup, COMPLETED)
    if duration_us is not None:
        count_duration(rollup, duration_us)
    if usage:
        count_measures(rollup, usage)
    if state.open_by_id and (job.alert_id is not None or job.task in state.open_by_task):
        _close_alert(state, job, applied, at_ms)


def _on_failed(state: State, job: Job, event: JobFailed, applied: Applied, index: int, at_ms: int) -> None:
    is_out_of_time = event.at is not None and is_late(job, event, at_ms)
    if not is_out_of_time and _has_more(event):
        adopt(state, job, event)
    retries = _retries(event)
    limit = retry_limit(state, job, event)
    has_retries_left = limit is not None and retries < limit
    error = cut_text(event.error) if event.error is not UNSET and event.error is not None else UNKNOWN_ERROR
    if has_retries_left and limit is not None:
        applied.retrying[index] = limit
    if is_out_of_time:
        if not has_retries_left:
            _note_late_failure(state, job, error, retries, applied, at_ms)
        return
    is_same_end = job.status == FAILED and job.is_end_told_by_update
    kind = Kind.RETRIES_LEFT if has_retries_left else Kind.RETRIES_OVER
    stand(state, job, next_status(job.status, kind), at_ms)
    job.error = error
    job.retries = retries
    if state.unconfirmed.pop(job.job_id, None) is not None:
        state.changes.is_watch_dirty = True
    if has_retries_left:
        return
    job.ended_ms = end_ms(state, at_ms)
    note_end(job, event, at_ms, is_told_by_update=False)
    if not is_same_end:
        count_end(rollup_for(state, job, event.at, at_ms), FAILED)
    applied.alerts.append(count_failure(state, job, error, retries, at_ms))


def _on_heartbeat(state: State, job: Job, event: Heartbeat, applied: Applied, index: int, at_ms: int) -> None:
    if event.at is not None and is_late(job, event, at_ms):
        return
    if _has_more(event):
        adopt(state, job, event)
    stand(state, job, next_status(job.status, Kind.HEARD), at_ms)


def _on_cancelled(state: State, job: Job, event: JobCancelled, applied: Applied, index: int, at_ms: int) -> None:
    if event.at is not None and is_late(job, event, at_ms):
        return
    if _has_more(event):
        adopt(state, job, event)
    status = next_status(job.status, Kind.CANCELLED)
    stand(state, job, status, at_ms)
    job.ended_ms = end_ms(state, at_ms)
    if event.reason is not UNSET and event.reason is not None:
        job.message = cut_text(event.reason)
    note_end(job, event, at_ms, is_told_by_update=False)
    count_end(rollup_for(state, job, event.at, at_ms), status)


def _retries(event: JobFailed) -> int:
    return event.retries if event.retries is not UNSET and event.retries is not None else 0


def _close_alert(state: State, job: Job, applied: Applied, at_ms: int) -> None:
    """A success resolves the alert of its task, or takes its job off the alert on which it stands."""
    applied.alerts += succeed(state, job, at_ms)


def _take_watched(state: State, job: Job, event: AnyReport, applied: Applied, index: int, at_ms: int) -> None:
    """Where something is expected of any task: let its check know what has become of the job."""
    old = job.status
    _HANDLERS[type(event)](state, job, event, applied, index, at_ms)
    check = state.checks.get(job.task or "")
    if check is not None:
        applied.alerts += follow(state, check, job, event, old, at_ms)


def _note_late_failure(state: State, job: Job, error: str, retries: int, applied: Applied, at_ms: int) -> None:
    """A final failure that reached us after the job's later end: it stands on an alert, which may need nobody any more."""
    alert = count_failure(state, job, error, retries, at_ms, is_told=job.status == FAILED)
    applied.alerts.append(alert)
    if job.status == FAILED:
        return
    leave(state, job, at_ms)
    if alert.count == 1 and alert.state in (FIRING, PENDING):
        resolve(state, alert, AlertKind.SUPERSEDED, at_ms)


def _on_report_with_check(state: State, job: Job, event: AnyReport, applied: Applied, index: int, at_ms: int) -> None:
    """What is expected of the task stands in the report itself; it holds for this report already."""
    is_first = not state.checks
    if event.task is not None and admitted_task(state, event.task) == event.task:
        expected = cast("UpdateWithCheck", event).check
        set_check(state, event.task, expected, Origin.REPORT, event.host or "", job.refs[-1], at_ms)
    old = job.status
    _HANDLERS[type(event).__mro__[1]](state, job, event, applied, index, at_ms)
    check = state.checks.get(job.task or "") if is_first else None
    if check is not None:
        applied.alerts += follow(state, check, job, event, old, at_ms)


_Handler = Callable[[State, Job, AnyReport, Applied, int, int], None]
_HANDLERS: Final[dict[type, _Handler]] = {
    StatusUpdate: cast("_Handler", _on_update),
    JobCompleted: cast("_Handler", _on_completed),
    JobFailed: cast("_Handler", _on_failed),
    Heartbeat: cast("_Handler", _on_heartbeat),
    JobCancelled: cast("_Handler", _on_cancelled),
    UpdateWithCheck: _on_report_with_check,
    CompletedWithCheck: _on_report_with_check,
    FailedWithCheck: _on_report_with_check,
    HeartbeatWithCheck: _on_report_with_check,
    CancelledWithCheck: _on_report_with_check,
}
